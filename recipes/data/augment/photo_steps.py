"""Steps of contrastive learning: random crops in the size of the image, color jitter, gray and blur, for each image."""

import math

import tensorflow as tf

from recipes.data.augment.rand_augment import LUMINANCE

LARGEST_ASPECT = 4 / 3  # of a crop, relative to that of the image; the smallest is its inverse
JITTER_PROBABILITY = 0.8
HUE_FRACTION = 0.25  # of the strength of the other changes of color
SMALLEST_SIGMA = 0.1  # pixels


def resized_crop(images, seed, amount):
    """Cuts a random window of `amount` to 1 of each image's area, and enlarges it to the image's size.

    Its aspect ratio is 3/4 to 4/3 of the image's, evenly drawn as a logarithm.

    Source: Szegedy et al. 2014, https://arxiv.org/abs/1409.4842, section 6; Chen et al. 2020,
        https://arxiv.org/abs/2002.05709, appendix A.
    Differs: a side that would exceed the image's is as long as that, instead of another draw.
    """
    size = tf.shape(images)
    random = tf.random.stateless_uniform([4, size[0]], seed)
    area = amount + (1 - amount) * random[0]
    aspect = tf.exp((2 * random[1] - 1) * math.log(LARGEST_ASPECT))
    height, width = (tf.minimum(tf.sqrt(v), 1.0) for v in (area / aspect, area * aspect))
    top, left = random[2] * (1 - height), random[3] * (1 - width)
    boxes = _pixel_boxes(top, left, height, width, size)
    crops = tf.image.crop_and_resize(images, boxes, tf.range(size[0]), size[1:3])
    return tf.ensure_shape(crops, images.shape)


def _pixel_boxes(top, left, height, width, size):
    """Returns (B, 4) boxes for `crop_and_resize`, whose ends are pixel centers, of windows in fractions."""
    ends = []
    for start, side, length in ((top, height, size[1]), (left, width, size[2])):
        length = tf.cast(length, "float32")
        first = start * length + (side - 1) / 2  # the center of the first pixel of the window's grid
        first, last = (tf.clip_by_value(v, 0.0, length - 1) for v in (first, first + side * (length - 1)))
        ends.append([v / tf.maximum(length - 1, 1.0) for v in (first, last)])
    (y1, y2), (x1, x2) = ends
    return tf.stack([y1, x1, y2, x2], axis=1)


def color_jitter(images, seed, amount, value_range):
    """Changes brightness, contrast and saturation by factors in 1 +- 0.8 amount, and the hue by 0.2 amount of a turn.

    One image of five stays as it is.

    Source: Chen et al. 2020, https://arxiv.org/abs/2002.05709, appendix A.
    Differs: in a fixed order.
    """
    low, high = value_range
    x = tf.clip_by_value((images - low) / (high - low), 0.0, 1.0)
    random = tf.random.stateless_uniform([5, tf.shape(images)[0], 1, 1, 1], seed, -1.0, 1.0)
    strength = 0.8 * amount
    x = tf.clip_by_value(x * (1 + strength * random[0]), 0.0, 1.0)
    mean = tf.reduce_mean(_luminance(x), axis=[1, 2], keepdims=True)
    x = tf.clip_by_value(mean + (x - mean) * (1 + strength * random[1]), 0.0, 1.0)
    gray_image = _luminance(x)
    x = tf.clip_by_value(gray_image + (x - gray_image) * (1 + strength * random[2]), 0.0, 1.0)
    hue, saturation, value = tf.split(tf.image.rgb_to_hsv(x), 3, axis=-1)
    hue = tf.math.floormod(hue + HUE_FRACTION * strength * random[3], 1.0)
    x = tf.image.hsv_to_rgb(tf.concat([hue, saturation, value], axis=-1))
    is_changed = random[4] < 2 * JITTER_PROBABILITY - 1
    return tf.where(is_changed, x * (high - low) + low, images)


def gray(images, seed, amount):
    """Replaces the three bands of each image by its luminance, with a probability of `amount`."""
    is_changed = tf.random.stateless_uniform([tf.shape(images)[0], 1, 1, 1], seed) < amount
    return tf.where(is_changed, tf.repeat(_luminance(images), 3, axis=-1), images)


def _luminance(images):
    return tf.reduce_sum(images * LUMINANCE, axis=-1, keepdims=True)


def blur(images, seed, amount):
    """Smooths every other image, at random, by a Gaussian with a standard deviation of 0.1 to `amount` pixels.

    Source: Chen et al. 2020, https://arxiv.org/abs/2002.05709, appendix A.
    """
    if amount <= 0:
        return images
    count, radius = tf.shape(images)[0], math.ceil(3 * amount)
    random = tf.random.stateless_uniform([2, count, 1], seed)
    sigma = tf.minimum(SMALLEST_SIGMA, amount) + random[0] * max(0.0, amount - SMALLEST_SIGMA)
    offsets = tf.range(-radius, radius + 1, dtype="float32")[None]
    kernel = tf.exp(-0.5 * (offsets / sigma) ** 2)
    kernel = kernel / tf.reduce_sum(kernel, axis=1, keepdims=True)
    x = images
    for axis in (1, 2):
        length = tf.shape(images)[axis]
        total = tf.zeros_like(x)
        for k in range(-radius, radius + 1):
            index = tf.clip_by_value(tf.range(length) + k, 0, length - 1)
            total += tf.gather(x, index, axis=axis) * kernel[:, k + radius][:, None, None, None]
        x = total
    return tf.where(random[1][:, :, None, None] < 0.5, x, images)
