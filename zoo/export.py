"""From a Keras model to a SavedModel that TensorFlow Serving takes, with the proof that it answers the same."""

import contextlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import typing
import uuid
from pathlib import Path

import keras
import numpy as np

from zoo import replay
from zoo.arguments import Count, Positive, checked
from zoo.signatures import Signatures


class ExportError(ValueError):
    """A model was not exported, and nothing was left behind."""


class Export(typing.NamedTuple):
    """What an export left behind."""

    path: str  # PATH/VERSION
    version: int
    difference: float  # largest absolute difference between a served answer and `predict`
    signatures: tuple
    seconds: float  # export and proof together


class Request(typing.NamedTuple):
    """What a signature is asked in the proof, and what `predict` says."""

    signature: str
    arguments: dict  # arrays by name
    expected: dict  # the model's answer: arrays by name

    @property
    def size(self):
        """The batch size."""
        return len(next(iter(self.arguments.values())))


@checked
def export(
    model: keras.Model,
    path: str,
    *,
    inputs: typing.Any,
    preprocessing: keras.Model | None = None,
    classes: tuple[str, ...] | None = None,
    version: Count | None = None,
    tolerance: Positive = 1e-5,
) -> Export:
    """Writes a SavedModel in TensorFlow Serving's layout, and proves in another process that it answers as `predict`.

    The signature `serving_default` takes raw values by name. `serving_bytes` takes `image_bytes`, the content of PNG,
    JPEG, BMP or GIF files, where the raw input is an image of 1, 3 or 4 bands of whole numbers from 0 to 255; files are
    resized to the raw input's size where that is fixed. Both answer `probabilities` (after a final softmax or sigmoid)
    or `values`, float32; a model with several answers keeps their names. With `classes` they also answer `classes`, the
    names of the five largest, and their `scores`. All is computed as in inference: augmentation and dropout are off.

    The proof: `inputs` go through every signature, one and all at once, in a new process that knows neither this
    package nor Keras, and the answers must equal `model.predict` of the prepared inputs, prepared in a graph as tf.data
    does it; both run on the CPU. JPEG is not compared. PATH/VERSION/assets.extra/parity.json says what was compared.

    Args:
        model: functional or Sequential, built.
        path: the served model's folder; PATH/VERSION appears there whole or not at all.
        inputs: raw held-out examples, at least one: (N, ...), a dict of columns, a DataFrame, or a list of (H, W, C)
            images that differ in size.
        preprocessing: the training's own model from raw inputs to the model's, or None where these are the same.
        classes: names of the outputs, in their order; a single sigmoid has two, the second being its own.
        version: a number that is new in PATH; None for the one after the largest.
        tolerance: largest absolute difference allowed, in the answer's unit.
    Returns:
        `Export(path, version, difference, signatures, seconds)`.
    Raises:
        ExportError: (a ValueError) if the arguments do not suit the model, its graph cannot be saved or replayed, or
            its answers differ by more than `tolerance`.
    """
    started = time.perf_counter()
    folder = Path(path).expanduser()
    if version is not None and (folder / str(version)).exists():
        raise ExportError(f"export: `version` {version} is already in {folder}.")
    try:
        signatures = Signatures(model, preprocessing, classes)
        batches = signatures.batches(inputs)
    except ValueError as error:
        raise ExportError(f"export: {error}") from None
    missing = signatures.no_files(batches)
    requests = _requests(signatures, batches, with_files=missing == "")
    with _beside(folder) as beside:
        _write(signatures, requests, beside)
        found = _compare(signatures, requests, _replay(requests, beside))
        worst = max(difference for _, _, difference in found)
        if not worst <= tolerance:
            raise ExportError(
                f"export: the exported model differs from predict by {worst:.3g}, more than the `tolerance` of "
                f"{tolerance:g}. {_told(found)}"
            )
        extra = beside / "assets.extra"
        extra.mkdir()
        record = _record(signatures, found, worst, tolerance, [missing] if missing else [])
        (extra / "parity.json").write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        number = _publish(beside, folder, version)
    names = tuple(dict.fromkeys(r.signature for r in requests))
    return Export(str(folder / str(number)), number, worst, names, time.perf_counter() - started)


def _requests(signatures, batches, with_files):
    """All that the proof asks."""
    import tensorflow as tf

    # In a graph, as in tf.data: called eagerly, Keras' Resizing rounds whole numbers, and in a graph it does not.
    prepare = tf.function(
        signatures.prepared, input_signature=[{s.name: s for s in signatures.specs()}], autograph=False
    )
    requests = []
    for batch in batches:
        with tf.device("CPU:0"):
            prepared = prepare({n: tf.constant(a) for n, a in batch.items()})
            answer = signatures.model.predict(prepared, batch_size=len(next(iter(batch.values()))), verbose=0)
            expected = {n: a.numpy() for n, a in signatures.named(answer).items()}
        if not all(np.isfinite(a).all() for a in expected.values()):
            raise ExportError("export: predict answers NaN or infinity to `inputs`, which proves nothing.")
        requests.append(Request("serving_default", batch, expected))
    if with_files:
        requests += [Request("serving_bytes", {"image_bytes": _png(r.arguments)}, r.expected) for r in requests]
        ones = [r for r in requests if r.signature == "serving_bytes" and r.size == 1]
        if len(ones) > 1 and signatures.one_size():
            together = {n: np.concatenate([r.expected[n] for r in ones]) for n in ones[0].expected}
            files = np.concatenate([r.arguments["image_bytes"] for r in ones])
            requests.append(Request("serving_bytes", {"image_bytes": files}, together))
    return requests


