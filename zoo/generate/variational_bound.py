"""Variational bound of a diffusion model."""

import math

import numpy as np


def variational_bound_terms(model, images, seed):
    """Returns the terms L_0, ..., L_T of the variational bound [bits per dimension].

    Each term is estimated with one noise sample per image.

    Args:
        model: a `Diffusion`.
        images: (B, H, W, C) tensor in [-1, 1].
        seed: (2,) int32 seed of the noise.
    Returns:
        (B, T + 1) float32 tensor.

    Source: Ho et al. 2020, https://arxiv.org/abs/2006.11239, eqs. 5, 8 and 13.
    """
    import tensorflow as tf

    schedule, last = model.schedule, model.steps - 1
    posterior_variance = np.append(schedule.posterior_variance[1], schedule.posterior_variance[1:])
    reverse_variance = np.append(schedule.posterior_variance[1], schedule.betas[1:])  # sigma_t^2
    alphas_cumprod, x0_coefficient, variance_ratio = (
        tf.constant(a, "float32")
        for a in (schedule.alphas_cumprod, schedule.posterior_mean_x0, posterior_variance / reverse_variance)
    )
    inverse_variance = tf.constant(1 / reverse_variance, "float32")

    def bits_per_dimension(nats):
        return tf.reduce_mean(nats, axis=(1, 2, 3)) / math.log(2)

    def predict_x0(t):
        noise = tf.random.stateless_normal(tf.shape(images), seed + tf.stack([0, t]), alg="philox")
        signal, sigma = tf.sqrt(alphas_cumprod[t]), tf.sqrt(1 - alphas_cumprod[t])
        x = signal * images + sigma * noise
        return tf.clip_by_value((x - sigma * model.predict_noise(x, t)) / signal, -1.0, 1.0)

    def add_term(t, terms):
        # The coefficient of x_t is the same in both means, so their difference is that of the x_0 terms.
        mean_difference = x0_coefficient[t] * (images - predict_x0(t))
        ratio = variance_ratio[t]
        nats = 0.5 * (ratio - 1 - tf.math.log(ratio) + mean_difference**2 * inverse_variance[t])
        return t + 1, terms.write(t, bits_per_dimension(nats))

    terms = tf.TensorArray("float32", model.steps + 1, element_shape=images.shape[:1])
    log_likelihood = discretized_gaussian_log_likelihood(images, predict_x0(0), reverse_variance[0])
    terms = terms.write(0, bits_per_dimension(-log_likelihood))
    terms = tf.while_loop(lambda t, _: t < model.steps, add_term, [tf.constant(1), terms])[1]
    mean, variance = tf.sqrt(alphas_cumprod[last]) * images, 1 - alphas_cumprod[last]
    prior_kl = 0.5 * (variance + mean**2 - 1 - tf.math.log(variance))
    return tf.transpose(terms.write(model.steps, bits_per_dimension(prior_kl)).stack())


def discretized_gaussian_log_likelihood(images, mean, variance):
    """Returns the log-probability [nats] of 8-bit gray levels in [-1, 1] under a normal density (eq. 13).

    The lowest and the highest level include the density's tails.
    """
    import tensorflow as tf

    def cdf(x):
        return 0.5 * tf.math.erfc((mean - x) / math.sqrt(2 * variance))

    upper = tf.where(images > 0.999, 1.0, cdf(images + 1 / 255))
    lower = tf.where(images < -0.999, 0.0, cdf(images - 1 / 255))
    return tf.math.log(tf.maximum(upper - lower, 1e-12))
