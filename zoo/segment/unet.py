"""U-Net: an encoder and a decoder, joined at every scale."""

import inspect
import sys
from typing import Literal

import keras
from keras import layers

from zoo.arguments import Activation, Count, Rate, Shape, image_shape
from zoo.blocks import map_head
from zoo.introspect.graph import weightless
from zoo.registry import entry, register

PROBE = 256  # side of the image [pixels] that shows a backbone's strides


@register(
    task="segment",
    source="https://arxiv.org/abs/1505.04597",
    example={"input_shape": (572, 572, 1), "classes": 2, "padding": "valid"},
)
def unet(
    input_shape: Shape,
    classes: Count,
    *,
    filters: tuple[Count, ...] = (64, 128, 256, 512, 1024),
    padding: Literal["same", "valid"] = "same",
    batch_norm: bool = False,
    dropout: Rate = 0.5,
    encoder: str | None = None,
    activation: Activation = "softmax",
    name: str = "unet",
) -> keras.Model:
    """U-Net: an encoder and a decoder joined by skips at every scale.

    (B, H, W, C) float  ->  (B, H, W, classes) probabilities; with valid padding (B, H - 184, W - 184, classes).

    Args:
        input_shape: (H, W, C) of one image [pixels]; H and W may be None. With same padding they are divisible by
            2 ** (len(filters) - 1), or by the encoder's largest stride. With valid padding every map that is halved
            must be even, as it is for sides of 188, 204, ..., 572, which answer 4, 20, ..., 388.
        classes: number of classes; for one, take `activation="sigmoid"`.
        filters: maps at each scale, finest first; with an encoder those of the decoder at strides 1, 2, 4, ..., where a
            quarter of the paper's are customary.
        padding: valid is the paper's: the answer is smaller by a border that the network has seen; same has no border.
        batch_norm: whether each 3 x 3 convolution is normalized before its ReLU (and then has no bias).
        dropout: share dropped at the end of the encoder, at its two coarsest scales.
        encoder: a classifier, such as resnet18, whose maps replace the paper's at their own strides; or None.
        activation: softmax, sigmoid, or None for logits.
        name: the model's name.
    Returns:
        Uncompiled functional model; 31,030,658 parameters on one band with 2 classes.
    Raises:
        ValueError: if H or W does not divide, or the encoder's maps are not each half of another, or not padded.

    Source: Ronneberger, Fischer, Brox 2015, figure 1: 23 convolutions.
    Differs: same padding unless asked. The paper does not say how much is dropped; a half, as is customary.
    """
    if encoder is None:
        check_size(name, input_shape, len(filters), padding)
        inputs = layers.Input(input_shape, name="image")
        skips = dict(enumerate(contract(inputs, filters, padding, batch_norm, dropout)))
    else:
        if padding == "valid":
            raise ValueError(f"{name}: `padding` must be 'same' where there is an `encoder`, got 'valid'.")
        scales = strides(name, encoder, input_shape, len(filters))
        image_shape(name, input_shape, multiple=2 ** max(scales))
        inputs = layers.Input(input_shape, name="image")
        maps = backbone(encoder)(inputs)
        skips = {scale: maps[i] for scale, i in scales.items()}
        for scale in sorted(skips)[-2:]:
            skips[scale] = drop(skips[scale], dropout, scale)
    x = expand(skips, filters, padding, batch_norm)
    return keras.Model(inputs, map_head(x, classes, activation), name=name)


def check_size(name, input_shape, scales, padding):
    """Refuses sizes that do not halve as often as there are scales, or of which valid padding leaves nothing."""
    unit = 2 ** (scales - 1)
    if padding == "same":
        return image_shape(name, input_shape, multiple=unit)
    # The borders that are lost: 4 pixels in each pair of convolutions, doubled at each scale on the way up.
    smallest = next(s for s in range(4, 16 * unit) if s > border(scales) and halves(s, scales))
    image_shape(name, input_shape, at_least=smallest)
    for side in input_shape[:2]:
        if side is not None and not halves(side, scales):
            raise ValueError(
                f"{name}: with valid padding and {scales} scales H and W of `input_shape` must be {smallest} plus a "
                f"multiple of {unit} [pixels], got {tuple(input_shape)}."
            )
    return input_shape


