"""What every model that makes data offers: a stated range, seeds that survive a save, samples and signatures.

A generative model is a functional `keras.Model` of a class of its own. Calling it is its main direction (noise to
image, image to image); `compile()` without arguments readies it with its paper's settings, and `fit` trains it.
"""

from typing import Literal

import keras
import numpy as np

from zoo.arguments import Count, checked
from zoo.keras_patches import patch_batch_norm


@checked
def verify_range(images, low: float, high: float, name: str):
    """Refuses images that do not lie in the range that a model was made for.

    Args:
        images: array of numbers of any shape.
        low, high: the range, both ends included.
        name: what the error calls the images.
    Returns:
        The images, as they came.
    Raises:
        ValueError: if a value lies outside or is no number; it says the range that was seen.
    """
    values = np.asarray(images)
    if not values.size:
        raise ValueError(f"{name} must hold at least one value, got the shape {values.shape}.")
    if np.isnan(values).any():
        raise ValueError(f"{name} must lie from {low:g} to {high:g}, got NaN in {np.isnan(values).sum()} places.")
    seen = float(values.min()), float(values.max())
    room = 1e-6 * (high - low)  # what rounding to float32 may add
    if seen[0] < low - room or seen[1] > high + room:
        raise ValueError(f"{name} must lie from {low:g} to {high:g}, got values from {seen[0]:g} to {seen[1]:g}.")
    return images


@checked
def verify_labels(labels, classes: Count, name: str):
    """Refuses labels that name no class.

    Args:
        labels: (N,) whole numbers from 0.
        classes: how many classes there are.
        name: what the error calls the labels.
    Returns:
        (N,) int32 array.
    Raises:
        ValueError: if they are not one whole number each, from 0 to `classes` - 1.
    """
    values = np.asarray(labels)
    if values.ndim != 1 or values.dtype.kind not in "iuf" or not np.array_equal(values, np.floor(values)):
        raise ValueError(f"{name} must be (N,) whole numbers, got {values.dtype} of the shape {values.shape}.")
    if values.size and (values.min() < 0 or values.max() >= classes):
        raise ValueError(f"{name} must lie from 0 to {classes - 1}, got {values.min():g} to {values.max():g}.")
    return values.astype("int32")


@checked
def noise(n: Count, latent: Count, seed: int | None = None):
    """Points of a latent space, drawn from the standard normal distribution.

    Args:
        n: how many.
        latent: size of the space.
        seed: for the same points again; None for others each time.
    Returns:
        (n, latent) float32 array. No state of a model changes, so that samples in the middle of training do not
        change its course.
    """
    return np.random.default_rng(seed).standard_normal((n, latent), "float32")


@checked
def between(a, b, steps: Count, path: Literal["sphere", "line"] = "sphere"):
    """Points from one point of a latent space to another, both included.

    Args:
        a, b: (latent,) points.
        steps: how many points.
        path: line goes straight; sphere turns from the one direction to the other, for in many dimensions a normal
            distribution lies on a sphere and the middle of a straight line is far inside (White 2016,
            https://arxiv.org/abs/1609.04468).
    Returns:
        (steps, latent) float32 array.
    Raises:
        ValueError: if the points are not two vectors of the same size.
    """
    a, b = np.asarray(a, "float64"), np.asarray(b, "float64")
    if a.ndim != 1 or a.shape != b.shape:
        raise ValueError(f"between: `a` and `b` must be two points (latent,), got the shapes {a.shape} and {b.shape}.")
    t = np.linspace(0, 1, steps)[:, None]
    lengths = np.linalg.norm(a) * np.linalg.norm(b)
    angle = np.arccos(np.clip(a @ b / lengths, -1, 1)) if lengths else 0.0
    if path == "line" or np.sin(angle) < 1e-6:  # one direction, or opposite ones: no sphere's path is the shortest
        return ((1 - t) * a + t * b).astype("float32")
    return ((np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / np.sin(angle)).astype("float32")


def first_batch(x, y=None):
    """What can be looked at before training: arrays as they are, of a dataset its first batch.

    Returns:
        (x, y); y is None where there is none.
    """
    if hasattr(x, "element_spec"):  # a tf.data.Dataset
        batch = next(iter(x), None)
        if batch is None:
            raise ValueError("the dataset to train on must have at least one batch, got none.")
    elif isinstance(x, keras.utils.PyDataset):
        batch = x[0]
    else:
        return x, y
    return (*batch, None)[:2] if isinstance(batch, tuple | list) else (batch, None)


class Generative(keras.Model):
    """A model that makes data: it refuses what it cannot train on, its seeds survive, and it says what it exports.

    Subclasses build themselves on a functional graph, define `get_config` and, where they train by a step of their
    own, `train_step`. What Keras forgets in a `.keras` file, the states of the random generators, is written here: the
    noise and the dropout after a load are those that would have come without it.
    """

    @property
    def image_shape(self):
        """(H, W, C) of the images that it makes."""
        return self.output_shape[1:]

    def compile(self, *args, **kwargs):
        """As `keras.Model.compile`."""
        super().compile(*args, **kwargs)
        patch_batch_norm(self)  # a model that goes on after a save computes as before it

    def verify(self, x, y):
        """Refuses, by a ValueError, data that `fit` cannot train on; the first batch where they are a dataset."""

    def fit(self, x=None, y=None, *args, **kwargs):
        self.verify(*first_batch(x, y))
        return super().fit(x, y, *args, **kwargs)

    def train_on_batch(self, x, y=None, *args, **kwargs):
        self.verify(x, y)
        return super().train_on_batch(x, y, *args, **kwargs)

    def signatures(self):
        """What an export offers: {name: (function of tensors, (tf.TensorSpec, ...))}."""
        return {"generate": signature(self)}

    def seeds(self):
        """The states of the random generators of the model and of its layers, always in the same order."""
        known = {id(v) for v in (*self.weights, *self.metrics_variables)}
        return [v for v in self.non_trainable_variables if id(v) not in known]

    def save_own_variables(self, store):
        super().save_own_variables(store)
        for i, state in enumerate(self.seeds()):
            store[f"seed_{i}"] = state

    def load_own_variables(self, store):
        for i, state in enumerate(self.seeds()):
            state.assign(store[f"seed_{i}"])
        super().load_own_variables({key: store[key] for key in store.keys() if not key.startswith("seed_")})  # noqa: SIM118


def signature(model, answer=None):
    """A model's call in inference as an export signature.

    Args:
        model: functional `keras.Model` with one or several inputs.
        answer: function of the model's answer, or None to give it as it is.
    Returns:
        (function of one tensor an input, (tf.TensorSpec, ...)), the batch of any size.
    """
    import tensorflow as tf

    def call(*tensors):
        found = model(list(tensors) if len(tensors) > 1 else tensors[0], training=False)
        return found if answer is None else answer(found)

    return call, tuple(tf.TensorSpec((None, *t.shape[1:]), t.dtype, name=t.name) for t in model.inputs)
