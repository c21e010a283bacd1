"""Examines a data set before training: `check_data`, and the `DataSummary` that it returns."""

import shlex
import warnings
from pathlib import Path

import numpy as np

from recipes.data.examples import Data, Examples
from recipes.data.path_sources import IMAGE_READER, RASTER_SUFFIXES, complete_source
from recipes.data.readers import load, option_types, parse_source
from recipes.reports.column_checks import column_checks, repeated_column_sentences
from recipes.reports.column_statistics import column_rows
from recipes.reports.data_summary import summarize_data
from recipes.reports.image_statistics import image_checks, image_statistics
from recipes.reports.summary_text import plain_values, summary_text
from zoo.arguments import checked

TABLE_READERS = ("table", "series", "labelled_text")
MAX_PIXELS = 2**22  # of a band of a single raster; a larger one is read at a lower resolution


class DataSummary:
    """A summary of a data set. `str` of it is a text for the screen.

    Args:
        facts: dict as `summarize_data` returns it.
        data: the `Data`, or None where only the columns of a table were read.
        frame: data frame of the table's columns, or None.
    """

    def __init__(self, facts, data=None, frame=None):
        self.facts, self.data, self.frame = facts, data, frame

    @property
    def suspicious(self):
        """Sentences: the notes of the reader, then what the checks say."""
        return list(self.facts["suspicious"])

    @property
    def error(self):
        """The reader's message where the table can be read but not be trained on; else None."""
        return self.facts.get("error")

    def to_json(self):
        """Returns the summary as a dict of JSON values: no NaN, no infinity, no arrays."""
        return plain_values(self.facts)

    def __str__(self):
        return summary_text(self.to_json())

    __repr__ = __str__

    def figure(self):
        """Returns a matplotlib figure of a batch of training examples, or of a table's columns."""
        from recipes.reports.batch_figures import batch_figure, column_histograms

        return column_histograms(self.frame) if self.data is None else batch_figure(self.data)

    def save_figure(self, folder):
        """Writes the figure as FOLDER/batch.png and returns its path.

        Args:
            folder: where to write; it is created where it does not exist.
        Raises:
            ValueError: if `folder` is a file.
        """
        folder = Path(folder).expanduser()
        if folder.exists() and not folder.is_dir():
            raise ValueError(f"`folder` must be a folder to write batch.png to, got the file {folder}.")
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "batch.png"
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph")  # of scripts that matplotlib's font lacks
            self.figure().savefig(path, dpi=110)
        return str(path)


@checked
def check_data(source, **options) -> DataSummary:
    """Reads data and summarizes them without training: columns, ranges, gaps, splits, and what is suspicious.

    Args:
        source: as `load` takes it; or the path of a folder of class folders, of a table or of an image. A table without
            a target is summarized by its columns.
        **options: of the reader.
    Returns:
        `DataSummary` with `to_json()`, `figure()`, `save_figure(folder)`, `suspicious` and `error`. Where a table can
        be read but not be trained on, such as one with gaps, `error` has the reader's message.
    Raises:
        ValueError: if there is no such source or option, or it cannot be read.
    """
    spec = None
    if isinstance(source, str):
        source = complete_source(source)
        reader, _, path = source.partition(":")
        if reader == IMAGE_READER:
            return _check_image(path.partition("?")[0].replace("%3F", "?"))
        spec = parse_source(source, options)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        frame, notes, error = _read_columns(source, spec, options)
        target, data = (spec.options if spec else options).get("target"), None
        if frame is None or target:
            try:
                data, error = load(source, **options), None
            except ValueError as problem:
                if frame is None:
                    raise
                error = str(problem)
    messages = dict.fromkeys(str(w.message) for w in caught if issubclass(w.category, UserWarning))
    if data is None:
        notes = dict.fromkeys([*notes, *messages])
        return DataSummary(_column_facts(frame, source, spec, list(notes), target, error), frame=frame)
    for message in messages:
        if message not in data.notes:
            warnings.warn(message, stacklevel=2)
    return DataSummary(summarize_data(data, frame, None if spec else options), data, frame)


def _read_columns(source, spec, options):
    """Returns (data frame of a table's columns, notes, error), or (None, [], None) where the source is no table.

    The error is that of columns with both numbers and text, which are then in the frame as text.
    """
    import pandas as pd

    from recipes.data.in_memory import without_names
    from recipes.data.tables.table_files import read_frame

    is_table = spec.reader in TABLE_READERS if spec else isinstance(without_names(source), pd.DataFrame | dict)
    if not is_table:
        return None, [], None
    source, options = (spec.source, spec.options) if spec else (source, options)
    error = None
    try:
        frame, facts, _ = read_frame(source, options)
    except ValueError as problem:
        frame, facts, _ = read_frame(source, options, checked=())
        error = str(problem)
    frame = frame.set_axis([str(c) for c in frame.columns], axis=1)
    return frame.loc[:, ~frame.columns.duplicated()], list(facts["notes"]), error


