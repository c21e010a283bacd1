"""The options that all readers of images with boxes have, declared once."""

import dataclasses
import functools
import inspect
from pathlib import Path

from recipes.data.boxes.annotations import Problems, data_from_annotations
from recipes.data.examples import Data
from recipes.data.source_spec import absolute_path, with_source_spec
from recipes.data.split import SplitOptions
from zoo.arguments import FilePath, Fraction, Whole, checked

DOCUMENTED = """group: regular expression that is searched in every image's path below `images`; its match (the first
            group of the expression, if it has one) names the image's group, and groups stay in one split.
        strict: whether a wrong annotation (a box outside of its image or without area, an unknown class, an image that
            is named twice) or an absent or broken image is an error; else it is skipped, counted and noted.
        validation, test: fractions of the images, 0 to 1, that the file does not put into a split itself.
        seed: seed of the split.
    Returns:
        `Data` of the task detection."""


@dataclasses.dataclass
class AnnotationSet:
    """What a reader of boxes returns.

    Args:
        annotations: list of `Annotation`.
        root: `Path` of the folder of the images.
        classes: names of the classes; () for those of the boxes, in alphabetical order.
        name: of the data set.
        notes: sentences.
        verify: function of annotations and (N, 2) sizes of their images that raises a ValueError, or None.
    """

    annotations: list
    root: Path
    classes: tuple
    name: str
    notes: list = ()
    verify: object = None


def _shared(
    *,
    group: str | None = None,
    strict: bool = False,
    validation: Fraction = 0.15,
    test: Fraction = 0.15,
    seed: Whole = 0,
):
    """The options that are declared here."""


def annotation_reader(function):
    """Decorates a function (path, problems, *, images, ...) that returns an `AnnotationSet`: makes a reader of `Data`.

    The reader has the function's options and those of `_shared`, which stand for {shared} in its docstring.

    Args:
        function: called read_NAME.
    """
    options = list(inspect.signature(function).parameters.values())[2:]
    shared = list(inspect.signature(_shared).parameters.values())
    path = inspect.Parameter("path", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=FilePath)

    def read(path, **arguments):
        arguments = {p.name: p.default for p in (*options, *shared)} | arguments
        source, problems = Path(path).expanduser(), Problems(arguments["strict"])
        of_function = {p.name: arguments[p.name] for p in options}
        read_set = function(source, problems, **of_function)
        split = SplitOptions(arguments["validation"], arguments["test"], arguments["seed"])
        data = data_from_annotations(
            read_set.annotations, read_set.classes, split, problems, root=read_set.root, group=arguments["group"],
            notes=read_set.notes, verify=read_set.verify, name=read_set.name, source=str(source),
        )  # fmt: skip
        resolved = {"images": absolute_path(read_set.root), "classes": data.classes}
        resolved |= {name: absolute_path(arguments[name]) for name in ("labels",) if name in arguments}
        resolved = {name: value for name, value in resolved.items() if name in arguments}
        reader = function.__name__.removeprefix("read_")
        return with_source_spec(data, reader, {"path": path, **arguments}, **resolved)

    functools.update_wrapper(read, function)
    del read.__wrapped__  # whose signature is another one
    read.__doc__ = function.__doc__.replace("{shared}", DOCUMENTED)
    read.__signature__ = inspect.Signature([path, *options, *shared], return_annotation=Data)
    read.__annotations__ = {p.name: p.annotation for p in (path, *options, *shared)} | {"return": Data}
    return checked(read)
