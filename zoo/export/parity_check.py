"""The proof of an export: what it is asked, what it answers in a process of its own, and how far that is off."""

import io
import os
import subprocess
import sys
import tempfile
import typing
from pathlib import Path

import numpy as np

from zoo.export import isolated_inference
from zoo.export.versions import ExportError

JPEG = 0.001  # of the answer's scale: Pillow reads the same pixels, as long as both have the same JPEG library's maths


class Request(typing.NamedTuple):
    """What a signature is asked in the proof, and what the model itself says."""

    signature: str
    arguments: dict  # arrays by name
    expected: dict  # arrays by name
    kind: str = "exact"  # or jpeg, or random: no answer is expected, but one like it

    @property
    def size(self):
        """The batch size."""
        first = np.asarray(next(iter(self.arguments.values()), np.empty(0)))
        return len(first) if first.ndim else 1


class Compared(typing.NamedTuple):
    """How far an answer is off."""

    signature: str
    batch: int
    difference: float  # largest absolute; of a JPEG's maps the mean over the map
    kind: str


def requests(signatures, batches, with_files):
    """All that the proof asks: every signature, for one example and for all.

    Args:
        signatures: `zoo.export.signatures.Signatures`.
        batches: raw inputs by name, as its method `batches` gives them.
        with_files: whether `serving_bytes` is there.
    Returns:
        List of `Request`.
    Raises:
        ExportError: if the model answers NaN or infinity.
    """
    expected = _expected(signatures)
    answers = [expected(batch) for batch in batches]
    found = [Request("serving_default", b, a) for b, (a, _) in zip(batches, answers, strict=True)]
    if with_files:
        files = [
            Request("serving_bytes", {"image_bytes": _files(b)}, a) for b, (a, _) in zip(batches, answers, strict=True)
        ]
        ones = [r for r in files if r.size == 1]
        if len(ones) > 1 and signatures.one_size():
            together = {n: np.concatenate([r.expected[n] for r in ones]) for n in ones[0].expected}
            content = np.concatenate([r.arguments["image_bytes"] for r in ones])
            files.append(Request("serving_bytes", {"image_bytes": content}, together))
        found += files + _jpeg(expected, batches[-1])
    if signatures.backbone is not None:
        found += [Request("features", b, f) for b, (_, f) in zip(batches, answers, strict=True)]
    return found


def _expected(signatures):
    """A function from a batch to (answers, features) as the model in this process has them, with skew if known."""
    import tensorflow as tf

    # In a graph, as in tf.data: called eagerly, Keras' Resizing rounds whole numbers, and in a graph it does not.
    @tf.function(input_signature=[{s.name: s for s in signatures.specs()}], autograph=False)
    def prepare(given):
        prepared = signatures.prepared(given)
        features = {} if signatures.backbone is None else {"features": signatures.backbone(prepared, training=False)}
        return prepared, {n: tf.cast(f, "float32") for n, f in features.items()}, signatures.skew(given)

    def expect(batch):
        with tf.device("CPU:0"):
            prepared, features, skew = prepare({n: tf.constant(a) for n, a in batch.items()})
            size = len(next(iter(batch.values())))
            answer = signatures.named(signatures.model.predict(prepared, batch_size=size, verbose=0))
        answer = {n: a.numpy() for n, a in (answer | skew).items()}
        if not all(np.isfinite(a).all() for a in answer.values()):
            raise ExportError("export: predict answers NaN or infinity to `inputs`, which proves nothing.")
        return answer, {n: f.numpy() for n, f in features.items()}

    return expect


def _files(batch):
    """(N,) bytes: each image of a batch as a PNG file."""
    import tensorflow as tf

    (images,) = batch.values()
    return np.array([tf.io.encode_png(tf.cast(image, "uint8")).numpy() for image in images])


