"""pix2pix: a U-Net translates images, a discriminator of patches judges them."""

import keras
from keras import layers, ops

from zoo.arguments import Count, NonNegative, Rate, Shape, image_shape
from zoo.generate import generative
from zoo.generate.adversarial import Adversarial
from zoo.generate.dcgan import ADAM, convolution, norm, transposed
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
    """pix2pix: learns from pairs of images to make the one of the other: a photo of a map, a street of its labels.

    (B, H, W, C) images from -1 to 1  ->  (B, H, W, outputs) images from -1 to 1.

    The generator is a U-Net whose map shrinks to a `2 ** depth`-th of the image. The discriminator sees both images
    and judges overlapping patches, of 70 x 70 pixels with a `patch_depth` of 3 (1: 16, 5: 286).
    `fit(inputs, targets)` takes both from -1 to 1.

    Args:
        input_shape: (H, W, C) of one image [pixels]; H and W divisible by 2 ** depth, or None.
        outputs: bands of the image that it makes.
        filters: width of the first stage; it doubles up to eight times that.
        depth: stages of the generator: 8 is the paper's for 256 x 256 pixels, 7 for 128 x 128.
        patch_depth: stages of stride 2 of the discriminator.
        dropout: rate in the generator's first three stages on the way up.
        l1: weight of the mean absolute difference from the target in the generator's loss.
        name: the model's name.
    Returns:
        Uncompiled `Translator`; for 256 x 256 x 3 the generator has 54,413,955 trainable parameters and the
        discriminator 2,768,705. `compile()` takes Adam with the rate 2e-4 and beta1 0.5 for both.
    Raises:
        ValueError: if a side does not divide, or is too small for the discriminator.

    Source: Isola et al. 2016, https://arxiv.org/abs/1611.07004, sections 3.2 and 6.1; biases and paddings of
        https://github.com/junyanz/pytorch-CycleGAN-and-pix2pix.
    Differs: calling it answers without dropout and with the moving averages, so that an image has one answer; the
        paper keeps both as in training, which `model.generator(x, training=True)` does.
    """
    # the discriminator's last two convolutions take a pixel each from its smallest map
    least = max(2**depth, 3 * 2**patch_depth)
    image_shape(name, input_shape, at_least=least, multiple=2**depth)
    inputs = layers.Input(input_shape, name="image")
    generator = keras.Model(inputs, _unet(inputs, outputs, filters, depth, dropout), name="generator")
    made = layers.Input((*input_shape[:2], outputs), name="made")
    given = layers.Input(input_shape, name="given")
    discriminator = keras.Model([made, given], _patches(given, made, filters, patch_depth), name="discriminator")
    return Translator(generator, discriminator, optimizer=ADAM, weight=0.5, l1=l1, name=name)


def _unet(x, outputs, filters, depth, dropout):
    """Halves the map `depth` times, then doubles it, each time joined by the map of the same size."""
    skips = []
    for i in range(depth):
        x = layers.LeakyReLU(0.2, name=f"generator_down{i}_relu")(x) if i else x
        x = convolution(filters * min(2**i, 8), 4, 2, "same", f"generator_down{i}")(x)
        x = norm(f"generator_down{i}_norm")(x) if 0 < i < depth - 1 else x
        skips.append(x)
    for i in reversed(range(depth - 1)):
        x = layers.ReLU(name=f"generator_up{i}_relu")(x)
        x = transposed(filters * min(2**i, 8), 4, 2, "same", f"generator_up{i}")(x)
        x = norm(f"generator_up{i}_norm")(x)
        if i > depth - 5:
            x = layers.Dropout(dropout, name=f"generator_up{i}_dropout")(x)
        x = layers.Concatenate(name=f"generator_up{i}_join")([skips[i], x])
    x = layers.ReLU(name="generator_head_relu")(x)
    x = transposed(outputs, 4, 2, "same", "generator_head", use_bias=True, dtype="float32")(x)
    return layers.Activation("tanh", dtype="float32", name="generator_tanh")(x)


def _patches(given, made, filters, depth):
    """A logit for every patch: `depth` stages of stride 2, one of stride 1, and the answer's."""
    x = layers.Concatenate(name="discriminator_both")([given, made])
    for i in range(depth + 1):
        x = layers.ZeroPadding2D(1, name=f"discriminator_stage{i}_pad")(x)
        strides = 2 if i < depth else 1
        x = convolution(filters * min(2**i, 8), 4, strides, "valid", f"discriminator_stage{i}", use_bias=i == 0)(x)
        x = norm(f"discriminator_stage{i}_norm")(x) if i else x
        x = layers.LeakyReLU(0.2, name=f"discriminator_stage{i}_relu")(x)
    x = layers.ZeroPadding2D(1, name="discriminator_head_pad")(x)
    return convolution(1, 4, 1, "valid", "discriminator_head", use_bias=True, dtype="float32")(x)


@keras.saving.register_keras_serializable("zoo")
class Translator(Adversarial):
    """A generator that makes images of images, close to their targets and such that the discriminator believes them.

    What else there is to know says `Adversarial`.

    Args:
        *args: as `Adversarial` has them; the discriminator takes the made image and the given one.
        l1: weight of the mean absolute difference from the target in the generator's loss.
        **kwargs: as `Adversarial` has them.
    """

    def __init__(self, *args, l1=100.0, **kwargs):
        super().__init__(*args, **kwargs)
        self.l1 = l1
        self.away = keras.metrics.Mean(name="l1")

    @property
    def metrics(self):
        return [*super().metrics, self.away]

    def verify(self, x, y):
        if y is None:
            raise ValueError(f"{self.name} must be given inputs and their targets, got inputs alone.")
        generative.verify_range(x, self.low, self.high, f"{self.name}: inputs")
        generative.verify_range(y, self.low, self.high, f"{self.name}: targets")

    def parts(self, data):
        """A batch as (targets, [inputs], [inputs])."""
        inputs, targets, _ = keras.utils.unpack_x_y_sample_weight(data)
        return targets, [inputs], [inputs]

    def generator_loss(self, images, made, told):
        """-log D(x, G(x)), the mean over the patches, and `l1` times the mean absolute difference from the target."""
        away = ops.mean(ops.abs(ops.cast(images, "float32") - made))
        self.away.update_state(away)
        return super().generator_loss(images, made, told) + self.l1 * away

    def test_step(self, data):
        """The mean absolute difference from the targets, as the answers are outside training."""
        targets, _, (inputs,) = self.parts(data)
        made = self(inputs, training=False)
        self.away.update_state(ops.mean(ops.abs(ops.cast(targets, "float32") - made)))
        return {"l1": self.away.result()}

    def sample(self, n, *, seed=None, labels=None):
        """Not offered: there is no noise to draw; `predict(images)` translates."""
        raise ValueError(f"{self.name} makes images of images, not of noise: use `predict(images)`.")

    def interpolate(self, a, b, steps=8, *, labels=None):
        """Not offered: there is no noise between two points; `predict(images)` translates."""
        raise ValueError(f"{self.name} makes images of images, not of noise: use `predict(images)`.")

    def get_config(self):
        return {**super().get_config(), "l1": self.l1}
