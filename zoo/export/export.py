"""Exports a Keras model as a SavedModel for TensorFlow Serving, and checks its outputs against `predict`."""

import json
import platform
import time
import typing
from pathlib import Path

import keras
import numpy as np

from zoo.arguments import Count, Positive, checked
from zoo.atomic_write import write_text
from zoo.conformal import Conformal
from zoo.export import parity_check, versions, warmup
from zoo.export.generative_model import GenerativeExport
from zoo.export.missing_values import MissingValues
from zoo.export.predictive_model import PredictiveExport
from zoo.export.signatures import Signatures
from zoo.export.training_statistics import TrainingStatistics
from zoo.export.versions import ExportError
from zoo.inputs import InputSchema, match
from zoo.inputs.schema import FILE as SCHEMA_FILE
from zoo.introspect.text_tokens import FILE as TOKENS_FILE
from zoo.introspect.text_tokens import text_tokens

Format = typing.Literal["folded", "bfloat16", "int8", "litert_float", "litert_dynamic", "litert_int8", "onnx"]


class Export(typing.NamedTuple):
    """The result of `zoo.export`."""

    path: str  # PATH/VERSION
    version: int
    difference: float  # largest absolute difference between an output of the export and of `predict`
    signatures: tuple
    seconds: float  # of export and parity check
    notes: tuple = ()  # sentences on what the export lacks, as parity.json has them


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
    conformal: Conformal | None = None,
    input_schema: InputSchema | None = None,
) -> Export:
    """Writes a SavedModel in TensorFlow Serving's layout and checks in another process that it predicts as `predict`.

    Signatures of the SavedModel:
    - `serving_default` takes raw values by name.
    - `serving_bytes` takes `image_bytes`, the content of PNG, JPEG, BMP or GIF files. It exists where the raw input is
      an image of 1, 3 or 4 bands of whole numbers from 0 to 255, or of uint16. Files are decoded as in training: the
      EXIF orientation is applied, transparency is laid on white, and 16 bits are divided by 257 unless the raw input is
      uint16. Files whose pixels would differ are refused. Files are resized where the raw input's size is fixed. A
      model of images and questions takes the text `question` beside them.
    - `serving_wav` takes `wav_bytes`, the content of WAV files of 16 bits. It exists for models of sound with an input
      schema. Channels are averaged, and a file shorter than a clip is padded as in training. Files of another sample
      rate or depth, and longer ones, are refused.
    - `features` returns the pooled features (B, C) where the model has them.

    The first three return `probabilities` (after a final softmax or sigmoid) or `values`, float32; a model with several
    outputs keeps their names. With `classes` they also return `classes`, the names of the five largest, and their
    `scores`. A detector, as `zoo.detector` returns it, has `boxes` (B, D, 4), `scores` (B, D) and `class_index` (B, D),
    best first, -1 in rows without a box; with `classes` also their names. With `training_statistics` they also return
    `skew` (B, 3). The batch size is free, and so are height and width where the model was built with None for them.
    Augmentation and dropout are off, as in inference.

    With the schema of a table, columns are read as its reader reads them: blanks around a level are left out, and texts
    such as NA and the numbers that mean missing are gaps.

    Gaps (NaN, or an empty string in a category) are refused where the layers show that training had none. A LiteRT or
    ONNX file alone does not refuse them, as these formats have no assertion, and parity.json notes it; `zoo.predictor`
    checks the inputs of every engine.

    Parity check: `inputs` run through every signature, one example and all together, in another process that imports
    neither this package nor Keras. The outputs must equal those of `model.predict` for the preprocessed inputs, where
    preprocessing runs in a graph as in tf.data. Both run on the CPU. JPEG files are decoded as by Pillow, to within
    0.001 of the output's scale. Rotated, transparent, gray and resized files, a gap and an unseen level are compared
    where the model accepts them. PATH/VERSION/assets.extra gets parity.json, the record of all comparisons, and the
    same requests as warm-up records, so that TensorFlow Serving's first request is as fast as any other.

    A graph may have operations of TensorFlow Text, as the tokens of KerasHub's tokenizers need. TensorFlow Serving has
    them, the parity check loads them, parity.json notes them, and other programs need `import tensorflow_text`.

    A model with a method `signatures()`, as generative models have, is exported with these signatures instead. Outputs
    of a signature that takes a `seed`, or gives the same outputs twice, are compared by value. Of the others shape and
    range are checked, and parity.json says so.

    Args:
        model: functional or Sequential, built; or with a method `signatures()`: name -> (function, TensorSpecs).
        path: the served model's folder. PATH/VERSION appears in it complete or not at all.
        inputs: raw held-out examples, at least one: (N, ...), a dict of columns, a DataFrame, or a list of (H, W, C)
            images that differ in size. Of a model with `signatures()`: dicts of arrays by the signature's name, or None
            for random inputs.
        preprocessing: the model that maps raw inputs to the model's inputs, as in training; None where they are the
            same.
        classes: names of the outputs, in their order. A single sigmoid has two; its output is the second's probability.
        version: a number that is new in PATH; None for the largest one plus 1.
        tolerance: largest absolute difference allowed, in the output's unit.
        formats: faster or smaller formats. Each has its own tolerance, a fraction of the output's scale, in brackets.
            `folded` makes the weights constants of the graph, with batch normalization folded into the layer before it
            (1e-4). `bfloat16` also stores them in half the space (0.02). `int8` quantizes the dense layers with Keras
            instead (0.05). `litert_float` (1e-4), `litert_dynamic` (8-bit weights, 0.05) and `litert_int8` (8-bit
            weights and activations, with ranges from `inputs`, 0.1) add a LiteRT file to assets.extra; that of a
            recurrent network takes one example at a time, and does not exist in int8. `onnx` (1e-4) adds model.onnx;
            ONNX has neither strings nor grouped convolutions.
        training_statistics: result of `zoo.serving.training_statistics`, for the output `skew`; None for no `skew`.
        conformal: of held-out examples, for the output `interval` (B, outputs, 2), the lowest and highest numbers, or
            `set` (B, classes), whether a class is in the set; None for neither. The files of other formats lack them.
        input_schema: what the model was trained on; written to assets.extra/input_schema.json, by which `zoo.predictor`
            matches data frames, and `inputs` are matched to it. None if there is none.
    Returns:
        `Export(path, version, difference, signatures, seconds, notes)`.
    Raises:
        ExportError: (a ValueError) if the arguments do not suit the model, its graph cannot be saved or loaded, or an
            output differs by more than `tolerance`.
    """
    started = time.perf_counter()
    folder = Path(path).expanduser()
    if version is not None and (folder / str(version)).exists():
        raise ExportError(f"export: `version` {version} is already in {folder}.")
    try:
        if callable(getattr(model, "signatures", None)):
            _check_not_passed(
                preprocessing=preprocessing,
                classes=classes,
                formats=formats or None,
                training_statistics=training_statistics,
                conformal=conformal,
            )
            job = GenerativeExport(model, inputs, tolerance)
        else:
            if inputs is None:
                raise ValueError("`inputs` must be raw held-out examples for the parity check, got None.")
            is_table = input_schema is not None and input_schema.kind == "table"
            missing = MissingValues(input_schema.missing_texts, input_schema.missing_numbers) if is_table else None
            signatures = Signatures(model, preprocessing, classes, training_statistics, missing, conformal)
            if is_table:
                inputs = match(input_schema, inputs, caller="export").batch
            if input_schema is not None and input_schema.kind == "sound":
                signatures.sample_rate = input_schema.sound["sample_rate"]
            accepts_gaps = input_schema is not None and input_schema.accepts_gaps
            job = PredictiveExport(signatures, inputs, tolerance, formats, accepts_gaps)
    except ExportError:
        raise
    except ValueError as error:
        raise ExportError(f"export: {error}") from None
    with versions.temporary_version(folder) as temporary:
        job.write(temporary)
        outputs = parity_check.run_isolated(job.requests, temporary)
        record = job.check(outputs, temporary)
        (temporary / "assets.extra").mkdir(exist_ok=True)
        records = [warmup.Record(r.signature, r.inputs, o) for r, o in zip(job.requests, outputs, strict=True)]
        warmup.write_records(temporary, folder.name, records)
        text = json.dumps({**record, "versions": _package_versions()}, indent=1, ensure_ascii=False)
        write_text(temporary / "assets.extra" / "parity.json", text + "\n")
        if input_schema is not None:
            schema = json.dumps(input_schema.to_json(), indent=1, ensure_ascii=False)
            write_text(temporary / "assets.extra" / SCHEMA_FILE, schema + "\n")
            tokens = text_tokens(preprocessing) if input_schema.kind in ("text", "question") and preprocessing else None
            if tokens is not None and tokens.config:
                config = json.dumps(tokens.config, indent=1, ensure_ascii=False)
                write_text(temporary / "assets.extra" / TOKENS_FILE, config + "\n")
        number = versions.publish(temporary, folder, version)
    seconds = time.perf_counter() - started
    facts = record["difference"], tuple(record["signatures"]), seconds, tuple(record["notes"])
    return Export(str(folder / str(number)), number, *facts)


def _check_not_passed(**arguments):
    for name, value in arguments.items():
        if value is not None:
            raise ValueError(
                f"`{name}` must be left out for a model with `signatures()`, which has its own signatures."
            )


def _package_versions():
    import tensorflow as tf

    return {
        "python": platform.python_version(),
        "keras": keras.__version__,
        "tensorflow": tf.__version__,
        "numpy": np.__version__,
    }
