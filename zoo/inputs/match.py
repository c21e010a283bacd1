"""Matching of new data to the input schema of a trained model: by name where there are names."""

import typing

import numpy as np

from zoo.arguments import suggestion
from zoo.inputs.bands import band_range_notes
from zoo.inputs.columns import category_codes, numbers_of_objects, numbers_with_range, plain_name, plain_value
from zoo.inputs.frames import frame_of, verify_doubles
from zoo.inputs.ranges import RANGE_MARGIN, feature_range_notes, unit_notes
from zoo.inputs.texts import text_batch
from zoo.r_interop import R_NA

R_HINT = "in R keep the first dimension of a single one: x[1, , drop = FALSE]"
PLURALS = {"vector": "vectors", "series": "series", "image": "images", "sound": "sound"}  # of kinds that are arrays
LARGEST_SAMPLE = 64.0  # of sound from -1 to 1; files of floats may exceed 1 by much less
MANY_ROWS, MANY_OUTSIDE = 3, 0.5  # number and fraction of rows outside of the training range from which they are noted
SHOWN = 5  # columns, levels or rows that a sentence lists
TEXT_HINTS = {  # caller -> how another column of texts is named
    "predict": "`--text COLUMN` of the command names another one; in Python rename it, or pass it alone: "
    "run.predict(frame[COLUMN]).",
    "evaluate": "`&text=COLUMN` behind the table names another one.",
}


class Match(typing.NamedTuple):
    """New data as the model's preprocessing takes them, and what was done to them."""

    batch: typing.Any  # (N, ...) array, or a dict of (N,) arrays by the names of the model's inputs
    notes: list  # sentences: columns left out, levels that training did not have, values out of range


def match(schema, inputs, shape=None, caller="predict"):
    """Matches new data to a schema.

    Args:
        schema: `InputSchema`.
        inputs: for a table a data frame, a dict of columns or of single values; else an array or a list, a batch or one
            example; for texts strings, or a table with their column.
        shape: of one raw input as the preprocessing takes it, None for any size; the schema's where None.
        caller: the call that an error names.
    Returns:
        `Match`.
    Raises:
        ValueError: naming column and row, if a column is absent, a value has another type, or there is a gap that
            training had not.
    """
    import pandas as pd

    if isinstance(inputs, pd.Series) and schema.kind == "table":
        inputs = inputs.to_dict()  # a row of a data frame
    is_table = isinstance(inputs, dict | pd.DataFrame)
    if schema.kind == "table":
        if not is_table:
            raise ValueError(
                f"{caller}: `inputs` must be a data frame or a dict of columns for a model of a table, got "
                f"{type(inputs).__name__}."
            )
        return match_frame(schema, frame_of(inputs), caller)
    if schema.kind == "text":
        return match_texts(schema, inputs, caller)
    if schema.kind == "image" and isinstance(inputs, pd.DataFrame | pd.Series):
        raise ValueError(
            f"{caller}: `inputs` must be an array of images, or a list of images or of paths, got a "
            f'{type(inputs).__name__} of pandas; a column of paths is a list by table["path"].tolist().'
        )
    images = inputs if isinstance(inputs, list | tuple) else [inputs]
    if schema.kind == "image" and any(hasattr(image, "getexif") for image in images):
        raise ValueError(
            f"{caller}: `inputs` must be arrays of pixels, or paths, which are read as in training, got an image of "
            "Pillow; give the path of its file, or np.asarray(image)."
        )
    if schema.kind not in PLURALS:
        return Match(inputs, [])
    if not isinstance(inputs, list | tuple) and (is_table or not hasattr(inputs, "__array__")):
        raise ValueError(
            f"{caller}: `inputs` must be an array, or a list of examples, for a model of "
            f"{PLURALS[schema.kind]}, got {type(inputs).__name__}."
        )
    if np.ma.is_masked(inputs):
        raise ValueError(
            f"{caller}: `inputs` must be an array without a mask, got {np.ma.count_masked(inputs):,} gaps."
        )
    array = _match_array(schema, np.asarray(inputs), shape or schema.shape, caller)
    if schema.kind == "sound":
        return Match(match_sound(schema, array, caller), [])
    if schema.kind != "image":
        return Match(array, feature_range_notes(schema.columns, array))
    return Match(array, band_range_notes(schema, [f"image {i + 1}" for i in range(len(array))], array))


def match_sound(schema, array, caller="predict"):
    """Returns sound (N, samples, 1) that matches the schema.

    Args:
        schema: `InputSchema` of kind sound.
        array: at the sample rate of the training, -1 to 1.
        caller: the call that an error names.
    Raises:
        ValueError: if the values are those of whole numbers of 16 bits or more.
    """
    largest = float(np.abs(array).max(initial=0.0))
    if largest > LARGEST_SAMPLE:
        raise ValueError(
            f"{caller}: `inputs` must be sound from -1 to 1 at {schema.sound['sample_rate']:,} Hz, got values up to "
            f"{largest:g}; divide whole numbers of 16 bits by 32,768."
        )
    return array


