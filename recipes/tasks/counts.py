"""Distributions of counts: negative binomial and zero-inflated, their layers, likelihood, and fits to means."""

import keras
import numpy as np
from keras import layers, ops

from recipes.tasks.deviance import LARGEST_EXPONENT, SMALLEST

COUNT_LOSSES = ("negative_binomial", "zero_inflated_poisson", "zero_inflated_negative_binomial")
DISPERSIONS = (1e-4, 1e4)  # lowest and highest
ZERO_FRACTIONS = (1e-4, 1 - 1e-4)
DISPERSION_STEP = 10.0  # change of a dispersion's logarithm by a change of 1 of its weight, which has few steps
FIT_ROUNDS = 20  # of the two parameters in turn, at most
CONVERGED = 1e-3  # relative change of the dispersion in a round
FIT_ROWS = 10_000  # from which the constant distribution is fitted to a sample


def is_dispersed(loss):
    """Whether the counts of a loss have a dispersion."""
    return loss.endswith("negative_binomial")


def is_inflated(loss):
    """Whether the counts of a loss have zeros of their own."""
    return loss.startswith("zero_inflated")


def verify_counts(loss, targets, names):
    """Raises a ValueError where a target is no whole number from 0 on.

    Args:
        loss: one of `COUNT_LOSSES`.
        targets: (N, outputs).
        names: of the outputs.
    """
    wrong = (targets < 0) | (targets != np.round(targets))
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise ValueError(
            f"`loss` {loss} must have targets that are whole numbers of 0 or more, got {targets[row, column]:g} in "
            f"`{names[column]}`."
        )


@keras.saving.register_keras_serializable("recipes")
class CountParameters(layers.Layer):
    """Converts the outputs of a network to the parameters of counts.

    (B, outputs) logarithms of rates, or (B, 2 outputs) with the logits of the zeros behind them  ->  (B, outputs, 3):
    rate (mean of the counts without the added zeros), dispersion (variance = rate + dispersion * rate²; the same for
    all examples, a weight), and fraction of added zeros.

    Args:
        loss: one of `COUNT_LOSSES`.
        rate, dispersion, zero_fraction: of each output, at which the training begins.

    Source: Hilbe 2011, Negative Binomial Regression, section 8 (NB2); Lambert 1992, https://doi.org/10.2307/1269547.
    """

    def __init__(self, loss, rate, dispersion, zero_fraction, **kwargs):
        super().__init__(**kwargs)
        self.loss = loss
        self.rate, self.dispersion, self.zero_fraction = list(rate), list(dispersion), list(zero_fraction)

    def build(self, shape):
        if is_dispersed(self.loss):
            self.log_dispersion = self.add_weight(
                shape=(len(self.rate),), name="log_dispersion", initializer=self._first_log_dispersion
            )

    def _first_log_dispersion(self, shape, dtype=None):
        return ops.convert_to_tensor(np.log(self.dispersion) / DISPERSION_STEP, dtype)

    def call(self, x):
        count = len(self.rate)
        rates = ops.exp(ops.clip(x[:, :count], -LARGEST_EXPONENT, LARGEST_EXPONENT)) * ops.array(self.rate, x.dtype)
        if is_dispersed(self.loss):
            logarithm = ops.clip(DISPERSION_STEP * self.log_dispersion, *np.log(DISPERSIONS))
            dispersions = ops.exp(logarithm) * ops.ones_like(rates)
        else:
            dispersions = ops.zeros_like(rates)
        if is_inflated(self.loss):
            fractions = np.clip(self.zero_fraction, *ZERO_FRACTIONS)
            logits = x[:, count:] + ops.array(np.log(fractions / (1 - fractions)), x.dtype)
            zeros = ops.clip(ops.sigmoid(logits), *ZERO_FRACTIONS)
        else:
            zeros = ops.zeros_like(rates)
        return ops.stack([rates, dispersions, zeros], axis=-1)

    def set_dispersion(self, dispersion):
        """Sets the dispersion of each output."""
        self.log_dispersion.assign(np.log(np.clip(dispersion, *DISPERSIONS)) / DISPERSION_STEP)

    def named_outputs(self, parameters):
        """Returns {"zero_probability": (B, outputs)} of the parameters."""
        rates, dispersions, zeros = (parameters[..., i] for i in range(3))
        dispersed = is_dispersed(self.loss)
        without = ops.exp(-ops.log1p(dispersions * rates) / dispersions) if dispersed else ops.exp(-rates)
        return {"zero_probability": zeros + (1 - zeros) * without}

    def get_config(self):
        names = ("loss", "rate", "dispersion", "zero_fraction")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable("recipes")
