"""What an exported model takes and answers: raw values by name, or the content of image files."""

import re

import keras
import numpy as np

from zoo.arguments import nearest
from zoo.explain.score import kind, squash

TOP = 5  # classes that an answer names, the likeliest first
FILES = (1, 3, 4)  # bands that PNG has in common with TensorFlow's decoder


class Signatures:
    """A model behind its preprocessing, as graphs from raw inputs to named answers.

    Args:
        model: functional or Sequential, built.
        preprocessing: model from raw inputs to the model's, or None.
        classes: names of the outputs, or None.
    Raises:
        ValueError: if a model is not built, or the classes do not fit the answer.
    """

    def __init__(self, model, preprocessing, classes):
        if keras.backend.backend() != "tensorflow":
            raise ValueError(f"Keras must run on TensorFlow, this is {keras.backend.backend()}.")
        _verify_built("model", model)
        if preprocessing is not None:
            _verify_built("preprocessing", preprocessing)
        self.model, self.preprocessing, self.classes = model, preprocessing, classes
        front = preprocessing or model
        self.structure = front.inputs[0] if isinstance(front, keras.Sequential) else front.input
        self.inputs = _named(self.structure)
        self.end = squash(model)
        self.yes_or_no = self._verify_classes()

    def _verify_classes(self):
        """Whether the classes are the two of a single sigmoid."""
        if self.classes is None:
            return False
        shapes, count = [tuple(o.shape) for o in self.model.outputs], len(self.classes)
        if len(set(self.classes)) < count:
            raise ValueError(f"`classes` must differ from each other, got {self.classes}.")
        single = len(shapes) == 1 and len(shapes[0]) == 2
        if single and shapes[0][-1] == 1 and count == 2 and self.end is not None and kind(self.end) == "sigmoid":
            return True
        if not single or shapes[0][-1] != count:
            raise ValueError(f"`classes` must name each output of (B, classes); got {count} names for {shapes}.")
        return False

    def specs(self):
        """The TensorSpec of each raw input, the batch being free."""
        import tensorflow as tf

        return [tf.TensorSpec((None, *t.shape[1:]), t.dtype, name=n) for n, t in self.inputs.items()]

    def prepared(self, raw):
        """The model's input from raw tensors by name."""
        values = [raw[name] for name in self.inputs]
        if isinstance(self.structure, dict):
            raw = dict(zip(self.structure, values, strict=True))
        else:
            raw = keras.tree.pack_sequence_as(self.structure, values)
        return raw if self.preprocessing is None else self.preprocessing(raw, training=False)

    def named(self, answer):
        """The model's answer as a dict of tensors, real numbers being float32."""
        import tensorflow as tf

        answer = keras.tree.map_structure(tf.convert_to_tensor, answer)
        if not isinstance(answer, dict):
            several = isinstance(answer, list | tuple)
            single = "values" if self.end is None else "probabilities"
            names = self.model.output_names if several else [single]
            answer = dict(zip(names, answer if several else [answer], strict=True))
        return {n: tf.cast(a, "float32") if a.dtype.is_floating else a for n, a in answer.items()}

    def answer(self, prepared):
        """What a signature answers: the model's answer by name and, where classes have names, the best of them."""
        import tensorflow as tf

        named = self.named(self.model(prepared, training=False))
        if self.classes is None:
            return named
        scores, order = tf.math.top_k(self.per_class(*named.values()), min(TOP, len(self.classes)))
        return {**named, "classes": tf.gather(tf.constant(self.classes), order), "scores": scores}

    def per_class(self, answer):
        """(B, classes) from the model's answer; of a single sigmoid, no and yes."""
        import tensorflow as tf

        return tf.concat([1 - answer, answer], axis=-1) if self.yes_or_no else answer

    def by_value(self, *raw):
        """The graph of `serving_default`."""
        return self.answer(self.prepared(dict(zip(self.inputs, raw, strict=True))))

    def by_file(self, image_bytes):
        """The graph of `serving_bytes`."""
        import tensorflow as tf

        ((name, raw),) = self.inputs.items()
        if self.resized() or self.preprocessing is None:
            spec = tf.TensorSpec(raw.shape[1:], raw.dtype)
            images = tf.map_fn(self._decode, image_bytes, fn_output_signature=spec)
            return self.answer(self.prepared({name: images}))
        # Photos that differ in size can only be put together once each has been prepared.
        made = self.preprocessing.outputs[0]
        prepared = tf.map_fn(
            lambda data: tf.cast(self.prepared({name: self._decode(data)[None]})[0], made.dtype),
            image_bytes,
            fn_output_signature=tf.TensorSpec(made.shape[1:], made.dtype),
        )
        return self.answer(prepared)

    def resized(self):
        """Whether the raw input's size is fixed, so that files are brought to it."""
        (raw,) = self.inputs.values()
        return None not in raw.shape[1:3]

    def one_size(self):
        """Whether images of different sizes reach the model in one size."""
        return self.preprocessing is not None and None not in self.preprocessing.outputs[0].shape[1:]

    def _decode(self, data):
        """(H, W, C) of the raw input's type from a file; the first frame of an animation."""
        import tensorflow as tf

        (raw,) = self.inputs.values()
        image = tf.io.decode_image(data, channels=raw.shape[-1], expand_animations=False)
        image.set_shape((None, None, raw.shape[-1]))
        if self.resized():
            image = tf.image.resize(image, raw.shape[1:3], antialias=True)
            image = tf.round(image) if "int" in raw.dtype else image
        return tf.saturate_cast(image, raw.dtype)

    def no_files(self, batches):
        """Why there is no `serving_bytes`, empty where there is; None where the raw input is no image.

        Args:
            batches: raw inputs by name, which show whether a float image has the values of a file.
        """
        raw = next(iter(self.inputs.values()))
        if len(self.inputs) > 1 or len(raw.shape) != 4:
            return None
        if raw.shape[-1] not in FILES:
            return f"no serving_bytes: an image of {raw.shape[-1]} bands does not come as PNG or JPEG"
        values = np.concatenate([np.ravel(v) for batch in batches for v in batch.values()])
        whole = np.array_equal(values, np.clip(np.round(values), 0, 255)) and values.max() > 1
        if raw.dtype != "uint8" and not whole:
            return "no serving_bytes: the raw inputs are not whole numbers from 0 to 255"
        return ""

    def batches(self, inputs):
        """Raw examples as batches by name: the first and all; images that differ in size one by one.

        Raises:
            ValueError: if they are not what the model takes.
        """
        if hasattr(inputs, "columns"):
            inputs = {column: inputs[column].to_numpy() for column in inputs.columns}
        if not isinstance(inputs, dict):
            if isinstance(inputs, list | tuple) and len(self.inputs) > 1:
                return _first_and_all(self._fitting(inputs))
            if isinstance(inputs, list | tuple) and len({np.shape(image) for image in inputs}) > 1:
                return [self._fitting([np.asarray(image)[None]]) for image in inputs]
            return _first_and_all(self._fitting([inputs]))
        known = dict(zip(self.structure if isinstance(self.structure, dict) else self.inputs, self.inputs, strict=True))
        for name in inputs:
            if name not in known:
                raise ValueError(f"`inputs` has {name!r}, which the model does not take.{nearest(name, known)}")
        for name in known:
            if name not in inputs:
                raise ValueError(f"`inputs` lacks {name!r}; the model takes {', '.join(map(repr, known))}.")
        return _first_and_all(self._fitting([inputs[name] for name in known]))

    def _fitting(self, arrays):
        """Arrays by name, in the types and ranks of the raw inputs."""
        if len(arrays) != len(self.inputs):
            raise ValueError(
                f"`inputs` must be {len(self.inputs)} arrays, {', '.join(self.inputs)}; got {len(arrays)}."
            )
        found = {n: _as(n, np.asarray(a), t) for a, (n, t) in zip(arrays, self.inputs.items(), strict=True)}
        counts = {n: len(a) for n, a in found.items()}
        if len(set(counts.values())) != 1 or 0 in counts.values():
            raise ValueError(f"`inputs` must hold the same number of examples each, at least 1; got {counts}.")
        return found


