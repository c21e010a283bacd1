"""The registry: one decorator over one dict. What is registered is listed, described, checked and tested."""

import functools
import inspect
import typing

from zoo.arguments import checked, suggestion
from zoo.keras_patches import patch_batch_norm

TASKS = ("tabular", "classify", "segment", "detect", "restore", "motion", "series", "generate")


class Entry(typing.NamedTuple):
    """One architecture or variant: what `names`, `describe` and the shared tests read."""

    name: str
    build: typing.Callable
    task: str
    source: str  # address of the paper
    example: dict  # arguments of the paper's main row: describe measures this one
    parent: str | None  # the builder that a variant gives other defaults to


entries: dict[str, Entry] = {}


def register(*, task, source, example):
    """Registers a builder under its own name and wraps it so that its arguments are checked.

    Args:
        task: one of `TASKS`, the folder that the builder lives in.
        source: address of the paper.
        example: arguments of the paper's main row, as a dict.
    Returns:
        A decorator; the function that it returns has the signature and the docstring of the builder.
    Raises:
        ValueError: if the task is unknown or the name is taken.
    """

    def decorate(builder):
        return _enter(builder.__name__, checked(builder), task, source, example, None)

    return decorate


def variant(parent, name, *, source=None, example=None, **defaults):
    """Registers `parent` with other defaults under another name; `help()` of the result shows its own defaults.

    Args:
        parent: a registered builder.
        name: the variant's name, the paper's in snake case.
        source: address of the paper, where it is not the parent's.
        example: arguments of the paper's row, where they are not the parent's.
        **defaults: what differs.
    Returns:
        The variant, a function with the parent's parameters.
    Raises:
        ValueError: if the parent has no such argument or the name is taken.
    """
    origin = entries[parent.__name__]
    old = inspect.signature(parent)
    for key in defaults:
        if key not in old.parameters:
            raise ValueError(
                f"variant {name}: `{parent.__name__}` has no argument `{key}`.{suggestion(key, old.parameters)}"
            )
    defaults["name"] = name
    new = old.replace(parameters=[p.replace(default=defaults.get(p.name, p.default)) for p in old.parameters.values()])

    @functools.wraps(inspect.unwrap(parent))
    def build(*args, **kwargs):
        bound = new.bind(*args, **kwargs)
        bound.apply_defaults()
        return inspect.unwrap(parent)(*bound.args, **bound.kwargs)

    build.__name__ = build.__qualname__ = name
    build.__signature__ = new
    del build.__wrapped__  # inspect follows it to the parent's defaults
    told = ", ".join(f"{k}={v!r}" for k, v in defaults.items() if k != "name")
    build.__doc__ = f"{name}: `{parent.__name__}` {f'with {told}' if told else 'as it is'}.\n\n{inspect.getdoc(parent)}"
    return _enter(
        name, checked(build), origin.task, source or origin.source, example or origin.example, parent.__name__
    )


def _enter(name, build, task, source, example, parent):
    if task not in TASKS:
        raise ValueError(f"{name}: `task` must be one of {', '.join(TASKS)}, got {task!r}.{suggestion(task, TASKS)}")
    if name in entries:
        raise ValueError(f"{name} is already registered.")

    @functools.wraps(build)
    def quick(*args, **kwargs):
        return patch_batch_norm(build(*args, **kwargs))

    entries[name] = Entry(name, quick, task, source, example, parent)
    return quick


def entry(name):
    """The registry's entry of `name`; a ValueError that offers the nearest name where there is none."""
    if name not in entries:
        raise ValueError(f"no architecture is called {name!r}.{suggestion(name, entries)} `zoo.names()` lists them.")
    return entries[name]


@checked
def names(task: str | None = None) -> list[str]:
    """The registered architectures, in alphabetical order.

    Args:
        task: only those of this task (tabular, classify, ...), or None for all.
    Raises:
        ValueError: if there is no such task.
    """
    if task is not None and task not in TASKS:
        raise ValueError(f"names: `task` must be one of {', '.join(TASKS)}, got {task!r}.{suggestion(task, TASKS)}")
    return sorted(name for name, e in entries.items() if task in (None, e.task))


def build(name: str, *args, **kwargs):
    """Builds the architecture `name`: `zoo.build("lenet5", (28, 28, 1), 10)` is `zoo.lenet5((28, 28, 1), 10)`.

    Args:
        name: one of `zoo.names()`.
        *args: what goes in, what comes out, as the builder has them.
        **kwargs: the builder's other arguments.
    Returns:
        Uncompiled `keras.Model`.
    Raises:
        ValueError: if there is no such name (the nearest is offered), or as the builder says.
    """
    return entry(name).build(*args, **kwargs)