def _jpeg(expected, batch):
    """The request of a batch as JPEG files; expected is the answer to what Pillow reads from them."""
    from PIL import Image

    ((name, images),) = batch.items()
    if images.shape[-1] not in (1, 3):
        return []
    files, read = [], []
    for image in images.astype("uint8"):
        file = io.BytesIO()
        Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(file, "JPEG", quality=95, subsampling=0)
        files.append(file.getvalue())
        read.append(np.asarray(Image.open(file)).reshape(image.shape))
    answer, _ = expected({name: np.stack(read).astype(images.dtype)})
    answer.pop("skew", None)  # a value one grey level beyond the range is beyond it
    return [Request("serving_bytes", {"image_bytes": np.array(files)}, answer, "jpeg")]


def replayed(asked, exported):
    """What an export answers in a process of its own that knows neither this package nor Keras.

    Args:
        asked: list of `Request`.
        exported: path of a SavedModel's folder or a LiteRT file.
    Returns:
        For each request, arrays by name.
    Raises:
        ExportError: if it cannot be loaded or run.
    """
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as place:
        given, answers = os.path.join(place, "requests.npz"), os.path.join(place, "answers.npz")
        keys = [f"{r.signature}/{i}" for i, r in enumerate(asked)]
        np.savez(given, **{f"{k}/{n}": a for k, r in zip(keys, asked, strict=True) for n, a in r.arguments.items()})
        packages = str(Path(tf.__file__).parents[1])
        done = subprocess.run(
            [sys.executable, "-I", isolated_inference.__file__, str(exported), given, answers, packages],
            env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
        )
        if done.returncode:
            lines = (done.stdout + done.stderr).splitlines()[-20:]
            why = lines[-1][:300] if lines else f"its process ended with {done.returncode}"
            raise ExportError("\n".join([f"export: the exported model could not be replayed: {why}", *lines]))
        with np.load(answers, allow_pickle=False) as found:
            return [{k.split("/", 2)[2]: found[k] for k in found.files if k.startswith(f"{key}/")} for key in keys]


def compare(asked, answers, signatures=None):
    """How far each answer is off: a list of `Compared`.

    Args:
        asked: list of `Request`.
        answers: for each, arrays by name.
        signatures: `zoo.export.signatures.Signatures`, so that the names of classes are compared too, or None.
    Raises:
        ExportError: if an answer is not there or has another shape.
    """
    found = []
    for request, answer in zip(asked, answers, strict=True):
        differences = [_difference(n, e, answer.get(n), request.kind) for n, e in request.expected.items()]
        if (
            signatures is not None
            and signatures.classes is not None
            and request.kind == "exact"
            and request.signature != "features"
        ):
            differences += _classes(signatures, request, answer)
        found.append(Compared(request.signature, request.size, max(differences), request.kind))
    return found


def _classes(signatures, request, answer):
    """How far the scores are off those of the classes named, and off the largest there are."""
    expected = next(e for n, e in request.expected.items() if n != "skew")
    every = np.asarray(signatures.per_class(expected))
    named = [[signatures.classes.index(c.decode()) for c in row] for row in answer["classes"]]
    best = -np.sort(-every, axis=-1)[:, : answer["scores"].shape[-1]]
    wanted = np.take_along_axis(every, np.array(named), -1)
    return [_difference("scores", one, answer["scores"], "exact") for one in (wanted, best)]


def _difference(name, expected, found, kind):
    if found is None or found.shape != expected.shape:
        told = "nothing" if found is None else f"the shape {found.shape}"
        raise ExportError(f"export: the exported model answers {told} for `{name}`, not {expected.shape}.")
    difference = np.abs(expected.astype("float64") - found.astype("float64"))
    if kind == "jpeg":
        difference = difference.reshape(len(difference), -1, difference.shape[-1]).mean(axis=1)
    return float(np.nan_to_num(difference, nan=np.inf).max(initial=0))


def verdict(found, tolerance, what="the exported model"):
    """The largest difference.

    Args:
        found: list of `Compared`.
        tolerance: largest difference allowed.
        what: what an error calls the export.
    Raises:
        ExportError: if it is more than `tolerance`.
    """
    worst = max(c.difference for c in found)
    if not worst <= tolerance:
        each = "; ".join(f"{c.signature}, batch of {c.batch}: {c.difference:.3g}" for c in found)
        raise ExportError(
            f"export: {what} differs from predict by {worst:.3g}, more than the `tolerance` of {tolerance:g}. {each}"
        )
    return worst
