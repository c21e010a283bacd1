"""RandAugment with operations drawn for each image; Keras' layer draws them once for the batch."""

import math

import tensorflow as tf

from recipes.data.augment.geometric import affine_transform

GEOMETRIC = ("rotate", "shear_x", "shear_y", "shift_x", "shift_y")
FACTORS = ("brightness", "contrast", "color", "sharpness")
OPERATIONS = ("identity", *GEOMETRIC, *FACTORS, "autocontrast", "equalize", "solarize", "posterize")
LUMINANCE = (0.299, 0.587, 0.114)  # ITU-R BT.601
SMOOTH = ((1 / 13, 1 / 13, 1 / 13), (1 / 13, 5 / 13, 1 / 13), (1 / 13, 1 / 13, 1 / 13))


def rand_augment(images, seed, amount, value_range, fill, value):
    """Applies two of fourteen operations to each image, at one magnitude with a random sign.

    At magnitude 1 they rotate by 30 degrees, shear by 0.3, shift by 0.3 of a side, change brightness, contrast, color
    and sharpness by a factor in 1 +- 0.9, invert all values above 0 and keep 4 of 8 bits.

    Args:
        images: (B, H, W, 1 or 3) float.
        seed: (2,) integers.
        amount: magnitude in [0, 1].
        value_range: (low, high) of the images.
        fill, value: pixels from outside the image, as `affine_transform` has them.

    Source: Cubuk et al. 2020, https://arxiv.org/abs/1909.13719.
    Differs: the operations of one image act in a fixed order, geometric ones first; one drawn twice acts once.
    """
    seeds = tf.unstack(tf.random.split(seed, 2))
    batch = tf.shape(images)[0]
    indices = tf.random.stateless_uniform([batch, 2], seeds[0], 0, len(OPERATIONS), "int32")
    selected = tf.reduce_max(tf.one_hot(indices, len(OPERATIONS)), axis=1)
    sign = tf.where(tf.random.stateless_uniform([batch, len(OPERATIONS)], seeds[1]) < 0.5, -1.0, 1.0)
    magnitude = {name: amount * (selected * sign)[:, i] for i, name in enumerate(OPERATIONS)}
    enabled = {name: (selected[:, i] > 0)[:, None, None, None] for i, name in enumerate(OPERATIONS)}

    sides = tf.cast([tf.shape(images)[2], tf.shape(images)[1]], "float32")
    images = affine_transform(
        images,
        angle=magnitude["rotate"] * math.pi / 6,
        shear=0.3 * tf.stack([magnitude["shear_x"], magnitude["shear_y"]], -1),
        shift=0.3 * sides * tf.stack([magnitude["shift_x"], magnitude["shift_y"]], -1),
        fill=fill,
        value=value,
    )
    low, high = value_range
    x = tf.clip_by_value((images - low) / (high - low), 0.0, 1.0)
    gray = tf.reduce_sum(x * LUMINANCE, -1, keepdims=True) if images.shape[-1] == 3 else x
    targets = (tf.zeros_like, lambda x: tf.reduce_mean(gray, [1, 2, 3], keepdims=True), lambda x: gray, smooth)
    for name, target in zip(FACTORS, targets, strict=True):
        factor = 1 + 0.9 * magnitude[name][:, None, None, None]
        x = tf.clip_by_value(x * factor + target(x) * (1 - factor), 0.0, 1.0)
    x = tf.where(enabled["autocontrast"], autocontrast(x), x)
    x = tf.where(enabled["equalize"], equalize(x), x)
    x = tf.where(enabled["solarize"] & (x > 1 - amount), 1 - x, x)
    levels = 2.0 ** (8 - round(4 * amount))
    x = tf.where(enabled["posterize"], tf.minimum(tf.floor(x * levels), levels - 1) / (levels - 1), x)
    return tf.ensure_shape(x * (high - low) + low, images.shape)


def smooth(x):
    """Smooths images with the kernel of PIL's SMOOTH; the border repeats."""
    bands = x.shape[-1]
    padded = tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], "SYMMETRIC")
    kernel = tf.tile(tf.constant(SMOOTH, x.dtype)[:, :, None, None], [1, 1, bands, 1])
    return tf.nn.depthwise_conv2d(padded, kernel, [1, 1, 1, 1], "VALID")


def autocontrast(x):
    """Stretches each band of each image to [0, 1]; a band of one value stays."""
    low, high = tf.reduce_min(x, [1, 2], keepdims=True), tf.reduce_max(x, [1, 2], keepdims=True)
    return tf.where(high > low, tf.math.divide_no_nan(x - low, high - low), x)


def equalize(x):
    """Equalizes the histogram of each band of each image, in 256 levels; a band of one value stays."""
    size = tf.shape(x)
    bins = tf.cast(tf.round(x * 255), "int32")
    bins = tf.reshape(tf.transpose(bins, [0, 3, 1, 2]), [-1, size[1] * size[2]])
    counts = tf.math.bincount(bins, minlength=256, maxlength=256, axis=-1)
    below = tf.cast(tf.cumsum(counts, axis=-1, exclusive=True), "float32")
    # as a fraction of the pixels below the highest level, so that the output reaches from 0 to 1
    highest = tf.gather(below, tf.reduce_max(bins, -1, keepdims=True), batch_dims=1)
    fractions = tf.gather(tf.math.divide_no_nan(below, highest), bins, batch_dims=1)
    fractions = tf.transpose(tf.reshape(fractions, [size[0], size[3], size[1], size[2]]), [0, 2, 3, 1])
    one = tf.reshape(highest == 0, [size[0], 1, 1, size[3]])
    return tf.where(one, x, fractions)
