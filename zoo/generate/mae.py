"""Masked autoencoder: a vision transformer that sees a quarter of an image's patches and predicts the others."""

import keras
import numpy as np
from keras import layers

from zoo.arguments import Count, Rate, Shape, image_shape
from zoo.classify.vit import encoder_block
from zoo.generate.generative import signature
from zoo.generate.masked_patches import (
    EPSILON,
    MaskedPatchError,
    PatchOrder,
    RestorePatches,
    TakePatches,
    from_patches,
    to_patches,
)
from zoo.generate.unsupervised import Unsupervised
from zoo.layers.class_token import ClassToken
from zoo.layers.sine_cosine_position import SineCosinePosition
from zoo.registry import register, variant

MLP_RATIO = 4  # units of the decoder's MLPs, as a multiple of its width


@keras.saving.register_keras_serializable("zoo")
class MAE(Unsupervised):
    """A masked autoencoder; `compile()` uses AdamW as the paper, `fit(images)` trains and `encoder()` is the result.

    The call returns the decoder's predictions of all patches, joined to an image. The loss, of the masked patches only,
    is added by the layer `error`. Images may have any range of values; normalized ones train best.
    """

    def default_settings(self):
        return keras.optimizers.AdamW(1.5e-4, weight_decay=0.05, beta_2=0.95), None, None

    def checked_images(self, images):
        """Returns the images as an (N, H, W, C) array; a ValueError if they have another shape or are not finite."""
        images, shape = np.asarray(images), self.input.shape[1:]
        if images.shape[1:] != shape:
            raise ValueError(f"{self.name}: `images` must be (N, {str(shape)[1:-1]}), got {images.shape}.")
        if not np.isfinite(images).all():
            raise ValueError(f"{self.name}: `images` must be finite numbers, got NaN or infinity.")
        return images

    def encoder(self):
        """Returns a new model of the encoder with the present weights: (B, H, W, C)  ->  (B, width) features.

        It sees all patches. The features are the mean of their tokens after the last normalization.
        """
        stem = self.get_layer("stem")
        depth = sum(layer.name.startswith("block") and layer.name.endswith("_attention") for layer in self.layers)
        inputs = layers.Input(self.input.shape[1:], name="image")
        x = _embed(inputs, stem.kernel_size[0], stem.filters)
        heads, units = self.get_layer("block0_attention").num_heads, self.get_layer("block0_mlp1").units
        x = _encode(x, depth, units, heads)
        x = layers.Cropping1D((1, 0), name="patches")(x)
        model = keras.Model(inputs, layers.GlobalAveragePooling1D(name="pool")(x), name="encoder")
        for layer in model.layers:
            if layer.weights:
                layer.set_weights(self.get_layer(layer.name).get_weights())
        return model

    def errors(self, images, batch_size=64):
        """Returns the error of the masked patches of each image, as in the loss: (N, H, W, C)  ->  (N,) float32.

        The same patches are masked in all images.
        """
        error = self.get_layer("error")
        image, predicted, order = error.input
        model = keras.Model(self.inputs, error.errors(image, predicted, order))
        return model.predict(self.checked_images(images), batch_size=batch_size, verbose=0)

    def baseline_errors(self, images):
        """Returns the errors of a constant prediction: the mean of the visible pixels of each image and band, (N,).

        Where the target is normalized per patch, the constant is its mean, 0.
        """
        error, images = self.get_layer("error"), self.checked_images(images).astype("float32")
        targets = np.asarray(to_patches(images, error.patch))
        visible = self.is_visible()
        if error.normalize:
            variance = targets[:, ~visible].var(-1)
            return (variance / (variance + EPSILON)).mean(-1)
        pixels = targets.reshape(*targets.shape[:2], -1, images.shape[-1])
        mean = pixels[:, visible].mean((1, 2), keepdims=True)
        return ((pixels[:, ~visible] - mean) ** 2).mean((1, 2, 3))

    def is_visible(self):
        """Returns which patches are visible in inference, row by row, (N,) bool."""
        error, order = self.get_layer("error"), self.get_layer("order")
        count = self.get_layer("position").rows * self.get_layer("position").columns
        mask = np.zeros(count, bool)
        mask[np.random.default_rng(order.seed).permutation(count)[: error.visible]] = True
        return mask

    def reconstruct(self, images, batch_size=64):
        """Predicts the masked patches of images, the same ones in all images.

        Args:
            images: (N, H, W, C).
            batch_size: number of images per call.
        Returns:
            (reconstructions (N, H, W, C) float32, is_masked (H, W) bool). Visible patches are those of the images.
            Where the target is normalized per patch, predictions get the mean and the deviation of the true patch.
        """
        error, images = self.get_layer("error"), self.checked_images(images).astype("float32")
        patch, visible = error.patch, self.is_visible()
        patches = np.asarray(to_patches(images, patch))
        predicted = np.asarray(to_patches(self.predict(images, batch_size=batch_size, verbose=0), patch))
        if error.normalize:
            deviation = np.sqrt(patches.var(-1, keepdims=True) + EPSILON)
            predicted = predicted * deviation + patches.mean(-1, keepdims=True)
        joined = np.where(visible[:, None], patches, predicted)
        masked = np.broadcast_to(~visible[None, :, None], (1, len(visible), patch**2))
        mask = np.asarray(from_patches(masked.astype("float32"), (*images.shape[1:3], 1), patch))[0, :, :, 0]
        return np.asarray(from_patches(joined, images.shape[1:], patch)), mask > 0.5

    def signatures(self):
        """Returns the export signatures: reconstruct, with the same masked patches in all images, and encode."""
        return {"reconstruct": signature(self), "encode": signature(self.encoder())}


