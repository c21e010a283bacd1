"""Steps that mix the images of a batch, and their targets in the same fractions."""

import tensorflow as tf


def beta(seed, batch, alpha):
    """Returns (B,) numbers drawn from Beta(alpha, alpha)."""
    one, other = (tf.random.stateless_gamma([batch], s, alpha) for s in tf.unstack(tf.random.split(seed, 2)))
    return tf.math.divide_no_nan(one, one + other)


def mixup(images, targets, weights, seed, amount):
    """Mixes each image with another of its batch, with a fraction drawn from Beta(amount, amount).

    Source: Zhang et al. 2018, https://arxiv.org/abs/1710.09412. Differs: a fraction for each image, not for each batch.
    """
    seeds = tf.unstack(tf.random.split(seed, 2))
    batch = tf.shape(images)[0]
    fraction = beta(seeds[0], batch, amount)
    partner = tf.random.experimental.stateless_shuffle(tf.range(batch), seeds[1])
    mixed = _blend(images, tf.gather(images, partner), fraction)
    return mixed, *_blend_targets(targets, weights, partner, fraction)


def cutmix(images, targets, weights, seed, amount):
    """Replaces a rectangle of each image by that of another image, with an area drawn from Beta(amount, amount).

    Source: Yun et al. 2019, https://arxiv.org/abs/1905.04899. Differs: an area for each image, not for each batch.
    """
    seeds = tf.unstack(tf.random.split(seed, 3))
    size = tf.shape(images)
    batch, height, width = size[0], size[1], size[2]
    side = tf.sqrt(1 - beta(seeds[0], batch, amount))[:, None]
    center = tf.random.stateless_uniform([2, batch, 1], seeds[1])
    partner = tf.random.experimental.stateless_shuffle(tf.range(batch), seeds[2])

    def between(center, length):
        length = tf.cast(length, "float32")
        index = tf.range(length)[None]
        middle, half = tf.floor(center * length), tf.floor(side * length) / 2
        return (index >= tf.floor(middle - half)) & (index < tf.floor(middle + half))

    cut = between(center[0], height)[:, :, None] & between(center[1], width)[:, None, :]
    fraction = 1 - tf.reduce_mean(tf.cast(cut, "float32"), [1, 2])  # of the image that is left, counted
    mixed = tf.where(cut[..., None], tf.gather(images, partner), images)
    return mixed, *_blend_targets(targets, weights, partner, fraction)


def _blend(one, other, fraction):
    fraction = tf.reshape(fraction, [-1, *[1] * (one.shape.rank - 1)])
    return one * fraction + other * (1 - fraction)


def _blend_targets(targets, weights, partner, fraction):
    """Returns targets and sample weights whose cross-entropy is the sum of both examples', by fraction and weight."""
    others = tf.gather(targets, partner)
    if weights is None:
        return _blend(targets, others, fraction), None
    weighted = tf.cast(weights, "float32") * fraction
    total = weighted + tf.gather(tf.cast(weights, "float32"), partner) * (1 - fraction)
    return _blend(targets, others, tf.math.divide_no_nan(weighted, total)), total


def soft_targets(targets, classes):
    """Returns targets that can be mixed: class indices one-hot, others as floats.

    Args:
        targets: (B,) or (B, 1) class indices, or (B, ...) numbers, or None.
        classes: number of classes; needed for indices.
    Raises:
        ValueError: if there are no targets, or indices without `classes`.
    """
    if targets is None:
        raise ValueError("augmentation: steps that mix images need batches of (images, targets), got images alone.")
    shape = targets.shape
    if targets.dtype.is_floating:
        return tf.cast(targets, "float32")
    if shape.rank == 1 or (shape.rank == 2 and shape[1] == 1):
        if not classes:
            raise ValueError("augmentation: `classes` must be given where class indices are mixed, got None.")
        indices = tf.reshape(targets, [-1])
        inside = tf.debugging.assert_less(indices, tf.cast(classes, indices.dtype), "a class is not below `classes`")
        with tf.control_dependencies([inside] if inside is not None else []):
            return tf.one_hot(indices, classes)
    return tf.cast(targets, "float32")
