"""The registry of architectures, which listing, description, argument checks and shared tests use."""

import functools
import inspect
import typing

from zoo.arguments import checked, suggestion
from zoo.keras_patches import patch_batch_norm

TASKS = ("tabular", "classify", "segment", "detect", "restore", "motion", "series", "sound", "question", "generate")


class Entry(typing.NamedTuple):
    """A registered architecture or variant."""

    name: str
    build: typing.Callable
    task: str
    source: str  # URL of the paper
    example: dict  # arguments of the paper's main variant, which `describe` measures
    parent: str | None  # name of the architecture that a variant has other defaults of


entries: dict[str, Entry] = {}


def register(*, task, source, example):
    """Registers a builder under its name, with checks of its arguments.

    Args:
        task: one of `TASKS`, the folder of the builder's module.
        source: URL of the paper.
        example: arguments of the paper's main variant, as a dict.
    Returns:
        A decorator. The decorated function keeps the signature and the docstring of the builder.
    Raises:
        ValueError: if the task is unknown or the name is registered.
    """

    def decorate(builder):
        return _add_entry(builder.__name__, checked(builder), task, source, example, None)

    return decorate


def variant(parent, name, *, source=None, example=None, **defaults):
    """Registers `parent` with other defaults under another name. `help()` of the variant shows its defaults.

    Args:
        parent: a registered builder.
        name: the paper's name of the variant in snake case.
        source: URL of the paper, if it is not the parent's.
        example: arguments of the paper's variant, if they are not the parent's.
        **defaults: the defaults that differ.
    Returns:
        The variant, a function with the parent's parameters.
    Raises:
        ValueError: if the parent has no such argument or the name is registered.
    """
    parent_entry = entries[parent.__name__]
    signature = inspect.signature(parent)
    parameters = signature.parameters
    for key in defaults:
        if key not in parameters:
            raise ValueError(
                f"variant {name}: `{parent.__name__}` has no argument `{key}`.{suggestion(key, parameters)}"
            )
    defaults["name"] = name
    signature = signature.replace(
        parameters=[p.replace(default=defaults.get(p.name, p.default)) for p in parameters.values()]
    )

    @functools.wraps(inspect.unwrap(parent))
    def build(*args, **kwargs):
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return inspect.unwrap(parent)(*bound.args, **bound.kwargs)

    build.__name__ = build.__qualname__ = name
    build.__signature__ = signature
    del build.__wrapped__  # inspect would follow it to the parent's defaults
    changes = ", ".join(f"{k}={v!r}" for k, v in defaults.items() if k != "name")
    summary = f"{name}: `{parent.__name__}` {f'with {changes}' if changes else 'as it is'}."
    build.__doc__ = f"{summary}\n\n{inspect.getdoc(parent)}"
    source, example = source or parent_entry.source, example or parent_entry.example
    return _add_entry(name, checked(build), parent_entry.task, source, example, parent.__name__)


def _add_entry(name, build, task, source, example, parent):
    if task not in TASKS:
        raise ValueError(f"{name}: `task` must be one of {', '.join(TASKS)}, got {task!r}.{suggestion(task, TASKS)}")
    if name in entries:
        raise ValueError(f"{name} is already registered.")

    @functools.wraps(build)
    def build_patched(*args, **kwargs):
        return patch_batch_norm(build(*args, **kwargs))

    entries[name] = Entry(name, build_patched, task, source, example, parent)
    return build_patched


def entry(name):
    """Returns the registry's entry of a name. Raises a ValueError with the closest name where there is none."""
    if name not in entries:
        raise ValueError(f"no architecture is called {name!r}.{suggestion(name, entries)} `zoo.names()` lists them.")
    return entries[name]


@checked
def names(task: str | None = None) -> list[str]:
    """Returns the names of the registered architectures in alphabetical order.

    Args:
        task: one of `zoo.registry.TASKS` (tabular, classify, ...), or None for all.
    Raises:
        ValueError: if there is no such task.
    """
    if task is not None and task not in TASKS:
        raise ValueError(f"names: `task` must be one of {', '.join(TASKS)}, got {task!r}.{suggestion(task, TASKS)}")
    return sorted(name for name, e in entries.items() if task in (None, e.task))


def build(name: str, *args, **kwargs):
    """Builds an architecture by name: `zoo.build("lenet5", (28, 28, 1), 10)` is `zoo.lenet5((28, 28, 1), 10)`.

    Args:
        name: one of `zoo.names()`.
        *args: positional arguments of the builder: input shape and output size.
        **kwargs: the builder's other arguments.
    Returns:
        Uncompiled `keras.Model`.
    Raises:
        ValueError: if there is no such name, or from the builder.
    """
    return entry(name).build(*args, **kwargs)
