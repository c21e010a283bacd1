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
import io
import statistics
import sys
import tempfile
import time
import typing
import zipfile
from pathlib import Path

import keras
import numpy as np
from PIL import Image

import recipes
import zoo
from recipes.accelerate import machine
from recipes.data.photographs import pixels_of
from recipes.generation import MOST, Generation
from recipes.recipe import Recipe
from recipes.restoration import Restoration
from recipes.rows import RESULTS
from recipes.run import Run, load_run, probabilities
from zoo.wheels import Wheel

ROUNDS, SECONDS, BATCH, SIDE = 5, 0.15, 32, 96
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


class Subject(typing.NamedTuple):
    """A trained model and what its forms are measured with."""

    model: keras.Model
    preprocessing: keras.Model
    training: typing.Any  # raw examples that an export is proved with
    test: typing.Any  # raw held-out examples, of which `count`
    count: int
    tolerance: float  # of the plain export
    judge: typing.Callable  # answers to the held-out examples -> (metric, value)
    timed: typing.Any = None  # raw examples of one size to time, where those of `test` differ


class Said:
    """A model that has answered already: it gives its answers in their order, however it is asked."""

    def __init__(self, model, answers):
        self.model, self.answers, self.at = model, answers, 0

    def __getattr__(self, name):
        return getattr(self.model, name)

    def sample(self, count, **_):
        self.at += count
        return self.answers[self.at - count : self.at]

    def predict(self, inputs, **_):
        return self.sample(len(inputs))

    __call__ = predict


def worked(name, runs):
    """`Subject` of a worked row: from the shelf, or a run in the folder `runs`, trained first if it is not there."""
    row = recipes.WORKED[name]
    folder = RESULTS / name
    if not (folder / "model.keras").is_file():
        folder = Path(runs) / name
        if not (folder / "model.keras").is_file():
            recipes.train(name, data=row.record, out=folder)
    recipe, saved, data = row.recipe, load_run(folder), row.recipe.open(row.record or row.data)

    def judge(found):
        run = Run(recipe, Said(saved.model, found), data, saved.preprocessing, {}, {})
        if type(recipe).respond is Recipe.respond:
            run.answers = lambda part: probabilities(saved.model, found, data.classes)
        return recipe.headline, recipe.examine(run, "test")[recipe.headline]

    model, raw, timed, count = recipe.served(saved.model), saved.preprocessing, None, len(data.test)
    training, test = (part.head(min(len(part), n)) for part, n in ((data.train, 64), (data.test, count)))
    if isinstance(recipe, Restoration):
        training, test = (degraded(recipe, raw, images) for images in (list(training), pixels_of(data.test)))
        timed = np.stack([image[:SIDE, :SIDE] for image in test])
    if isinstance(recipe, Generation):
        model, raw = getattr(model, "generator", None) or getattr(model, "decoder", model), None
        noise = np.random.default_rng(recipe.seed).standard_normal((MOST, *model.inputs[0].shape[1:]), "float32")
        training, test, count = noise[:64], noise[:count], min(count, MOST)
        if hasattr(model, "signatures"):
            test = training = np.arange(count, dtype="int32")
    return Subject(model, raw, training, test, count, max(TOLERANCE, recipe.tolerance(data)), judge, timed)


def degraded(recipe, preprocessing, images):
    """Images made worse, as the recipe does it, in 8 bits."""
    made = [
        recipe.degrade(preprocessing(image[None], training=False), recipe.draw(i))[0] for i, image in enumerate(images)
    ]
    return [np.clip(np.round(255 * np.asarray(image)[0]), 0, 255).astype("uint8") for image in made]


def middle(photo):
    """(224, 224, 3) of 0 to 255: the middle 0.875 of a photo, as the weights' authors evaluate."""
    photo = photo.convert("RGB")
    side = int(0.875 * min(photo.size))
    left, top = (photo.width - side) // 2, (photo.height - side) // 2
    return np.asarray(photo.crop((left, top, left + side, top + side)).resize((224, 224), Image.Resampling.BICUBIC))


def lite0():
    """`Subject` of EfficientNet-Lite0 with its ImageNet weights."""
    bundle = zoo.BUNDLED["efficientnet_lite0"]
    raw = keras.Input((224, 224, 3), dtype="uint8", name="image")
    front = keras.layers.Rescaling(1 / bundle.deviation, -bundle.mean / bundle.deviation)(raw)
    shown = recipes.load("bundled:photos").train.head(7)
    shown = np.stack([middle(Image.fromarray(np.asarray(photo).squeeze())) for photo in shown])
    with zipfile.ZipFile(FOOLBOX.path()) as wheel:
        names = sorted(n for n in wheel.namelist() if n.startswith("foolbox/data/imagenet_"))
        photos = np.stack([middle(Image.open(io.BytesIO(wheel.read(n)))) for n in names])
    targets = np.array([int(n.removesuffix(".jpg").split("_")[-1]) for n in names])

    def judge(found):
        return "accuracy", float((found.argmax(-1) == targets).mean())

    model = zoo.load("efficientnet_lite0", "bundled")
    return Subject(model, keras.Model(raw, front), shown, photos, len(photos), TOLERANCE, judge)


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
    every = [*sorted(p.parent.name for p in RESULTS.glob("*/model.keras")), "efficientnet_lite0"]
    about = machine()
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
