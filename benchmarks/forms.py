"""What each form of an export weighs, takes and loses: a table per trained model, ratios in one run.

    python benchmarks/forms.py [--runs FOLDER] [NAME ...]          writes benchmarks/forms.csv

Models: those that lie trained in saved_models; EfficientNet-Lite0 with its ImageNet weights, a deep network of
convolutions and batch normalisation, behind the preprocessing that it was trained with; and worked rows by their names,
as they were trained in FOLDER/NAME (runs/NAME), or are trained now. Each form is exported with its
proof from 64 raw examples of the training part (of Lite0: the photos of `bundled:photos`), and answers in this process
through `zoo.predictor`, preprocessing included. A form that a model's graph does not convert to has a row that says so.
- bytes: graph and weights of the SavedModel, or the file.
- p50_ms: median time of one answer to a batch of 1. per_second: answers a second to batches of 32.
- latency_ratio, throughput_ratio: how many times as fast as float32 on TensorFlow. The forms take turns in ROUNDS
  rounds; a ratio is the median over the rounds.
- score: the metric that the row is judged by, on the held-out test part (Lite0: 20 labelled photos of foolbox, so that
  one photo is 0.05), lost: float32's score less this one. difference: the largest of an answer, in its unit.

Restorers are given the degraded photos in 8 bits, as files hold them (the recipes' own noise is not rounded, so the
score differs a little from the record), and timed on squares of 96 pixels. Of a GAN the generator is exported, of a VAE
the decoder, and given noise; a diffusion model's 50 steps are one loop in a signature of its own, which has no forms.
"""

import argparse
import csv
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from form_subjects import lite0, worked

import zoo
from recipes.training.accelerate import machine_info
from zoo.weights import RESULTS_FOLDER

ROUNDS, SECONDS, BATCH = 5, 0.15, 32
STORED = ("folded", "bfloat16", "int8")
FILES = {
    "onnx": {"engine": "onnx"},
    "litert_float": {"engine": "litert", "form": "float"},
    "litert_dynamic": {"engine": "litert", "form": "dynamic"},
    "litert_int8": {"engine": "litert", "form": "int8"},
}
COLUMNS = ["model", "form", "engine", "bytes", "size_ratio", "p50_ms", "latency_ratio", "per_second"]
COLUMNS += ["throughput_ratio", "metric", "score", "lost", "difference", "note"]


def exported(folder, subject):
    """form -> (folder of the version, engine's arguments), or the sentence why there is none."""
    subjects = {}
    if hasattr(subject.model, "signatures"):
        made = zoo.export(subject.model, folder / "plain", tolerance=subject.tolerance)
        return {"float32": (made.path, {"engine": "tensorflow", "signature": "sample"})}

    def write(place, forms):
        arguments = {"preprocessing": subject.preprocessing, "forms": forms, "tolerance": subject.tolerance}
        return zoo.export(subject.model, folder / place, inputs=subject.training, **arguments).path

    plain, made = None, dict.fromkeys(FILES)
    while plain is None:  # once more without the file that does not convert
        try:
            plain = write("plain", tuple(form for form, error in made.items() if error is None))
        except zoo.ExportError as error:
            made[error.form] = error
    made = {form: error or plain for form, error in made.items()}
    subjects["float32"] = plain, {"engine": "tensorflow"}
    subjects["float32, OpenVINO"] = plain, {"engine": "openvino"}
    for form in STORED:
        subjects[form] = attempt(write, form), {"engine": "tensorflow"}
    return subjects | {form: (made[form], arguments) for form, arguments in FILES.items()}


def attempt(write, form):
    """A version's folder, or the error."""
    try:
        return write(form, (form,))
    except zoo.ExportError as error:
        return error


def predictors(subjects):
    """(form -> predictor, form -> why there is none)."""
    found, missing = {}, {}
    for form, (path, arguments) in subjects.items():
        try:
            if isinstance(path, zoo.ExportError):
                raise path
            found[form] = sampler(path) if "signature" in arguments else zoo.predictor(path, **arguments)
        except ValueError as error:
            told = str(error).splitlines()[0].partition(": ")[2]
            missing[form] = (told if error is path else told.replace(str(path), "the export"))[:120]
    return found, missing


def sampler(path):
    """A function from seeds to samples, of an export that draws them."""
    import tensorflow as tf

    saved = tf.saved_model.load(path)
    return lambda seeds: {"values": saved.signatures["sample"](seed=tf.constant(seeds))["images"].numpy()}


