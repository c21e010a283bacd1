"""The space of a search: which numbers of a task and which arguments of an architecture are tried."""

import dataclasses
import inspect
import json
import math
import typing

from zoo.arguments import suggestion
from zoo.registry import entry

FIXED = ("seed", "country", "accelerate", "deterministic", "baselines")  # of a task; they are no choice of a search
GRID_POINTS = 5  # of a range, in a grid


class Range(typing.NamedTuple):
    """Numbers from `low` to `high`, both included.

    Args:
        low, high: bounds.
        log: whether the logarithms are searched evenly.
        integer: whether the numbers are whole.
    """

    low: float
    high: float
    log: bool = False
    integer: bool = False

    def suggest(self, trial, name):
        """Returns the value of an Optuna trial."""
        if self.integer:
            return trial.suggest_int(name, int(self.low), int(self.high), log=self.log)
        return trial.suggest_float(name, self.low, self.high, log=self.log)

    def distribution(self):
        """Returns the Optuna distribution."""
        import optuna

        if self.integer:
            return optuna.distributions.IntDistribution(int(self.low), int(self.high), log=self.log)
        return optuna.distributions.FloatDistribution(self.low, self.high, log=self.log)

    def points(self):
        """Returns the values of a grid."""
        ends = (math.log(self.low), math.log(self.high)) if self.log else (self.low, self.high)
        steps = [ends[0] + (ends[1] - ends[0]) * i / (GRID_POINTS - 1) for i in range(GRID_POINTS)]
        values = [math.exp(s) for s in steps] if self.log else steps
        values = [min(max(v, self.low), self.high) for v in values]
        return sorted({round(v) for v in values}) if self.integer else values

    def encode(self, value):
        """Returns the value as Optuna stores it, or None if it lies outside."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not self.low <= value <= self.high:
            return None
        return int(value) if self.integer else float(value)

    def decode(self, stored):
        """Returns the value that Optuna stored."""
        return stored

    def __str__(self):
        return f"{self.low:g}:{self.high:g}{':log' * self.log}"


class Choice(typing.NamedTuple):
    """One of several values, in no order; Optuna stores them as JSON."""

    values: tuple

    def suggest(self, trial, name):
        """Returns the value of an Optuna trial."""
        return self.decode(trial.suggest_categorical(name, self.points()))

    def distribution(self):
        """Returns the Optuna distribution."""
        import optuna

        return optuna.distributions.CategoricalDistribution(self.points())

    def points(self):
        """Returns the values of a grid, as Optuna stores them."""
        return [json.dumps(value) for value in self.values]

    def encode(self, value):
        """Returns the value as Optuna stores it, or None if it is none of the choices."""
        text = json.dumps(value)
        return text if text in self.points() else None

    def decode(self, stored):
        """Returns the value that Optuna stored; lists are tuples."""
        value = json.loads(stored)
        return tuple(value) if isinstance(value, list) else value

    def __str__(self):
        return ",".join(self.points())


def parse_dimension(name, text):
    """Returns the `Range` or `Choice` of LOW:HIGH, LOW:HIGH:log or A,B,C.

    Args:
        name: what is searched, for errors.
        text: such as "0.0001:0.01:log", "16:256:log", "32,64,128", "adam,sgd" or "[32, 32],[64, 64]"; or a list of
            choices.
    Raises:
        ValueError: if the text is neither, or the bounds are in the wrong order.
    """
    expected = f"`space` of {name!r} must be LOW:HIGH, LOW:HIGH:log or two choices or more, A,B"
    if isinstance(text, list | tuple):
        values = [tuple(v) if isinstance(v, list) else v for v in text]
    elif ":" in text:
        low, high, *log = text.split(":")
        try:
            bounds = [float(low), float(high)]
        except ValueError:
            raise ValueError(f"{expected}, got {text!r}.") from None
        if log not in ([], ["log"]) or not all(map(math.isfinite, bounds)) or bounds[0] >= bounds[1]:
            raise ValueError(f"{expected}, with LOW below HIGH, got {text!r}.")
        if log and bounds[0] <= 0:
            raise ValueError(f"`space` of {name!r} must have a LOW above 0 for a logarithm, got {text!r}.")
        integer = all(part.strip().lstrip("+-").isdecimal() for part in (low, high))
        return Range(*bounds, bool(log), integer)
    else:
        try:
            values = json.loads(f"[{text}]")
        except json.JSONDecodeError:
            values = [part.strip() for part in text.split(",")]
        values = [tuple(v) if isinstance(v, list) else v for v in values]
    if len(values) < 2 or "" in values:
        raise ValueError(f"{expected}, got {text!r}.")
    return Choice(tuple(values))


def read_space(space, task, model):
    """Returns name -> `Range` or `Choice` of a user's space.

    Args:
        space: dict from the name of a hyperparameter of the task, or of an argument of the architecture, to what
            `parse_dimension` takes.
        task: the task.
        model: name of the architecture.
    Raises:
        ValueError: if a name is neither; the nearest is offered.
    """
    names = {*task_names(task), *builder_defaults(model)}
    for name in space:
        if name not in names:
            raise ValueError(
                f"`space` must name hyperparameters of {type(task).__name__} or arguments of {model}, got {name!r}."
                f"{suggestion(name, names)} They are {', '.join(sorted(names))}."
            )
    return {name: parse_dimension(name, text) for name, text in space.items()}


def default_space(task, model, count):
    """Returns the space that is searched where none is stated.

    It is the learning rate from a tenth to ten times that of the task, batch sizes from half to four times, and
    dropout from 0 to 0.6 where the architecture has it.

    Args:
        task: the task; its numbers are the middle of the space.
        model: name of the architecture.
        count: number of training examples.
    """
    space = {"learning_rate": Range(task.learning_rate / 10, task.learning_rate * 10, log=True)}
    usual = task.examples_per_step(count)
    sizes = {size for size in (usual // 2, 2 * usual, 4 * usual) if 4 <= size <= count // 4} | {usual}
    if len(sizes) > 1:
        space["batch_size"] = Choice(tuple(sorted(sizes)))
    if isinstance(builder_defaults(model).get("dropout"), int | float):
        space["dropout"] = Range(0.0, 0.6)
    return space


def default_values(space, task, model, arguments, count):
    """Returns name -> value of a training without a search."""
    usual = {**builder_defaults(model), **arguments}
    usual |= {name: getattr(task, name) for name in task_names(task)} | {"batch_size": task.examples_per_step(count)}
    return {name: usual[name] for name in space}


def with_values(task, arguments, values):
    """Returns (task, arguments of the architecture) with the values of a trial."""
    names = task_names(task)
    of_task = {name: value for name, value in values.items() if name in names}
    return task.replace(**of_task), {**arguments, **{n: v for n, v in values.items() if n not in names}}


def task_names(task):
    """Returns the names of a task's hyperparameters that can be searched."""
    return [f.name for f in dataclasses.fields(task) if f.name not in FIXED]


def builder_defaults(model):
    """Returns the keyword arguments of an architecture with their defaults."""
    parameters = inspect.signature(entry(model).build).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY and p.name != "name"}