class CountMean(layers.Layer):
    """The mean of counts: (B, outputs, 3) parameters  ->  (B, outputs) (1 - fraction of added zeros) * rate."""

    def call(self, parameters):
        return parameters[..., 0] * (1 - parameters[..., 2])


@keras.saving.register_keras_serializable("recipes")
class CountLikelihood(keras.losses.Loss):
    """Negative logarithm of the probability of counts, the mean over the outputs.

    (B, outputs) counts and (B, outputs, 3) parameters, as `CountParameters` has them  ->  (B,).

    Args:
        kind: one of `COUNT_LOSSES`.
    """

    def __init__(self, kind, reduction="sum_over_batch_size", name="count_likelihood", dtype=None):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.kind = kind

    def call(self, y_true, y_pred):
        import tensorflow as tf

        # lgamma(y + 1 / dispersion) - lgamma(1 / dispersion) is lost to rounding in float32
        y, parameters = (tf.cast(tensor, "float64") for tensor in (y_true, y_pred))
        logarithms = _log_likelihood(tf.math, tf.where, tf.zeros_like, y, parameters, self.kind)
        return tf.cast(-tf.reduce_mean(logarithms, axis=-1), y_pred.dtype)

    def get_config(self):
        return {"kind": self.kind, "reduction": self.reduction, "name": self.name}


def _log_likelihood(math, where, zeros_like, y, parameters, kind):
    """Returns the logarithms of the probabilities of counts, with the functions of TensorFlow or of NumPy and SciPy."""
    rate, dispersion, zero_fraction = (parameters[..., i] for i in range(3))
    rate = math.maximum(rate, zeros_like(rate) + 1e-30)
    if is_dispersed(kind):
        shape, ratio = 1 / dispersion, dispersion * rate
        logarithm = math.lgamma(y + shape) - math.lgamma(shape) - math.lgamma(y + 1)
        logarithm += y * math.log(ratio) - (y + shape) * math.log1p(ratio)
    else:
        logarithm = y * math.log(rate) - rate - math.lgamma(y + 1)
    if not is_inflated(kind):
        return logarithm
    # exp of the positive counts' logarithms is not used, and its gradient must be finite
    of_zero = math.log(zero_fraction + (1 - zero_fraction) * math.exp(where(y > 0, zeros_like(y), logarithm)))
    return where(y > 0, math.log1p(-zero_fraction) + logarithm, of_zero)


class _NumPyMath:
    maximum, log, log1p, exp = np.maximum, np.log, np.log1p, np.exp

    @staticmethod
    def lgamma(x):
        from scipy.special import gammaln

        return gammaln(x)


def log_likelihood(loss, targets, parameters):
    """Returns (N, outputs) logarithms of the probabilities of counts.

    Args:
        loss: one of `COUNT_LOSSES`.
        targets: (N, outputs).
        parameters: (N, outputs, 3) rate, dispersion and fraction of added zeros.
    """
    y, parameters = np.asarray(targets, float), np.asarray(parameters, float)
    return _log_likelihood(_NumPyMath, np.where, np.zeros_like, y, parameters, loss)


def count_means(parameters):
    """Returns (N, outputs) means of (N, outputs, 3) parameters."""
    return parameters[..., 0] * (1 - parameters[..., 2])


def with_means(loss, means, dispersion, zero_fraction):
    """Returns (N, outputs, 3) parameters of counts with certain means.

    Args:
        loss: one of `COUNT_LOSSES`.
        means: (N, outputs).
        dispersion, zero_fraction: (outputs,).
    """
    means = np.asarray(means, float)
    dispersion, zero_fraction = (np.broadcast_to(v, means.shape) for v in (dispersion, zero_fraction))
    return np.stack([means / (1 - zero_fraction), dispersion, zero_fraction], axis=-1)