def match_texts(schema, inputs, caller="predict", *, tokens=None, row_name=None, advice=""):
    """Matches texts, or a table with their column, to the schema of texts.

    Args:
        schema: `InputSchema` of kind text.
        inputs: strings, or a data frame or a dict of columns.
        caller: the call that an error names.
        tokens: `zoo.introspect.text_tokens.TextTokens` of the model, for notes on texts that are cut or have no token
            of its vocabulary; None for no notes.
        row_name: function from a row, from 0, to its name; None for "row 1", ...
        advice: end of the error on empty texts.
    Returns:
        `Match`, whose batch is an (N,) array of strings.
    Raises:
        ValueError: if the column is absent, or a text is empty.
    """
    import pandas as pd

    if isinstance(inputs, dict | pd.DataFrame):
        inputs = text_column(schema, inputs, caller)
    # Of a model of characters, which has no classes, a blank is a character.
    texts = text_batch(inputs, caller, blanks=not schema.classes, row_name=row_name, advice=advice)
    return Match(texts, [] if tokens is None else tokens.notes(texts, row_name))


def match_frame(schema, frame, caller="predict", first_row=0):
    """Matches a data frame to the schema of a table.

    Columns are matched by the name that they had in training, or by the name of the model's input, in any order.

    Args:
        schema: `InputSchema` of kind table.
        frame: data frame.
        caller: the call that an error names.
        first_row: number of the frame's first row in the whole table, from 0, for the sentences.
    Returns:
        `Match`, whose batch is a dict of (N,) arrays in the order of the schema.
    Raises:
        ValueError: as `match` has it.
    """
    units = frame.attrs.get("units")
    frame = frame.set_axis([str(c) for c in frame.columns], axis=1)
    sources, notes = _source_columns(schema, frame, caller)
    notes += unit_notes(schema.columns, sources, units, caller)
    if not len(frame):
        raise ValueError(f"{caller}: the table has no rows; it must have at least one.")
    rows = _Rows(caller, len(frame), first_row)
    batch = {}
    for column in schema.columns:
        convert = _match_numbers if column.kind == "number" else _match_levels
        batch[column.name] = convert(schema, column, frame[sources[column.name]], rows, notes)
    return Match(batch, notes)


class _Rows(typing.NamedTuple):
    """What an error needs to name rows of a table."""

    caller: str
    count: int
    first: int

    def number(self, mask):
        """Number of the first row in a mask, as users count: from 1."""
        return self.first + int(np.argmax(mask)) + 1


def _source_columns(schema, frame, caller):
    """Returns ({input name: column of the frame}, notes); raises a ValueError for absent or ambiguous columns."""
    names = list(frame.columns)
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"{caller}: the columns must have distinct names, got {repeated[0]!r} twice.")
    by_plain = {}
    for name in names:
        by_plain.setdefault(plain_name(name.strip()), []).append(name)
    sources = {}
    for column in schema.columns:
        exact = [name for name in (column.source, column.name) if name in names]
        matches = exact[:1] or [n for n in by_plain.get(plain_name(column.source), []) if n not in sources.values()]
        if len(matches) > 1:
            raise ValueError(
                f"{caller}: one column must be {column.source!r}, got {' and '.join(map(repr, matches))}; rename one."
            )
        if matches:
            sources[column.name] = matches[0]
    absent = [column.source for column in schema.columns if column.name not in sources]
    if absent:
        listed = ", ".join(map(repr, absent[:SHOWN])) + (f" and {len(absent) - SHOWN} more" if absent[SHOWN:] else "")
        others = [name for name in names if name not in sources.values()]
        raise ValueError(
            f"{caller}: the table must have the columns that the model was trained on, got none called {listed}."
            f"{suggestion(absent[0], others)} It has {', '.join(map(repr, names[:20]))}{', ...' * (len(names) > 20)}."
        )
    extra = [name for name in names if name not in sources.values() and name not in schema.targets]
    listed = ", ".join(f"`{name}`" for name in extra[:SHOWN]) + (
        f" and {len(extra) - SHOWN} more" * (len(extra) > SHOWN)
    )
    plural = "s" * (len(extra) > 1)
    return sources, [f"left out the column{plural} {listed}, which the model was not trained on"] if extra else []


