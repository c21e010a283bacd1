"""What learning curves say, in plain words."""

import numpy as np


def diagnose(history, better=None):
    """Reads a training's curves.

    Args:
        history: epoch by epoch `loss`, and where there is a validation part `val_loss`; other metrics are not read.
        better: loss of the trivial answer (class shares, mean) on the training part, or None where it is unknown.
    Returns:
        Sentences: what is seen, and what to try. The first one is the verdict.
    """
    loss = np.asarray(history["loss"], float)
    validation = np.asarray(history.get("val_loss", []), float)
    if not np.isfinite(loss).all():
        return ["The learning rate is far too high: the loss became infinite. Divide `rate` by ten."]
    if len(loss) < 4:
        return ["Too few epochs to judge: train at least four."]
    said = []
    # of a loss that is almost 0, a twentieth is noise
    rises = np.mean((np.diff(loss) > 0.05 * np.abs(loss[:-1])) & (np.diff(loss) > 0.01 * abs(loss[0])))
    if loss[-1] > loss[0] or rises > 0.25:
        said.append(
            "The learning rate looks too high: the training loss rises again and again. Divide `rate` by three."
        )
    if better is not None and loss[-1] > 0.9 * better:
        said.append(
            "Underfitting: the training loss is hardly below that of the trivial answer. Raise `rate`, train longer, "
            "augment less, or take a larger model."
        )
    elif _still_falling(loss) and not said:
        said.append(
            "The learning rate looks too low, or the training too short: the loss was still falling steeply at the "
            "end. Raise `rate` or `epochs`."
        )
    if len(validation) == len(loss):
        best = int(np.argmin(smooth(validation)))
        last, lowest = smooth(validation)[-1], smooth(validation)[best]
        risen = last / max(lowest, 1e-12) - 1
        # of a loss that is almost 0, a tenth is noise
        if risen > 0.1 and last - lowest > 0.01 * abs(loss[0]) and best < len(loss) - 2:
            said.append(
                f"Overfitting: the validation loss was best in epoch {best + 1} and rose by {risen:.0%} since. Set "
                "`patience`, augment more, or take dropout, weight decay or more data."
            )
        elif validation[-1] > 2 * loss[-1] and validation[-1] - loss[-1] > 0.1 * abs(loss[0]):
            said.append(
                "Some overfitting: the validation loss has stopped at more than twice the training loss. More data or "
                "augmentation would help."
            )
    if not said:
        said.append("The curves look healthy: both losses fell and levelled off together.")
    return said


def smooth(values, window=3):
    """Running mean over `window` epochs, shorter at the ends."""
    values = np.asarray(values, float)
    half = window // 2
    return np.array([values[max(0, i - half) : i + half + 1].mean() for i in range(len(values))])


def _still_falling(loss):
    """Whether the last fifth of the epochs still took more than a tenth of all that was gained."""
    tail = max(2, len(loss) // 5)
    gained = loss[0] - loss[-1]
    return gained > 0 and loss[-tail] - loss[-1] > 0.1 * gained and loss[-tail] - loss[-1] > 0.1 * abs(loss[-tail])
