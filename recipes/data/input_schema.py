"""The input schema of a data set: what a model that is trained on it accepts."""

import numpy as np

from recipes.data.tables.table_format import TableFormat
from zoo.backbones.sensors import SENSORS
from zoo.inputs.bands import is_gray, varies
from zoo.inputs.schema import Band, Column, InputSchema

SERIES_RANK = 3
SAMPLE = 64  # training images whose range is recorded


def input_schema(data):
    """Returns the `InputSchema` of data; levels and ranges are those of the training split.

    Args:
        data: `Data`.
    """
    bands = _bands(data) if data.kind in ("image", "question") else ()
    names = {band.name for band in bands}
    return InputSchema(
        kind=data.kind,
        shape=None if data.shape is None else tuple(data.shape),
        dtype=data.dtype,
        missing=data.missing,
        classes=tuple(data.classes),
        targets=tuple(data.options.get("target") or ()) if data.kind in ("table", "text", "series") else (),
        target_ranges=_target_ranges(data),
        columns=_columns(data),
        bands=bands,
        sensor=next((sensor for sensor, table in SENSORS.items() if names and names <= set(table)), None),
        nodata=_nodata(data.train.inputs),
        text=data.options.get("text") if data.kind == "text" else None,
        reading=_reading(data),
        series=data.series_options,
        image=_image_policy(data) if data.kind in ("image", "question") else {},
        sound=data.sound_options,
    )


def _target_ranges(data):
    """Returns ((minimum, maximum), ...) of the outputs of a regression or of forecasts; else ()."""
    if data.task not in ("regression", "forecasting") or not len(data.train):
        return ()
    targets = data.train.targets
    return tuple(zip(targets.min(0).tolist(), targets.max(0).tolist(), strict=True))


def _reading(data):
    """Returns the options of `TableFormat` that were set, not detected, and differ from the defaults."""
    options = data.source_spec.explicit_options if data.source_spec else data.options
    defaults = TableFormat().options()
    return {name: options[name] for name in defaults if name in options and options[name] != defaults[name]}


def _columns(data):
    """Returns the `Column`s of a table, of the features of series, or of images and questions about them."""
    inputs = data.train.inputs
    if data.kind == "question":
        names = (data.options.get("image", "image"), data.options.get("question", "question"))
        return (Column("image", names[0], "image"), Column("question", names[1], "text"))
    if data.kind == "table":
        return tuple(_column(data, name, inputs[name], kind) for name, kind in data.columns.items())
    if data.kind != "series" or not isinstance(inputs, np.ndarray) or inputs.ndim != SERIES_RANK:
        return ()
    names = list((data.series_options or {}).get("columns", ()))
    names += [f"feature {i + 1}" for i in range(len(names), inputs.shape[-1])]
    return tuple(_column(data, name, inputs[..., i], "number") for i, name in enumerate(names))


def _column(data, name, values, kind):
    """Returns the `Column` of a table's input or a feature of a series."""
    source = data.column_names.get(name, name)
    unit = data.units.get(source, "")
    if kind == "category":
        levels = tuple(np.unique(values).tolist()) if len(values) else ()
        return Column(name, source, "category", levels, has_gaps="" in levels)
    gaps = np.isnan(values)
    if gaps.all():
        return Column(name, source, "number", has_gaps=bool(gaps.any()), unit=unit)
    limits = float(np.nanmin(values)), float(np.nanmax(values))
    return Column(name, source, "number", (), *limits, bool(gaps.any()), unit)


def _bands(data):
    """Returns the `Band`s of images, with the range of a sample."""
    count = data.shape[-1]
    rasters = getattr(data.train.inputs, "rasters", ())
    numbers = rasters[0].bands if rasters and data.options.get("bands") else (None,) * count
    names = list(zip(data.bands or ("",) * count, numbers, strict=True))
    sample = _sample_images(data) if len(data.train) else []
    pixels = [np.asarray(image, dtype=np.float64).reshape(-1, count) for image in sample]
    if not pixels:
        return tuple(Band(*name) for name in names)
    with np.errstate(all="ignore"):
        low, high = (f([f(p, axis=0) for p in pixels], axis=0) for f in (np.fmin.reduce, np.fmax.reduce))
    limits = [(None, None) if np.isnan(a) else (float(a), float(b)) for a, b in zip(low, high, strict=True)]
    return tuple(Band(*name, *limit) for name, limit in zip(names, limits, strict=True))


def _sample_images(data):
    """Returns the first images of the training split."""
    if data.kind != "question":
        return data.train.head(SAMPLE)
    questions = data.train.inputs.with_used_images()
    return [questions.read_image(i) for i in range(min(SAMPLE, len(questions.images)))]


def _nodata(inputs):
    rasters = getattr(inputs, "rasters", ())
    nodata = rasters[0].nodata if rasters else None
    return None if nodata is None or np.isnan(nodata) else float(nodata)


def _image_policy(data):
    """Returns how image files are read for a model of this data."""
    rasters = getattr(data.train.inputs, "rasters", ())
    sample = [] if rasters or not len(data.train) else list(_sample_images(data))
    return {
        "size": "tiles" if rasters else "any" if None in data.shape else "fixed",
        "orientation": "turned upright by the EXIF tag",
        "transparency": "laid on white",
        "depth": data.dtype,
        "has_color": bool(sample) and not any(map(is_gray, sample)) and data.shape[-1] == 3,
        "varies": bool(sample) and all(map(varies, sample)),
        **({"pixel_size": float(rasters[0].pixel_size)} if rasters and rasters[0].pixel_size else {}),
    }