def _png(arguments):
    """(N,) bytes: each image of a batch as a PNG file."""
    import tensorflow as tf

    (images,) = arguments.values()
    return np.array([tf.io.encode_png(tf.cast(image, "uint8")).numpy() for image in images])


def _write(signatures, requests, folder):
    """The SavedModel with the signatures that are asked for."""
    import tensorflow as tf

    archive = keras.export.ExportArchive()
    archive.track(signatures.model)
    if signatures.preprocessing is not None:
        archive.track(signatures.preprocessing)
    try:
        archive.add_endpoint("serving_default", signatures.by_value, input_signature=signatures.specs())
        if any(r.signature == "serving_bytes" for r in requests):
            spec = tf.TensorSpec((None,), "string", name="image_bytes")
            archive.add_endpoint("serving_bytes", signatures.by_file, input_signature=[spec])
        archive.write_out(str(folder), verbose=False)
    except Exception as error:  # whatever a layer does that no graph can hold
        raise ExportError(f"export: {signatures.model.name} cannot be saved as a graph: {error}") from error


def _replay(requests, folder):
    """For each request, what the SavedModel in `folder` answers in a process of its own: arrays by name."""
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as place:
        asked, answers = os.path.join(place, "requests.npz"), os.path.join(place, "answers.npz")
        keys = [f"{r.signature}/{i}" for i, r in enumerate(requests)]
        given = {f"{k}/{n}": a for k, r in zip(keys, requests, strict=True) for n, a in r.arguments.items()}
        np.savez(asked, **given)
        packages = str(Path(tf.__file__).parents[1])
        done = subprocess.run(
            [sys.executable, "-I", replay.__file__, str(folder), asked, answers, packages],
            env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
        )
        if done.returncode:
            told = "\n".join((done.stdout + done.stderr).splitlines()[-20:])
            raise ExportError(f"export: the exported model could not be replayed.\n{told}")
        with np.load(answers, allow_pickle=False) as found:
            return [{k.split("/", 2)[2]: found[k] for k in found.files if k.startswith(f"{key}/")} for key in keys]


def _compare(signatures, requests, answers):
    """(signature, batch size, largest absolute difference) of each request."""
    found = []
    for request, answer in zip(requests, answers, strict=True):
        differences = [_difference(n, expected, answer.get(n)) for n, expected in request.expected.items()]
        if signatures.classes is not None:
            (expected,) = request.expected.values()
            every = np.asarray(signatures.per_class(expected))
            named = [[signatures.classes.index(c.decode()) for c in row] for row in answer["classes"]]
            # The scores are those of the classes named, and no larger ones were passed over.
            differences.append(_difference("scores", np.take_along_axis(every, np.array(named), -1), answer["scores"]))
            best = -np.sort(-every, axis=-1)[:, : answer["scores"].shape[-1]]
            differences.append(_difference("scores", best, answer["scores"]))
        found.append((request.signature, request.size, max(differences)))
    return found


def _difference(name, expected, found):
    if found is None or found.shape != expected.shape:
        told = "nothing" if found is None else f"the shape {found.shape}"
        raise ExportError(f"export: the exported model answers {told} for `{name}`, not {expected.shape}.")
    difference = np.abs(expected.astype("float64") - found.astype("float64"))
    return float(np.nan_to_num(difference, nan=np.inf).max(initial=0))


def _told(found):
    return "; ".join(f"{signature}, batch of {size}: {difference:.3g}" for signature, size, difference in found)


def _record(signatures, found, worst, tolerance, notes):
    """What parity.json says."""
    import tensorflow as tf

    names = dict.fromkeys(signature for signature, _, _ in found)
    return {
        "difference": worst,
        "tolerance": tolerance,
        "compared": [{"signature": s, "batch": size, "difference": d} for s, size, d in found],
        "signatures": list(names),
        "batch_sizes": sorted({size for _, size, _ in found}),
        "inputs": {n: {"shape": [None, *t.shape[1:]], "dtype": t.dtype} for n, t in signatures.inputs.items()},
        "classes": signatures.classes,
        "notes": notes,
        "versions": {
            "python": platform.python_version(),
            "keras": keras.__version__,
            "tensorflow": tf.__version__,
            "numpy": np.__version__,
        },
    }


@contextlib.contextmanager
def _beside(folder):
    """A new folder within `folder`, hidden from servers; neither is left behind where something fails."""
    absent = [p for p in (folder, *folder.parents) if not p.exists()]
    beside = folder / f".{uuid.uuid4().hex}"
    try:
        beside.mkdir(parents=True)
    except OSError as error:
        raise ExportError(f"export: `path` must be a folder that can be written, got {folder}: {error}") from None
    try:
        yield beside
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        for made in absent:
            with contextlib.suppress(OSError):  # someone else has put something there
                made.rmdir()
        raise


def _publish(beside, folder, version):
    """Renames the finished export to its version and returns that."""
    while True:
        taken = [int(p.name) for p in folder.iterdir() if p.name.isdecimal()]
        number = version or max(taken, default=0) + 1
        target = folder / str(number)
        try:
            os.replace(beside, target)
            return number
        except OSError as error:  # another export took the number meanwhile
            if version or not target.exists():
                raise ExportError(f"export: {target} cannot be written: {error}") from error
