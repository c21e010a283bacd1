"""Size, speed and score of every format of an export: a table per trained model, with ratios within one run.

    python benchmarks/formats.py [--runs FOLDER] [NAME ...]          writes benchmarks/formats.csv

Models: those that are stored in saved_models; EfficientNet-Lite0 with its ImageNet weights, a deep network of
convolutions and batch normalization, behind the preprocessing that it was trained with; and reference recipes by their
names, from FOLDER/NAME (runs/NAME) or trained now. Each format is exported with a parity check on 64 raw examples of
the training split (of Lite0: the photos of `bundled:photos`). Predictions run in this process through `zoo.predictor`,
preprocessing included. A format that the model's graph cannot be converted to has a row with the reason.
- bytes: graph and weights of the SavedModel, or the file.
- p50_ms: median time of one prediction for a batch of 1. per_second: predictions per second in batches of 32.
- latency_ratio, throughput_ratio: speed relative to float32 on TensorFlow. The formats take turns in ROUNDS rounds; a
  ratio is the median over the rounds.
- score: the headline metric of the recipe on the test split (Lite0: accuracy on 20 labelled photos of foolbox, so that
  one photo is 0.05). score_loss: float32's score minus this one. difference: largest difference of an output from
  float32's, in its unit.

Restoration models get the degraded photos in 8 bits, as files hold them (the recipes' own noise is not rounded, so the
score differs a little from the record), and are timed on squares of 96 pixels. Of a GAN the generator is exported, of a
VAE the decoder, with noise as input. The 50 steps of a diffusion model are one loop in a signature of its own, which
has no further formats.
"""

import argparse
import csv
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from format_subjects import lite0_subject, recipe_subject

import zoo
from recipes.reference.recipes import RESULTS
from recipes.training.accelerate import machine

ROUNDS, SECONDS, BATCH_SIZE = 5, 0.15, 32
SAVED_MODEL_FORMATS = ("folded", "bfloat16", "int8")
FILE_FORMATS = {
    "onnx": {"engine": "onnx"},
    "litert_float": {"engine": "litert", "format": "float"},
    "litert_dynamic": {"engine": "litert", "format": "dynamic"},
    "litert_int8": {"engine": "litert", "format": "int8"},
}
COLUMNS = ["model", "format", "engine", "bytes", "size_ratio", "p50_ms", "latency_ratio", "per_second"]
COLUMNS += ["throughput_ratio", "metric", "score", "score_loss", "difference", "note"]


def export_formats(folder, subject):
    """Exports a model in every format: format -> (version folder or the `ExportError`, arguments of the predictor)."""
    if hasattr(subject.model, "signatures"):
        export = zoo.export(subject.model, folder / "plain", tolerance=subject.tolerance)
        return {"float32": (export.path, {"engine": "tensorflow", "signature": "sample"})}

    def write(name, formats):
        return zoo.export(
            subject.model,
            folder / name,
            inputs=subject.training,
            preprocessing=subject.preprocessing,
            formats=formats,
            tolerance=subject.tolerance,
        ).path

    plain, errors = None, dict.fromkeys(FILE_FORMATS)
    while plain is None:  # once more without the file that cannot be converted
        try:
            plain = write("plain", tuple(format for format, error in errors.items() if error is None))
        except zoo.ExportError as error:
            errors[error.format] = error
    exports = {"float32": (plain, {"engine": "tensorflow"}), "float32, OpenVINO": (plain, {"engine": "openvino"})}
    for format in SAVED_MODEL_FORMATS:
        try:
            path = write(format, (format,))
        except zoo.ExportError as error:
            path = error
        exports[format] = path, {"engine": "tensorflow"}
    return exports | {format: (errors[format] or plain, arguments) for format, arguments in FILE_FORMATS.items()}


def load_predictors(exports):
    """(format -> predictor, format -> why there is none)."""
    predictors, reasons = {}, {}
    for format, (path, arguments) in exports.items():
        try:
            if isinstance(path, zoo.ExportError):
                raise path
            predictors[format] = load_sampler(path) if "signature" in arguments else zoo.predictor(path, **arguments)
        except ValueError as error:
            message = str(error).splitlines()[0].partition(": ")[2]
            reasons[format] = (message if error is path else message.replace(str(path), "the export"))[:120]
    return predictors, reasons


def load_sampler(path):
    """A function from seeds to samples, of an export with the signature `sample`."""
    import tensorflow as tf

    model = tf.saved_model.load(path)
    return lambda seeds: {"values": model.signatures["sample"](seed=tf.constant(seeds))["images"].numpy()}


