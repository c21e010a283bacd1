"""Diagnoses a training from its learning curves, in sentences."""

import numpy as np


def diagnose(history, baseline_loss=None):
    """Diagnoses learning rate, underfitting and overfitting from the learning curves.

    Args:
        history: dict of `loss` and, if there is a validation split, `val_loss`: one number per epoch each. Other
            metrics are not used.
        baseline_loss: loss of the baseline (class frequencies, mean) on the training split, or None if unknown.
    Returns:
        List of sentences: each names a problem and what to change. One sentence if there is no problem.
    """
    loss = np.asarray(history["loss"], float)
    validation = np.asarray(history.get("val_loss", []), float)
    if not np.isfinite(loss).all():
        return ["The learning rate is far too high: the loss became infinite. Divide `learning_rate` by ten."]
    if len(loss) < 4:
        return ["Too few epochs for a diagnosis: train for at least four."]
    sentences = []
    # the second condition ignores noise in a loss that is almost 0
    rises = np.mean((np.diff(loss) > 0.05 * np.abs(loss[:-1])) & (np.diff(loss) > 0.01 * abs(loss[0])))
    if loss[-1] > loss[0] or rises > 0.25:
        sentences.append(
            "The learning rate looks too high: the training loss rises repeatedly. Divide `learning_rate` by three."
        )
    if baseline_loss is not None and loss[-1] > 0.9 * baseline_loss:
        sentences.append(
            "Underfitting: the training loss is hardly below the baseline's. Raise `learning_rate`, train longer, "
            "augment less, or use a larger model."
        )
    elif _still_falling(loss) and not sentences:
        sentences.append(
            "The learning rate looks too low, or the training too short: the loss was still falling steeply at the "
            "end. Raise `learning_rate` or `epochs`."
        )
    if len(validation) == len(loss):
        smoothed = moving_average(validation)
        best_epoch = int(np.argmin(smoothed))
        last, lowest = smoothed[-1], smoothed[best_epoch]
        rise = last / max(lowest, 1e-12) - 1
        # the second condition ignores noise in a loss that is almost 0
        if rise > 0.1 and last - lowest > 0.01 * abs(loss[0]) and best_epoch < len(loss) - 2:
            sentences.append(
                f"Overfitting: the validation loss was lowest in epoch {best_epoch + 1} and has risen by {rise:.0%} "
                "since. Set `patience`, augment more, or use dropout, weight decay or more data."
            )
        elif validation[-1] > 2 * loss[-1] and validation[-1] - loss[-1] > 0.1 * abs(loss[0]):
            sentences.append(
                "Some overfitting: the final validation loss is more than twice the training loss. Use more data or "
                "augmentation."
            )
    return sentences or ["The learning curves look healthy: both losses fell and leveled off together."]


def moving_average(values, window=3):
    """Returns the centered moving average over `window` epochs, shorter at both ends."""
    values = np.asarray(values, float)
    half = window // 2
    return np.array([values[max(0, i - half) : i + half + 1].mean() for i in range(len(values))])


def _still_falling(loss):
    """Whether the last fifth of the epochs achieved more than a tenth of the total decrease of the loss."""
    tail = max(2, len(loss) // 5)
    decrease = loss[0] - loss[-1]
    return decrease > 0 and loss[-tail] - loss[-1] > 0.1 * decrease and loss[-tail] - loss[-1] > 0.1 * abs(loss[-tail])