@register(
    task="generate",
    source="https://arxiv.org/abs/2111.06377",
    example={"input_shape": (224, 224, 3)},
)
def mae(
    input_shape: Shape,
    *,
    patch: Count = 16,
    depth: Count = 12,
    width: Count = 768,
    units: Count = 3072,
    heads: Count = 12,
    decoder_depth: Count = 8,
    decoder_width: Count = 512,
    decoder_heads: Count = 16,
    mask: Rate = 0.75,
    normalize: bool = True,
    name: str = "mae",
) -> keras.Model:
    """Masked autoencoder: a vision transformer sees a quarter of the patches, and a small decoder predicts the others.

    (B, H, W, C) float, of any range  ->  (B, H, W, C): predictions of all patches, each normalized where `normalize`.

    The encoder computes the visible patches only. In training other patches are masked in each step, in inference the
    same ones in all images. `encoder()` of the model returns what is learnt: images to features. `mae_small` is for
    small images.

    Args:
        input_shape: (H, W, C) of one image [pixels]; H and W are divisible by `patch`.
        patch: side of a patch [pixels].
        depth: number of transformer blocks of the encoder.
        width: length of a token vector of the encoder, divisible by 4.
        units: number of units of the hidden layer of the MLP in each block of the encoder.
        heads: number of attention heads of the encoder; must divide `width`.
        decoder_depth: number of transformer blocks of the decoder.
        decoder_width: length of a token vector of the decoder, divisible by 4.
        decoder_heads: number of attention heads of the decoder; must divide `decoder_width`.
        mask: fraction of the patches that are masked.
        normalize: whether the decoder predicts each patch normalized to mean 0 and variance 1.
        name: the model's name.
    Returns:
        Uncompiled `MAE`; 111,655,680 parameters at the defaults on (224, 224, 3).
    Raises:
        ValueError: if H or W is not divisible by `patch`, `heads` does not divide a width, a width is not divisible by
            4, or `mask` leaves no patch visible or none masked.

    Source: He et al. 2021, https://arxiv.org/abs/2111.06377, sections 3 and 4.1, table 1 and appendix A.1.
    Differs: positions are computed, not stored as parameters, and the class token has no position, as in the authors'
        code, where it is 0. Initial weights are those of `vit`. `mae_small` is not of the paper.
    """
    image_shape(name, input_shape, at_least=patch, multiple=patch, fixed=True)
    for argument, size, count in (("heads", width, heads), ("decoder_heads", decoder_width, decoder_heads)):
        if size % count:
            raise ValueError(f"{name}: `{argument}` must divide the width {size}, got {count}.")
        if size % 4:
            raise ValueError(f"{name}: the widths must be divisible by 4, got {size}.")
    rows, columns = input_shape[0] // patch, input_shape[1] // patch
    patches = rows * columns
    visible = int(patches * (1 - mask))
    if not 0 < visible < patches:
        raise ValueError(
            f"{name}: `mask` must leave 1 to {patches - 1} of the {patches} patches of {input_shape[0]} x "
            f"{input_shape[1]} pixels visible, got {mask:g}, which leaves {visible}; set `patch` to less than {patch}."
        )
    inputs = layers.Input(input_shape, name="image")
    tokens = _embed(inputs, patch, width)
    order = PatchOrder(name="order")(tokens)
    x = _encode(TakePatches(visible, name="visible")([tokens, order]), depth, units, heads)
    x = layers.Cropping1D((1, 0), name="decoder_patches")(layers.Dense(decoder_width, name="decoder_embed")(x))
    x = RestorePatches(name="decoder_mask")([x, order])
    x = SineCosinePosition(rows, columns, name="decoder_position")(x)
    for i in range(decoder_depth):
        x = encoder_block(x, f"decoder{i}", MLP_RATIO * decoder_width, decoder_heads, 0.0, 0.0)
    x = layers.LayerNormalization(epsilon=1e-6, name="decoder_norm")(x)
    x = layers.Dense(patch**2 * input_shape[-1], dtype="float32", name="head")(x)
    x = MaskedPatchError(patch, visible, normalize, name="error")([inputs, x, order])
    return MAE(inputs, x, name=name)


def _embed(x, patch, width):
    """Embeds the patches and adds their positions: (B, H, W, C)  ->  (B, HW / patch², width)."""
    x = layers.Conv2D(width, patch, strides=patch, kernel_initializer="lecun_normal", name="stem")(x)
    rows, columns = x.shape[1:3]
    x = layers.Reshape((-1, width), name="embedding")(x)
    return SineCosinePosition(rows, columns, name="position")(x)


def _encode(x, depth, units, heads):
    """Prepends the class token and applies the encoder's blocks: (B, N, D)  ->  (B, 1 + N, D)."""
    x = ClassToken(name="class_token")(x)
    for i in range(depth):
        x = encoder_block(x, f"block{i}", units, heads, 0.0, 0.0)
    return layers.LayerNormalization(epsilon=1e-6, name="norm")(x)


mae_base_16 = variant(mae, "mae_base_16")
mae_large_16 = variant(mae, "mae_large_16", depth=24, width=1024, units=4096, heads=16)
mae_huge_14 = variant(mae, "mae_huge_14", patch=14, depth=32, width=1280, units=5120, heads=16)
mae_small = variant(
    mae,
    "mae_small",
    example={"input_shape": (32, 32, 3)},
    patch=4,
    depth=6,
    width=192,
    units=768,
    heads=3,
    decoder_depth=2,
    decoder_width=96,
    decoder_heads=3,
)