def weight(path, arguments):
    """Bytes of what an engine reads."""
    place = Path(path)
    if arguments["engine"] == "onnx":
        return (place / "assets.extra" / "model.onnx").stat().st_size
    if arguments["engine"] == "litert":
        return (place / "assets.extra" / f"litert_{arguments['form']}.tflite").stat().st_size
    files = [place / "saved_model.pb", *(place / "variables").iterdir()]
    return sum(file.stat().st_size for file in files)


def rows_of(inputs, indices):
    """Raw examples at these places."""
    if isinstance(inputs, dict):
        return {column: values[indices] for column, values in inputs.items()}
    return inputs[indices]


def timed(predictor, inputs):
    """Median seconds of an answer, asked for SECONDS and at least once."""
    found, end = [], time.perf_counter() + SECONDS
    while not found or time.perf_counter() < end:
        began = time.perf_counter()
        predictor(inputs)
        found.append(time.perf_counter() - began)
    return statistics.median(found)


def answers(predictor, inputs, count):
    """(N, outputs) numbers, asked in batches; a list of arrays for a list of images."""
    if isinstance(inputs, list):  # of different sizes
        return [answers(predictor, one[None], 1)[0] for one in inputs]
    found = [predictor(rows_of(inputs, np.arange(i, min(i + BATCH, count)))) for i in range(0, count, BATCH)]
    return np.concatenate([next(f[n] for n in ("probabilities", "values") if n in f) for f in found])


def measured(name, runs):
    """The rows of one model."""
    subject = lite0() if name == "efficientnet_lite0" else worked(name, runs)
    shown = subject.test if subject.timed is None else subject.timed
    one, many = (rows_of(shown, np.arange(n) % subject.count) for n in (1, BATCH))
    with tempfile.TemporaryDirectory() as place:
        subjects = exported(Path(place), subject)
        found, missing = predictors(subjects)
        times = {form: ([], []) for form in found}
        for turn in range(ROUNDS + 1):  # the first warms up
            for form, predictor in found.items():
                for kept, inputs in zip(times[form], (one, many), strict=True):
                    took = timed(predictor, inputs)
                    kept += [took] if turn else []
        said = {form: answers(predictor, subject.test, subject.count) for form, predictor in found.items()}
        sizes = {form: weight(subjects[form][0], subjects[form][1]) for form in found}
    metric, whole = subject.judge(said["float32"])
    rows = []
    for form, (_, arguments) in subjects.items():
        if form in missing:
            rows.append([name, form, arguments["engine"], *[""] * 10, missing[form]])
            continue
        single, batch = (statistics.median(t) for t in times[form])
        ratios = [
            statistics.median(p / q for p, q in zip(base, own, strict=True))
            for base, own in zip(times["float32"], times[form], strict=True)
        ]
        value = subject.judge(said[form])[1]
        off = max(float(np.abs(a - b).max()) for a, b in zip(said[form], said["float32"], strict=True))
        rows.append(
            [
                *(name, form, arguments["engine"], sizes[form], f"{sizes[form] / sizes['float32']:.2f}"),
                *(f"{1000 * single:.3f}", f"{ratios[0]:.2f}", f"{BATCH / batch:.0f}", f"{ratios[1]:.2f}"),
                *(metric, f"{value:.4f}", f"{whole - value:.4f}", f"{off:.2g}", ""),
            ]
        )
    return rows


def main(names, runs):
    """Measures the models of these names and keeps the rows of the others; or those that need no training."""
    file = Path(__file__).with_suffix(".csv")
    every = [*sorted(p.parent.name for p in RESULTS_FOLDER.glob("*/model.keras")), "efficientnet_lite0"]
    about = machine_info()
    installed = [about[n] for n in ("cores", "python", "tensorflow", "keras")]
    kept = list(csv.reader(file.open(encoding="utf-8")))[1:] if file.is_file() else []
    for name in names or every:
        print(name, file=sys.stderr)
        rows = [[*row, ROUNDS, *installed] for row in measured(name, runs)]
        for row in rows:
            print("\t".join(map(str, row[1:14])))
        kept = [*(row for row in kept if row[0] != name), *rows]
        with file.open("w", newline="", encoding="utf-8") as told:
            writer = csv.writer(told, lineterminator="\n")
            writer.writerow([*COLUMNS, "rounds", "cores", "python", "tensorflow", "keras"])
            writer.writerows(kept)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--runs", default="runs", metavar="FOLDER")
    given = parser.parse_args()
    main(given.names, given.runs)
