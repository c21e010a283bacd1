"""The table of published pretrained weights, `zoo/pretrained.csv`: names, files, licenses and normalization."""

import csv
import functools
import importlib.resources
import json
import typing
from pathlib import Path
from urllib.parse import urlsplit

from zoo.arguments import suggestion
from zoo.bundled_weights import BUNDLED
from zoo.file_download import DownloadError, Facts, fetch
from zoo.package_files import cache_folder

FILE = "pretrained.csv"
LIBRARIES = ("timm", "torchvision", "torchgeo", "keras", "kair", "nasaharvest")  # first parts of the names


class PublishedWeights(typing.NamedTuple):
    """Pretrained weights that a library or the authors publish: a row of the table."""

    architecture: str
    name: str  # LIBRARY/NAME
    alias: str  # short name, such as imagenet, or ""
    arguments: dict  # of the builder, where the weights need others than those of `zoo.describe`
    classes: int | None  # of the head; 0 where the file has none, None where there are no classes
    input_size: tuple  # (height, width) in the training [pixels], or ()
    bands: tuple  # names, in the order of the network's input
    mean: tuple  # of each band, in the units of the data: the network takes (data - mean) / deviation
    deviation: tuple
    url: str
    mebibytes: float | None  # size of the file
    sha256: str  # all or the first digits, "" where it is not published
    md5: str  # "" where it is not published
    license: str
    training_data: str
    accuracy: str  # as published
    library: str  # and version, whose metadata this row is from
    layout: str  # of the arrays in the file: tests/golden/layouts.zip

    @property
    def path(self):
        """Path of the file in the cache: FIELDZOO_CACHE, then the name, then the name of the published file."""
        return cache_folder() / "weights" / Path(*self.name.split("/")) / Path(urlsplit(self.url).path).name

    @property
    def is_photo(self):
        """Whether the network takes red, green and blue from 0 to 255."""
        return sorted(self.bands) == ["blue", "green", "red"] and not self.name.startswith("torchgeo/")

    def fetch(self):
        """Returns the path of the file, after a download where it is missing.

        Raises:
            DownloadError: with the place to put the file by hand.
            ValueError: if the file is another one.
        """
        try:
            return fetch(self.url, self.path, Facts(self.sha256, self.md5, self.mebibytes))
        except DownloadError as error:
            raise DownloadError(
                f"{self.architecture}: weights {self.name!r}: {error}. Where there is a network, get {self.url} and "
                f"put it at {self.path}, or set FIELDZOO_MIRROR to a copy of the server."
            ) from error

    def input_arguments(self):
        """Returns the arguments of `BackboneInput` that turn raw data into the network's input."""
        mean, deviation, bands = self.mean, self.deviation, self.bands
        reverse = bands == ("blue", "green", "red")
        if reverse:
            mean, deviation, bands = mean[::-1], deviation[::-1], bands[::-1]
        limits = {"low": 0.0, "high": 255.0} if self.is_photo else {}
        return {"mean": mean, "deviation": deviation, "bands": bands, "reverse": reverse, **limits}


@functools.cache
def read_table():
    """Returns the rows of the table as a tuple of `PublishedWeights`."""
    text = (importlib.resources.files("zoo") / FILE).read_text("utf-8")
    return tuple(_parse(row) for row in csv.DictReader(text.splitlines()))


def _parse(row):
    numbers = {key: tuple(float(v) for v in row[key].split()) for key in ("mean", "deviation")}
    return PublishedWeights(
        **row
        | numbers
        | {
            "arguments": _builder_arguments(row["arguments"]),
            "classes": int(row["classes"]) if row["classes"] else None,
            "input_size": tuple(int(v) for v in row["input_size"].split()),
            "bands": tuple(row["bands"].split()),
            "mebibytes": float(row["mebibytes"]) if row["mebibytes"] else None,
        }
    )


def _builder_arguments(text):
    arguments = json.loads(text) if text else {}
    return {key: tuple(value) if isinstance(value, list) else value for key, value in arguments.items()}


def weight_names(architecture):
    """Returns the names of an architecture's weights: bundled, aliases such as imagenet, then LIBRARY/NAME."""
    rows = [row for row in read_table() if row.architecture == architecture]
    bundled = ["bundled"] if architecture in BUNDLED else []
    return bundled + [row.alias for row in rows if row.alias] + [row.name for row in rows]


def find_published(architecture, name):
    """Returns the `PublishedWeights` of a name or an alias; None where it is no such name, but may be a file.

    Raises:
        ValueError: if the name begins like one of the table and is not in it, or is one of another architecture.
    """
    rows = [row for row in read_table() if row.architecture == architecture]
    if row := next((row for row in rows if name in (row.name, row.alias)), None):
        return row
    names = weight_names(architecture)
    endings = [row.name for row in rows if name and row.name.endswith((f"/{name}", f".{name}"))]
    others = sorted({row.architecture for row in read_table() if name in (row.name, row.alias)})
    is_name = name.partition("/")[0] in LIBRARIES and "/" in name
    if not (endings or others or is_name) or Path(name).exists():
        return None
    if endings:
        hint = f" Did you mean {' or '.join(f'`{n}`' for n in endings)}?"
    elif 0 < len(others) <= 3:
        hint = f" They are of {', '.join(others)}."
    else:
        hint = suggestion(name, names)
    listed = f"`zoo.weights.names({architecture!r})` lists its {len(names)}." if names else "It has none by name."
    raise ValueError(f"{architecture} has no weights {name!r}.{hint} {listed}")


def describe_weights(architecture, name):
    """Returns in words what pretrained weights are: their name, training data, license and source.

    Args:
        architecture: one of `zoo.names()`, or another name of a backbone.
        name: bundled, one of `weight_names(architecture)`, or a file, a folder or a preset.
    """
    if name == "bundled" and architecture in BUNDLED:
        bundle = BUNDLED[architecture]
        facts = ("bundled", bundle.training_data, bundle.license, bundle.source)
    elif row := next((r for r in read_table() if r.architecture == architecture and name in (r.name, r.alias)), None):
        facts = (row.name, row.training_data, row.license, row.url)
    else:
        return f"{architecture}: {name}"
    return f"{architecture}: {'; '.join(filter(None, facts))}"