def border(scales):
    """Pixels lost along one side of an image by valid padding: 4, 16, 40, 88, 184 for 1 to 5 scales."""
    return 4 if scales == 1 else 8 + 2 * border(scales - 1)


def halves(side, scales):
    """Whether a side can be convolved twice and halved once for each scale but the last."""
    for _ in range(scales - 1):
        side -= 4
        if side % 2:
            return False
        side //= 2
    return True


def pair(x, filters, padding, batch_norm, name):
    """Twice a 3 x 3 convolution, its normalization if asked, and a ReLU."""
    for i in range(2):
        x = layers.Conv2D(
            filters,
            3,
            padding=padding,
            use_bias=not batch_norm,
            kernel_initializer="he_normal",  # section 3: a deviation of sqrt(2 / N)
            name=f"{name}_conv{i}",
        )(x)
        if batch_norm:
            x = layers.BatchNormalization(epsilon=1e-5, momentum=0.9, name=f"{name}_norm{i}")(x)
        x = layers.Activation("relu", name=f"{name}_relu{i}")(x)
    return x


def contract(x, filters, padding, batch_norm, dropout):
    """The contracting path: the map at each scale, finest first."""
    maps = []
    for i, width in enumerate(filters):
        if i:
            x = layers.MaxPooling2D(2, name=f"encoder{i}_pool")(x)
        x = pair(x, width, padding, batch_norm, f"encoder{i}")
        maps.append(x := drop(x, dropout, i) if i >= len(filters) - 2 else x)
    return maps


def drop(x, dropout, scale):
    """Dropout where the encoder ends."""
    return layers.Dropout(dropout, name=f"encoder{scale}_dropout")(x) if dropout else x


def expand(skips, filters, padding, batch_norm):
    """The expanding path, from the coarsest map to stride 1; a scale without a skip goes on alone."""
    last = max(skips)
    x = skips[last]
    for i in reversed(range(last)):
        x = layers.Conv2DTranspose(filters[i], 2, strides=2, kernel_initializer="he_normal", name=f"decoder{i}_up")(x)
        if i in skips:
            skip = skips[i]
            if padding == "valid":
                skip = layers.Cropping2D(border(last - i), name=f"decoder{i}_crop")(skip)
            x = layers.Concatenate(name=f"decoder{i}_concat")([skip, x])
        x = pair(x, filters[i], padding, batch_norm, f"decoder{i}")
    return x


def backbone(encoder):
    """The `features` of a registered classifier, with the numbers of its variant."""
    found = entry(encoder)
    if found.task != "classify":
        raise ValueError(f"unet: `encoder` must be a classifier, and {encoder} is of the task {found.task}.")
    features = sys.modules[found.build.__module__].features
    own = inspect.signature(features).parameters
    given = {k: p.default for k, p in inspect.signature(found.build).parameters.items() if k in own}
    return lambda x: features(x, **given)


def strides(name, encoder, input_shape, most):
    """Scale -> which of the encoder's maps is the last at stride 2 ** scale; read from its graph, not from a list."""
    with weightless():
        sides = [m.shape[1] for m in backbone(encoder)(layers.Input((PROBE, PROBE, input_shape[-1])))]
    powers = {2**scale: scale for scale in range(most + 1)}
    if any(PROBE % side or PROBE // side not in powers for side in sides):
        raise ValueError(
            f"{name}: `encoder` must halve the image at most {most} times, one for each of `filters`; the maps of "
            f"{encoder} are {', '.join(map(str, sides))} wide for an image of {PROBE}."
        )
    return {powers[PROBE // side]: i for i, side in enumerate(sides)}
