"""Steps that change pixel values. Random numbers are drawn per image; values are clipped to `value_range` if given."""

import math

import tensorflow as tf


def _draw(images, seed, low=-1.0, high=1.0):
    """Returns one random number per image, (B, 1, 1, 1)."""
    return tf.random.stateless_uniform([tf.shape(images)[0], 1, 1, 1], seed, low, high)


def _span(value_range):
    return value_range[1] - value_range[0] if value_range else 1.0


def _clip(images, value_range):
    return tf.clip_by_value(images, *value_range) if value_range else images


def contrast(images, seed, amount, value_range):
    """Stretches each band around its mean in the image by a factor in 1 +- amount."""
    factor = 1 + amount * _draw(images, seed)
    mean = tf.reduce_mean(images, axis=[1, 2], keepdims=True)
    return _clip(images * factor + mean * (1 - factor), value_range)


def brightness(images, seed, amount, value_range):
    """Adds one number to each image, up to plus or minus amount times the range."""
    return _clip(images + amount * _span(value_range) * _draw(images, seed), value_range)


def noise(images, seed, amount, value_range):
    """Adds Gaussian noise with a standard deviation of amount times the range."""
    deviation = amount * _span(value_range)
    return _clip(images + tf.random.stateless_normal(tf.shape(images), seed, 0.0, deviation), value_range)


def cutout(images, seed, amount, value):
    """Erases one rectangle of amount times the sides around a random pixel; it may extend beyond the border.

    Source: DeVries and Taylor 2017, https://arxiv.org/abs/1708.04552.
    """
    size = tf.shape(images)
    center = tf.random.stateless_uniform([size[0], 2], seed)
    rows = tf.abs(pixel_centers(size[1]) - center[:, :1]) < amount / 2
    columns = tf.abs(pixel_centers(size[2]) - center[:, 1:]) < amount / 2
    erased = rows[:, :, None, None] & columns[:, None, :, None]
    return tf.where(erased, tf.cast(value, images.dtype), images)


def pixel_centers(length):
    """Returns the centers of `length` pixels on [0, 1], (1, length)."""
    return ((tf.range(length, dtype="float32") + 0.5) / tf.cast(length, "float32"))[None]


def grid_mask(images, seed, amount, value):
    """Erases the squares of a grid of random distance (30 to 60 % of the longer side), offset and angle.

    Source: Chen et al. 2020, https://arxiv.org/abs/2001.04086.
    """
    size = tf.shape(images)
    random = tf.random.stateless_uniform([5, size[0], 1, 1], seed)
    longest = tf.cast(tf.maximum(size[1], size[2]), "float32")
    distance, angle = (0.3 + 0.3 * random[0]) * longest, 2 * math.pi * random[1]
    y = tf.range(size[1], dtype="float32")[None, :, None]
    x = tf.range(size[2], dtype="float32")[None, None, :]
    along = tf.math.floormod((x * tf.cos(angle) + y * tf.sin(angle)) / distance + random[2], 1.0) < amount
    across = tf.math.floormod((y * tf.cos(angle) - x * tf.sin(angle)) / distance + random[3], 1.0) < amount
    return tf.where((along & across)[..., None], tf.cast(value, images.dtype), images)


def jpeg_quality(images, seed, amount, value_range):
    """Compresses each image as JPEG with a quality from amount to 100."""
    quality = tf.random.stateless_uniform([tf.shape(images)[0]], seed, int(amount), 101, "int32")
    scaled = (images - value_range[0]) / _span(value_range)
    compressed = tf.map_fn(
        lambda pair: tf.image.adjust_jpeg_quality(pair[0], pair[1]), (scaled, quality), fn_output_signature=images.dtype
    )
    return tf.ensure_shape(compressed * _span(value_range) + value_range[0], images.shape)
