"""What a semi-supervised run is compared with: the labels alone, by the same network and by a logistic regression."""

import time

import keras
import numpy as np
from keras import layers

from recipes.prediction.predict import to_outputs
from recipes.tasks.fine_tuning import sample_for_head
from recipes.tasks.fitted_baselines import FittedBaseline, comparison_record
from recipes.tasks.logistic_head import fit_logistic
from recipes.training.fit import fit

TITLE = "Trained on the labels alone"
SIDE = 32  # largest side of the images whose pixels the logistic regression takes


def compare_with_labels_alone(run, initial_weights):
    """Compares a run with the same network and a logistic regression, both trained on the labelled images alone.

    Args:
        run: `Run` of `FewLabels`.
        initial_weights: of its model before the training.
    Returns:
        Dict, as `recipes.tasks.fitted_baselines.compare_with_baselines` has it, with a `title`; None where no example
        is held out.
    """
    split = "test" if len(run.data.test) else "validation"
    if not len(getattr(run.data, split)):
        return None
    baselines = {"the logistic regression": fit_probe(run)}
    if run.task.method != "supervised":
        baselines["the network without unlabelled images"] = train_supervised(run, initial_weights)
    record = comparison_record(
        run, split, baselines, lambda baseline, examples: baseline.predict(examples), len(run.data.train)
    )
    return {**record, "title": TITLE}


def train_supervised(run, initial_weights):
    """Trains the run's network from the same initial weights on the labelled images alone, for as many steps.

    Args:
        run: `Run` of `FewLabels`.
        initial_weights: of its model before the training.
    Returns:
        `FittedBaseline`, whose `predict` takes `Examples`.
    """
    model = keras.models.clone_model(run.model)
    model.set_weights(initial_weights)
    for layer, original in zip(model.layers, run.model.layers, strict=True):
        layer.trainable = original.trainable
    supervised = fit(run.task.replace(method="supervised", baselines=False), model, run.data, verbose=False)
    settings = f"{supervised.record['steps_trained']:,} steps with the settings of this model"
    seconds = float(supervised.record["energy"]["seconds"])
    return FittedBaseline(settings, seconds, lambda examples: _predict(supervised, supervised.model, examples), False)


def fit_probe(run):
    """Fits a logistic regression to the labelled images: of their pixels, or of a frozen backbone's features.

    Args:
        run: `Run` of `FewLabels`.
    Returns:
        `FittedBaseline`, whose `predict` takes `Examples`.
    """
    start = time.perf_counter()
    model, of_what = _feature_model(run)
    train = sample_for_head(run.data.train, run.task.seed)
    classes = len(run.data.classes)
    fitted = fit_logistic(_predict(run, model, train), train.targets, classes, seed=run.task.seed)

    def predict(examples):
        return fitted.probabilities(_predict(run, model, examples)).astype(np.float32)

    return FittedBaseline(f"of {of_what}, L2 penalty {1 / fitted.C:g}", time.perf_counter() - start, predict, False)


def _feature_model(run):
    """Returns (model from the run's preprocessed images to features, what these are)."""
    if run.task.weights is not None:
        return keras.Model(run.model.inputs, run.model.get_layer("head").input), "the backbone's features"
    height, width, _ = shape = run.model.input_shape[1:]
    images = layers.Input(shape)
    size, x = (min(height, SIDE), min(width, SIDE)), images
    if size != (height, width):
        x = layers.Resizing(*size, interpolation="area")(images)
    return keras.Model(images, layers.Flatten()(x)), f"{size[0]} x {size[1]} pixels"


def _predict(run, model, examples):
    """Returns a model's outputs for the preprocessed images of `Examples`; probabilities where it is the run's."""
    batches = run.task.pipeline(examples, False, run.preprocessing, len(run.data.classes))
    outputs = model.predict(batches, verbose=0)
    return to_outputs(run, outputs) if model is run.model else outputs
