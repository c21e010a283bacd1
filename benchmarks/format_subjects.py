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
from recipes.data.images.image_patches import iterate_images
from recipes.prediction.predict import to_outputs
from recipes.runs.load import load_run
from recipes.tasks.generation import MAX_IMAGES, Generation
from recipes.tasks.restoration import Restoration
from recipes.training.run import Run
from recipes.training.task import Task
from zoo.package_files import Wheel
from zoo.weights import RESULTS_FOLDER

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
    """Returns the `Subject` of a reference recipe: from saved_models, else from `runs`, trained first if needed."""
    reference = recipes.REFERENCE[name]
    folder = RESULTS_FOLDER / name
    if not (folder / "model.keras").is_file():
        folder = Path(runs) / name
        if not (folder / "model.keras").is_file():
            recipes.train(name, data=reference.results_data, out=folder)
    task, saved = reference.task, load_run(folder)
    data = task.open_data(reference.results_data or reference.data)

    def evaluate(predictions):
        run = Run(task, RecordedPredictions(saved.model, predictions), data, saved.preprocessing, {}, {})
        if type(task).predict_split is Task.predict_split:
            run.predict_split = lambda split: to_outputs(run, predictions)
        return task.main_metric, task.evaluate(run, "test")[task.main_metric]

    model, _, tolerance = task.export_settings(Run(task, saved.model, data, saved.preprocessing, {}, {}))
    preprocessing, timed, count = saved.preprocessing, None, len(data.test)
    training, test = (split.head(min(len(split), n)) for split, n in ((data.train, 64), (data.test, count)))
    if isinstance(task, Restoration):
        training, test = (
            degrade_photos(task, preprocessing, images) for images in (list(training), iterate_images(data.test))
        )
        timed = np.stack([image[:SIDE, :SIDE] for image in test])
    if isinstance(task, Generation):
        model, preprocessing = getattr(model, "generator", None) or getattr(model, "decoder", model), None
        shape = (MAX_IMAGES, *model.inputs[0].shape[1:])
        noise = np.random.default_rng(task.seed).standard_normal(shape, "float32")
        training, test, count = noise[:64], noise[:count], min(count, MAX_IMAGES)
        if hasattr(model, "signatures"):
            test = training = np.arange(count, dtype="int32")
    return Subject(model, preprocessing, training, test, count, max(TOLERANCE, tolerance), evaluate, timed)


def degrade_photos(task, preprocessing, images):
    """Returns images degraded as by the task, in 8 bits."""
    degraded = [
        task.degrade(preprocessing(image[None], training=False), task.noise_seed(i))[0]
        for i, image in enumerate(images)
    ]
    return [np.clip(np.round(255 * np.asarray(image)[0]), 0, 255).astype("uint8") for image in degraded]


def center_crop(photo):
    """Returns (224, 224, 3) of 0 to 255: the central 0.875 of a photo, as the authors of the weights evaluate them."""
    photo = photo.convert("RGB")
    side = int(0.875 * min(photo.size))
    left, top = (photo.width - side) // 2, (photo.height - side) // 2
    return np.asarray(photo.crop((left, top, left + side, top + side)).resize((224, 224), Image.Resampling.BICUBIC))


def lite0_subject():
    """Returns the `Subject` of EfficientNet-Lite0 with its ImageNet weights."""
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