def fit_constant(loss, targets):
    """Returns (outputs, 3) parameters of the highest likelihood of (N, outputs) counts, the same for all examples."""
    means = targets.mean(0, dtype=float)
    sample = targets[:: max(1, len(targets) // FIT_ROWS)]
    return with_means(loss, means[None], *fit_to_means(loss, sample, np.broadcast_to(means, sample.shape)))[0]


def scores(loss, targets, parameters):
    """Returns metrics of (N, outputs, 3) parameters: log score, D2 where there is a dispersion, fractions of zeros."""
    rates, dispersions, zeros = np.moveaxis(np.asarray(parameters, float), -1, 0)
    without = np.exp(-np.log1p(dispersions * rates) / dispersions) if is_dispersed(loss) else np.exp(-rates)
    has_deviance = loss == "negative_binomial"
    return {
        "log_score": float(-log_likelihood(loss, targets, parameters).mean()),
        **({"d2": explained_deviance(targets, parameters)} if has_deviance else {}),
        "zeros_observed": float((targets == 0).mean()),
        "zeros_predicted": float((zeros + (1 - zeros) * without).mean()),
    }


def with_parameters(model, loss, targets):
    """Returns the model with the layers `distribution`, of the parameters of counts, and `units`, of their means.

    Args:
        model: `keras.Model` with linear outputs.
        loss: one of `COUNT_LOSSES`.
        targets: (N, outputs) of the training split.
    """
    rate, dispersion, zero_fraction = (values.tolist() for values in fit_constant(loss, targets).T)
    parameters = CountParameters(loss, rate, dispersion, zero_fraction, dtype="float32", name="distribution")
    means = CountMean(dtype="float32", name="units")(parameters(model.outputs[0]))
    return keras.Model(model.inputs, means, name=model.name)


def fit_dispersion(targets, rates, zero_fractions, loss):
    """Returns the (outputs,) dispersions of the highest likelihood of negative binomial counts.

    Args:
        targets, rates, zero_fractions: (N, outputs).
        loss: one of `COUNT_LOSSES` with a dispersion.
    """
    targets, rates, zero_fractions = (np.asarray(v, float) for v in (targets, rates, zero_fractions))

    def fit(column):
        y, rate, zeros = (v[:, [column]] for v in (targets, rates, zero_fractions))

        def loss_of(log_dispersion):
            dispersions = np.full_like(rate, np.exp(log_dispersion))
            return -log_likelihood(loss, y, np.stack([rate, dispersions, zeros], axis=-1)).mean()

        return float(np.exp(_minimum(loss_of, np.log(DISPERSIONS))))

    return np.array([fit(column) for column in range(targets.shape[1])])


def fit_to_means(loss, targets, means):
    """Returns ((outputs,) dispersions, (outputs,) fractions of added zeros) of the highest likelihood at certain means.

    Args:
        loss: one of `COUNT_LOSSES`.
        targets: (N, outputs) counts.
        means: (N, outputs) predicted means, above 0.
    """
    targets, means = np.asarray(targets, float), np.asarray(means, float)
    dispersion = np.ones(targets.shape[1]) if is_dispersed(loss) else np.zeros(targets.shape[1])
    zeros = np.full(targets.shape[1], 0.1 if is_inflated(loss) else 0.0)

    def zero_fraction(column):
        y, mean = targets[:, [column]], means[:, [column]]

        def loss_of(logit):
            fraction = 1 / (1 + np.exp(-logit))
            return -log_likelihood(loss, y, with_means(loss, mean, dispersion[column], fraction)).mean()

        limits = np.log(ZERO_FRACTIONS) - np.log1p(-np.array(ZERO_FRACTIONS))
        return 1 / (1 + np.exp(-_minimum(loss_of, limits)))

    for _ in range(FIT_ROUNDS if is_dispersed(loss) and is_inflated(loss) else 1):
        if is_inflated(loss):
            zeros = np.array([zero_fraction(column) for column in range(targets.shape[1])])
        if is_dispersed(loss):
            before = dispersion
            dispersion = fit_dispersion(targets, means / (1 - zeros), np.broadcast_to(zeros, means.shape), loss)
            if np.allclose(before, dispersion, rtol=CONVERGED):
                break
    return dispersion, zeros


def above_zero(predictions, mean):
    """Returns predicted means of counts that no count makes impossible: a little above 0."""
    return np.maximum(predictions, SMALLEST * np.asarray(mean, float))


def explained_deviance(targets, parameters):
    """Returns 1 - deviance / deviance of the mean target, of negative binomial counts, averaged over the outputs.

    The dispersion of both is that of the parameters.

    Args:
        targets: (N, outputs).
        parameters: (N, outputs, 3).

    Source: Hilbe 2011, Negative Binomial Regression, section 8.2.
    """
    from scipy.special import xlogy

    y, dispersion = np.asarray(targets, float), np.asarray(parameters[..., 1], float)

    def deviance(mean):
        return 2 * (xlogy(y, y / mean) - (y + 1 / dispersion) * np.log((1 + dispersion * y) / (1 + dispersion * mean)))

    null = deviance(np.broadcast_to(np.maximum(y.mean(0), 1e-30), y.shape)).sum(0)
    residual = deviance(above_zero(count_means(parameters), np.maximum(y.mean(0), SMALLEST))).sum(0)
    varies = null > 1e-9 * len(y)
    ratio = np.where(varies, residual / np.where(varies, null, 1), residual > 0)
    return float((1 - ratio).mean())


def _minimum(function, bounds):
    from scipy.optimize import minimize_scalar

    return minimize_scalar(function, bounds=tuple(bounds), method="bounded", options={"xatol": 1e-5}).x
