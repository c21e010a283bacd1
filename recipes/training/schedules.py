"""Learning rate schedules with warm-up, and the optimizer of a task and its variables."""

import itertools
import math
from typing import Literal

import keras
from keras import ops

from zoo.arguments import Count, NonNegative, Positive, checked
from zoo.keras_patches import patch_adam

Optimizer = Literal["sgd", "momentum", "nesterov", "adagrad", "adadelta", "rmsprop", "adam", "adamw"]
Schedule = Literal[
    "constant", "inverse_time", "exponential", "step", "piecewise", "cosine", "cosine_restarts", "cosine_7_16"
]


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
    boundaries: tuple[Count, ...] = (),
    epochs: Count | None = None,
) -> keras.optimizers.schedules.LearningRateSchedule | float:
    """Returns the learning rate of a training of `steps` steps, for `learning_rate` of a Keras optimizer.

    With t the steps after the warm-up, and T all of them:
        constant: learning_rate.
        inverse_time: learning_rate / (1 + t / T), half of it at the end.
        exponential: learning_rate * 0.1 ** (t / T), a tenth of it at the end.
        step: halved every 10 epochs; without `epochs`, every quarter of T.
        piecewise: divided by ten after each of `boundaries`.
        cosine: half a cosine wave from learning_rate to 0.
        cosine_restarts: three such half waves, each twice as long as the one before.
        cosine_7_16: learning_rate * cos(7 pi t / (16 steps)), of semi-supervised learning.

    Args:
        name: one of the above.
        learning_rate: the peak, after the warm-up.
        steps: training steps, warm-up included.
        warmup: length of the linear warm-up from 0: a fraction of `steps` if below 1, else a number of steps.
        boundaries: last step of each level of piecewise, counted from the start of the training.
        epochs: number of epochs in `steps`; only used by step.
    Returns:
        A float for a constant learning rate without warm-up, else a Keras schedule that `.keras` files can store.
    Raises:
        ValueError: if a number is out of range, the warm-up leaves no steps, the boundaries do not increase between
            warm-up and end, or another schedule than piecewise has boundaries.

    Source: Loshchilov and Hutter 2017, https://arxiv.org/abs/1608.03983, eq. 5, for the cosines; Keras for the others.
    """
    if boundaries and name != "piecewise":
        raise ValueError(f"schedule: `boundaries` is for piecewise, got {boundaries!r} for {name}.")
    warmup_steps = round(warmup * steps) if warmup < 1 else warmup
    if warmup_steps != int(warmup_steps) or warmup_steps >= steps:
        raise ValueError(
            f"schedule: `warmup` must be a fraction below 1 or a whole number of steps below {steps}, got {warmup:g}."
        )
    warmup_steps = int(warmup_steps)
    steps_after = steps - warmup_steps
    schedules = keras.optimizers.schedules
    if name == "cosine":
        # Keras' own warm-up; its decay_steps do not include it
        if warmup_steps:
            return schedules.CosineDecay(0.0, steps_after, warmup_target=learning_rate, warmup_steps=warmup_steps)
        return schedules.CosineDecay(learning_rate, steps_after)
    if name == "constant":
        decay = learning_rate
    elif name == "cosine_7_16":
        decay = CosineSevenSixteenths(learning_rate, steps_after)
    elif name == "inverse_time":
        decay = schedules.InverseTimeDecay(learning_rate, steps_after, 1.0)
    elif name == "exponential":
        decay = schedules.ExponentialDecay(learning_rate, steps_after, 0.1)
    elif name == "step":
        decay_steps = max(1, round(10 * steps / epochs if epochs else steps_after / 4))
        decay = schedules.ExponentialDecay(learning_rate, decay_steps, 0.5, staircase=True)
    elif name == "piecewise":
        _verify_boundaries(boundaries, warmup_steps, steps)
        levels = [learning_rate * 0.1**i for i in range(len(boundaries) + 1)]
        decay = schedules.PiecewiseConstantDecay([b - warmup_steps for b in boundaries], levels)
    else:
        decay = schedules.CosineDecayRestarts(learning_rate, max(1, round(steps_after / 7)))  # waves of 1 + 2 + 4
    return Warmup(decay, warmup_steps) if warmup_steps else decay


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