def size_in_bytes(path, arguments):
    """Bytes of the files that an engine reads."""
    version = Path(path)
    if arguments["engine"] == "onnx":
        return (version / "assets.extra" / "model.onnx").stat().st_size
    if arguments["engine"] == "litert":
        return (version / "assets.extra" / f"litert_{arguments['format']}.tflite").stat().st_size
    files = [version / "saved_model.pb", *(version / "variables").iterdir()]
    return sum(file.stat().st_size for file in files)


def take(inputs, indices):
    """Raw examples with these indices."""
    if isinstance(inputs, dict):
        return {column: values[indices] for column, values in inputs.items()}
    return inputs[indices]


def median_seconds(predictor, inputs):
    """Median time of a prediction [s], repeated for SECONDS and at least once."""
    times, end = [], time.perf_counter() + SECONDS
    while not times or time.perf_counter() < end:
        started = time.perf_counter()
        predictor(inputs)
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def predict_all(predictor, inputs, count):
    """(N, outputs) numbers, predicted in batches; a list of arrays for a list of images."""
    if isinstance(inputs, list):  # of different sizes
        return [predict_all(predictor, image[None], 1)[0] for image in inputs]
    starts = range(0, count, BATCH_SIZE)
    batches = [predictor(take(inputs, np.arange(i, min(i + BATCH_SIZE, count)))) for i in starts]
    return np.concatenate([next(b[n] for n in ("probabilities", "values") if n in b) for b in batches])


def measure(name, runs):
    """The rows of one model."""
    subject = lite0_subject() if name == "efficientnet_lite0" else recipe_subject(name, runs)
    timed = subject.test if subject.timed is None else subject.timed
    single, batch = (take(timed, np.arange(n) % subject.count) for n in (1, BATCH_SIZE))
    with tempfile.TemporaryDirectory() as folder:
        exports = export_formats(Path(folder), subject)
        predictors, reasons = load_predictors(exports)
        times = {format: ([], []) for format in predictors}
        for turn in range(ROUNDS + 1):  # the first warms up
            for format, predictor in predictors.items():
                for seconds, inputs in zip(times[format], (single, batch), strict=True):
                    median = median_seconds(predictor, inputs)
                    seconds += [median] if turn else []
        predictions = {format: predict_all(p, subject.test, subject.count) for format, p in predictors.items()}
        sizes = {format: size_in_bytes(*exports[format]) for format in predictors}
    metric, float32_score = subject.evaluate(predictions["float32"])
    rows = []
    for format, (_, arguments) in exports.items():
        if format in reasons:
            rows.append([name, format, arguments["engine"], *[""] * 10, reasons[format]])
            continue
        single_seconds, batch_seconds = (statistics.median(t) for t in times[format])
        ratios = [
            statistics.median(p / q for p, q in zip(float32_times, format_times, strict=True))
            for float32_times, format_times in zip(times["float32"], times[format], strict=True)
        ]
        score = subject.evaluate(predictions[format])[1]
        pairs = zip(predictions[format], predictions["float32"], strict=True)
        difference = max(float(np.abs(a - b).max()) for a, b in pairs)
        rows.append(
            [
                *(name, format, arguments["engine"], sizes[format], f"{sizes[format] / sizes['float32']:.2f}"),
                *(f"{1000 * single_seconds:.3f}", f"{ratios[0]:.2f}"),
                *(f"{BATCH_SIZE / batch_seconds:.0f}", f"{ratios[1]:.2f}"),
                *(metric, f"{score:.4f}", f"{float32_score - score:.4f}", f"{difference:.2g}", ""),
            ]
        )
    return rows


def main(names, runs):
    """Measures these models, by default those that need no training, and keeps the rows of the others."""
    file = Path(__file__).with_suffix(".csv")
    trained = [*sorted(p.parent.name for p in RESULTS.glob("*/model.keras")), "efficientnet_lite0"]
    about = machine()
    installed = [about[n] for n in ("cores", "python", "tensorflow", "keras")]
    table = list(csv.reader(file.open(encoding="utf-8")))[1:] if file.is_file() else []
    for name in names or trained:
        print(name, file=sys.stderr)
        rows = [[*row, ROUNDS, *installed] for row in measure(name, runs)]
        for row in rows:
            print("\t".join(map(str, row[1:14])))
        table = [*(row for row in table if row[0] != name), *rows]
        with file.open("w", newline="", encoding="utf-8") as output:
            writer = csv.writer(output, lineterminator="\n")
            writer.writerow([*COLUMNS, "rounds", "cores", "python", "tensorflow", "keras"])
            writer.writerows(table)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--runs", default="runs", metavar="FOLDER")
    options = parser.parse_args()
    main(options.names, options.runs)
