"""The parity check: does an exported model, run in another process, give the outputs of the Keras model?"""

import os
import subprocess
import sys
import tempfile
import typing
from pathlib import Path

import numpy as np

from zoo.export import file_requests, gap_refusal, isolated_inference
from zoo.export.versions import ExportError
from zoo.export.wav_decoding import wav_files

# Fraction of the output's scale. Pillow decodes the same pixels only where both use the same JPEG library.
JPEG_TOLERANCE = 0.001
UNSEEN_LEVEL = b"level that training did not have"


class Request(typing.NamedTuple):
    """Inputs of a signature, and the outputs expected for them."""

    signature: str
    inputs: dict  # arrays by name
    expected: dict  # outputs of the Keras model, arrays by name
    # How outputs are compared: exact (value by value), jpeg or resized (mean of a map), random (range only).
    kind: str = "exact"
    content: str = "examples"  # what the inputs are, for parity.json

    @property
    def batch_size(self):
        """Number of examples."""
        first = np.asarray(next(iter(self.inputs.values()), np.empty(0)))
        return len(first) if first.ndim else 1


class Comparison(typing.NamedTuple):
    """The difference between the outputs of an export and the expected ones."""

    signature: str
    batch_size: int
    difference: float  # largest absolute; of a JPEG's maps the mean over the map
    kind: str  # as in `Request`
    content: str = "examples"


def make_requests(signatures, batches, with_files):
    """Makes the requests of a predictive model: every signature, with one example and with all.

    Args:
        signatures: `zoo.export.signatures.Signatures`.
        batches: raw inputs by name, as `zoo.export.input_adapter.make_batches` returns them.
        with_files: whether the model has the signature `serving_bytes`.
    Returns:
        List of `Request`.
    Raises:
        ExportError: if the model outputs NaN or infinity.
    """
    predict = _predict_function(signatures)
    outputs, features = zip(*map(predict, batches), strict=True)
    requests = [Request("serving_default", b, o) for b, o in zip(batches, outputs, strict=True)]
    requests += _gap_requests(signatures, predict, batches[-1])
    requests += _blank_requests(signatures, batches[-1], outputs[-1])
    if with_files:
        requests += _file_requests(signatures, predict, batches, outputs)
    if signatures.sample_rate is not None:
        requests += _wav_requests(signatures, predict, batches)
    if signatures.backbone is not None:
        requests += [Request("features", b, f) for b, f in zip(batches, features, strict=True)]
    return requests


def _predict_function(signatures):
    """A function from a batch to (outputs with skew, features) of the Keras model in this process."""
    import tensorflow as tf

    # In a graph, as in tf.data: called eagerly, Keras' Resizing rounds whole numbers, and in a graph it does not.
    @tf.function(input_signature=[{s.name: s for s in signatures.input_specs()}], autograph=False)
    def preprocess(tensors):
        inputs = signatures.preprocess(tensors)
        features = {} if signatures.backbone is None else {"features": signatures.backbone(inputs, training=False)}
        return inputs, {n: tf.cast(f, "float32") for n, f in features.items()}, signatures.skew(tensors)

    def predict(batch):
        with tf.device("CPU:0"):
            inputs, features, skew = preprocess({n: tf.constant(a) for n, a in batch.items()})
            size = len(next(iter(batch.values())))
            if not isinstance(inputs, list | tuple):  # one trace for all sizes of a batch
                inputs = tf.data.Dataset.from_tensor_slices(inputs).batch(size)
            outputs = signatures.name_outputs(signatures.model.predict(inputs, batch_size=size, verbose=0))
        outputs = {n: t.numpy() for n, t in (outputs | skew).items()}
        if not all(np.isfinite(a).all() for a in outputs.values()):
            raise ExportError("export: predict outputs NaN or infinity for `inputs`, which cannot be compared.")
        return outputs, {n: f.numpy() for n, f in features.items()}

    return predict


