"""RandAugment with operations drawn for each image: Keras' layer draws them once for the whole batch."""

import math

import tensorflow as tf

from recipes.data.augment.geometric import move

MOVES = ("rotate", "shear_x", "shear_y", "shift_x", "shift_y")
FACTORS = ("brightness", "contrast", "colour", "sharpness")
OPERATIONS = ("identity", *MOVES, *FACTORS, "autocontrast", "equalize", "solarize", "posterize")
GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601
SMOOTH = ((1 / 13, 1 / 13, 1 / 13), (1 / 13, 5 / 13, 1 / 13), (1 / 13, 1 / 13, 1 / 13))


def rand_augment(images, seed, amount, value_range, fill, value):
    """Two operations for each image, drawn out of fourteen, at one magnitude to a random side.

    At magnitude 1 they turn by 30 degrees, shear by 0.3, shift by 0.3 of a side, change brightness, contrast, colour
    and sharpness by a factor in 1 +- 0.9, invert all that is above 0 and keep 4 of 8 bits.

    Args:
        images: (B, H, W, 1 or 3) float.
        seed: (2,) integers.
        amount: magnitude in [0, 1].
        value_range: (low, high) of the images.
        fill, value: what moves bring in from outside.

    Source: Cubuk et al. 2020, https://arxiv.org/abs/1909.13719.
    Differs: the operations of one image act in a fixed order, moves first; one drawn twice acts once.
    """
    seeds = tf.unstack(tf.random.split(seed, 2))
    batch = tf.shape(images)[0]
    drawn = tf.random.stateless_uniform([batch, 2], seeds[0], 0, len(OPERATIONS), "int32")
    chosen = tf.reduce_max(tf.one_hot(drawn, len(OPERATIONS)), axis=1)
    side = tf.where(tf.random.stateless_uniform([batch, len(OPERATIONS)], seeds[1]) < 0.5, -1.0, 1.0)
    size = {name: amount * (chosen * side)[:, i] for i, name in enumerate(OPERATIONS)}
    on = {name: (chosen[:, i] > 0)[:, None, None, None] for i, name in enumerate(OPERATIONS)}

    sides = tf.cast([tf.shape(images)[2], tf.shape(images)[1]], "float32")
    images = move(
        images,
        turn=size["rotate"] * math.pi / 6,
        shear=0.3 * tf.stack([size["shear_x"], size["shear_y"]], -1),
        shift=0.3 * sides * tf.stack([size["shift_x"], size["shift_y"]], -1),
        fill=fill,
        value=value,
    )
    low, high = value_range
    x = tf.clip_by_value((images - low) / (high - low), 0.0, 1.0)
    grey = tf.reduce_sum(x * GREY, -1, keepdims=True) if images.shape[-1] == 3 else x
    others = (tf.zeros_like, lambda x: tf.reduce_mean(grey, [1, 2, 3], keepdims=True), lambda x: grey, smooth)
    for name, other in zip(FACTORS, others, strict=True):
        factor = 1 + 0.9 * size[name][:, None, None, None]
        x = tf.clip_by_value(x * factor + other(x) * (1 - factor), 0.0, 1.0)
    x = tf.where(on["autocontrast"], autocontrast(x), x)
    x = tf.where(on["equalize"], equalize(x), x)
    x = tf.where(on["solarize"] & (x > 1 - amount), 1 - x, x)
    levels = 2.0 ** (8 - round(4 * amount))
    x = tf.where(on["posterize"], tf.minimum(tf.floor(x * levels), levels - 1) / (levels - 1), x)
    return tf.ensure_shape(x * (high - low) + low, images.shape)


def smooth(x):
    """Each pixel with its neighbours, as PIL's SMOOTH; the border repeats."""
    bands = x.shape[-1]
    padded = tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], "SYMMETRIC")
    kernel = tf.tile(tf.constant(SMOOTH, x.dtype)[:, :, None, None], [1, 1, bands, 1])
    return tf.nn.depthwise_conv2d(padded, kernel, [1, 1, 1, 1], "VALID")


def autocontrast(x):
    """Stretches each band of each image to [0, 1]; a band of one value stays."""
    low, high = tf.reduce_min(x, [1, 2], keepdims=True), tf.reduce_max(x, [1, 2], keepdims=True)
    return tf.where(high > low, tf.math.divide_no_nan(x - low, high - low), x)


def equalize(x):
    """Replaces each value of each band, of 256, by the share of the band's pixels below it; a band of one stays."""
    size = tf.shape(x)
    bins = tf.cast(tf.round(x * 255), "int32")
    bins = tf.reshape(tf.transpose(bins, [0, 3, 1, 2]), [-1, size[1] * size[2]])
    counts = tf.math.bincount(bins, minlength=256, maxlength=256, axis=-1)
    below = tf.cast(tf.cumsum(counts, axis=-1, exclusive=True), "float32")
    # the share of those that are not in the highest level, so that the answer reaches from 0 to 1
    highest = tf.gather(below, tf.reduce_max(bins, -1, keepdims=True), batch_dims=1)
    shares = tf.gather(tf.math.divide_no_nan(below, highest), bins, batch_dims=1)
    shares = tf.transpose(tf.reshape(shares, [size[0], size[3], size[1], size[2]]), [0, 2, 3, 1])
    one = tf.reshape(highest == 0, [size[0], 1, 1, size[3]])
    return tf.where(one, x, shares)
