"""Layers of masked autoencoders: which patches are visible, their tokens, and the error of the others."""

import keras
import numpy as np
from keras import layers, ops

from zoo.arguments import Count, Whole, convert

EPSILON = 1e-6  # added to the variance of a patch


def to_patches(images, patch):
    """Cuts images into patches, row by row: (B, H, W, C)  ->  (B, HW / patch², patch² C)."""
    _, height, width, bands = images.shape
    x = ops.reshape(images, (-1, height // patch, patch, width // patch, patch, bands))
    x = ops.transpose(x, (0, 1, 3, 2, 4, 5))
    return ops.reshape(x, (-1, height * width // patch**2, patch**2 * bands))


def from_patches(patches, image_shape, patch):
    """Joins patches to images: (B, HW / patch², patch² C)  ->  (B, H, W, C); the inverse of `to_patches`."""
    height, width, bands = image_shape
    x = ops.reshape(patches, (-1, height // patch, width // patch, patch, patch, bands))
    return ops.reshape(ops.transpose(x, (0, 1, 3, 2, 4, 5)), (-1, height, width, bands))


def normalize_patches(patches):
    """Returns patches (..., F), each normalized to mean 0 and variance 1 over all of its values."""
    mean = ops.mean(patches, axis=-1, keepdims=True)
    return (patches - mean) / ops.sqrt(ops.var(patches, axis=-1, keepdims=True) + EPSILON)


class PatchLayer(layers.Layer):
    """Base class of layers that select and compare patches, without products."""

    def macs(self, *shapes):
        """Returns 0 multiply-accumulates."""
        return 0


@keras.saving.register_keras_serializable("zoo")
class PatchOrder(PatchLayer):
    """Draws an order of the patches of each image, whose first ones are visible.

    (B, N, D) tokens  ->  (B, N) int32, a permutation of 0 to N - 1. In training it is another one for each image and
    step. In inference it is the same for all images, so that errors can be compared.

    Args:
        seed: of all orders.
        **kwargs: passed to `keras.layers.Layer`.
    """

    def __init__(self, seed=0, **kwargs):
        super().__init__(**kwargs)
        self.seed = convert(seed, Whole, "PatchOrder: `seed`")
        self.generator = keras.random.SeedGenerator(self.seed)

    def call(self, tokens, training=False):
        batch, count = ops.shape(tokens)[0], tokens.shape[1]
        if training:
            values = keras.random.uniform((batch, count), seed=self.generator)
            return ops.cast(ops.argsort(values, axis=1), "int32")
        order = np.random.default_rng(self.seed).permutation(count).astype("int32")
        return ops.broadcast_to(ops.convert_to_tensor(order)[None], (batch, count))

    def compute_output_spec(self, tokens, training=False):
        return keras.KerasTensor(tokens.shape[:2], dtype="int32")

    def get_config(self):
        return {**super().get_config(), "seed": self.seed}


@keras.saving.register_keras_serializable("zoo")
class TakePatches(PatchLayer):
    """Returns the tokens of the visible patches: [(B, N, D), (B, N) order]  ->  (B, visible, D).

    Args:
        visible: number of visible patches.
        **kwargs: passed to `keras.layers.Layer`.
    """

    def __init__(self, visible, **kwargs):
        super().__init__(**kwargs)
        self.visible = convert(visible, Count, "TakePatches: `visible`")

    def call(self, inputs):
        tokens, order = inputs
        return ops.take_along_axis(tokens, order[:, : self.visible, None], axis=1)

    def compute_output_shape(self, input_shape):
        batch, _, width = input_shape[0]
        return (batch, self.visible, width)

    def get_config(self):
        return {**super().get_config(), "visible": self.visible}


@keras.saving.register_keras_serializable("zoo")
class RestorePatches(PatchLayer):
    """Puts the tokens of the visible patches at their places, and one learned token at all others.

    [(B, visible, D), (B, N) order]  ->  (B, N, D).

    Args:
        **kwargs: passed to `keras.layers.Layer`.

    Source: He et al. 2021, https://arxiv.org/abs/2111.06377, section 3, MAE decoder.
    """

    def build(self, input_shape):
        initializer = keras.initializers.RandomNormal(stddev=0.02)
        self.token = self.add_weight(shape=(input_shape[0][-1],), initializer=initializer, name="token")

    def call(self, inputs):
        tokens, order = inputs
        masked = order.shape[1] - tokens.shape[1]
        token = ops.broadcast_to(ops.cast(self.token, tokens.dtype), (ops.shape(tokens)[0], masked, tokens.shape[-1]))
        every = ops.concatenate([tokens, token], axis=1)
        return ops.take_along_axis(every, ops.argsort(order, axis=1)[..., None], axis=1)

    def compute_output_shape(self, input_shape):
        (batch, _, width), (_, count) = input_shape
        return (batch, count, width)


@keras.saving.register_keras_serializable("zoo")
class MaskedPatchError(PatchLayer):
    """Adds the mean squared error of the masked patches to the model's losses, and joins the patches to an image.

    [(B, H, W, C) image, (B, N, patch² C) predicted patches, (B, N) order]  ->  (B, H, W, C) float32.

    Args:
        patch: side of a patch [pixels].
        visible: number of visible patches.
        normalize: whether the target is each patch normalized to mean 0 and variance 1.
        **kwargs: passed to `keras.layers.Layer`.

    Source: He et al. 2021, https://arxiv.org/abs/2111.06377, section 3, reconstruction target.
    """

    def __init__(self, patch, visible, normalize=True, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.patch = convert(patch, Count, "MaskedPatchError: `patch`")
        self.visible = convert(visible, Count, "MaskedPatchError: `visible`")
        self.normalize = bool(normalize)

    def call(self, inputs):
        image, predicted, order = inputs
        errors = self.errors(image, predicted, order)
        self.add_loss(ops.mean(errors))
        return from_patches(predicted, image.shape[1:], self.patch)

    def errors(self, image, predicted, order):
        """Returns (B,) mean squared error of the masked patches of each image."""
        targets = to_patches(ops.cast(image, "float32"), self.patch)
        targets = normalize_patches(targets) if self.normalize else targets
        errors = ops.mean((ops.cast(predicted, "float32") - targets) ** 2, axis=-1)
        return ops.mean(ops.take_along_axis(errors, order[:, self.visible :], axis=1), axis=1)

    def compute_output_shape(self, input_shape):
        return input_shape[0]

    def get_config(self):
        config = {"patch": self.patch, "visible": self.visible, "normalize": self.normalize}
        return {**super().get_config(), **config}
