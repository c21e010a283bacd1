"""What species distribution models are trained and judged by: Maxent's loss and the continuous Boyce index."""

import keras
import numpy as np
from keras import ops

WINDOWS = 101
WINDOW = 0.1  # width of a window, as a fraction of the range of the predictions
MIN_PRESENCES = 5  # from which the index is computed
TINY = 1e-30
REPEATS = 3  # shuffles of each column for its importance


@keras.saving.register_keras_serializable("recipes")
class MaxentLoss(keras.losses.Loss):
    """Negative log-likelihood of the presences among all points of a batch, relative to a uniform distribution.

    (B,) 1 for a presence and 0 for background, and (B, 2) probabilities of both  ->  one number. With the log odds f of
    a point, the distribution over the points of a batch is exp(f) / sum(exp(f)). A uniform distribution has a loss of
    0, a better one a negative loss, whose opposite Maxent calls gain. The loss is that of an inhomogeneous Poisson
    process, whose intensity is proportional to exp(f). It does not depend on an intercept.

    Source: Phillips, Dudik 2008, https://doi.org/10.1111/j.0906-7590.2008.5203.x; over batches by Ranarijaona et al.
        2024, https://arxiv.org/abs/2412.19217, equation 7.
    """

    def __init__(self, reduction="sum_over_batch_size", name="maxent_loss", dtype=None):
        super().__init__(name=name, reduction=reduction, dtype=dtype)

    def call(self, y_true, y_pred):
        presence = ops.cast(ops.reshape(y_true, (-1,)), y_pred.dtype)
        log_odds = ops.log(ops.maximum(y_pred[:, 1], TINY)) - ops.log(ops.maximum(y_pred[:, 0], TINY))
        count = ops.sum(presence)
        log_sum = ops.logsumexp(log_odds) - ops.log(ops.sum(ops.ones_like(presence)))
        at_presences = ops.sum(presence * log_odds) / ops.maximum(count, 1)
        return ops.where(count > 0, log_sum - at_presences, 0.0)


def boyce_index(presence, predictions):
    """Returns the continuous Boyce index, -1 to 1: whether presences are the more frequent, the higher the prediction.

    It is Spearman's correlation of the predictions with the ratio of the presences to all points, in windows over the
    range of the predictions; ratios that repeat that of the window before are left out.

    Args:
        presence: (N,) bool.
        predictions: (N,) of presence.
    Returns:
        A number; None for fewer than 5 presences, or predictions that are all equal.

    Source: Hirzel et al. 2006, https://doi.org/10.1016/j.ecolmodel.2006.05.017; as in the R package ecospat.
    """
    from scipy.stats import spearmanr

    presence = np.asarray(presence, bool)
    predictions = np.asarray(predictions, np.float64)
    low, high = predictions.min(), predictions.max()
    if presence.sum() < MIN_PRESENCES or high <= low:
        return None
    width = WINDOW * (high - low)
    starts = np.linspace(low, high - width, WINDOWS)
    tolerance = 1e-9 * (high - low)

    def counts(values):
        ordered = np.sort(values)
        first = np.searchsorted(ordered, starts - tolerance, side="left")
        return np.searchsorted(ordered, starts + width + tolerance, side="right") - first

    expected = counts(predictions) / len(predictions)
    observed = counts(predictions[presence]) / presence.sum()
    filled = expected > 0
    ratio, middle = observed[filled] / expected[filled], (starts + width / 2)[filled]
    changes = np.append(ratio[:-1] != ratio[1:], True)
    if changes.sum() < 3:
        return None
    return float(spearmanr(ratio[changes], middle[changes]).statistic)


def permutation_importance(predict, inputs, presence, *, seed=0):
    """Returns how much the area under the ROC curve falls when the values of a column are shuffled, by column.

    The falls of three shuffles are averaged.

    Args:
        predict: function from a dict of columns to (N,) predictions of presence.
        inputs: dict from column to (N,) values.
        presence: (N,) bool, some of them True and some False.
        seed: of the shuffles.

    Source: Breiman 2001, https://doi.org/10.1023/A:1010933404324, section 10.
    """
    from sklearn.metrics import roc_auc_score

    rng, whole = np.random.default_rng(seed), roc_auc_score(presence, predict(inputs))
    falls = {}
    for column, values in inputs.items():
        shuffled = ({**inputs, column: values[rng.permutation(len(values))]} for _ in range(REPEATS))
        falls[column] = float(np.mean([whole - roc_auc_score(presence, predict(batch)) for batch in shuffled]))
    return falls
