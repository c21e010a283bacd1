"""Learning rate schedules with warm-up, and the optimizer of a task and its variables."""

import itertools
import math
from typing import Literal

import keras
from keras import ops

from zoo.arguments import Count, Fraction, NonNegative, Positive, checked
from zoo.keras_patches import patch_adam

Optimizer = Literal["sgd", "momentum", "nesterov", "adagrad", "adadelta", "rmsprop", "adam", "adamw"]
Schedule = Literal[
    "constant", "inverse_time", "exponential", "step", "piecewise", "cosine", "cosine_restarts", "cosine_7_16"
]
DECAY_RATES = {"inverse_time": 1.0, "exponential": 0.1, "step": 0.5, "piecewise": 0.1}


@keras.saving.register_keras_serializable("recipes")
class Warmup(keras.optimizers.schedules.LearningRateSchedule):
    """Linear warm-up from 0 to the initial learning rate of `schedule`, followed by `schedule` from its step 0.

    Keras' `CosineDecay` with `warmup_steps` counts its steps in the same way.

    Args:
        schedule: a learning rate or a Keras schedule.
        steps: warm-up steps.
    """

    def __init__(self, schedule, steps):
        super().__init__()
        self.schedule, self.steps = schedule, steps

    def __call__(self, step):
        step = ops.cast(step, "float32")
        warmup = self._after_warmup(0.0) * step / self.steps
        return ops.where(step < self.steps, warmup, self._after_warmup(ops.maximum(step - self.steps, 0.0)))

    def _after_warmup(self, step):
        return ops.cast(self.schedule(step) if callable(self.schedule) else self.schedule, "float32")

    def get_config(self):
        inner = keras.saving.serialize_keras_object(self.schedule) if callable(self.schedule) else self.schedule
        return {"schedule": inner, "steps": self.steps}

    @classmethod
    def from_config(cls, config):
        inner = config["schedule"]
        return cls(keras.saving.deserialize_keras_object(inner) if isinstance(inner, dict) else inner, config["steps"])


@keras.saving.register_keras_serializable("recipes")
class CosineSevenSixteenths(keras.optimizers.schedules.LearningRateSchedule):
    """learning_rate * cos(7 pi t / (16 steps)) at step t, which ends at a fifth of `learning_rate`.

    Args:
        learning_rate: at the first step.
        steps: of the whole training.

    Source: Sohn et al. 2020, https://arxiv.org/abs/2001.07685, section 2.4.
    """

    def __init__(self, learning_rate, steps):
        super().__init__()
        self.learning_rate, self.steps = learning_rate, steps

    def __call__(self, step):
        fraction = ops.minimum(ops.cast(step, "float32") / self.steps, 1.0)
        return self.learning_rate * ops.cos(7 * math.pi / 16 * fraction)

    def get_config(self):
        return {"learning_rate": self.learning_rate, "steps": self.steps}