def _gap_requests(signatures, predict, batch):
    """The request of a batch whose first row has a gap and an unseen level, where the model accepts them; in a list."""
    batch, contents = dict(batch), []
    numbers = [n for n, t in signatures.inputs.items() if "float" in t.dtype]
    accepting = [name for name in numbers if name not in signatures.inputs_without_gaps]
    if accepting:
        gap_refusal.with_gaps(batch, 0, accepting[0])
        contents.append("a gap")
    unseen = [name for name, levels in gap_refusal.levels_of(signatures).items() if UNSEEN_LEVEL.decode() not in levels]
    if unseen:
        values = batch[unseen[0]].astype(object)
        values[0] = UNSEEN_LEVEL
        batch[unseen[0]] = values.astype("S")
        contents.append("an unseen level")
    if not contents:
        return []
    return [Request("serving_default", batch, predict(batch)[0], content=" and ".join(contents))]


def _blank_requests(signatures, batch, outputs):
    """The request of a batch with blanks around its levels, whose outputs are those without, in a list."""
    names = signatures.levels
    if not names:
        return []
    padded = {n: np.array([b" " + v.item() + b"\t" for v in batch[n].ravel()]).reshape(batch[n].shape) for n in names}
    return [Request("serving_default", {**batch, **padded}, outputs, content="blanks around levels")]


def _wav_requests(signatures, predict, batches):
    """Requests of WAV files of the examples, one and all, with a shorter file and one of two channels."""
    (name,) = signatures.inputs
    requests = []
    for batch in batches:
        files, clips = wav_files(batch[name], signatures.sample_rate)
        inputs = {"wav_bytes": np.array(files)}
        requests.append(Request("serving_wav", inputs, predict({name: clips})[0], content="WAV of 16 bits"))
    return requests


def _file_requests(signatures, predict, batches, outputs):
    """Requests of image files: the examples as PNG and JPEG, and files that need turning, blending or resizing."""
    name, raw = signatures.image_input()
    texts = {n: batches[-1][n] for n in signatures.file_inputs()[1:]}
    dtype = "uint16" if raw.dtype == "uint16" else "uint8"

    def texts_for(count):
        return {n: np.resize(values, count) for n, values in texts.items()}

    def request(files, expected, row_texts):
        inputs = {"image_bytes": np.array(files.files), **row_texts}
        return Request("serving_bytes", inputs, expected, files.kind, files.content)

    def predict_files(files):
        row_texts = texts_for(len(files.files))
        expected, _ = predict({name: files.pixels.astype(raw.dtype), **row_texts})
        if files.kind != "exact":
            expected.pop("skew", None)  # one gray level more may count as outside the range
        return request(files, expected, row_texts)

    images = [batch[name].astype(dtype) for batch in batches]
    requests = [
        request(file_requests.png_files(i), o, {n: batch[n] for n in texts})
        for i, o, batch in zip(images, outputs, batches, strict=True)
    ]
    singles = [r for r in requests if r.batch_size == 1]
    if len(singles) > 1 and signatures.preprocesses_to_one_size():
        together = {n: np.concatenate([r.expected[n] for r in singles]) for n in singles[0].expected}
        content = {n: np.concatenate([r.inputs[n] for r in singles]) for n in singles[0].inputs}
        requests.append(singles[0]._replace(inputs=content, expected=together))
    if raw.shape[-1] in (1, 3) and dtype == "uint8" and not signatures.is_detector:
        requests.append(predict_files(file_requests.jpeg_files(images[-1])))
    requests.append(predict_files(file_requests.unusual_files(images[-1][0])))
    if signatures.has_fixed_size() or signatures.preprocesses_to_one_size():
        size = raw.shape[1:3] if signatures.has_fixed_size() else None
        enlarged = file_requests.enlarged_file(images[-1][0], size)
        if enlarged is not None:
            rounded = size is None or "int" in raw.dtype
            requests.append(predict_files(enlarged if rounded else enlarged._replace(kind="resized")))
    return requests


