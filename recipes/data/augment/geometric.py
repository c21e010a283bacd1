"""Geometric changes: where each pixel of an image goes. Everything is one number per image."""

import math

import tensorflow as tf

INTERPOLATED = ("rotate", "shift", "zoom", "shear")


def move(
    images,
    *,
    turn=0.0,
    shear=(0.0, 0.0),
    zoom=1.0,
    flip=(1.0, 1.0),
    shift=(0.0, 0.0),
    fill="reflect",
    value=0.0,
    interpolation="bilinear",
):
    """Mirrors, shears, turns, scales about the centre and then shifts, with one interpolation.

    (B, H, W, C) float  ->  (B, H, W, C) float.

    Args:
        images: a batch.
        turn: angle, counter-clockwise [radians]; a number or (B,).
        shear: slopes along x and y; (2,) or (B, 2).
        zoom: factor, above 1 enlarges; a number or (B,).
        flip: -1 mirrors and 1 does not, left to right and top to bottom; (2,) or (B, 2).
        shift: to the right and down [pixels]; (2,) or (B, 2).
        fill: what lies outside: reflect, nearest or constant.
        value: of constant.
        interpolation: bilinear, or nearest for labels.
    """
    size = tf.shape(images)
    batch = size[0]
    turn, zoom = (tf.broadcast_to(tf.cast(v, "float32"), [batch]) for v in (turn, zoom))
    shear, flip, shift = (tf.broadcast_to(tf.cast(v, "float32"), [batch, 2]) for v in (shear, flip, shift))
    one = tf.ones_like(turn)
    # From a pixel of the answer back to where it comes from; y points down, so that this turns counter-clockwise
    turned = _matrix(tf.cos(turn), -tf.sin(turn), tf.sin(turn), tf.cos(turn))
    back = flip[:, :, None] * (_matrix(one, shear[:, 0], shear[:, 1], one) @ turned) / zoom[:, None, None]
    centre = tf.cast([size[2] - 1, size[1] - 1], "float32") / 2
    start = centre - tf.linalg.matvec(back, centre + shift)
    zero = tf.zeros_like(turn)
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=tf.stack(
            [back[:, 0, 0], back[:, 0, 1], start[:, 0], back[:, 1, 0], back[:, 1, 1], start[:, 1], zero, zero], axis=1
        ),
        output_shape=size[1:3],
        fill_value=value,
        interpolation=interpolation.upper(),
        fill_mode=fill.upper(),
    )
    return tf.ensure_shape(moved, images.shape)


def _matrix(a, b, c, d):
    return tf.stack([tf.stack([a, b], -1), tf.stack([c, d], -1)], -2)


def move_whole(images, *, flip=(1, 1), shift=(0, 0), fill="reflect", value=0.0):
    """Mirrors and then shifts by whole pixels, exactly; arguments as `move` has them, integers."""
    size = tf.shape(images)
    flip, shift = (tf.broadcast_to(tf.cast(v, "int32"), [size[0], 2]) for v in (flip, shift))
    for axis, column in ((1, 1), (2, 0)):
        length = size[axis]
        place = tf.range(length)[None] - shift[:, column, None]
        inside = (place >= 0) & (place < length)
        if fill == "reflect":
            place = tf.math.floormod(place, 2 * length)
            place = tf.minimum(place, 2 * length - 1 - place)
        place = tf.clip_by_value(place, 0, length - 1)
        place = tf.where(flip[:, column, None] < 0, length - 1 - place, place)
        moved = tf.gather(images, place, axis=axis, batch_dims=1)
        if fill == "constant":
            inside = inside[:, :, None, None] if axis == 1 else inside[:, None, :, None]
            moved = tf.where(inside, moved, tf.cast(value, images.dtype))
        images = moved
    return images


def random_move(images, seed, amounts, fill, value, interpolation="bilinear"):
    """Draws a move for each image and makes it; the same for the same seed, so that labels can go where images go.

    Args:
        images: (B, H, W, C) float.
        seed: (2,) integers.
        amounts: geometric step -> amount, of those wanted.
        fill, value, interpolation: as `move` has them.
    """
    size = tf.shape(images)
    sides = tf.cast([size[2], size[1]], "float32")
    # All numbers of a batch in one draw, in [-1, 1): on small images the operations' own cost counts
    mirror, crop, shift, shear, rest = tf.split(tf.random.stateless_uniform([size[0], 10], seed, -1.0, 1.0), 5, axis=1)
    wanted = [name in amounts for name in ("flip", "flip_vertical")]
    flip = tf.where(wanted & (mirror < 0), -1.0, 1.0)
    reach = amounts.get("crop", 0.0)
    crop = tf.floor((reach + 0.5) * (crop + 1)) - reach  # -reach, ..., reach, each as likely
    if not any(name in amounts for name in INTERPOLATED):
        return move_whole(images, flip=flip, shift=crop, fill=fill, value=value)
    return move(
        images,
        turn=2 * math.pi * amounts.get("rotate", 0.0) * rest[:, 0],
        shear=amounts.get("shear", 0.0) * shear,
        zoom=1.0 + amounts.get("zoom", 0.0) * rest[:, 1],
        flip=flip,
        shift=crop + amounts.get("shift", 0.0) * sides * shift,
        fill=fill,
        value=value,
        interpolation=interpolation,
    )
