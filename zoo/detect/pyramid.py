"""Feature pyramid network: the maps of an encoder with the same number of filters, and with context from above."""

from keras import layers

from zoo.classify.features import classifier_features, stage_strides, verify_classifier

FILTERS = 256  # of every level


def encoder_maps(name, image, encoder, scales):
    """Returns the last map of an encoder at each scale: {scale: (B, H / 2 ** scale, W / 2 ** scale, C)}.

    Args:
        name: what an error message calls the model.
        image: (B, H, W, C) symbolic tensor.
        encoder: name of a classifier.
        scales: base-2 logarithms of the strides.
    Raises:
        ValueError: if the encoder is no classifier or lacks one of these strides.
    """
    verify_classifier(name, encoder)
    try:
        strides = stage_strides(encoder, image.shape[-1])
    except (AttributeError, ValueError):  # without stages, or not for an image of any size
        strides = []
    indices = {stride: i for i, stride in enumerate(strides)}
    needed = [2**scale for scale in scales]
    if not set(needed) <= set(indices):
        maps = f"maps at the strides {', '.join(f'{s:g}' for s in strides)}" if strides else "no maps"
        raise ValueError(
            f"{name}: `encoder` must have maps at the strides {', '.join(map(str, needed))}, as resnet18, mobilenet_v2 "
            f"and efficientnet_lite0 have, got {encoder} with {maps}."
        )
    maps = classifier_features(encoder)(image)
    return {scale: maps[indices[2**scale]] for scale in scales}


def freeze_norms(model):
    """Returns the model, whose batch normalization keeps its weights and statistics in training from now on."""
    for layer in model.layers:
        layer.trainable = not isinstance(layer, layers.BatchNormalization)
    return model


def feature_pyramid(maps, filters=FILTERS):
    """Returns the levels of the pyramid: {scale: (B, H, W, C)}  ->  {scale: (B, H, W, filters)}.

    Each level is a 1 x 1 convolution of its map plus the next coarser level, enlarged by repeating pixels. A 3 x 3
    convolution follows.

    Args:
        maps: maps of an encoder by scale; each has twice the sides of the next one.
        filters: number of filters of every level.

    Source: Lin et al. 2017, https://arxiv.org/abs/1612.03144, figure 3.
    """
    levels, coarser = {}, None
    for scale in sorted(maps, reverse=True):
        x = _conv(filters, 1, f"pyramid{scale}_lateral")(maps[scale])
        if coarser is not None:
            enlarged = layers.UpSampling2D(2, name=f"pyramid{scale}_up")(coarser)
            x = layers.Add(name=f"pyramid{scale}_add")([x, enlarged])
        coarser = x
        levels[scale] = _conv(filters, 3, f"pyramid{scale}")(x)
    return dict(sorted(levels.items()))


def coarser_levels(levels, filters=FILTERS):
    """Returns the pyramid with two more levels, each by a 3 x 3 convolution with a stride of 2.

    Source: Lin et al. 2017, https://arxiv.org/abs/1708.02002, section 4: P6 and P7.
    Differs: P6 is computed from P5, as in torchvision, and not from the encoder's map.
    """
    last = max(levels)
    x = levels[last]
    for scale in (last + 1, last + 2):
        if scale == last + 2:
            x = layers.Activation("relu", name=f"pyramid{last + 1}_relu")(x)
        x = layers.ZeroPadding2D(1, name=f"pyramid{scale}_pad")(x)
        x = layers.Conv2D(filters, 3, strides=2, kernel_initializer="he_uniform", name=f"pyramid{scale}")(x)
        levels = {**levels, scale: x}
    return levels


def _conv(filters, kernel_size, name):
    return layers.Conv2D(filters, kernel_size, padding="same", kernel_initializer="he_uniform", name=name)
