"""The signatures of an exported model: graphs from raw values by name, or from image files, to outputs by name."""

import keras
import numpy as np

from zoo.detect.detections import Detections
from zoo.detect.masks import DetectionMasks
from zoo.export import gap_refusal, image_decoding, input_adapter, input_refusal, wav_decoding
from zoo.introspect import last_spatial
from zoo.introspect.output_activation import output_activation, to_probabilities

TOP_CLASSES = 5  # classes in the output `classes`, most probable first
FILE_BANDS = (1, 3, 4)  # band counts that PNG files and TensorFlow's decoder have in common


class Signatures:
    """Graphs from raw inputs, through preprocessing and model, to named outputs.

    Args:
        model: functional or Sequential, built.
        preprocessing: model from raw inputs to the model's, or None.
        classes: names of the outputs, or None.
        training_statistics: `zoo.export.training_statistics.TrainingStatistics` for the output `skew`, or None.
        conformal: `zoo.conformal.Conformal` for the output `interval` or `set`, or None.
        missing_values: `zoo.export.missing_values.MissingValues` that the graphs replace in raw columns, or None.
    Attributes:
        structure: the raw input, a KerasTensor or a list or dict of them.
        inputs: the raw inputs, KerasTensors by signature name.
        activation: "softmax", "sigmoid" or "linear".
        is_detector: whether the output is boxes after non-maximum suppression.
        has_masks: whether a detector also has the mask of each box.
        is_binary: whether `classes` names the two classes of a single sigmoid.
        backbone: model up to the pooled features, or None.
        inputs_without_gaps: names of the inputs whose gaps the graphs refuse; none until it is set.
        inputs_of_words: names of the texts of which blanks alone are refused like empty ones.
        sample_rate: of models of sound [Hz], which have the signature `serving_wav`; None until it is set.
        levels: with `missing_values`, set of the levels of each string input that has some, by signature name.
    Raises:
        ValueError: if a model is not built, or the classes do not fit the output.
    """

    def __init__(self, model, preprocessing, classes, training_statistics=None, missing_values=None, conformal=None):
        if keras.backend.backend() != "tensorflow":
            raise ValueError(f"Keras must run on TensorFlow, this is {keras.backend.backend()}.")
        _check_built("model", model)
        if preprocessing is not None:
            _check_built("preprocessing", preprocessing)
        self.model, self.preprocessing, self.classes = model, preprocessing, classes
        front = preprocessing or model
        self.structure = front.inputs[0] if isinstance(front, keras.Sequential) else front.input
        self.inputs = input_adapter.named_inputs(self.structure)
        self.training_statistics = (
            None
            if training_statistics is None
            else training_statistics.with_signature_names(self.structure, self.inputs)
        )
        self.activation, self.conformal = output_activation(model), conformal
        last = model.outputs[-1]._keras_history.operation
        self.has_masks = isinstance(last, DetectionMasks)
        self.is_detector = isinstance(last, Detections) or self.has_masks
        shapes = [tuple(output.shape) for output in model.outputs]
        self.is_binary = (
            classes is not None
            and len(classes) == 2
            and len(shapes) == 1
            and len(shapes[0]) == 2
            and shapes[0][-1] == 1
            and self.activation == "sigmoid"
        )
        self._check_classes(shapes)
        self.backbone = pooled_backbone(model)
        self.inputs_without_gaps, self.sample_rate = (), None
        self.inputs_of_words = gap_refusal.inputs_of_words(self)
        self.missing_values = missing_values
        # Here, as in a graph the vocabulary of a layer has no values
        self.levels = {} if missing_values is None else gap_refusal.levels_of(self)

    def _check_classes(self, shapes):
        if self.classes is None:
            return
        count = len(self.classes)
        if len(set(self.classes)) < count:
            raise ValueError(f"`classes` must differ from each other, got {self.classes}.")
        fits = len(shapes) == 1 and len(shapes[0]) == 2 and shapes[0][-1] == count
        if not fits and not self.is_binary and not self.is_detector:
            raise ValueError(f"`classes` must name each output of (B, classes); got {count} names for {shapes}.")

    def with_model(self, model):
        """Returns the same signatures of another model with the same inputs and outputs."""
        of_inputs = self.training_statistics, self.missing_values
        signatures = Signatures(model, self.preprocessing, self.classes, *of_inputs, self.conformal)
        signatures.inputs_without_gaps, signatures.sample_rate = self.inputs_without_gaps, self.sample_rate
        return signatures

    def input_specs(self):
        """Returns the TensorSpec of each raw input, with a free batch size."""
        import tensorflow as tf

        return [tf.TensorSpec((None, *t.shape[1:]), t.dtype, name=n) for n, t in self.inputs.items()]

    def endpoints(self, names):
        """Returns the signatures of these names: name -> (graph, TensorSpecs)."""
        import tensorflow as tf

        endpoints = {
            "serving_default": (self.predict_values, self.input_specs()),
            "serving_bytes": (
                self.predict_files,
                [tf.TensorSpec((None,), "string", name=n) for n in self.file_inputs()],
            ),
            "serving_wav": (self.predict_wav, [tf.TensorSpec((None,), "string", name="wav_bytes")]),
            "features": (self.predict_features, self.input_specs()),
        }
        return {name: endpoints[name] for name in names}

    def read_columns(self, tensors):
        """Returns raw tensors by name, with gaps where `missing_values` are."""
        tensors = dict(zip(self.inputs, tensors, strict=True))
        return tensors if self.missing_values is None else self.missing_values.replace(tensors, self.levels)

    def preprocess(self, tensors):
        """Computes the model's input from raw tensors by name."""
        ordered = [tensors[name] for name in self.inputs]
        if isinstance(self.structure, dict):
            structured = dict(zip(self.structure, ordered, strict=True))
        else:
            structured = keras.tree.pack_sequence_as(self.structure, ordered)
        return structured if self.preprocessing is None else self.preprocessing(structured, training=False)

    def name_outputs(self, outputs):
        """Returns the model's outputs as a dict of tensors by name, floats as float32."""
        import tensorflow as tf

        outputs = keras.tree.map_structure(tf.convert_to_tensor, outputs)
        if self.is_detector:
            rows, masks = (outputs[0], {"masks": outputs[1]}) if self.has_masks else (outputs, {})
            return {"boxes": rows[..., :4], "scores": rows[..., 4], "class_index": rows[..., 5], **masks}
        if not isinstance(outputs, dict):
            several = isinstance(outputs, list | tuple)
            single_name = "values" if self.activation == "linear" else "probabilities"
            names = self.model.output_names if several else [single_name]
            outputs = dict(zip(names, outputs if several else [outputs], strict=True))
        return {n: tf.cast(t, "float32") if t.dtype.is_floating else t for n, t in outputs.items()}

    def predict_preprocessed(self, inputs):
        """Computes the outputs by name from preprocessed inputs; with class names also `classes` and `scores`."""
        import tensorflow as tf

        outputs = self.name_outputs(self.model(inputs, training=False))
        outputs |= self.uncertainty(outputs)
        if self.classes is None:
            return outputs
        if self.is_detector:
            index = tf.cast(outputs["class_index"], "int32")
            return {**outputs, "classes": tf.gather(tf.constant(["", *self.classes]), index + 1)}
        scores, order = tf.math.top_k(
            self.class_scores(next(iter(outputs.values()))), min(TOP_CLASSES, len(self.classes))
        )
        return {**outputs, "classes": tf.gather(tf.constant(self.classes), order), "scores": scores}

    def class_scores(self, outputs):
        """Returns one score per class, (B, classes); a single sigmoid's are 1 - p and p."""
        return to_probabilities(outputs, self.activation) if self.is_binary else outputs

    def uncertainty(self, outputs):
        """Returns {"interval": (B, outputs, 2)} or {"set": (B, classes)} of the outputs by name, or {}."""
        if self.conformal is None:
            return {}
        values = outputs.get("quantiles" if self.conformal.of_quantiles else "values", next(iter(outputs.values())))
        if self.conformal.kind == "set":
            values = to_probabilities(values, self.activation)
        return {self.conformal.kind: self.conformal(values)}

    def skew(self, tensors):
        """Returns {"skew": (B, 3)} of raw tensors by name, or {} without training statistics."""
        return {} if self.training_statistics is None else {"skew": self.training_statistics.skew(tensors)}

    def read_valid_columns(self, tensors):
        """Returns what `read_columns` does, behind assertions on the shapes, the scale of sound, and gaps."""
        shapes = {name: tuple(raw.shape) for name, raw in self.inputs.items()}
        tensors = input_refusal.refuse_shapes(dict(zip(self.inputs, tensors, strict=True)), shapes)
        if self.sample_rate is not None:
            input_refusal.refuse_whole_numbers(tensors, self.sample_rate)
        tensors, names = self.read_columns(tensors.values()), self.inputs_without_gaps
        gap_refusal.refuse_gaps(tensors, names, [name for name in self.inputs_of_words if name in names])
        return tensors

    def predict_values(self, *tensors):
        """The graph of `serving_default`."""
        tensors = self.read_valid_columns(tensors)
        return {**self.predict_preprocessed(self.preprocess(tensors)), **self.skew(tensors)}

    def predict_features(self, *tensors):
        """The graph of `features`."""
        import tensorflow as tf

        tensors = self.read_valid_columns(tensors)
        inputs = self.preprocess(tensors)
        return {"features": tf.cast(self.backbone(inputs, training=False), "float32")}

    def image_input(self):
        """Returns (name, KerasTensor) of the raw image; None where there is none, or a further input is no text."""
        images = [(name, raw) for name, raw in self.inputs.items() if len(raw.shape) == 4]
        texts = [raw for raw in self.inputs.values() if raw.dtype == "string" and len(raw.shape) == 1]
        return images[0] if len(images) == 1 and len(texts) == len(self.inputs) - 1 else None

    def file_inputs(self):
        """Returns the names of the inputs of `serving_bytes`: image_bytes, and those of the texts beside the image."""
        image = self.image_input()
        return ["image_bytes", *(name for name in self.inputs if image and name != image[0])]

    def predict_files(self, image_bytes, *texts):
        """The graph of `serving_bytes`."""
        import tensorflow as tf

        (name, raw), tensors = self.image_input(), dict(zip(self.file_inputs(), (image_bytes, *texts), strict=True))
        texts = input_refusal.refuse_shapes(tensors, dict.fromkeys(tensors, (None,)))
        image_bytes = texts.pop("image_bytes")
        if texts:
            gap_refusal.refuse_gaps(texts, list(texts), self.inputs_of_words)
        if self.has_fixed_size() or self.preprocessing is None:
            spec = tf.TensorSpec(raw.shape[1:], raw.dtype)
            tensors = {name: tf.map_fn(self._decode_image, image_bytes, fn_output_signature=spec), **texts}
            return {**self.predict_preprocessed(self.preprocess(tensors)), **self.skew(tensors)}
        # Images that differ in size form a batch only after each has been preprocessed.
        specs = keras.tree.map_structure(lambda x: tf.TensorSpec(x.shape[1:], x.dtype), self.preprocessing.output)

        def preprocess_file(row):
            data, *row_texts = row
            row_texts = {n: text[None] for n, text in zip(texts, row_texts, strict=True)}
            tensors = {name: self._decode_image(data)[None], **row_texts}
            skew = {n: values[0] for n, values in self.skew(tensors).items()}
            inputs = keras.tree.map_structure(lambda x, s: tf.cast(x[0], s.dtype), self.preprocess(tensors), specs)
            return {"inputs": inputs, **skew}

        outputs = {"inputs": specs} | (
            {} if self.training_statistics is None else {"skew": tf.TensorSpec((3,), "float32")}
        )
        batch = tf.map_fn(preprocess_file, (image_bytes, *texts.values()), fn_output_signature=outputs)
        return {**self.predict_preprocessed(batch.pop("inputs")), **batch}

    def predict_wav(self, wav_bytes):
        """The graph of `serving_wav`."""
        import tensorflow as tf

        ((name, raw),) = self.inputs.items()
        wav_bytes = input_refusal.refuse_shapes({"wav_bytes": wav_bytes}, {"wav_bytes": (None,)})["wav_bytes"]

        def decode(data):
            return wav_decoding.decode_wav(data, raw.shape[1], self.sample_rate)

        tensors = {name: tf.map_fn(decode, wav_bytes, fn_output_signature=tf.TensorSpec(raw.shape[1:], raw.dtype))}
        return {**self.predict_preprocessed(self.preprocess(tensors)), **self.skew(tensors)}

    def has_fixed_size(self):
        """Returns whether the raw image's size is fixed, so that files are resized to it."""
        _, raw = self.image_input()
        return None not in raw.shape[1:3]

    def preprocesses_to_one_size(self):
        """Returns whether preprocessing brings images of different sizes to one size."""
        if self.preprocessing is None:
            return False
        outputs = self.preprocessing.output
        image = outputs[self.image_input()[0]] if isinstance(outputs, dict) else self.preprocessing.outputs[0]
        return None not in image.shape[1:]

    def _decode_image(self, data):
        """(H, W, C) in the raw input's type from the content of a file."""
        import tensorflow as tf

        _, raw = self.image_input()
        image = image_decoding.decode_image(data, raw.shape[-1], "uint16" if raw.dtype == "uint16" else "uint8")
        if self.has_fixed_size():
            return image_decoding.resize_image(image, raw.shape[1:3], raw.dtype)
        return tf.saturate_cast(image, raw.dtype)

    def missing_files_note(self, batches):
        """Returns why there is no `serving_bytes`: "" where there is one, None where the raw input is no image.

        Args:
            batches: raw inputs by name. They show whether a float image has the values of a file.
        """
        image = self.image_input()
        if image is None:
            return None
        name, raw = image
        if raw.shape[-1] not in FILE_BANDS:
            return f"no serving_bytes: PNG and JPEG files have no {raw.shape[-1]} bands"
        if raw.dtype == "uint16":
            return ""
        values = np.concatenate([np.ravel(batch[name]) for batch in batches])
        whole = np.array_equal(values, np.clip(np.round(values), 0, 255)) and values.max() > 1
        if raw.dtype != "uint8" and not whole:
            return "no serving_bytes: the raw inputs are not whole numbers from 0 to 255"
        return ""


def pooled_backbone(model):
    """Returns the model up to its pooled features (B, C), or None.

    The features are the output of the layer `pool` where that is a vector, else the mean over the last spatial map.
    There are none where the model has several outputs, an output that is no vector, or no spatial map.
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
    except ValueError:  # no map, or one that never leaves a nested model
        return None


def _check_built(name, model):
    if not isinstance(model, keras.Model):
        raise ValueError(f"`{name}` must be a keras.Model, got {type(model).__name__}.")
    if not model.built:
        raise ValueError(f"`{name}` must be built: give {model.name} an Input, or call it once.")
    if not getattr(model, "inputs", None):
        wrapped = "x = keras.Input(...); keras.Model(x, model(x))"
        raise ValueError(f"`{name}` must be functional or Sequential; wrap the subclass {model.name}: {wrapped}.")
