"""Diagnoses a training from its learning curves, in sentences."""

import numpy as np

USUAL_RATES = {
    "sgd": 0.05, "momentum": 0.02, "nesterov": 0.02, "adagrad": 0.01, "adadelta": 1.0, "rmsprop": 1e-3, "adam": 1e-3,
    "adamw": 1e-3,
}  # fmt: skip
FEW_STEPS = 300  # below which a training that learned little is too short
HEALTHY = "The learning curves look healthy: both losses fell and leveled off together."
HEALTHY_TRAINING = (
    "The training loss fell and leveled off. There is no validation split, so overfitting would not show: set "
    "`validation` above 0."
)
TOO_HIGH, TOO_LOW = "The learning rate looks too high", "The learning rate looks too low"
TOO_SHORT, UNDERFITTING = "The training looks too short", "Underfitting"


def diagnose(
    history,
    baseline_loss=None,
    *,
    echo_epochs=1,
    relative_rate=None,
    steps_per_epoch=None,
    batch_size=None,
    start_validation_loss=None,
    beats_baseline=None,
):
    """Diagnoses learning rate, number of steps, underfitting and overfitting from the learning curves.

    Args:
        history: dict of `loss` and, if there is a validation split, `val_loss`: one number per epoch each. Other
            metrics are not used.
        baseline_loss: loss of the baseline (class frequencies, mean) on the training split, or None if unknown.
        echo_epochs: number of epochs that reuse one augmented copy of the data. Losses are averaged over them, as they
            fall within a copy and rise with the next one.
        relative_rate: peak learning rate divided by the usual one of the optimizer, or None if unknown.
        steps_per_epoch: training steps of an epoch, or None if unknown.
        batch_size: examples per step, or None if unknown.
        start_validation_loss: validation loss before the first epoch, of a training that starts from a fitted model.
        beats_baseline: whether the model beats its baseline on held-out examples, or None if unknown.
    Returns:
        List of sentences: each names a problem and what to change. One sentence if there is no problem.
    """
    loss = np.asarray(history["loss"], float)
    validation = np.asarray(history.get("val_loss", []), float)
    if not np.isfinite(loss).all():
        return ["The learning rate is far too high: the loss became infinite. Divide `learning_rate` by ten."]
    epochs = len(loss)
    validation = average_echoes(validation, echo_epochs) if len(validation) == epochs else validation[:0]
    loss = average_echoes(loss, echo_epochs)
    steps = None if steps_per_epoch is None else f"{epochs} epochs x {steps_per_epoch} = {epochs * steps_per_epoch}"
    few_steps = steps is not None and epochs * steps_per_epoch < FEW_STEPS
    if len(loss) < 4:
        return [f"Too few epochs for a diagnosis: train for at least {4 * echo_epochs if echo_epochs > 1 else 'four'}."]
    sentences = _training_problems(loss, baseline_loss, relative_rate)
    if not any(sentence.startswith(TOO_HIGH) for sentence in sentences):
        sentences += _validation_problems(loss, validation, echo_epochs, start_validation_loss, bool(sentences))
    learned_little = any(sentence.startswith((TOO_LOW, TOO_SHORT, UNDERFITTING)) for sentence in sentences)
    if beats_baseline is False and not sentences:
        learned_little = True
        sentences = [
            "The losses fell, but the model does not clearly beat the baseline on held-out examples: train longer, or "
            "use more data or other inputs."
        ]
    if learned_little and few_steps:
        smaller = ""
        if batch_size and batch_size > 4:
            smaller = f"lower `batch_size` from {batch_size} to {max(4, batch_size // 4)}, or "
        sentences.insert(0, f"Too few steps ({steps}): {smaller}raise `epochs`.")
    return sentences or [HEALTHY if len(validation) else HEALTHY_TRAINING]


