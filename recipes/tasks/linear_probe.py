"""Linear probes: a logistic regression on the features of frozen encoders, and on the pixels."""

import keras
import numpy as np
from keras import layers

from recipes.tasks.fine_tuning import stratified_sample
from recipes.tasks.logistic_head import fit_logistic
from recipes.training.pipeline import can_be_indexed

PROBE_EXAMPLES = 1000  # largest number of training labels, and of held-out images
CHOICES = (0.01, 0.1, 1.0)  # of the inverse regularization; weaker ones take minutes for pixels
SIDE = 16  # largest side of the images whose pixels a probe takes


def linear_probes(run, encoders, splits):
    """Returns the accuracies of linear probes on held-out splits; {} where fewer than two classes are known.

    Args:
        run: `Run` on `Data` without labels, whose targets are hidden class indices or -1.
        encoders: name -> `keras.Model` from preprocessed images to features; "" and others that begin with _.
        splits: names of the held-out splits.
    Returns:
        Dict: split -> {probe_accuracy + name for each encoder, probe_accuracy_pixels, probe_labels, probe_examples}.

    Source: Chen et al. 2020, https://arxiv.org/abs/2002.05709, section 2.3, linear evaluation.
    """
    train, seed = run.data.train, run.task.seed
    if len(np.unique(train.targets)) < 2 or train.targets.min() < 0:
        return {}
    models = {**encoders, "_pixels": pixel_model(run.model.input_shape[1:])}
    train = _sampled(train, seed)
    classes = int(max(getattr(run.data, split).targets.max() for split in ("train", *splits))) + 1
    probes = {
        name: fit_logistic(features(run, model, train), train.targets, classes, seed=seed, choices=CHOICES)
        for name, model in models.items()
    }
    accuracies = {}
    for split in splits:
        examples = _sampled(getattr(run.data, split), seed)
        counts = {"probe_labels": len(train), "probe_examples": len(examples)}
        accuracies[split] = counts | {
            f"probe_accuracy{name}": float(
                (probes[name].probabilities(features(run, model, examples)).argmax(1) == examples.targets).mean()
            )
            for name, model in models.items()
        }
    return accuracies


def features(run, model, examples):
    """Returns a model's outputs for the preprocessed images of `Examples`, (N, F)."""
    return model.predict(run.task.pipeline(examples, False, run.preprocessing), verbose=0)


def pixel_model(shape):
    """Returns a model from images (B, H, W, C) to their pixels, reduced to at most 16 x 16."""
    images = x = layers.Input(shape)
    size = tuple(min(side, SIDE) for side in shape[:2])
    if size != tuple(shape[:2]):
        x = layers.Resizing(*size, interpolation="area")(images)
    return keras.Model(images, layers.Flatten()(x), name="pixels")


def _sampled(examples, seed):
    """Returns at most 1,000 of the examples, in proportion to the classes' sizes."""
    if len(examples) <= PROBE_EXAMPLES or not can_be_indexed(examples):
        return examples
    return examples.take(stratified_sample(examples.targets, PROBE_EXAMPLES, seed))
