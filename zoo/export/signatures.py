"""What an exported model takes and answers: raw values by name, or the content of image files."""

import keras
import numpy as np

from zoo.export import image_decoding, input_adapter
from zoo.introspect import last_spatial
from zoo.introspect.output_activation import activation_name, activation_operation

TOP = 5  # classes that an answer names, the likeliest first
FILES = (1, 3, 4)  # bands that PNG has in common with TensorFlow's decoder


class Signatures:
    """A model behind its preprocessing, as graphs from raw inputs to named answers.

    Args:
        model: functional or Sequential, built.
        preprocessing: model from raw inputs to the model's, or None.
        classes: names of the outputs, or None.
        training_statistics: what training saw (`zoo.export.training_statistics.Seen`), for the output `skew`; None for none.
    Raises:
        ValueError: if a model is not built, or the classes do not fit the answer.
    """

    def __init__(self, model, preprocessing, classes, training_statistics=None):
        if keras.backend.backend() != "tensorflow":
            raise ValueError(f"Keras must run on TensorFlow, this is {keras.backend.backend()}.")
        _verify_built("model", model)
        if preprocessing is not None:
            _verify_built("preprocessing", preprocessing)
        self.model, self.preprocessing, self.classes = model, preprocessing, classes
        front = preprocessing or model
        self.structure = front.inputs[0] if isinstance(front, keras.Sequential) else front.input
        self.inputs = input_adapter.named(self.structure)
        self.training_statistics = (
            None if training_statistics is None else training_statistics.of(self.structure, self.inputs)
        )
        self.end = activation_operation(model)
        self.yes_or_no = self._verify_classes()
        self.backbone = backbone(model)

    def _verify_classes(self):
        """Whether the classes are the two of a single sigmoid."""
        if self.classes is None:
            return False
        shapes, count = [tuple(o.shape) for o in self.model.outputs], len(self.classes)
        if len(set(self.classes)) < count:
            raise ValueError(f"`classes` must differ from each other, got {self.classes}.")
        single = len(shapes) == 1 and len(shapes[0]) == 2
        if (
            single
            and shapes[0][-1] == 1
            and count == 2
            and self.end is not None
            and activation_name(self.end) == "sigmoid"
        ):
            return True
        if not single or shapes[0][-1] != count:
            raise ValueError(f"`classes` must name each output of (B, classes); got {count} names for {shapes}.")
        return False

    def of(self, model):
        """The same signatures of another model in this one's place."""
        return Signatures(model, self.preprocessing, self.classes, self.training_statistics)

    def specs(self):
        """The TensorSpec of each raw input, the batch being free."""
        import tensorflow as tf

        return [tf.TensorSpec((None, *t.shape[1:]), t.dtype, name=n) for n, t in self.inputs.items()]

    def endpoints(self, names):
        """The signatures of these names: name -> (graph, TensorSpecs)."""
        import tensorflow as tf

        known = {
            "serving_default": (self.by_value, self.specs()),
            "serving_bytes": (self.by_file, [tf.TensorSpec((None,), "string", name="image_bytes")]),
            "features": (self.by_backbone, self.specs()),
        }
        return {name: known[name] for name in names}

    def prepared(self, given):
        """The model's input from raw tensors by name."""
        values = [given[name] for name in self.inputs]
        if isinstance(self.structure, dict):
            given = dict(zip(self.structure, values, strict=True))
        else:
            given = keras.tree.pack_sequence_as(self.structure, values)
        return given if self.preprocessing is None else self.preprocessing(given, training=False)

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

    def skew(self, given):
        """How far raw tensors by name lie outside what training saw, where that is known: {"skew": (B, 3)} or {}."""
        return {} if self.training_statistics is None else {"skew": self.training_statistics.graph(given)}

    def by_value(self, *given):
        """The graph of `serving_default`."""
        given = dict(zip(self.inputs, given, strict=True))
        return {**self.answer(self.prepared(given)), **self.skew(given)}

    def by_backbone(self, *given):
        """The graph of `features`."""
        import tensorflow as tf

        prepared = self.prepared(dict(zip(self.inputs, given, strict=True)))
        return {"features": tf.cast(self.backbone(prepared, training=False), "float32")}

    def by_file(self, image_bytes):
        """The graph of `serving_bytes`."""
        import tensorflow as tf

        ((name, taken),) = self.inputs.items()
        if self.resized() or self.preprocessing is None:
            spec = tf.TensorSpec(taken.shape[1:], taken.dtype)
            given = {name: tf.map_fn(self._decode, image_bytes, fn_output_signature=spec)}
            return {**self.answer(self.prepared(given)), **self.skew(given)}
        # Photos that differ in size can only be put together once each has been prepared.
        made = self.preprocessing.outputs[0]

        def prepare(data):
            given = {name: self._decode(data)[None]}
            skew = {n: row[0] for n, row in self.skew(given).items()}
            return {"prepared": tf.cast(self.prepared(given)[0], made.dtype), **skew}

        kinds = {"prepared": tf.TensorSpec(made.shape[1:], made.dtype)}
        kinds |= {} if self.training_statistics is None else {"skew": tf.TensorSpec((3,), "float32")}
        each = tf.map_fn(prepare, image_bytes, fn_output_signature=kinds)
        return {**self.answer(each.pop("prepared")), **each}

    def resized(self):
        """Whether the raw input's size is fixed, so that files are brought to it."""
        (taken,) = self.inputs.values()
        return None not in taken.shape[1:3]

    def one_size(self):
        """Whether images of different sizes reach the model in one size."""
        return self.preprocessing is not None and None not in self.preprocessing.outputs[0].shape[1:]

    def _decode(self, data):
        """(H, W, C) of the raw input's type from a file."""
        import tensorflow as tf

        (taken,) = self.inputs.values()
        image = image_decoding.decode(data, taken.shape[-1])
        if self.resized():
            image = tf.image.resize(image, taken.shape[1:3], antialias=True)
            image = tf.round(image) if "int" in taken.dtype else image
        return tf.saturate_cast(image, taken.dtype)

    def no_files(self, batches):
        """Why there is no `serving_bytes`, empty where there is; None where the raw input is no image.

        Args:
            batches: raw inputs by name, which show whether a float image has the values of a file.
        """
        taken = next(iter(self.inputs.values()))
        if len(self.inputs) > 1 or len(taken.shape) != 4:
            return None
        if taken.shape[-1] not in FILES:
            return f"no serving_bytes: an image of {taken.shape[-1]} bands does not come as PNG or JPEG"
        values = np.concatenate([np.ravel(v) for batch in batches for v in batch.values()])
        whole = np.array_equal(values, np.clip(np.round(values), 0, 255)) and values.max() > 1
        if taken.dtype != "uint8" and not whole:
            return "no serving_bytes: the raw inputs are not whole numbers from 0 to 255"
        return ""

    def batches(self, inputs):
        """Raw examples as batches by name: the first and all; images that differ in size one by one.

        Raises:
            ValueError: if they are not what the model takes.
        """
        return input_adapter.arranged(self.structure, self.inputs, inputs)