def run_isolated(requests, path):
    """Runs requests on an export in another process, which imports neither this package nor Keras.

    Args:
        requests: list of `Request`.
        path: a SavedModel's folder, or a LiteRT or ONNX file.
    Returns:
        For each request, outputs by name.
    Raises:
        ExportError: if the export cannot be loaded or run.
    """
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as folder:
        inputs_file, outputs_file = os.path.join(folder, "requests.npz"), os.path.join(folder, "outputs.npz")
        keys = [f"{request.signature}/{i}" for i, request in enumerate(requests)]
        arrays = {f"{k}/{n}": a for k, r in zip(keys, requests, strict=True) for n, a in r.inputs.items()}
        np.savez(inputs_file, **arrays)
        packages = str(Path(tf.__file__).parents[1])
        process = subprocess.run(
            [sys.executable, "-I", isolated_inference.__file__, str(path), inputs_file, outputs_file, packages],
            env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
        )
        if process.returncode:
            lines = (process.stdout + process.stderr).splitlines()[-20:]
            reason = lines[-1][:300] if lines else f"its process ended with exit code {process.returncode}"
            raise ExportError("\n".join([f"export: the exported model could not be run: {reason}", *lines]))
        with np.load(outputs_file, allow_pickle=False) as file:
            return [{k.split("/", 2)[2]: file[k] for k in file.files if k.startswith(f"{key}/")} for key in keys]


def compare(requests, outputs, signatures=None):
    """Compares the outputs of an export with the expected ones.

    Args:
        requests: list of `Request`.
        outputs: for each, outputs by name.
        signatures: `zoo.export.signatures.Signatures`, to compare the names of classes too, or None.
    Returns:
        List of `Comparison`.
    Raises:
        ExportError: if an output is missing or has another shape.
    """
    comparisons = []
    for request, arrays in zip(requests, outputs, strict=True):
        differences = [
            _difference(name, expected, arrays.get(name), request.kind) for name, expected in request.expected.items()
        ]
        if (
            signatures is not None
            and signatures.classes is not None
            and not signatures.is_detector
            and request.kind == "exact"
            and request.signature != "features"
        ):
            differences += _score_differences(signatures, request, arrays)
        if signatures is not None and signatures.conformal is not None and request.signature != "features":
            differences.append(_region_difference(signatures, request, arrays))
        largest = max(differences)
        comparisons.append(Comparison(request.signature, request.batch_size, largest, request.kind, request.content))
    return comparisons


def _score_differences(signatures, request, outputs):
    """Differences of `scores` from the scores of the named classes, and from the largest scores."""
    expected = next(array for name, array in request.expected.items() if name != "skew")
    scores = np.asarray(signatures.class_scores(expected))
    indices = [[signatures.classes.index(c.decode()) for c in row] for row in outputs["classes"]]
    largest = -np.sort(-scores, axis=-1)[:, : outputs["scores"].shape[-1]]
    of_named_classes = np.take_along_axis(scores, np.array(indices), -1)
    return [_difference("scores", array, outputs["scores"], "exact") for array in (of_named_classes, largest)]


def _region_difference(signatures, request, outputs):
    """Difference of intervals or sets from those of the export's own predictions, which are compared by themselves."""
    regions = signatures.uncertainty({name: outputs[name] for name in request.expected if name != "skew"})
    return max(_difference(n, array, outputs.get(n), "exact") for n, array in regions.items())


def check_shape(name, expected, output):
    """Raises `ExportError` where an output is missing or its shape is not that of `expected`."""
    if output is None or output.shape != expected.shape:
        received = "nothing" if output is None else f"shape {output.shape}"
        raise ExportError(f"export: output `{name}` must have the shape {expected.shape}, got {received}.")


def _difference(name, expected, output, kind):
    check_shape(name, expected, output)
    difference = np.abs(expected.astype("float64") - output.astype("float64"))
    if kind in ("jpeg", "resized"):
        difference = difference.reshape(len(difference), -1, difference.shape[-1]).mean(axis=1)
    return float(np.nan_to_num(difference, nan=np.inf).max(initial=0))


def check_tolerance(comparisons, tolerance, subject="the exported model"):
    """Returns the largest difference.

    Args:
        comparisons: list of `Comparison`.
        tolerance: largest difference allowed.
        subject: the export's name in an error message.
    Raises:
        ExportError: if the largest difference is above `tolerance`.
    """
    largest = max(c.difference for c in comparisons)
    if not largest <= tolerance:
        details = "; ".join(
            f"{c.signature}, batch of {c.batch_size} ({c.content}): {c.difference:.3g}" for c in comparisons
        )
        raise ExportError(
            f"export: {subject} differs from predict by {largest:.3g}, more than the `tolerance` of {tolerance:g}. "
            f"{details}"
        )
    return largest