def _verify_built(name, model):
    if not isinstance(model, keras.Model):
        raise ValueError(f"`{name}` must be a keras.Model, got {type(model).__name__}.")
    if not model.built:
        raise ValueError(f"`{name}` must be built: give {model.name} an Input, or call it once.")
    if not getattr(model, "inputs", None):
        wrapped = "x = keras.Input(...); keras.Model(x, model(x))"
        raise ValueError(f"`{name}` must be functional or Sequential; wrap the subclass {model.name}: {wrapped}.")


def _named(structure):
    """The raw inputs by names that a signature can have."""
    tensors = keras.tree.flatten(structure)
    names = list(structure) if isinstance(structure, dict) else [t.name for t in tensors]
    tensors = list(structure.values()) if isinstance(structure, dict) else tensors
    # Keras numbers what its user has not named, differently in every session.
    unnamed = [re.fullmatch(r"(keras_tensor|input_layer)(_\d+)?", n) for n in names]
    names = [
        ("inputs" if len(names) == 1 else f"inputs_{i}") if un else re.sub(r"\W", "_", n, flags=re.ASCII)
        for i, (n, un) in enumerate(zip(names, unnamed, strict=True))
    ]
    if len(set(names)) < len(names):
        raise ValueError(f"the inputs must have different names of ASCII letters, digits and _, got {names}.")
    return dict(zip(names, tensors, strict=True))


def _as(name, array, raw):
    """`array` as the raw input takes it; nothing but the precision of real numbers may get lost."""
    if raw.dtype == "string":
        array = array if array.dtype.kind == "S" else np.char.encode(array.astype(str), "utf-8")
    elif array.dtype.kind not in "fiub" and array.dtype != object:
        raise ValueError(f"`inputs`: {name} must be {raw.dtype}, got {array.dtype}.")
    elif str(array.dtype) != raw.dtype:
        converted = array.astype(raw.dtype)
        if "float" not in raw.dtype and not np.array_equal(converted, array):
            raise ValueError(f"`inputs`: {name} must be {raw.dtype}, got {array.dtype} with other values.")
        array = converted
    if array.ndim == len(raw.shape) - 1 and raw.shape[-1] == 1:
        array = array[..., None]  # a column
    wanted = tuple(raw.shape)
    if array.ndim != len(wanted) or any(w not in (None, a) for w, a in zip(wanted[1:], array.shape[1:], strict=True)):
        raise ValueError(f"`inputs`: {name} must have the shape {wanted}, got {array.shape}.")
    return array


def _first_and_all(batch):
    first = {name: values[:1] for name, values in batch.items()}
    return [first, batch] if len(next(iter(batch.values()))) > 1 else [first]