def _match_numbers(schema, column, values, rows, notes):
    """Returns (N,) float32 of a column of numbers."""
    from pandas.api import types

    is_bool = types.is_bool_dtype(values) and not _is_yes_or_no(column)
    if is_bool or not types.is_numeric_dtype(values):
        values, wrong = numbers_of_objects(values, accepts_bool=_is_yes_or_no(column))
        if wrong is not None:
            raise ValueError(
                f"{rows.caller}: the column `{column.source}` must have numbers, as in training, got "
                f"{plain_value(values.iloc[wrong])!r} in row {rows.first + wrong + 1}."
            )
    if types.is_complex_dtype(values):
        raise ValueError(f"{rows.caller}: the column `{column.source}` must have real numbers, got complex ones.")
    try:
        array, low, high = numbers_with_range(values, column.source)
    except ValueError as error:
        raise ValueError(f"{rows.caller}: {error}") from None
    if schema.missing_numbers:
        array = np.where(np.isin(array, np.float32(schema.missing_numbers)), np.float32(np.nan), array)
        low, high = array.min(), array.max()
    if np.isnan(low):
        gaps = np.isnan(array)
        _verify_gaps(schema, column, gaps, rows)
        if not column.has_gaps:
            notes.append(
                f"`{column.source}`: {gaps.sum():,} of {rows.count:,} rows have a gap, which training did not have, "
                "and are filled by the median of the training"
            )
        low, high = (np.nan, np.nan) if np.isnan(array).all() else (np.nanmin(array), np.nanmax(array))
    if column.minimum is not None:
        margin = RANGE_MARGIN * (column.maximum - column.minimum)
        lowest, highest = np.float32(column.minimum - margin), np.float32(column.maximum + margin)
        if low < lowest or high > highest:
            outside = (array < lowest) | (array > highest)
            notes.append(
                f"`{column.source}`: {outside.sum():,} of {rows.count:,} rows are far outside of the training range, "
                f"{column.minimum:g} to {column.maximum:g}, the first is {array[np.argmax(outside)]:g} in row "
                f"{rows.number(outside)}"
            )
        elif low < np.float32(column.minimum) or high > np.float32(column.maximum):
            outside = (array < np.float32(column.minimum)) | (array > np.float32(column.maximum))
            count = int(outside.sum())
            is_negative = low < 0 <= column.minimum
            if is_negative or count >= max(MANY_ROWS, MANY_OUTSIDE * rows.count):
                of_rows = f"all {count:,} rows are" if count == rows.count else f"{count:,} of {rows.count:,} rows are"
                notes.append(
                    f"`{column.source}`: {of_rows} outside of the training range, {column.minimum:g} to "
                    f"{column.maximum:g}, the first is {array[np.argmax(outside)]:g}; "
                    + (f"training had no negative number, got {low:g}" if is_negative else "is it in another unit?")
                )
    return array


def _is_yes_or_no(column):
    """Whether the numbers of a column are from 0 to 1, as those of true and false are."""
    return column.minimum is None or (column.minimum >= 0 and column.maximum <= 1)


def _match_levels(schema, column, values, rows, notes):
    """Returns (N,) object array of a category's levels, "" for a gap.

    Blanks around a level are removed where that makes it one, and texts that mean missing are gaps.
    """
    codes, levels = category_codes(values)
    trained = set(column.levels)
    levels = np.array([v.strip() if v not in trained and v.strip() in trained else v for v in levels], dtype=object)
    missing = schema.missing_texts - trained
    gap_levels = np.array([not level.strip() or level.strip() in missing for level in levels], bool)
    levels[gap_levels] = ""
    if gap_levels.any():
        _verify_gaps(schema, column, gap_levels[codes], rows)
    unseen = [i for i, level in enumerate(levels) if level not in trained and not gap_levels[i]]
    counts = np.bincount(codes, minlength=len(levels)) if unseen or gap_levels.any() else None
    if unseen:
        unseen.sort(key=lambda i: -counts[i])
        listed = ", ".join(
            f"{levels[i]!r} (rows: {counts[i]:,}{_nearest(levels[i], trained)})" for i in unseen[:SHOWN]
        ) + (f" and {len(unseen) - SHOWN:,} more" if len(unseen) > SHOWN else "")
        notes.append(
            f"`{column.source}`: {counts[unseen].sum():,} of {rows.count:,} rows have a level that training did not "
            f"have, and are predicted without it: {listed}"
        )
    if gap_levels.any() and "" not in trained:
        notes.append(
            f"`{column.source}`: {counts[gap_levels].sum():,} of {rows.count:,} rows have a gap, which training did "
            "not have, and are predicted without it"
        )
    return levels[codes]


def _nearest(level, trained):
    import difflib

    code = level.strip().lstrip("0")
    same_code = sorted(t for t in trained if t.lstrip("0") == code) if code.isdigit() else []
    by_lower = {t.lower(): t for t in trained if t}
    close = same_code or difflib.get_close_matches(level.lower().strip(), by_lower, n=1, cutoff=0.5)
    return f", nearest {by_lower[close[0].lower()]!r}" if close else ""


