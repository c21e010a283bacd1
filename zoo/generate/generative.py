"""Base class of the generative models, latent noise and its interpolation, checks of training data, signatures.

A generative model is a functional `keras.Model` of its own class. Calling it computes its main direction (noise to
image, or image to image). `compile()` without arguments uses the settings of its paper, and `fit` trains it.
"""

from typing import Literal

import keras
import numpy as np

from zoo.arguments import Count, checked
from zoo.keras_patches import patch_batch_norm


@checked
def verify_value_range(images, low: float, high: float, name: str):
    """Raises an error if a value of the images is outside the model's range.

    Args:
        images: array of numbers of any shape.
        low, high: range of the values, both ends included.
        name: name of the images in the error message.
    Returns:
        The images, unchanged.
    Raises:
        ValueError: if a value is outside the range or NaN; the message has the actual range.
    """
    values = np.asarray(images)
    if not values.size:
        raise ValueError(f"{name} must have at least one value, got the shape {values.shape}.")
    if np.isnan(values).any():
        raise ValueError(f"{name} must lie from {low:g} to {high:g}, got {np.isnan(values).sum()} NaN values.")
    lowest, highest = float(values.min()), float(values.max())
    tolerance = 1e-6 * (high - low)  # for rounding to float32
    if lowest < low - tolerance or highest > high + tolerance:
        raise ValueError(f"{name} must lie from {low:g} to {high:g}, got values from {lowest:g} to {highest:g}.")
    return images


@checked
def verify_labels(labels, classes: Count, name: str):
    """Raises an error if a label is not a class index.

    Args:
        labels: (N,) whole numbers from 0.
        classes: number of classes.
        name: name of the labels in the error message.
    Returns:
        (N,) int32 array.
    Raises:
        ValueError: if the labels are not (N,) whole numbers from 0 to `classes` - 1.
    """
    values = np.asarray(labels)
    if values.ndim != 1 or values.dtype.kind not in "iuf" or not np.array_equal(values, np.floor(values)):
        raise ValueError(f"{name} must be (N,) whole numbers, got {values.dtype} of the shape {values.shape}.")
    if values.size and (values.min() < 0 or values.max() >= classes):
        raise ValueError(f"{name} must lie from 0 to {classes - 1}, got {values.min():g} to {values.max():g}.")
    return values.astype("int32")


@checked
def noise(n: Count, latent: Count, seed: int | None = None):
    """Samples latent vectors from the standard normal distribution.

    No state of a model changes, so that sampling during training does not affect the training.

    Args:
        n: number of vectors.
        latent: size of the latent space.
        seed: random seed, or None.
    Returns:
        (n, latent) float32 array.
    """
    return np.random.default_rng(seed).standard_normal((n, latent), "float32")


@checked
def interpolate_latent(a, b, steps: Count, path: Literal["sphere", "line"] = "sphere"):
    """Interpolates between two latent vectors.

    Args:
        a, b: (latent,) vectors.
        steps: number of vectors, both ends included.
        path: "line" for linear and "sphere" for spherical interpolation. In many dimensions a normal distribution is
            concentrated near a sphere, and the middle of a straight line is far inside (White 2016,
            https://arxiv.org/abs/1609.04468).
    Returns:
        (steps, latent) float32 array.
    Raises:
        ValueError: if `a` and `b` are not vectors of the same size.
    """
    a, b = np.asarray(a, "float64"), np.asarray(b, "float64")
    if a.ndim != 1 or a.shape != b.shape:
        raise ValueError(
            f"interpolate_latent: `a` and `b` must be two vectors (latent,), got the shapes {a.shape} and {b.shape}."
        )
    t = np.linspace(0, 1, steps)[:, None]
    norms = np.linalg.norm(a) * np.linalg.norm(b)
    angle = np.arccos(np.clip(a @ b / norms, -1, 1)) if norms else 0.0
    if path == "line" or np.sin(angle) < 1e-6:  # for parallel vectors the spherical path is undefined
        return ((1 - t) * a + t * b).astype("float32")
    return ((np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / np.sin(angle)).astype("float32")


def first_batch(x, y=None):
    """Returns (x, y) of arrays, or the first batch of a dataset; y is None where there is none."""
    if hasattr(x, "element_spec"):  # a tf.data.Dataset
        batch = next(iter(x), None)
        if batch is None:
            raise ValueError("the training dataset must have at least one batch, got none.")
    elif isinstance(x, keras.utils.PyDataset):
        batch = x[0]
    else:
        return x, y
    return (*batch, None)[:2] if isinstance(batch, tuple | list) else (batch, None)


class Generative(keras.Model):
    """Base class of the generative models: checks training data, saves random states and defines export signatures.

    Subclasses are built from a functional graph and define `get_config` and, where the training step is their own,
    `train_step`. Keras does not save the states of random generators in a `.keras` file; this class does, so that
    noise and dropout after loading continue as without saving.
    """

    @property
    def image_shape(self):
        """(H, W, C) of the generated images."""
        return self.output_shape[1:]

    def compile(self, *args, **kwargs):
        """Configures the training; arguments as in `keras.Model.compile`."""
        super().compile(*args, **kwargs)
        patch_batch_norm(self)  # training continues after loading exactly as before saving

    def verify(self, x, y):
        """Raises a ValueError for data that `fit` cannot train on; of a dataset it receives the first batch."""

    def fit(self, x=None, y=None, *args, **kwargs):
        self.verify(*first_batch(x, y))
        return super().fit(x, y, *args, **kwargs)

    def train_on_batch(self, x, y=None, *args, **kwargs):
        self.verify(x, y)
        return super().train_on_batch(x, y, *args, **kwargs)

    def signatures(self):
        """Returns the export signatures: {name: (function of tensors, (tf.TensorSpec, ...))}."""
        return {"generate": signature(self)}

    def random_states(self):
        """Returns the state variables of the random generators of the model and its layers, in a fixed order."""
        other_variables = {id(v) for v in (*self.weights, *self.metrics_variables)}
        return [v for v in self.non_trainable_variables if id(v) not in other_variables]

    def save_own_variables(self, store):
        super().save_own_variables(store)
        for i, state in enumerate(self.random_states()):
            store[f"seed_{i}"] = state

    def load_own_variables(self, store):
        for i, state in enumerate(self.random_states()):
            state.assign(store[f"seed_{i}"])
        super().load_own_variables({key: store[key] for key in store.keys() if not key.startswith("seed_")})  # noqa: SIM118


def signature(model, transform=None):
    """Returns a model's call at inference as an export signature.

    Args:
        model: functional `keras.Model` with one or several inputs.
        transform: function applied to the model's outputs, or None.
    Returns:
        (function of one tensor per input, (tf.TensorSpec, ...)), for any batch size.
    """
    import tensorflow as tf

    def call(*tensors):
        outputs = model(list(tensors) if len(tensors) > 1 else tensors[0], training=False)
        return outputs if transform is None else transform(outputs)

    return call, tuple(tf.TensorSpec((None, *t.shape[1:]), t.dtype, name=t.name) for t in model.inputs)
