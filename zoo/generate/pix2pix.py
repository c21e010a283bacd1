"""pix2pix: image translation with a U-Net generator and a PatchGAN discriminator."""

import keras
from keras import layers, ops

from zoo.arguments import Count, NonNegative, Rate, Shape, image_shape
from zoo.generate import generative
from zoo.generate.adversarial import Adversarial
from zoo.generate.dcgan import ADAM, conv, conv_transpose, norm
from zoo.registry import register


@register(task="generate", source="https://arxiv.org/abs/1611.07004", example={"input_shape": (256, 256, 3)})
def pix2pix(
    input_shape: Shape,
    outputs: Count = 3,
    *,
    filters: Count = 64,
    depth: Count = 8,
    patch_depth: Count = 3,
    dropout: Rate = 0.5,
    l1: NonNegative = 100.0,
    name: str = "pix2pix",
) -> keras.Model:
    """pix2pix: translates images of one kind to another, trained on pairs: a map to a photo, labels to a street scene.

    (B, H, W, C) images from -1 to 1  ->  (B, H, W, outputs) images from -1 to 1.

    The generator is a U-Net whose smallest feature map has 1 / 2 ** depth of the image's height and width. The
    discriminator (PatchGAN) receives input and output image and returns a logit for each of its overlapping patches,
    of 70 x 70 pixels with `patch_depth` 3 (1: 16, 5: 286).
    `fit(inputs, targets)` takes both from -1 to 1.

    Args:
        input_shape: (H, W, C) of one image [pixels]; H and W divisible by 2 ** depth, or None.
        outputs: number of bands of the output image.
        filters: number of channels of the first stage; it doubles per stage, up to eight times that.
        depth: number of stages of the generator: 8 is the paper's for 256 x 256 pixels, 7 for 128 x 128.
        patch_depth: number of stages of stride 2 of the discriminator.
        dropout: dropout rate in the first three stages of the generator's decoder.
        l1: weight of the mean absolute error in the generator's loss, the paper's lambda.
        name: the model's name.
    Returns:
        Uncompiled `Translator`; for 256 x 256 x 3 the generator has 54,413,955 trainable parameters and the
        discriminator 2,768,705. `compile()` takes Adam with learning rate 2e-4 and beta_1 0.5 for both.
    Raises:
        ValueError: if H or W is not divisible by 2 ** depth, or too small for the discriminator.

    Source: Isola et al. 2016, https://arxiv.org/abs/1611.07004, sections 3.2 and 6.1; biases and paddings of
        https://github.com/junyanz/pytorch-CycleGAN-and-pix2pix.
    Differs: at inference there is no dropout and batch normalization uses its moving averages, so that the output is
        deterministic; the paper keeps both as in training, which `model.generator(x, training=True)` does.
    """
    # Each of the discriminator's last two convolutions shrinks its smallest feature map by one pixel.
    min_size = max(2**depth, 3 * 2**patch_depth)
    image_shape(name, input_shape, at_least=min_size, multiple=2**depth)
    inputs = layers.Input(input_shape, name="image")
    generator = keras.Model(inputs, _unet(inputs, outputs, filters, depth, dropout), name="generator")
    output_image = layers.Input((*input_shape[:2], outputs), name="made")
    input_image = layers.Input(input_shape, name="given")
    logits = _patch_discriminator(input_image, output_image, filters, patch_depth)
    discriminator = keras.Model([output_image, input_image], logits, name="discriminator")
    return Translator(generator, discriminator, optimizer=ADAM, weight=0.5, l1=l1, name=name)


def _unet(x, outputs, filters, depth, dropout):
    """U-Net with `depth` stages of stride 2 in the encoder and in the decoder, and skip connections."""
    skips = []
    for i in range(depth):
        x = layers.LeakyReLU(0.2, name=f"generator_down{i}_relu")(x) if i else x
        x = conv(filters * min(2**i, 8), 4, 2, "same", f"generator_down{i}")(x)
        x = norm(f"generator_down{i}_norm")(x) if 0 < i < depth - 1 else x
        skips.append(x)
    for i in reversed(range(depth - 1)):
        x = layers.ReLU(name=f"generator_up{i}_relu")(x)
        x = conv_transpose(filters * min(2**i, 8), 4, 2, "same", f"generator_up{i}")(x)
        x = norm(f"generator_up{i}_norm")(x)
        if i > depth - 5:
            x = layers.Dropout(dropout, name=f"generator_up{i}_dropout")(x)
        x = layers.Concatenate(name=f"generator_up{i}_join")([skips[i], x])
    x = layers.ReLU(name="generator_head_relu")(x)
    x = conv_transpose(outputs, 4, 2, "same", "generator_head", use_bias=True, dtype="float32")(x)
    return layers.Activation("tanh", dtype="float32", name="generator_tanh")(x)


