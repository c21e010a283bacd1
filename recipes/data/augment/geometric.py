"""Geometric transforms of batches of images, with parameters per image."""

import math

import tensorflow as tf

FLIPS = ("flip", "flip_vertical")
INTERPOLATED = ("rotate", "shift", "zoom", "shear")


def affine_transform(
    images,
    *,
    angle=0.0,
    shear=(0.0, 0.0),
    zoom=1.0,
    flip=(1.0, 1.0),
    shift=(0.0, 0.0),
    fill="reflect",
    value=0.0,
    interpolation="bilinear",
):
    """Flips, shears, rotates and scales images about the center and then shifts them, with one interpolation.

    (B, H, W, C) float  ->  (B, H, W, C) float.

    Args:
        images: a batch.
        angle: counter-clockwise [radians]; a number or (B,).
        shear: slopes along x and y; (2,) or (B, 2).
        zoom: factor, above 1 enlarges; a number or (B,).
        flip: -1 flips and 1 does not, horizontally and vertically; (2,) or (B, 2).
        shift: to the right and down [pixels]; (2,) or (B, 2).
        fill: pixels from outside the image: reflect, nearest or constant.
        value: of the fill constant.
        interpolation: bilinear, or nearest for labels.
    """
    size = tf.shape(images)
    batch = size[0]
    angle, zoom = (tf.broadcast_to(tf.cast(v, "float32"), [batch]) for v in (angle, zoom))
    shear, flip, shift = (tf.broadcast_to(tf.cast(v, "float32"), [batch, 2]) for v in (shear, flip, shift))
    one = tf.ones_like(angle)
    # From an output pixel back to its input pixel; y points down, so that this rotates counter-clockwise
    rotation = _matrix(tf.cos(angle), -tf.sin(angle), tf.sin(angle), tf.cos(angle))
    inverse = flip[:, :, None] * (_matrix(one, shear[:, 0], shear[:, 1], one) @ rotation) / zoom[:, None, None]
    center = tf.cast([size[2] - 1, size[1] - 1], "float32") / 2
    start = center - tf.linalg.matvec(inverse, center + shift)
    zero = tf.zeros_like(angle)
    transformed = tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=tf.stack(
            [
                inverse[:, 0, 0],
                inverse[:, 0, 1],
                start[:, 0],
                inverse[:, 1, 0],
                inverse[:, 1, 1],
                start[:, 1],
                zero,
                zero,
            ],
            axis=1,
        ),
        output_shape=size[1:3],
        fill_value=value,
        interpolation=interpolation.upper(),
        fill_mode=fill.upper(),
    )
    return tf.ensure_shape(transformed, images.shape)


def _matrix(a, b, c, d):
    return tf.stack([tf.stack([a, b], -1), tf.stack([c, d], -1)], -2)


def integer_transform(images, *, flip=(1, 1), shift=(0, 0), fill="reflect", value=0.0):
    """Flips and then shifts images by whole pixels; arguments as `affine_transform` has them, integers."""
    size = tf.shape(images)
    flip, shift = (tf.broadcast_to(tf.cast(v, "int32"), [size[0], 2]) for v in (flip, shift))
    for axis, column in ((1, 1), (2, 0)):
        length = size[axis]
        index = tf.range(length)[None] - shift[:, column, None]
        inside = (index >= 0) & (index < length)
        if fill == "reflect":
            index = tf.math.floormod(index, 2 * length)
            index = tf.minimum(index, 2 * length - 1 - index)
        index = tf.clip_by_value(index, 0, length - 1)
        index = tf.where(flip[:, column, None] < 0, length - 1 - index, index)
        transformed = tf.gather(images, index, axis=axis, batch_dims=1)
        if fill == "constant":
            inside = inside[:, :, None, None] if axis == 1 else inside[:, None, :, None]
            transformed = tf.where(inside, transformed, tf.cast(value, images.dtype))
        images = transformed
    return images


def random_flips(seed, count, amounts):
    """Returns (count, 2) bool: whether `random_transform` with this seed flips an image horizontally and vertically.

    Args:
        seed: (2,) integers.
        count: number of images.
        amounts: geometric step -> amount, for the steps in use.
    """
    enabled = [name in amounts for name in FLIPS]
    return enabled & (_random_numbers(seed, count)[:, :2] < 0)


def _random_numbers(seed, count):
    """Returns (count, 10) numbers in [-1, 1); in one draw, as on small images the number of operations counts."""
    return tf.random.stateless_uniform([count, 10], seed, -1.0, 1.0)


def random_transform(images, seed, amounts, fill, value, interpolation="bilinear"):
    """Applies a random transform to each image; equal seeds give equal transforms, so that masks follow their images.

    Args:
        images: (B, H, W, C) float.
        seed: (2,) integers.
        amounts: geometric step -> amount, for the steps in use.
        fill, value, interpolation: as `affine_transform` has them.
    """
    size = tf.shape(images)
    sides = tf.cast([size[2], size[1]], "float32")
    _, crop, shift, shear, rest = tf.split(_random_numbers(seed, size[0]), 5, axis=1)
    flip = tf.where(random_flips(seed, size[0], amounts), -1.0, 1.0)
    margin = amounts.get("crop", 0.0)
    crop = tf.floor((margin + 0.5) * (crop + 1)) - margin  # -margin, ..., margin with equal probability
    if not any(name in amounts for name in INTERPOLATED):
        return integer_transform(images, flip=flip, shift=crop, fill=fill, value=value)
    return affine_transform(
        images,
        angle=2 * math.pi * amounts.get("rotate", 0.0) * rest[:, 0],
        shear=amounts.get("shear", 0.0) * shear,
        zoom=1.0 + amounts.get("zoom", 0.0) * rest[:, 1],
        flip=flip,
        shift=crop + amounts.get("shift", 0.0) * sides * shift,
        fill=fill,
        value=value,
        interpolation=interpolation,
    )