def _training_problems(loss, baseline_loss, relative_rate):
    """Returns sentences on the learning rate and on underfitting."""
    # a tenth of what the training achieved: noise at convergence is less
    rises = np.mean((np.diff(loss) > 0.05 * np.abs(loss[:-1])) & (np.diff(loss) > 0.1 * (loss[0] - loss.min())))
    rose = loss[-1] > loss[0] + 0.01 * abs(loss[0]) or loss.max() > loss[0] + 0.5 * abs(loss[0])
    unstable = bool(rose or rises > 0.25)
    rate = 1.0 if relative_rate is None else relative_rate
    if baseline_loss is not None and loss[-1] > 0.9 * baseline_loss:
        numbers = f"{loss[-1]:.3g} against {baseline_loss:.3g}"
        # a high rate makes the first epochs' loss large, and leaves a network that predicts a constant
        destroyed = loss[0] > 2 * baseline_loss and loss[-1] < 1.1 * baseline_loss and relative_rate is None
        if rate > 9.9 or (rate > 0.11 and (unstable or (destroyed and not _still_falling(loss)))):
            return [
                f"{TOO_HIGH}: the training loss is hardly below the baseline's, or above it ({numbers}). Divide "
                "`learning_rate` by ten."
            ]
        change = "Lower `learning_rate`" if rate > 1.01 else "Raise `learning_rate`"
        change += " tenfold" if rate < 0.11 else ""
        return [
            f"{UNDERFITTING}: the training loss is hardly below the baseline's, or above it ({numbers}). {change}, "
            "train longer, augment less, or use a larger model; or the inputs do not hold what predicts the targets."
        ]
    if rate < 0.11 and loss[-1] > 0.95 * loss[0]:
        return [
            f"{TOO_LOW}: the loss hardly changed, from {loss[0]:.3g} to {loss[-1]:.3g}. Raise `learning_rate` tenfold."
        ]
    if baseline_loss is not None and rate > 29 and loss[-1] > 0.5 * baseline_loss:
        return [f"{TOO_HIGH}: it is {rate:.0f} times the usual one, and the loss stays high. Divide it by ten."]
    lowest, limit = np.minimum.accumulate(loss)[:-1], 2 * baseline_loss if baseline_loss is not None else loss[0]
    exploded = (loss[1:] > 10 * lowest) & (loss[1:] > limit)
    if exploded.any():
        epoch = int(np.argmax(exploded))
        numbers = f"{loss[epoch + 1]:.3g} after it had been {lowest[epoch]:.3g}"
        return [f"{TOO_HIGH}: the training loss rose to {numbers}. Divide `learning_rate` by ten."]
    if unstable:
        return [f"{TOO_HIGH}: the training loss rises repeatedly. Divide `learning_rate` by three."]
    if _still_falling(loss) and rate > 1.01:
        return [f"{TOO_SHORT}: the loss was still falling steeply at the end. Raise `epochs`."]
    if _still_falling(loss):
        return [
            f"{TOO_LOW}, or the training too short: the loss was still falling steeply at the end. Raise "
            "`learning_rate` or `epochs`."
        ]
    return []


def _validation_problems(loss, validation, echo_epochs, start_validation_loss, has_problem):
    """Returns sentences on overfitting, and on a validation loss that did not fall."""
    if not len(validation):
        return []
    if not np.isfinite(validation).all():
        return ["The validation loss became infinite: look for values out of range in the validation split."]
    smoothed = moving_average(validation)
    best = int(np.argmin(smoothed))
    last, lowest = smoothed[-1], smoothed[best]
    rise = last / max(lowest, 1e-12) - 1
    start = validation[0] if start_validation_loss is None else max(validation[0], start_validation_loss)
    # the second condition ignores noise in a loss that is almost 0
    if rise > 0.1 and last - lowest > 0.01 * abs(loss[0]) and best < len(loss) - 2:
        return [
            f"Overfitting: the validation loss was lowest in epoch {(best + 1) * echo_epochs} and has risen by "
            f"{rise:.0%} since. Set `patience`, augment more, or use dropout, weight decay or more data."
        ]
    if validation[-1] > 2 * loss[-1] and validation[-1] - loss[-1] > 0.1 * abs(loss[0]):
        return [
            "Some overfitting: the final validation loss is more than twice the training loss. Use more data or "
            "augmentation."
        ]
    if last > start - 0.01 * abs(start) and not has_problem:
        return [
            f"The validation loss did not fall: from {start:.3g} at the start to {last:.3g} at the end, while the "
            f"training loss went from {loss[0]:.3g} to {loss[-1]:.3g}. Use more data, augment more, or use a smaller "
            "model."
        ]
    return []


def average_echoes(values, echo_epochs):
    """Returns the mean of each group of `echo_epochs` epochs; an incomplete last group is left out."""
    groups = len(values) // echo_epochs
    return np.asarray(values, float)[: groups * echo_epochs].reshape(groups, echo_epochs).mean(1)


def moving_average(values):
    """Returns the centered moving average over three epochs, shorter at both ends."""
    values = np.asarray(values, float)
    return np.array([values[max(0, i - 1) : i + 2].mean() for i in range(len(values))])


def _still_falling(loss):
    """Whether the last fifth of the epochs achieved more than a tenth of the total decrease of the loss."""
    tail = max(2, len(loss) // 5)
    decrease = loss[0] - loss[-1]
    return decrease > 0 and loss[-tail] - loss[-1] > 0.1 * decrease and loss[-tail] - loss[-1] > 0.1 * abs(loss[-tail])