@checked
def schedule(
    name: Schedule,
    learning_rate: Positive,
    steps: Count,
    *,
    warmup: NonNegative = 0,
    decay_rate: Positive | None = None,
    decay_steps: Count | None = None,
    boundaries: tuple[Count, ...] = (),
    alpha: Fraction = 0.0,
    epochs: Count | None = None,
) -> keras.optimizers.schedules.LearningRateSchedule | float:
    """Returns the learning rate of a training of `steps` steps, for `learning_rate` of a Keras optimizer.

    With t the steps after the warm-up:
        constant: learning_rate.
        inverse_time: learning_rate / (1 + decay_rate * t / decay_steps); by default half of it at the end.
        exponential: learning_rate * decay_rate ** (t / decay_steps); by default a tenth of it at the end.
        step: learning_rate * decay_rate ** floor(t / decay_steps); by default halved every 10 epochs.
        piecewise: multiplied by decay_rate after each of `boundaries`; by default by 0.1.
        cosine: half a cosine wave from learning_rate to alpha * learning_rate.
        cosine_restarts: several such half waves, each twice as long as the one before; by default three.
        cosine_7_16: learning_rate * cos(7 pi t / (16 steps)), of semi-supervised learning.

    Args:
        name: one of the above.
        learning_rate: the peak, after the warm-up.
        steps: training steps, warm-up included.
        warmup: length of the linear warm-up from 0: a fraction of `steps` if below 1, else a number of steps.
        decay_rate: factor of the decay; 1 for inverse_time, 0.1 for exponential and piecewise, 0.5 for step.
        decay_steps: steps over which `decay_rate` applies once, or of the first wave of cosine_restarts. Defaults: all
            steps after the warm-up for inverse_time and exponential, a seventh of them for cosine_restarts (1 + 2 + 4
            waves); for step 10 epochs, or a quarter of them if `epochs` is None.
        boundaries: last step of each level of piecewise, counted from the start of the training.
        alpha: final learning rate of a cosine, as a fraction of `learning_rate`.
        epochs: number of epochs in `steps`; only used by step.
    Returns:
        A float for a constant learning rate without warm-up, else a Keras schedule that `.keras` files can store.
    Raises:
        ValueError: if a number is out of range, the warm-up leaves no steps, the boundaries do not increase between
            warm-up and end, or an argument is given that the named schedule does not use.

    Source: Loshchilov and Hutter 2017, https://arxiv.org/abs/1608.03983, eq. 5, for the cosines; Keras for the others.
    """
    _verify_used(
        name, decay_rate=decay_rate, decay_steps=decay_steps, boundaries=boundaries or None, alpha=alpha or None
    )
    warmup_steps = round(warmup * steps) if warmup < 1 else warmup
    if warmup_steps != int(warmup_steps) or warmup_steps >= steps:
        raise ValueError(
            f"schedule: `warmup` must be a fraction below 1 or a whole number of steps below {steps}, got {warmup:g}."
        )
    warmup_steps = int(warmup_steps)
    steps_after = steps - warmup_steps
    decay_rate = decay_rate or DECAY_RATES.get(name)
    schedules = keras.optimizers.schedules
    if name == "cosine":
        # Keras' own warm-up; its decay_steps do not include it
        if warmup_steps:
            return schedules.CosineDecay(
                0.0, steps_after, alpha=alpha, warmup_target=learning_rate, warmup_steps=warmup_steps
            )
        return schedules.CosineDecay(learning_rate, steps_after, alpha=alpha)
    if name == "constant":
        decay = learning_rate
    elif name == "cosine_7_16":
        decay = CosineSevenSixteenths(learning_rate, steps_after)
    elif name == "inverse_time":
        decay = schedules.InverseTimeDecay(learning_rate, decay_steps or steps_after, decay_rate)
    elif name == "exponential":
        decay = schedules.ExponentialDecay(learning_rate, decay_steps or steps_after, decay_rate)
    elif name == "step":
        decay_steps = decay_steps or max(1, round(10 * steps / epochs if epochs else steps_after / 4))
        decay = schedules.ExponentialDecay(learning_rate, decay_steps, decay_rate, staircase=True)
    elif name == "piecewise":
        _verify_boundaries(boundaries, warmup_steps, steps)
        levels = [learning_rate * decay_rate**i for i in range(len(boundaries) + 1)]
        decay = schedules.PiecewiseConstantDecay([b - warmup_steps for b in boundaries], levels)
    else:
        decay = schedules.CosineDecayRestarts(learning_rate, decay_steps or max(1, round(steps_after / 7)), alpha=alpha)
    return Warmup(decay, warmup_steps) if warmup_steps else decay


ARGUMENT_USERS = {
    "decay_rate": tuple(DECAY_RATES),
    "decay_steps": ("inverse_time", "exponential", "step", "cosine_restarts"),
    "boundaries": ("piecewise",),
    "alpha": ("cosine", "cosine_restarts"),
}


def _verify_used(name, **arguments):
    for argument, value in arguments.items():
        if value is not None and name not in ARGUMENT_USERS[argument]:
            raise ValueError(
                f"schedule: `{argument}` is for {', '.join(ARGUMENT_USERS[argument])}, got {value!r} for {name}."
            )


def _verify_boundaries(boundaries, warmup_steps, steps):
    if not boundaries or any(a >= b for a, b in itertools.pairwise((warmup_steps, *boundaries, steps))):
        raise ValueError(
            f"schedule: `boundaries` of piecewise must be steps that increase between {warmup_steps} and {steps}, "
            f"got {boundaries}."
        )


def optimizer(task, steps):
    """Returns the Keras optimizer of a task for `steps` training steps."""
    momentum = {"momentum": {"momentum": 0.9}, "nesterov": {"momentum": 0.9, "nesterov": True}}
    options = momentum.get(task.optimizer, {})
    name = "sgd" if task.optimizer in momentum else task.optimizer
    if task.weight_decay:
        options["weight_decay"] = task.weight_decay
    learning_rate = task.learning_rate_schedule(steps)
    config = {"learning_rate": learning_rate, "global_clipnorm": task.global_clipnorm, **options}
    return patch_adam(keras.optimizers.get({"class_name": name, "config": config}))


def build_optimizer(model):
    """Creates the variables of a compiled model's optimizer, so that TensorFlow traces the training step once.

    A step that creates variables is traced twice, which doubles the wait before the first step. Models with a training
    step of their class, and models under a `tf.distribute` strategy, create the variables in their first step.

    Args:
        model: a compiled `keras.Model`.
    """
    default_step = type(model).train_step is keras.Model.train_step
    if default_step and model.optimizer is not None and getattr(model, "_distribute_strategy", None) is None:
        model.optimizer.build(model.trainable_variables)