def _patch_discriminator(input_image, output_image, filters, depth):
    """PatchGAN: `depth` stages of stride 2, one of stride 1, and a convolution to one logit per patch."""
    x = layers.Concatenate(name="discriminator_both")([input_image, output_image])
    for i in range(depth + 1):
        x = layers.ZeroPadding2D(1, name=f"discriminator_stage{i}_pad")(x)
        strides = 2 if i < depth else 1
        x = conv(filters * min(2**i, 8), 4, strides, "valid", f"discriminator_stage{i}", use_bias=i == 0)(x)
        x = norm(f"discriminator_stage{i}_norm")(x) if i else x
        x = layers.LeakyReLU(0.2, name=f"discriminator_stage{i}_relu")(x)
    x = layers.ZeroPadding2D(1, name="discriminator_head_pad")(x)
    return conv(1, 4, 1, "valid", "discriminator_head", use_bias=True, dtype="float32")(x)


@keras.saving.register_keras_serializable("zoo")
class Translator(Adversarial):
    """An image translation generator, trained with an adversarial loss and the L1 distance from the target.

    All else is as in `Adversarial`.

    Args:
        *args: arguments of `Adversarial`; the inputs of the discriminator are the output and the input image.
        l1: weight of the mean absolute error in the generator's loss, the paper's lambda.
        **kwargs: arguments of `Adversarial`.
    """

    def __init__(self, *args, l1=100.0, **kwargs):
        super().__init__(*args, **kwargs)
        self.l1 = l1
        self.l1_tracker = keras.metrics.Mean(name="l1")

    @property
    def metrics(self):
        return [*super().metrics, self.l1_tracker]

    def verify(self, x, y):
        if y is None:
            raise ValueError(f"{self.name}: the training data must be inputs and targets, got inputs alone.")
        generative.verify_value_range(x, self.low, self.high, f"{self.name}: inputs")
        generative.verify_value_range(y, self.low, self.high, f"{self.name}: targets")

    def unpack_batch(self, data):
        """Returns a batch as (targets, [inputs], [inputs]): the input image is condition and generator input."""
        inputs, targets, _ = keras.utils.unpack_x_y_sample_weight(data)
        inputs, targets = ops.convert_to_tensor(inputs), ops.convert_to_tensor(targets)  # arrays in eager mode
        return targets, [inputs], [inputs]

    def generator_loss(self, images, generated, condition):
        """Returns the mean over the patches of -log D(x, G(x)), plus `l1` times the mean absolute error."""
        l1_distance = ops.mean(ops.abs(ops.cast(images, "float32") - generated))
        self.l1_tracker.update_state(l1_distance)
        return super().generator_loss(images, generated, condition) + self.l1 * l1_distance

    def test_step(self, data):
        """Computes the mean absolute error from the targets, at inference."""
        targets, _, (inputs,) = self.unpack_batch(data)
        outputs = self(inputs, training=False)
        self.l1_tracker.update_state(ops.mean(ops.abs(ops.cast(targets, "float32") - outputs)))
        return {"l1": self.l1_tracker.result()}

    def sample(self, n, *, seed=None, labels=None):
        """Raises a ValueError: the model has no noise input; `predict(images)` translates images."""
        raise ValueError(f"{self.name} generates images from images, not from noise: use `predict(images)`.")

    def interpolate(self, a, b, steps=8, *, labels=None):
        """Raises a ValueError: the model has no noise input; `predict(images)` translates images."""
        raise ValueError(f"{self.name} generates images from images, not from noise: use `predict(images)`.")

    def get_config(self):
        return {**super().get_config(), "l1": self.l1}
