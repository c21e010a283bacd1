"""The trained models whose forms `forms.py` measures, each with the examples that it is proved with and judged by."""

import io
import typing
import zipfile
from pathlib import Path

import keras
import numpy as np
from PIL import Image

import recipes
import zoo
from recipes.data.images.image_patches import pixels_of
from recipes.tasks.generation import MOST, Generation
from recipes.tasks.restoration import Restoration
from recipes.training.run import Run, load_run, probabilities
from recipes.training.task import Recipe
from zoo.package_files import Wheel
from zoo.weights import RESULTS_FOLDER

TOLERANCE, SIDE = 1e-4, 96
FOOLBOX = Wheel(
    "foolbox==3.3.4",
    "foolbox-3.3.4-py3-none-any.whl",
    "11049d515d38e765e206a73ace9cc648b81a0d6d1da9ad9057e149ee117989cb",
)


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
        return self.sample(len(next(iter(inputs.values())) if isinstance(inputs, dict) else inputs))

    __call__ = predict


def worked(name, runs):
    """`Subject` of a worked row: from the shelf, or a run in the folder `runs`, trained first if it is not there."""
    row = recipes.REFERENCE[name]
    folder = RESULTS_FOLDER / name
    if not (folder / "model.keras").is_file():
        folder = Path(runs) / name
        if not (folder / "model.keras").is_file():
            recipes.train(name, data=row.results_data, out=folder)
    recipe, saved, data = row.task, load_run(folder), row.task.open(row.results_data or row.data)

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
