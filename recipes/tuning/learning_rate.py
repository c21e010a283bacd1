"""The learning-rate range test: the loss while the learning rate rises from step to step."""

import dataclasses
import io
import math

import keras
import numpy as np

from zoo.arguments import Count, FilePath, Positive, checked
from zoo.atomic_write import write_bytes

SMOOTHING = 0.95  # of the exponential moving average of the losses
DIVERGED = 4  # times the least smoothed loss, at which the test ends
FEWEST_STEPS = 20


@dataclasses.dataclass(frozen=True)
class LearningRateTest:
    """The result of a learning-rate range test.

    Attributes:
        learning_rates, losses: (steps,) learning rate and smoothed loss of each step.
        steepest: learning rate at which the smoothed loss falls fastest, which is a good peak learning rate.
        largest: a tenth of the learning rate of the least loss, beyond which training becomes unsteady.
        default: the task's learning rate.
    """

    learning_rates: np.ndarray = dataclasses.field(repr=False)
    losses: np.ndarray = dataclasses.field(repr=False)
    steepest: float = 0.0
    largest: float = 0.0
    default: float = 0.0

    def figure(self):
        """Returns a matplotlib figure of the loss against the learning rate."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(6, 3.6), layout="constrained")
        axes = figure.subplots()
        axes.plot(self.learning_rates, self.losses, color="#3b6fa0")
        for value, label, color in (
            (self.steepest, "steepest", "#1a1a1a"),
            (self.largest, "a tenth of the minimum's", "#7a7a7a"),
            (self.default, "of the task", "#b3541e"),
        ):
            axes.axvline(value, color=color, linestyle="--", label=f"{label}: {value:.2g}")
        axes.set(xscale="log", xlabel="learning rate", ylabel="training loss, smoothed")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8)
        return figure

    def save_figure(self, path):
        """Writes the figure as a PNG file, and returns its path."""
        content = io.BytesIO()
        self.figure().savefig(content, format="png", dpi=120)
        write_bytes(path, content.getvalue())
        return path


class _RisingRate(keras.callbacks.Callback):
    """Raises the learning rate from step to step, and ends the training when the loss diverges."""

    def __init__(self, rates):
        super().__init__()
        self.rates, self.total, self.average, self.least = rates, 0.0, 0.0, math.inf
        self.losses = []

    def on_train_batch_begin(self, batch, logs=None):
        self.model.optimizer.learning_rate = float(self.rates[batch])

    def on_train_batch_end(self, batch, logs=None):
        # Keras reports the mean over the batches so far
        total = float(logs["loss"]) * (batch + 1)
        loss, self.total = total - self.total, total
        self.average = SMOOTHING * self.average + (1 - SMOOTHING) * loss
        smoothed = self.average / (1 - SMOOTHING ** (batch + 1))
        if not math.isfinite(smoothed) or (batch > FEWEST_STEPS and smoothed > DIVERGED * self.least):
            self.model.stop_training = True
            return
        self.least = min(self.least, smoothed)
        self.losses.append(smoothed)


@checked
def find_learning_rate(
    task,
    model: str,
    data,
    *,
    low: Positive = 1e-6,
    high: Positive = 1.0,
    steps: Count = 200,
    out: FilePath | None = None,
    **arguments,
):
    """Trains for some steps with a rising learning rate, and returns where the loss falls fastest.

    The model of the test is thrown away. One run of the test is noisy; a factor of two hardly matters.

    Args:
        task: a task with its hyperparameters; its schedule is not used.
        model: one of `zoo.names()`.
        data: anything that `recipes.load` takes.
        low, high: first and last learning rate; each step multiplies it by the same factor.
        steps: number of steps, 20 or more.
        out: PNG file for a figure, or None.
        **arguments: arguments of the architecture.
    Returns:
        `LearningRateTest`.
    Raises:
        ValueError: if `low` is not below `high`, `steps` is below 20, or the loss diverges before step 20.

    Source: Smith 2017, https://arxiv.org/abs/1506.01186.
    """
    if low >= high:
        raise ValueError(f"find_learning_rate: `low` must be below `high`, got {low:g} and {high:g}.")
    if steps < FEWEST_STEPS:
        raise ValueError(f"find_learning_rate: `steps` must be {FEWEST_STEPS} or more, got {steps}.")
    data = task.open_data(data)
    task.check_data(data)
    default = task.learning_rate
    task = task.with_batch_size(data).replace(schedule="constant", warmup=0.0, learning_rate=low)
    network = task.build_model(model, data, **arguments)
    task.check_model(network, data)
    preprocessing = task.preprocessing(data, network)
    network = task.wrap_model(network, data)
    batches = task.map_batches(task.pipeline(data.train, True, preprocessing, len(data.classes)), network)
    task.compile(network, steps, data)
    keras.utils.set_random_seed(task.seed)
    rising = _RisingRate(np.geomspace(low, high, steps))
    network.fit(
        batches.repeat(), steps_per_epoch=steps, verbose=0, shuffle=False, callbacks=[rising],
        class_weight=task.class_weights(data),
    )  # fmt: skip
    rates, losses = rising.rates[: len(rising.losses)], np.array(rising.losses)
    if len(losses) < FEWEST_STEPS:
        raise ValueError(
            f"find_learning_rate: the loss diverged at {rates[-1] if len(rates) else low:.2g}; lower `low`."
        )
    # A slope over a tenth of the steps, as that of single steps is noise
    width = max(2, len(losses) // 20)
    lowest = max(int(np.argmin(losses)), 2 * width)
    falls = losses[: lowest + 1 - 2 * width] - losses[2 * width : lowest + 1]
    steepest = width + int(np.argmax(falls))
    result = LearningRateTest(rates, losses, float(rates[steepest]), float(rates[lowest] / 10), default)
    if out is not None:
        result.save_figure(out)
    return result
