"""The input schema of a trained model: what it was trained on, and so what it accepts."""

import dataclasses
import json
from pathlib import Path

from zoo.inputs.missing_values import missing_numbers, missing_texts

VERSION = 1  # of the schema's JSON; raised with every change that older or newer versions cannot read
FILE = "input_schema.json"  # beside an exported SavedModel, in its folder assets.extra


@dataclasses.dataclass(frozen=True)
class Column:
    """A column of a table, or a feature of a series, or one of a question and its image, that a model takes.

    Args:
        name: of the model's input: ASCII letters, digits and _.
        source: name of the column in the table that the model was trained on.
        kind: number or category; of questions image or text.
        levels: of a category in the training split, sorted; "" stands for a gap.
        minimum, maximum: of the numbers in the training split; None for a category.
        has_gaps: whether the training split had gaps in it.
        unit: that is written behind its numbers in the file of the training, or "".
    """

    name: str
    source: str
    kind: str
    levels: tuple = ()
    minimum: float | None = None
    maximum: float | None = None
    has_gaps: bool = False
    unit: str = ""


@dataclasses.dataclass(frozen=True)
class Band:
    """A band of images.

    Args:
        name: as the files describe it, or "" where they do not.
        number: in the training files, from 1, where bands were chosen by number; None where all are read.
        minimum, maximum: of its values in a sample of the training split, in raw units.
    """

    name: str
    number: int | None = None
    minimum: float | None = None
    maximum: float | None = None


@dataclasses.dataclass(frozen=True)
class InputSchema:
    """What a model was trained on.

    Args:
        kind: table, image, vector, series, text, video, pair, sound, question (an image and a text).
        shape: of one raw input; (None, None, C) for images of any size, None for a table.
        dtype: of the raw inputs; "mixed" for a table.
        missing: policy for gaps: error, drop, impute or pad. Under error and drop a gap is refused.
        classes: names of the classes in the order of their index; () for numbers.
        targets: names of the target columns of a table; () for other sources.
        target_ranges: (minimum, maximum) in the training split of each number that is predicted; () for other tasks and
            older runs.
        columns: for a table, its input columns in the order of the model's inputs; for a series, its features; for
            questions those of the image and of the question.
        bands: for images, their bands in order; () where there are no images.
        sensor: satellite sensor whose band names these are, one of `zoo.SENSORS`, or None.
        nodata: value of pixels without data in the training raster, or None.
        text: column of texts, or None.
        reading: options with which new tables are read, as in training: missing_values, decimal, ...; those that a
            reader detects from each file are not among them.
        series: for forecasts from a table: how the windows were made: time, group, columns, step, window, horizon, ...
        image: for images, how files are read: size, orientation, transparency, depth; and whether all images of a
            sample of the training have color (has_color) and different values (varies); else {}.
        sound: for clips of sound, sample_rate [Hz], seconds (length of a clip) and channels; else {}.
    """

    kind: str
    shape: tuple | None
    dtype: str
    missing: str = "error"
    classes: tuple = ()
    targets: tuple = ()
    target_ranges: tuple = ()
    columns: tuple[Column, ...] = ()
    bands: tuple[Band, ...] = ()
    sensor: str | None = None
    nodata: float | None = None
    text: str | None = None
    reading: dict = dataclasses.field(default_factory=dict)
    series: dict = dataclasses.field(default_factory=dict)
    image: dict = dataclasses.field(default_factory=dict)
    sound: dict = dataclasses.field(default_factory=dict)

    @property
    def accepts_gaps(self):
        """Whether a gap in an input has a value: imputed, a level of its own, or skipped as padding."""
        return self.missing in ("impute", "pad")

    @property
    def band_names(self):
        """Names of the bands, or () unless all have one."""
        names = tuple(band.name for band in self.bands)
        return names if all(names) else ()

    @property
    def missing_texts(self):
        """Texts of a table that mean missing, as a frozenset; none for other sources."""
        if self.kind != "table":
            return frozenset()
        names = ("missing_values", "keep_default_missing")
        return missing_texts(**{name: self.reading[name] for name in names if name in self.reading})

    @property
    def missing_numbers(self):
        """Numbers of a table that mean missing, a tuple of floats; () for other sources."""
        return missing_numbers(self.reading.get("missing_values", ())) if self.kind == "table" else ()

    def to_json(self):
        """Returns a dict of JSON values, from which `InputSchema.from_json` makes the same schema."""
        return {"version": VERSION, **json.loads(json.dumps(dataclasses.asdict(self)))}

    @classmethod
    def from_json(cls, record):
        """Returns the schema of such a dict.

        Raises:
            ValueError: if it has another version.
        """
        record = dict(record)
        version = record.pop("version", None)
        if version != VERSION:
            advice = "update fieldzoo" if isinstance(version, int) and version > VERSION else "export the model again"
            raise ValueError(f"the input schema must have version {VERSION}, got version {version}; {advice}.")
        shape = record.pop("shape")
        return cls(
            shape=None if shape is None else tuple(shape),
            classes=tuple(record.pop("classes")),
            targets=tuple(record.pop("targets")),
            target_ranges=tuple(map(tuple, record.pop("target_ranges", ()))),
            columns=tuple(Column(**{**c, "levels": tuple(c["levels"])}) for c in record.pop("columns")),
            bands=tuple(Band(**band) for band in record.pop("bands")),
            **record,
        )


def read_schema(folder):
    """Returns the `InputSchema` beside an exported SavedModel, or None where the export has none.

    Args:
        folder: PATH/VERSION of an export.
    """
    file = Path(folder) / "assets.extra" / FILE
    return InputSchema.from_json(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else None