def backbone(model):
    """The model up to its pooled features (B, C), or None where it answers no vector or has no spatial map.

    They are what the layer `pool` answers where that is a vector, and the mean over the last spatial map elsewhere.
    """
    if len(model.outputs) != 1 or len(model.outputs[0].shape) != 2:
        return None
    pools = [layer.output for layer in model.layers if layer.name == "pool"]
    vectors = [p for p in pools if not isinstance(p, list | dict) and len(p.shape) == 2]
    inputs = model.inputs[0] if isinstance(model, keras.Sequential) else model.input
    try:
        if vectors:
            return keras.Model(inputs, vectors[-1])
        last = last_spatial(model).tensor
        return keras.Model(inputs, keras.ops.mean(last, axis=tuple(range(1, len(last.shape) - 1))))
    except ValueError:  # no map, or one that never leaves a model within the model
        return None


def _verify_built(name, model):
    if not isinstance(model, keras.Model):
        raise ValueError(f"`{name}` must be a keras.Model, got {type(model).__name__}.")
    if not model.built:
        raise ValueError(f"`{name}` must be built: give {model.name} an Input, or call it once.")
    if not getattr(model, "inputs", None):
        wrapped = "x = keras.Input(...); keras.Model(x, model(x))"
        raise ValueError(f"`{name}` must be functional or Sequential; wrap the subclass {model.name}: {wrapped}.")
