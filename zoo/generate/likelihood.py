"""The terms of a diffusion's variational bound."""

import math

import numpy as np


def terms(model, images, seed):
    """(B, T + 1) bits per dimension: L_0, ..., L_T of Ho et al. 2020, eqs. 5, 8 and 13, one forward draw for each.

    Args:
        model: a `Diffusion`.
        images: (B, H, W, C) tensor in [-1, 1].
        seed: (2,) int32 of the forward draws.
    """
    import tensorflow as tf

    schedule, last = model.schedule, model.steps - 1
    betas = np.append(schedule.posterior[1], schedule.betas[1:])  # the reverse steps' variances
    posterior = np.append(schedule.posterior[1], schedule.posterior[1:])  # the first is never used: L_0 is no KL
    kept, clean, ratio = (tf.constant(a, "float32") for a in (schedule.kept, schedule.clean, posterior / betas))
    inverse = tf.constant(1 / betas, "float32")

    def per_dimension(nats):
        return tf.reduce_mean(nats, axis=(1, 2, 3)) / math.log(2)

    def predicted(t):
        noise = tf.random.stateless_normal(tf.shape(images), seed + tf.stack([0, t]), alg="philox")
        x = tf.sqrt(kept[t]) * images + tf.sqrt(1 - kept[t]) * noise
        return tf.clip_by_value((x - tf.sqrt(1 - kept[t]) * model.predicted(x, t)) / tf.sqrt(kept[t]), -1.0, 1.0)

    def step(t, found):
        # Both means have the same share of x_t, so that they differ as the images do.
        gap = clean[t] * (images - predicted(t))
        nats = 0.5 * (ratio[t] - 1 - tf.math.log(ratio[t]) + gap**2 * inverse[t])
        return t + 1, found.write(t, per_dimension(nats))

    found = tf.TensorArray("float32", model.steps + 1, element_shape=images.shape[:1])
    found = found.write(0, per_dimension(-log_level(images, predicted(0), betas[0])))
    found = tf.while_loop(lambda t, _: t < model.steps, step, [tf.constant(1), found])[1]
    mean, variance = tf.sqrt(kept[last]) * images, 1 - kept[last]
    rest = 0.5 * (variance + mean**2 - 1 - tf.math.log(variance))
    return tf.transpose(found.write(model.steps, per_dimension(rest)).stack())


def log_level(images, mean, variance):
    """Log-probability of an image's grey level, of 256 in [-1, 1], under a normal density; the ends have its tails."""
    import tensorflow as tf

    def below(x):
        return 0.5 * tf.math.erfc((mean - x) / math.sqrt(2 * variance))

    upper = tf.where(images > 0.999, 1.0, below(images + 1 / 255))
    lower = tf.where(images < -0.999, 0.0, below(images - 1 / 255))
    return tf.math.log(tf.maximum(upper - lower, 1e-12))
