"""Elastic deformation: a smooth random displacement of every pixel, as of tissue, leaves or handwriting."""

import tensorflow as tf

from zoo.layers.warp import sample

GRID = 3  # points along each side at which a displacement is drawn


def elastic(images, seed, amount, interpolation="bilinear"):
    """Displaces pixels by vectors drawn at 3 x 3 points and interpolated; images are mirrored at the border.

    (B, H, W, C) float  ->  (B, H, W, C) float; equal seeds displace equally, so that masks follow.

    Args:
        images: a batch.
        seed: (2,) integers.
        amount: standard deviation of the vectors, as a fraction of height and width.
        interpolation: bilinear, or nearest for labels.

    Source: Ronneberger et al. 2015, https://arxiv.org/abs/1505.04597, section 3.1: 10 pixels; their images are of 512.
    """
    size = tf.shape(images)
    sides = tf.cast([size[2], size[1]], "float32")
    displacement = amount * sides * tf.random.stateless_normal([size[0], GRID, GRID, 2], seed)
    displacement = tf.image.resize(displacement, size[1:3], "bicubic")
    x = _mirrored(tf.range(sides[0])[None, None, :] + displacement[..., 0], sides[0])
    y = _mirrored(tf.range(sides[1])[None, :, None] + displacement[..., 1], sides[1])
    if interpolation == "nearest":
        x, y = tf.round(x), tf.round(y)
    return tf.ensure_shape(tf.cast(sample(images, x, y), images.dtype), images.shape)


def _mirrored(position, side):
    """Returns positions [pixels] in the image for those beyond its border, where it is mirrored."""
    periodic = tf.math.floormod(position + 0.5, 2 * side)
    return tf.clip_by_value(tf.minimum(periodic, 2 * side - periodic) - 0.5, 0.0, side - 1)
