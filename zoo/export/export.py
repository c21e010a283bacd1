"""From a Keras model to a SavedModel that TensorFlow Serving takes, with the proof that it answers the same."""

import json
import platform
import time
import typing
from pathlib import Path

import keras
import numpy as np

from zoo.arguments import Count, Positive, checked
from zoo.export import parity_check, versions, warmup
from zoo.export.generative_model import Generated
from zoo.export.predictive_model import Predictive
from zoo.export.signatures import Signatures
from zoo.export.training_statistics import TrainingStatistics
from zoo.export.versions import ExportError

Format = typing.Literal["folded", "bfloat16", "int8", "litert_float", "litert_dynamic", "litert_int8", "onnx"]


class Export(typing.NamedTuple):
    """What an export left behind."""

    path: str  # PATH/VERSION
    version: int
    difference: float  # largest absolute difference between a served answer and `predict`
    signatures: tuple
    seconds: float  # export and proof together


@checked
def export(
    model: keras.Model,
    path: str,
    *,
    inputs: typing.Any = None,
    preprocessing: keras.Model | None = None,
    classes: tuple[str, ...] | None = None,
    version: Count | None = None,
    tolerance: Positive = 1e-5,
    formats: tuple[Format, ...] = (),
    training_statistics: TrainingStatistics | None = None,
) -> Export:
    """Writes a SavedModel in TensorFlow Serving's layout, and proves in another process that it answers as `predict`.

    The signature `serving_default` takes raw values by name. `serving_bytes` takes `image_bytes`, the content of PNG,
    JPEG, BMP or GIF files, where the raw input is an image of 1, 3 or 4 bands of whole numbers from 0 to 255; files are
    resized to the raw input's size where that is fixed. Both answer `probabilities` (after a final softmax or sigmoid)
    or `values`, float32; a model with several answers keeps their names. With `classes` they also answer `classes`, the
    names of the five largest, and their `scores`; with `training_statistics` also `skew` (B, 3). `features` answers the pooled
    features (B, C) where the model has them. The batch is free, and so are height and width where the model was built
    with None for them. All is computed as in inference: augmentation and dropout are off.

    The proof: `inputs` go through every signature, one and all at once, in a new process that knows neither this
    package nor Keras, and the answers must equal `model.predict` of the prepared inputs, prepared in a graph as tf.data
    does it; both run on the CPU. JPEG files are read as Pillow
    does, to within 0.001 of the answer's scale.
    PATH/VERSION/assets.extra has parity.json, which says what was compared, and the same requests as warm-up records,
    so that TensorFlow Serving answers its first request as fast as any other.

    A graph may have operations of TensorFlow Text, as the tokens of KerasHub's tokenizers need: TensorFlow Serving has
    them, the proof loads them alone, parity.json notes them, and other programs need `import tensorflow_text`.

    A model with a method `signatures()`, as those that generate have, is exported with these signatures instead. Where
    one takes a `seed`, or answers the same twice, its answers are compared; of the others shape and range are, and
    parity.json says so.

    Args:
        model: functional or Sequential, built; or with a method `signatures()`: name -> (function, TensorSpecs).
        path: the served model's folder; PATH/VERSION appears there whole or not at all.
        inputs: raw held-out examples, at least one: (N, ...), a dict of columns, a DataFrame, or a list of (H, W, C)
            images that differ in size. Of a model with `signatures()`: dicts of arrays by the signature's name, or None
            for noise of the shapes that it takes.
        preprocessing: the training's own model from raw inputs to the model's, or None where these are the same.
        classes: names of the outputs, in their order; a single sigmoid has two, the second being its own.
        version: a number that is new in PATH; None for the one after the largest.
        tolerance: largest absolute difference allowed, in the answer's unit.
        formats: faster or smaller forms, each proved with its own tolerance, of the answer's scale: `folded` makes the
            weights constants of the graph, with batch normalisation folded into the layer before it (1e-4); `bfloat16`
            also stores them in half the space (0.02); `int8` has Keras quantise the dense layers instead (0.05).
            `litert_float` (1e-4), `litert_dynamic` (0.05: weights in 8 bits) and `litert_int8` (0.1: all in 8 bits,
            with the ranges that `inputs` have) add a file for LiteRT to assets.extra (of a recurrent network for one
            example at a time, and not in int8), and `onnx` (1e-4) model.onnx; ONNX has neither texts nor grouped
            convolutions.
        training_statistics: what training saw, from `zoo.serving.training_statistics`; None for no `skew`.
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
        if callable(getattr(model, "signatures", None)):
            _verify_plain(preprocessing=preprocessing, classes=classes, forms=formats or None, seen=training_statistics)
            subject = Generated(model, inputs, tolerance)
        else:
            if inputs is None:
                raise ValueError("`inputs` must be given: raw held-out examples to prove the export with.")
            subject = Predictive(
                Signatures(model, preprocessing, classes, training_statistics), inputs, tolerance, formats
            )
    except ExportError:
        raise
    except ValueError as error:
        raise ExportError(f"export: {error}") from None
    with versions.beside(folder) as beside:
        subject.write(beside)
        answers = parity_check.replayed(subject.requests, beside)
        record = subject.judge(answers, beside)
        (beside / "assets.extra").mkdir(exist_ok=True)
        asked = [warmup.Record(r.signature, r.arguments, a) for r, a in zip(subject.requests, answers, strict=True)]
        warmup.write(beside, folder.name, asked)
        versions.write(beside / "assets.extra" / "parity.json", _json({**record, "versions": _installed()}))
        number = versions.publish(beside, folder, version)
    seconds = time.perf_counter() - started
    return Export(str(folder / str(number)), number, record["difference"], tuple(record["signatures"]), seconds)


def _verify_plain(**arguments):
    given = [name for name, value in arguments.items() if value is not None]
    if given:
        raise ValueError(f"`{given[0]}` is not for a model with `signatures()`, which says itself what it takes.")


def _json(record):
    return json.dumps(record, indent=1, ensure_ascii=False) + "\n"


def _installed():
    import tensorflow as tf

    return {
        "python": platform.python_version(),
        "keras": keras.__version__,
        "tensorflow": tf.__version__,
        "numpy": np.__version__,
    }
