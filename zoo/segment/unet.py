"""U-Net: an encoder and a decoder with skip connections at every scale."""

from typing import Literal

import keras
from keras import layers

from zoo.arguments import Activation, Count, Rate, Shape, image_shape
from zoo.blocks import map_head
from zoo.classify.features import classifier_features, stage_strides, verify_classifier
from zoo.registry import register


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
    """U-Net: an encoder and a decoder with skip connections at every scale.

    (B, H, W, C) float  ->  (B, H, W, classes) probabilities; with valid padding (B, H - 184, W - 184, classes).

    Args:
        input_shape: (H, W, C) of one image [pixels]; H and W may be None. With same padding they must be divisible by
            2 ** (len(filters) - 1), or by the encoder's largest stride. With valid padding the sides of every pooled
            map must be even, as for sides of 188, 204, ..., 572, which give outputs of 4, 20, ..., 388.
        classes: number of classes. For a single class use `activation="sigmoid"`.
        filters: number of filters at each scale, finest first. With `encoder`, those of the decoder at strides 1, 2,
            4, ...; a quarter of the paper's numbers is customary.
        padding: "valid" as in the paper: the output lacks the border for which the network has no context. "same": the
            output has the size of the image.
        batch_norm: whether batch normalization follows each 3 x 3 convolution, which then has no bias.
        dropout: dropout rate at the two coarsest scales of the encoder.
        encoder: name of a classifier, such as resnet18, whose feature maps replace the paper's encoder; or None.
        activation: of the output: softmax, sigmoid, or None for logits.
        name: the model's name.
    Returns:
        Uncompiled functional model; 31,030,658 parameters on one band with 2 classes.
    Raises:
        ValueError: if `filters` is empty, H or W is not divisible, or the encoder does not fit `filters` or `padding`.

    Source: Ronneberger, Fischer, Brox 2015, figure 1: 23 convolutions.
    Differs: the default is same padding. The paper does not state the dropout rate; 0.5 is customary.
    """
    if not filters:
        raise ValueError(f"{name}: `filters` must have one scale or more, got ().")
    if encoder is None:
        check_shape(name, input_shape, len(filters), padding)
        inputs = layers.Input(input_shape, name="image")
        skips = dict(enumerate(contracting_path(inputs, filters, padding, batch_norm, dropout)))
    else:
        if padding == "valid":
            raise ValueError(f"{name}: `padding` must be 'same' with an `encoder`, got 'valid'.")
        verify_classifier(name, encoder)
        scales = encoder_scales(name, encoder, input_shape, len(filters))
        image_shape(name, input_shape, multiple=2 ** max(scales))
        inputs = layers.Input(input_shape, name="image")
        maps = classifier_features(encoder)(inputs)
        skips = {scale: maps[i] for scale, i in scales.items()}
        for scale in sorted(skips)[-2:]:
            skips[scale] = apply_dropout(skips[scale], dropout, scale)
    x = expanding_path(skips, filters, padding, batch_norm)
    return keras.Model(inputs, map_head(x, classes, activation), name=name)


def check_shape(name, input_shape, scales, padding):
    """Checks that a shape suits the number of scales and that valid padding leaves at least one pixel."""
    unit = 2 ** (scales - 1)
    if padding == "same":
        return image_shape(name, input_shape, multiple=unit)
    # Each pair of convolutions removes 4 pixels, which count double at each coarser scale.
    smallest = next(s for s in range(4, 16 * unit) if s > valid_border(scales) and is_halvable(s, scales))
    image_shape(name, input_shape, at_least=smallest)
    for side in input_shape[:2]:
        if side is not None and not is_halvable(side, scales):
            raise ValueError(
                f"{name}: with valid padding and {scales} scales H and W of `input_shape` must be {smallest} plus a "
                f"multiple of {unit} [pixels], got {tuple(input_shape)}."
            )
    return input_shape


def valid_border(scales):
    """Returns how many pixels valid padding removes per side in total: 4, 16, 40, 88, 184 for 1 to 5 scales."""
    return 4 if scales == 1 else 8 + 2 * valid_border(scales - 1)


def is_halvable(side, scales):
    """Returns whether two valid convolutions leave an even side at each scale but the last."""
    for _ in range(scales - 1):
        side -= 4
        if side % 2:
            return False
        side //= 2
    return True


def double_conv(x, filters, padding, batch_norm, name):
    """Applies twice a 3 x 3 convolution, optional batch normalization, and ReLU."""
    for i in range(2):
        x = layers.Conv2D(
            filters,
            3,
            padding=padding,
            use_bias=not batch_norm,
            kernel_initializer="he_normal",  # section 3: a standard deviation of sqrt(2 / N)
            name=f"{name}_conv{i}",
        )(x)
        if batch_norm:
            x = layers.BatchNormalization(epsilon=1e-5, momentum=0.9, name=f"{name}_norm{i}")(x)
        x = layers.Activation("relu", name=f"{name}_relu{i}")(x)
    return x


def contracting_path(x, filters, padding, batch_norm, dropout):
    """Returns the feature map at each scale, finest first."""
    maps = []
    for i, width in enumerate(filters):
        if i:
            x = layers.MaxPooling2D(2, name=f"encoder{i}_pool")(x)
        x = double_conv(x, width, padding, batch_norm, f"encoder{i}")
        maps.append(x := apply_dropout(x, dropout, i) if i >= len(filters) - 2 else x)
    return maps


def apply_dropout(x, dropout, scale):
    """Applies dropout at a scale of the encoder, unless the rate is 0."""
    return layers.Dropout(dropout, name=f"encoder{scale}_dropout")(x) if dropout else x


def expanding_path(skips, filters, padding, batch_norm):
    """Returns the decoder's map at stride 1, from the coarsest map and the skips that exist."""
    coarsest = max(skips)
    x = skips[coarsest]
    for i in reversed(range(coarsest)):
        x = layers.Conv2DTranspose(filters[i], 2, strides=2, kernel_initializer="he_normal", name=f"decoder{i}_up")(x)
        if i in skips:
            skip = skips[i]
            if padding == "valid":
                skip = layers.Cropping2D(valid_border(coarsest - i), name=f"decoder{i}_crop")(skip)
            x = layers.Concatenate(name=f"decoder{i}_concat")([skip, x])
        x = double_conv(x, filters[i], padding, batch_norm, f"decoder{i}")
    return x


def encoder_scales(name, encoder, input_shape, max_scale):
    """Returns, for each scale, the index of the encoder's last map at stride 2 ** scale."""
    strides = stage_strides(encoder, input_shape[-1])
    scales = {2**scale: scale for scale in range(max_scale + 1)}
    if any(stride not in scales for stride in strides):
        raise ValueError(
            f"{name}: `encoder` must halve the image at most {max_scale} times, once for each of `filters`, got "
            f"{encoder}, whose maps have strides of {', '.join(f'{s:g}' for s in strides)}."
        )
    return {scales[stride]: i for i, stride in enumerate(strides)}
