"""What each form of an export weighs, takes and loses: a table per trained model, ratios in one run.

    python benchmarks/forms.py [NAME ...]          writes benchmarks/forms.csv

Models: those that lie trained in saved_models, and EfficientNet-Lite0 with its ImageNet weights, a deep network of
convolutions and batch normalisation, behind the preprocessing that it was trained with. Each form is exported with its
proof from 64 raw examples of the training part (of Lite0: the photos of `bundled:photos`), and answers in this process
through `zoo.predictor`, preprocessing included. A form that a model's graph does not convert to has a row that says so.
- bytes: graph and weights of the SavedModel, or the file.
- p50_ms: median time of one answer to a batch of 1. per_second: answers a second to batches of 32.
- latency_ratio, throughput_ratio: how many times as fast as float32 on TensorFlow. The forms take turns in ROUNDS
  rounds; a ratio is the median over the rounds.
- score: accuracy, or the share of variance explained (r2), on the held-out test part (Lite0: 20 labelled photos of
  foolbox, so that one photo is 0.05), lost: float32's score less this one. difference: the largest of an answer.
"""

import csv
import io
import statistics
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import keras
import numpy as np
from PIL import Image

import recipes
import zoo
from recipes.accelerate import machine
from recipes.rows import RESULTS
from zoo.wheels import Wheel

ROUNDS, SECONDS, BATCH = 5, 0.15, 32
TOLERANCE = 1e-4
STORED = ("folded", "bfloat16", "int8")
FILES = {
    "onnx": {"engine": "onnx"},
    "litert_float": {"engine": "litert", "form": "float"},
    "litert_dynamic": {"engine": "litert", "form": "dynamic"},
    "litert_int8": {"engine": "litert", "form": "int8"},
}
FOOLBOX = Wheel(
    "foolbox==3.3.4",
    "foolbox-3.3.4-py3-none-any.whl",
    "11049d515d38e765e206a73ace9cc648b81a0d6d1da9ad9057e149ee117989cb",
)
COLUMNS = ["model", "form", "engine", "bytes", "size_ratio", "p50_ms", "latency_ratio", "per_second"]
COLUMNS += ["throughput_ratio", "metric", "score", "lost", "difference", "note"]


def shelved(name):
    """(model, preprocessing, raw training examples, raw test examples, their targets) of a model on the shelf."""
    row = recipes.WORKED[name]
    parts = [keras.models.load_model(RESULTS / name / f"{p}.keras", compile=False) for p in ("model", "preprocessing")]
    data = recipes.load(row.data, seed=row.recipe.seed)
    return *parts, data.train.head(64), data.test.head(len(data.test)), np.asarray(data.test.targets)


def middle(photo):
    """(224, 224, 3) of 0 to 255: the middle 0.875 of a photo, as the weights' authors evaluate."""
    photo = photo.convert("RGB")
    side = int(0.875 * min(photo.size))
    left, top = (photo.width - side) // 2, (photo.height - side) // 2
    return np.asarray(photo.crop((left, top, left + side, top + side)).resize((224, 224), Image.Resampling.BICUBIC))


def lite0():
    """The same of EfficientNet-Lite0 with its ImageNet weights."""
    bundle = zoo.BUNDLED["efficientnet_lite0"]
    raw = keras.Input((224, 224, 3), dtype="uint8", name="image")
    front = keras.layers.Rescaling(1 / bundle.deviation, -bundle.mean / bundle.deviation)(raw)
    shown = recipes.load("bundled:photos").train.head(7)
    shown = np.stack([middle(Image.fromarray(np.asarray(photo).squeeze())) for photo in shown])
    with zipfile.ZipFile(FOOLBOX.path()) as wheel:
        names = sorted(n for n in wheel.namelist() if n.startswith("foolbox/data/imagenet_"))
        photos = np.stack([middle(Image.open(io.BytesIO(wheel.read(n)))) for n in names])
    targets = np.array([int(n.removesuffix(".jpg").split("_")[-1]) for n in names])
    return zoo.load("efficientnet_lite0", "bundled"), keras.Model(raw, front), shown, photos, targets


