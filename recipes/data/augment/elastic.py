"""Elastic deformation: a smooth random pull at every place, as of tissue, leaves or handwriting."""

import tensorflow as tf

from zoo.layers.warp import sample

GRID = 3  # places along each side at which a pull is drawn


def elastic(images, seed, amount, interpolation="bilinear"):
    """Pulls each image by vectors drawn at 3 x 3 places and interpolated between them; mirrored at its border.

    (B, H, W, C) float  ->  (B, H, W, C) float; the same for the same seed, so that labels can go where images go.

    Args:
        images: a batch.
        seed: (2,) integers.
        amount: standard deviation of the vectors, as a share of height and width.
        interpolation: bilinear, or nearest for labels.

    Source: Ronneberger et al. 2015, https://arxiv.org/abs/1505.04597, section 3.1: 10 pixels; their images are of 512.
    """
    size = tf.shape(images)
    sides = tf.cast([size[2], size[1]], "float32")
    pull = amount * sides * tf.random.stateless_normal([size[0], GRID, GRID, 2], seed)
    pull = tf.image.resize(pull, size[1:3], "bicubic")
    x = _mirrored(tf.range(sides[0])[None, None, :] + pull[..., 0], sides[0])
    y = _mirrored(tf.range(sides[1])[None, :, None] + pull[..., 1], sides[1])
    if interpolation == "nearest":
        x, y = tf.round(x), tf.round(y)
    return tf.ensure_shape(tf.cast(sample(images, x, y), images.dtype), images.shape)


def _mirrored(place, side):
    """Places [pixels] brought back into the image, which goes on mirrored beyond its border."""
    around = tf.math.floormod(place + 0.5, 2 * side)
    return tf.clip_by_value(tf.minimum(around, 2 * side - around) - 0.5, 0.0, side - 1)