def _verify_gaps(schema, column, gaps, rows):
    if gaps.any() and not schema.accepts_gaps:
        raise ValueError(
            f"{rows.caller}: the column `{column.source}` must have no gaps, as the model was trained without "
            f"(missing='impute' trains one that fills them), got {gaps.sum():,} of {rows.count:,} rows with a gap, the "
            f"first in row {rows.number(gaps)}."
        )


def text_column(schema, inputs, caller):
    """Returns the column of texts of a table: that of the training, or the only one where training had no table."""
    frame = frame_of(inputs)
    names = list(map(str, frame.columns))
    if schema.text is None:
        matches = names if len(names) == 1 else []
    else:
        plain = [name for name in names if plain_name(name.strip()) == plain_name(schema.text)]
        matches = [schema.text] if schema.text in names else plain
    if len(matches) != 1:
        expected = f"the column {schema.text!r}" if schema.text else "one column, that of the texts"
        raise ValueError(
            f"{caller}: the table must have {expected}, got {', '.join(map(repr, matches or names))}."
            f"{suggestion(str(schema.text), names)} {TEXT_HINTS.get(caller.partition(':')[0], '')}"
        )
    return frame.iloc[:, names.index(matches[0])]


def _match_array(schema, x, shape, caller):
    """Returns an array (N, *shape) in the schema's dtype, of arrays of any order and number type."""
    dtype = np.dtype(schema.dtype)
    if x.dtype == np.float64:
        verify_doubles(x, f"{caller}: `inputs`")
    if x.ndim == len(shape) and _sizes_fit(x.shape, shape) and not (x.ndim == 1 and shape[-1] == 1):
        x = x[None]  # one example
    elif x.ndim == len(shape) and shape[-1] == 1 and (x.ndim == 1 or _sizes_fit(x.shape[1:], shape[:-1])):
        x = x[..., None]  # one band, or one feature, without its axis
    elif x.ndim == len(shape) - 1 and x.ndim > 1 and shape[-1] == 1 and _sizes_fit(x.shape, shape[:-1]):
        x = x[None, ..., None]  # one example of one band
    if x.dtype.kind not in "biuf" or x.ndim != len(shape) + 1 or not _sizes_fit(x.shape[1:], shape):
        sizes = ", ".join("any" if side is None else str(side) for side in shape)
        raise ValueError(
            f"{caller}: `inputs` must be numbers of shape (N, {sizes}), as in training, got {x.dtype} of shape "
            f"{x.shape}; {R_HINT}."
        )
    if not len(x):
        raise ValueError(f"{caller}: `inputs` must have an example or more, got none.")
    if x.dtype.kind == "b" and schema.kind == "image" and dtype.kind in "iu":
        raise ValueError(f"{caller}: `inputs` must be numbers, as in training, got True and False; write 0 and 255.")
    if x.dtype.kind == "i" and (x == R_NA).any():
        x = np.where(x == R_NA, np.nan, x)
    if dtype.kind in "iu" and x.dtype != dtype:
        limits = np.iinfo(dtype)
        invalid = ~((x == np.round(x)) & (x >= limits.min) & (x <= limits.max))
        if invalid.any():
            if np.isnan(x[invalid]).all():
                advice = "fill the gaps, or leave those images out"
            elif limits.max == 255:
                advice = "multiply images from 0 to 1 by 255 and round them"
            else:
                advice = "multiply by the scale that was divided by (10,000 for reflectance), and round them"
            raise ValueError(
                f"{caller}: `inputs` must be whole numbers from {limits.min} to {limits.max}, as in training, got "
                f"{x[invalid][0]:g}; {advice}."
            )
    if x.dtype.kind == "f":
        infinite = np.isinf(x).reshape(len(x), -1).any(1)
        if infinite.any():
            raise ValueError(
                f"{caller}: `inputs` must be finite numbers, got infinity in example {int(np.argmax(infinite)) + 1}."
            )
        gaps = np.isnan(x).reshape(len(x), -1).any(1)
        if gaps.any() and not schema.accepts_gaps:
            raise ValueError(
                f"{caller}: `inputs` must have no gaps, as the model was trained without (missing='impute' trains one "
                f"that fills them), got {gaps.sum():,} of {len(gaps):,} examples with NaN or NA, the first in row "
                f"{int(np.argmax(gaps)) + 1}."
            )
    with np.errstate(invalid="ignore"):  # R's NA is a signaling NaN
        return np.ascontiguousarray(x, dtype=dtype)


def _sizes_fit(shape, expected):
    """Whether sizes are the expected ones; None is any size."""
    return len(shape) == len(expected) and all(e in (None, s) for s, e in zip(shape, expected, strict=True))
