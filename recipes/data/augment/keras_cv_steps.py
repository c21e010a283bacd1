"""Steps that Keras lacks and keras-cv has: its layers compute them with random numbers drawn here.

The layers' own random numbers do not follow the seed (JitteredResize) or repeat in part in each epoch (Mosaic).
keras-cv is imported only where one of these steps is used.
"""

import tensorflow as tf

NAMES = ("mosaic", "jittered_resize", "channel_shuffle")


def layer(name):
    """Returns the layer of keras-cv for a step; it must be built outside of the pipeline, as it owns a generator."""
    import keras_cv

    if name == "mosaic":
        return keras_cv.layers.Mosaic(seed=1, dtype="float32")
    if name == "channel_shuffle":
        return keras_cv.layers.ChannelShuffle(seed=1, dtype="float32")
    try:
        return keras_cv.layers.JitteredResize((1, 1), scale_factor=(1.0, 1.0), dtype="float32")
    except RuntimeError as error:  # it uses TensorFlow's global generator, which deterministic operations forbid
        raise ValueError(
            "augmentation: `jittered_resize` does not work with deterministic operations; use zoom and shift."
        ) from error


def mosaic(images, targets, weights, seed, amount, shuffler):
    """Puts four images of the batch around a point with at least `amount` to each side; targets by fraction of area.

    Source: Bochkovskiy et al. 2020, https://arxiv.org/abs/2004.10934.
    """
    if weights is not None or targets.shape.rank != 2 or None in images.shape[1:]:
        raise ValueError(
            "augmentation: `mosaic` needs images of a fixed size, targets of (B, classes) and no sample weights, got "
            f"{tuple(images.shape)}, {tuple(targets.shape)} and {'no ' if weights is None else ''}weights."
        )
    seeds = tf.unstack(tf.random.split(seed, 2))
    batch = tf.shape(images)[0]
    others = tf.random.stateless_uniform([batch, 3], seeds[0], 0, batch, "int32")
    parameters = {
        "permutation_order": tf.concat([tf.range(batch)[:, None], others], -1),
        "mosaic_centers": tf.random.stateless_uniform([batch, 2], seeds[1], amount, 1 - amount),
    }
    mixed = shuffler.augment_images(images, parameters)
    return tf.ensure_shape(mixed, images.shape), shuffler.augment_labels(targets, parameters, images=images), None


def jittered_resize(images, seed, amount, resizer):
    """Scales each image by 1 / (1 + amount) to 1 + amount and crops (at random) or pads it to its size.

    Source: the large scale jitter of Ghiasi et al. 2021, https://arxiv.org/abs/2012.07177.
    """
    size = images.shape[1:3]
    if None in size:
        raise ValueError(f"augmentation: `jittered_resize` needs images of a fixed size, got {tuple(images.shape)}.")
    seeds, batch = tf.unstack(tf.random.split(seed, 2)), tf.shape(images)[0]
    sides = tf.cast(size, "float32")
    scaled = tf.round(sides * tf.random.stateless_uniform([batch, 1], seeds[0], 1 / (1 + amount), 1 + amount))
    offsets = tf.random.stateless_uniform([batch, 2], seeds[1]) * tf.maximum(scaled - sides, 0.0)
    resizer.target_size = resizer.crop_size = tuple(size)
    resized = resizer.augment_images(images, {"scaled_sizes": scaled, "offsets": tf.cast(offsets, "int32")})
    return tf.ensure_shape(resized, images.shape)


def channel_shuffle(images, seed, shuffler):
    """Puts the bands of each image into a random order."""
    shuffler.groups = images.shape[-1]
    order = tf.argsort(tf.random.stateless_uniform([tf.shape(images)[0], shuffler.groups], seed), axis=-1)
    return tf.ensure_shape(shuffler.augment_images(images, transformations=order), images.shape)