def exported(folder, model, preprocessing, inputs):
    """form -> (folder of the version, engine's arguments), or the sentence why there is none."""
    subjects = {}

    def write(place, forms):
        arguments = {"preprocessing": preprocessing, "forms": forms, "tolerance": TOLERANCE}
        return zoo.export(model, folder / place, inputs=inputs, **arguments).path

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
            found[form] = zoo.predictor(path, **arguments)
        except ValueError as error:
            told = str(error).splitlines()[0].partition(": ")[2]
            missing[form] = (told if error is path else told.replace(str(path), "the export"))[:120]
    return found, missing


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
    """(N, outputs) numbers, asked in batches."""
    found = [predictor(rows_of(inputs, np.arange(i, min(i + BATCH, count)))) for i in range(0, count, BATCH)]
    return np.concatenate([next(f[n] for n in ("probabilities", "values") if n in f) for f in found])


def score(found, targets):
    """(metric, value): accuracy of classes, r2 of numbers."""
    if targets.dtype.kind == "f":
        truth = targets.reshape(found.shape)
        return "r2", 1 - float(((truth - found) ** 2).sum() / ((truth - truth.mean()) ** 2).sum())
    chosen = found[:, 0] > 0.5 if found.shape[-1] == 1 else found.argmax(-1)
    return "accuracy", float((chosen == targets).mean())


def measured(name):
    """The rows of one model."""
    model, preprocessing, training, test, targets = lite0() if name == "efficientnet_lite0" else shelved(name)
    one, many = rows_of(test, np.arange(1)), rows_of(test, np.arange(BATCH) % len(targets))
    with tempfile.TemporaryDirectory() as place:
        subjects = exported(Path(place), model, preprocessing, training)
        found, missing = predictors(subjects)
        times = {form: ([], []) for form in found}
        for turn in range(ROUNDS + 1):  # the first warms up
            for form, predictor in found.items():
                for kept, inputs in zip(times[form], (one, many), strict=True):
                    took = timed(predictor, inputs)
                    kept += [took] if turn else []
        said = {form: answers(predictor, test, len(targets)) for form, predictor in found.items()}
        sizes = {form: weight(subjects[form][0], subjects[form][1]) for form in found}
    metric, whole = score(said["float32"], targets)
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
        value = score(said[form], targets)[1]
        off = float(np.abs(said[form] - said["float32"]).max())
        rows.append(
            [
                *(name, form, arguments["engine"], sizes[form], f"{sizes[form] / sizes['float32']:.2f}"),
                *(f"{1000 * single:.3f}", f"{ratios[0]:.2f}", f"{BATCH / batch:.0f}", f"{ratios[1]:.2f}"),
                *(metric, f"{value:.4f}", f"{whole - value:.4f}", f"{off:.2g}", ""),
            ]
        )
    return rows


def main(*names):
    """Measures the models of these names and keeps the rows of the others; or all."""
    file = Path(__file__).with_suffix(".csv")
    every = [*sorted(p.parent.name for p in RESULTS.glob("*/model.keras")), "efficientnet_lite0"]
    about = machine()
    installed = [about[n] for n in ("cores", "python", "tensorflow", "keras")]
    table = []
    for name in names or every:
        print(name, file=sys.stderr)
        table += [[*row, ROUNDS, *installed] for row in measured(name)]
        for row in [r for r in table if r[0] == name]:
            print("\t".join(map(str, row[1:14])))
    kept = list(csv.reader(file.open(encoding="utf-8")))[1:] if names and file.is_file() else []
    kept = [row for row in kept if row[0] not in names]
    with file.open("w", newline="", encoding="utf-8") as told:
        writer = csv.writer(told, lineterminator="\n")
        writer.writerow([*COLUMNS, "rounds", "cores", "python", "tensorflow", "keras"])
        writer.writerows([*kept, *table])


if __name__ == "__main__":
    main(*sys.argv[1:])
