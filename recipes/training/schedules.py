"""How the learning rate moves over a training: Keras' own schedules by the lectures' names, each with a warm-up."""

import itertools
from typing import Literal

import keras
from keras import ops

from zoo.arguments import Count, Fraction, NonNegative, Positive, checked
from zoo.keras_patches import patch_adam

Optimizer = Literal["sgd", "momentum", "nesterov", "adagrad", "adadelta", "rmsprop", "adam", "adamw"]
Schedule = Literal["constant", "inverse_time", "exponential", "step", "piecewise", "cosine", "cosine_restarts"]
DECAY = {"inverse_time": 1.0, "exponential": 0.1, "step": 0.5, "piecewise": 0.1}


@keras.saving.register_keras_serializable("recipes")
class Warmup(keras.optimizers.schedules.LearningRateSchedule):
    """A rate that rises in a straight line from 0 to where `schedule` starts, and then follows it from its step 0.

    `CosineDecay` counts the same way after its own warm-up, so all schedules agree.

    Args:
        schedule: a number or a Keras schedule.
        steps: how many steps it rises.
    """

    def __init__(self, schedule, steps):
        super().__init__()
        self.schedule, self.steps = schedule, steps

    def __call__(self, step):
        step = ops.cast(step, "float32")
        rising = self.after(0.0) * step / self.steps
        return ops.where(step < self.steps, rising, self.after(ops.maximum(step - self.steps, 0.0)))

    def after(self, step):
        """The rate `step` steps after the warm-up."""
        return ops.cast(self.schedule(step) if callable(self.schedule) else self.schedule, "float32")

    def get_config(self):
        inner = keras.saving.serialize_keras_object(self.schedule) if callable(self.schedule) else self.schedule
        return {"schedule": inner, "steps": self.steps}

    @classmethod
    def from_config(cls, config):
        inner = config["schedule"]
        return cls(keras.saving.deserialize_keras_object(inner) if isinstance(inner, dict) else inner, config["steps"])


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
    """A learning rate, or how it moves over `steps` training steps: what `learning_rate` of a Keras optimizer takes.

    With t the steps since the warm-up:
        constant: rate.
        inverse_time: rate / (1 + decay * t / every); at the defaults half the rate is left at the end.
        exponential: rate * decay ** (t / every); at the defaults a tenth is left at the end.
        step: rate * decay ** floor(t / every); at the defaults halved every 10 epochs.
        piecewise: multiplied by `decay_rate` after each of `boundaries`; at the defaults a tenth each time.
        cosine: half a cosine wave from the rate to `alpha` * rate.
        cosine_restarts: such half waves, each twice as long as the one before; at the defaults three of them.

    Args:
        name: one of the above.
        learning_rate: the rate after the warm-up [per step], the highest.
        steps: all steps of the training, the warm-up among them.
        warmup: how long the rate first rises in a straight line from 0: below 1 a share of `steps`, else steps.
        decay_rate: how much it falls; 1 for inverse_time, 0.1 for exponential and piecewise, 0.5 for step.
        decay_steps: steps over which `decay_rate` acts, or of the first wave of cosine_restarts. By default all that follow the
            warm-up for inverse_time and exponential, a seventh of them for cosine_restarts (1 + 2 + 4 waves), and for
            step 10 epochs, or a quarter of them where `epochs` is not given.
        boundaries: for piecewise, the last step of each level, counted from the start of the training.
        alpha: share of the rate that a cosine falls to.
        epochs: how many epochs `steps` are; only `step` asks.
    Returns:
        A float for a constant rate without warm-up, else a Keras schedule, which a `.keras` file keeps.
    Raises:
        ValueError: if a number is out of range, the warm-up leaves no step, the boundaries do not rise between the
            warm-up and the end, or an argument is given that the named schedule does not use.

    Source: Loshchilov and Hutter 2017, https://arxiv.org/abs/1608.03983, eq. 5, for the cosines; Keras for the others.
    """
    _verify_used(
        name, decay_rate=decay_rate, decay_steps=decay_steps, boundaries=boundaries or None, alpha=alpha or None
    )
    rising = round(warmup * steps) if warmup < 1 else warmup
    if rising != int(rising) or rising >= steps:
        raise ValueError(
            f"schedule: `warmup` must be a share below 1 or a whole number of steps below {steps}, got {warmup:g}."
        )
    rising = int(rising)
    left = steps - rising
    decay_rate = decay_rate or DECAY.get(name)
    kinds = keras.optimizers.schedules
    if name == "cosine":
        # Keras' own warm-up; its decay_steps count after it
        if rising:
            return kinds.CosineDecay(0.0, left, alpha=alpha, warmup_target=learning_rate, warmup_steps=rising)
        return kinds.CosineDecay(learning_rate, left, alpha=alpha)
    if name == "constant":
        chosen = learning_rate
    elif name == "inverse_time":
        chosen = kinds.InverseTimeDecay(learning_rate, decay_steps or left, decay_rate)
    elif name == "exponential":
        chosen = kinds.ExponentialDecay(learning_rate, decay_steps or left, decay_rate)
    elif name == "step":
        decay_steps = decay_steps or max(1, round(10 * steps / epochs if epochs else left / 4))
        chosen = kinds.ExponentialDecay(learning_rate, decay_steps, decay_rate, staircase=True)
    elif name == "piecewise":
        _verify_boundaries(boundaries, rising, steps)
        levels = [learning_rate * decay_rate**i for i in range(len(boundaries) + 1)]
        chosen = kinds.PiecewiseConstantDecay([b - rising for b in boundaries], levels)
    else:
        chosen = kinds.CosineDecayRestarts(learning_rate, decay_steps or max(1, round(left / 7)), alpha=alpha)
    return Warmup(chosen, rising) if rising else chosen


USED = {
    "decay": tuple(DECAY),
    "every": ("inverse_time", "exponential", "step", "cosine_restarts"),
    "boundaries": ("piecewise",),
    "final": ("cosine", "cosine_restarts"),
}


def _verify_used(name, **given):
    for argument, value in given.items():
        if value is not None and name not in USED[argument]:
            raise ValueError(f"schedule: `{argument}` is for {', '.join(USED[argument])}, got {value!r} for {name}.")


def _verify_boundaries(boundaries, rising, steps):
    placed = (rising, *boundaries, steps)
    if not boundaries or any(a >= b for a, b in itertools.pairwise(placed)):
        raise ValueError(
            f"schedule: `boundaries` of piecewise must be steps that rise between {rising} and {steps}, "
            f"got {boundaries}."
        )


def optimizer(recipe, steps):
    """The Keras optimizer that a recipe names, over `steps` training steps."""
    momentum = {"momentum": {"momentum": 0.9}, "nesterov": {"momentum": 0.9, "nesterov": True}}
    options = momentum.get(recipe.optimizer, {})
    name = "sgd" if recipe.optimizer in momentum else recipe.optimizer
    if recipe.weight_decay:
        options["weight_decay"] = recipe.weight_decay
    config = {"learning_rate": recipe.rates(steps), "global_clipnorm": recipe.global_clipnorm, **options}
    return patch_adam(keras.optimizers.get({"class_name": name, "config": config}))
