"""Losses and thresholds of semi-supervised learning by pseudo-labels.

Notation of the papers: q is the class distribution predicted for a weakly augmented image, Q that for the strongly
augmented one, C the number of classes, t the training step.
"""

import keras
from keras import layers, ops

SMALLEST = 1e-12  # added in the logarithm of the fairness loss, as in the authors' code


def label_entropy(log_probabilities, labels):
    """Returns (B,) cross-entropies -log p[label] of (B, C) log-probabilities and (B,) class indices."""
    one_hot = ops.one_hot(labels, log_probabilities.shape[-1], dtype="float32")
    return -ops.sum(one_hot * log_probabilities, axis=-1)


def ramp(step, steps, start, end):
    """Returns the factor of a pseudo-label loss, 0 to 1: 0 before `start`, 1 from `end` on, linear between.

    Args:
        step: training step, from 0.
        steps: number of training steps.
        start, end: fractions of the training steps.

    Source: Lee 2013, eq. 16.
    """
    fraction = ops.cast(step, "float32") / steps
    return ops.clip((fraction - start) / max(end - start, 1e-9), 0.0, 1.0)


def fairness_loss(probabilities, selected, marginal, histogram):
    """Returns the self-adaptive fairness loss: -H(SumNorm(p / h), SumNorm(p_batch / h_batch)); 0 for none selected.

    Args:
        probabilities: (B, C) Q.
        selected: (B,) 1 where q is above its threshold, else 0.
        marginal: (C,) moving average of q.
        histogram: (C,) moving average of the histogram of the pseudo-labels.

    Source: Wang et al. 2023, https://arxiv.org/abs/2205.07246, eq. 9 to 11.
    """
    classes, number = probabilities.shape[-1], ops.maximum(ops.sum(selected), 1.0)
    mean = ops.sum(selected[:, None] * probabilities, axis=0) / number
    counts = ops.sum(selected[:, None] * ops.one_hot(ops.argmax(probabilities, -1), classes, dtype="float32"), axis=0)
    target = _sum_norm(_divide(marginal, histogram))
    predicted = _sum_norm(_divide(mean, counts / number))
    loss = ops.sum(ops.stop_gradient(target) * ops.log(predicted + SMALLEST))
    return ops.where(ops.any(selected > 0), loss, 0.0)


def _divide(values, counts):
    """Returns values / counts; 0 where a class was never predicted."""
    return ops.where(counts > 0, values / ops.maximum(counts, 1e-30), 0.0)


def _sum_norm(values):
    return values / ops.maximum(ops.sum(values), 1e-30)


class AdaptiveThresholds(layers.Layer):
    """Thresholds of the confidence, one per class, that follow the predictions for unlabelled images.

    tau_t = m tau_(t-1) + (1 - m) mean(max q), p_t = m p_(t-1) + (1 - m) mean(q), both from 1 / C; the threshold of
    class c is tau_t p_t(c) / max p_t. The histogram of the pseudo-labels follows in the same way.

    Args:
        classes: C.
        momentum: m, 0 to 1.
        **kwargs: arguments of `keras.layers.Layer`.

    Source: Wang et al. 2023, https://arxiv.org/abs/2205.07246, eq. 5 to 8 and 10.
    """

    def __init__(self, classes, momentum, **kwargs):
        super().__init__(trainable=False, dtype="float32", **kwargs)
        self.momentum = momentum
        start = keras.initializers.Constant(1 / classes)

        def weight(shape, name):
            return self.add_weight(shape=shape, dtype="float32", initializer=start, trainable=False, name=name)

        self.threshold = weight((), "threshold")
        self.marginal, self.histogram = weight((classes,), "marginal"), weight((classes,), "histogram")
        self.built = True

    def update(self, probabilities):
        """Updates the moving averages with (B, C) q."""
        labels = ops.one_hot(ops.argmax(probabilities, -1), probabilities.shape[-1], dtype="float32")
        means = ops.mean(ops.max(probabilities, -1)), ops.mean(probabilities, 0), ops.mean(labels, 0)
        for weight, value in zip((self.threshold, self.marginal, self.histogram), means, strict=True):
            weight.assign(self.momentum * weight.value + (1 - self.momentum) * value)

    def by_class(self):
        """Returns (C,) thresholds."""
        return self.threshold.value * self.marginal.value / ops.max(self.marginal.value)

    def call(self, x):
        return x