def _column_facts(frame, source, spec, notes, target, error):
    """Returns the facts of a table of which only the columns were read: it has no target, or its reader an error."""
    targets = [target] if isinstance(target, str) else list(target or ())
    rows = [{**row, "role": "target" if row["name"] in targets else "column"} for row in column_rows(frame)]
    accepted = set(option_types(spec.reader, spec.source) if spec else option_types("table", ""))
    inputs = [row for row in rows if row["role"] == "column"]
    checks = column_checks(frame, inputs, accepted)
    checks += repeated_column_sentences(frame, inputs, accepted if targets else ())
    dates = [row["name"] for row in rows if row["kind"] == "date" or row.get("looks_like")]
    return {
        "name": Path(spec.source).name.split(".")[0] if spec else "table", "task": None, "kind": "table",
        "shape": None, "examples": len(frame), "columns": rows, "source": spec.source if spec else "the user",
        "notes": notes, "suspicious": [*notes, *checks], "error": error,
        "advice": None if error else _target_advice(source.partition("?")[0] if spec else None, dates),
    }  # fmt: skip


def _target_advice(source, dates):
    """Returns a sentence on how the target is named."""
    if source is None:
        return "name the column to predict: target=COLUMN"
    advice = f"name the column to predict: {shlex.quote(source + '?target=COLUMN')}"
    if dates:
        series = shlex.quote(f"{source}?time={dates[0]}&target=COLUMN&window=14&horizon=7")
        advice += f"; to forecast it from its past: {series}"
    return advice


def _check_image(path):
    """Returns the `DataSummary` of one image or raster, which is no data set."""
    from recipes.data.images.image_files import read_pixels

    path, facts, bands = Path(path).expanduser(), {}, ()
    if path.suffix.lower() in RASTER_SUFFIXES:
        image, size, dtype, bands, facts["raster"] = _read_raster(path)
        advice = f"one raster is no data set: name its labels, {shlex.quote(f'raster:{path}?labels=MASK&tile=128')}"
    else:
        image = read_pixels(path)
        size, dtype = image.shape[:2], image.dtype.name
        advice = "one image is no data set: sort images into one folder per class, and use folder:FOLDER"
    statistics = image_statistics([image], [path.name], bands, dtype)
    statistics["sizes"] = {place: list(size) for place in statistics["sizes"]}
    facts |= {
        "name": path.name, "task": None, "kind": "image", "shape": (*size, image.shape[-1]), "dtype": dtype,
        "examples": 1, "source": str(path), "images": statistics, "notes": [], "suspicious": image_checks(statistics),
        "advice": advice,
    }  # fmt: skip
    train = Examples(image[None], np.zeros(1, np.int32), np.array([path.name]))
    none = train.take(slice(0, 0))
    data = Data(
        name=path.name, task="none", kind="image", shape=image.shape, dtype=dtype, classes=(), outputs=(), train=train,
        validation=none, test=none, split_description="",
    )  # fmt: skip
    return DataSummary(facts, data)


def _read_raster(path):
    """Returns (pixels, size, dtype, names of the bands, other metadata) of a raster; nodata is NaN."""
    from recipes.data.rasters.geotiff import open_raster, raster_info

    raster = raster_info(path, caller="check_data")
    with open_raster(raster.path, "check_data") as file:
        step = max(1, round((raster.height * raster.width / MAX_PIXELS) ** 0.5))
        shape = (len(raster.bands), -(-raster.height // step), -(-raster.width // step))
        pixels = np.moveaxis(file.read(raster.bands, out_shape=shape, masked=True), 0, -1)
        names = tuple(name or "" for name in file.descriptions)
        scales, offsets = set(file.scales), set(file.offsets)
        scaling = {"scales": list(file.scales), "offsets": list(file.offsets)}
    metadata = {
        "crs": None if raster.crs is None else str(raster.crs),
        "pixel_size": [abs(raster.transform.a), abs(raster.transform.e)] if raster.georeferenced else None,
        "nodata": raster.nodata,
        **(scaling if (scales, offsets) != ({1.0}, {0.0}) else {}),
    }
    if np.ma.is_masked(pixels) or pixels.dtype.kind == "f":
        pixels = np.ma.filled(pixels.astype(np.float32), np.nan)
    return np.ma.getdata(pixels), (raster.height, raster.width), raster.dtype, names, metadata
