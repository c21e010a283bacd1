"""Doubtful values in the columns of a table: marks of missing values, levels that look alike, leaks of the target."""

import collections
import unicodedata

import numpy as np

from recipes.data.assemble import warn_and_note

MIN_ROWS = 20  # rows from which an input that determines the target is said to
MARKS = (-9999, -999, -99, -9, 99, 999, 9999, 99999, -99999, -32768, 32767, 65535, -1)  # and those times 10^-k
FAR = 3  # ranges of the other values that lie between them and a mark of a missing value
HUGE = 1e30  # numbers above are GDAL's and NetCDF's fill values
SHOWN = 3
TOTALS = (
    "total", "totals", "sum", "mean", "average", "avg", "summe", "gesamt", "mittelwert", "totale", "somme", "moyenne",
    "suma", "promedio", "media",
)  # fmt: skip


def doubtful_values(inputs, y, outputs, categorical):
    """Returns notes on values that are probably not what the reader takes them for; each is also a warning.

    Args:
        inputs: data frame of the input columns.
        y: data frame of the targets.
        outputs: names of the targets.
        categorical: names of the columns of codes.
    """
    targets = y.set_axis(list(map(str, outputs)) if len(outputs) == y.shape[1] else list(map(str, y)), axis=1)
    notes = []
    for frame in (inputs, targets):
        for c in frame:
            note = similar_levels(frame[c], c)
            if note is None and c not in categorical:
                note = missing_marks(frame[c], c)
            notes += [warn_and_note(note)] if note else []
    notes += [warn_and_note(note) for note in filter(None, [totals_row(inputs)])]
    return notes + [warn_and_note(note) for note in leaks(inputs, targets)]


def totals_row(inputs):
    """Returns a note on a last row that sums up the others, as its text says that no other row has; or None."""
    for c in inputs:
        text = inputs[c].iloc[-1] if len(inputs) > 1 else None
        if isinstance(text, str) and text.strip().casefold() in TOTALS and (inputs[c] == text).sum() == 1:
            return f"the last row looks like a summary of the others, `{c}` is {text!r}: leave it out of the table"
    return None


def missing_marks(column, name, advice="set missing_values={mark:g}"):
    """Returns a note on numbers such as -9999, far from all others of a column, or None.

    Args:
        column: Series.
        name: of the column, for the note.
        advice: what to do if the number means missing; may contain {mark:g}.
    """
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    if not is_numeric_dtype(column) or is_bool_dtype(column):
        return None
    values = column.dropna().to_numpy(float)
    values = values[np.isfinite(values)]
    if len(values) < 3:
        return None
    for mark in (values.min(), values.max()):
        rest = values[values != mark]
        if not len(rest) or not (abs(mark) > HUGE or _is_mark(mark)):
            continue
        extent = max(rest.max() - rest.min(), abs(np.median(rest)), 1e-12)
        if rest.min() - mark > FAR * extent or mark - rest.max() > FAR * extent:
            rows = int((values == mark).sum())
            return (
                f"`{name}` has {mark:g} in {rows:,} rows, far from its other values ({rest.min():g} to "
                f"{rest.max():g}); if it means missing, {advice.format(mark=mark)}"
            )
    return None


def _is_mark(value):
    return abs(value) > 8 and any(np.isclose(value, m / scale, rtol=1e-6) for m in MARKS for scale in (1, 10, 100))


def similar_levels(column, name):
    """Returns a note on levels that differ only in case, blanks or Unicode form, or None."""
    from pandas.api import types

    if isinstance(column.dtype, types.CategoricalDtype):
        levels = column.dtype.categories
    elif types.is_object_dtype(column) or types.is_string_dtype(column):
        levels = column.dropna().unique()
    else:
        return None
    if len(levels) > 100_000:
        return None
    alike = collections.defaultdict(list)
    for level in levels:
        if isinstance(level, str):
            alike[" ".join(unicodedata.normalize("NFKC", level).casefold().split())].append(level)
    groups = [sorted(group) for group in alike.values() if len(group) > 1]
    if not groups:
        return None
    listed = "; ".join(" and ".join(map(repr, group)) for group in groups[:SHOWN])
    more = f" and {len(groups) - SHOWN} more" if len(groups) > SHOWN else ""
    unicode_only = len({unicodedata.normalize("NFC", level) for level in groups[0]}) == 1
    what = "Unicode form" if unicode_only else "case or blanks"
    return f"`{name}` has levels that differ only in {what}: {listed}{more}; they are read as different ones"


def leaks(inputs, targets):
    """Returns notes on inputs that determine a target one-to-one."""
    import pandas as pd
    from pandas.api import types

    notes = []
    for target in targets if len(inputs) >= MIN_ROWS else ():
        y = targets[target]
        is_amount = types.is_float_dtype(y) and y.nunique() > 0.2 * len(y)
        levels = None if is_amount else pd.factorize(y)[0]
        for c in inputs:
            column = inputs[c]
            if is_amount:
                leak = _is_linear(column, y)
            else:
                codes = pd.factorize(column)[0]
                present = (codes >= 0) & (levels >= 0)
                distinct = len(np.unique(codes[present]))
                pairs = len(np.unique(codes[present].astype(np.int64) * (levels.max() + 2) + levels[present]))
                leak = distinct == pairs == len(np.unique(levels[present])) and 1 < distinct < 0.5 * present.sum()
            if leak:
                notes.append(
                    f"`{c}` determines the target `{target}` one-to-one; if it is not measured before the target, "
                    "`drop_columns` leaves it out"
                )
    return notes


def _is_linear(column, y):
    """Whether a column is the target, apart from its unit and origin."""
    from pandas.api import types

    if not types.is_float_dtype(column):
        return False
    present = (column.notna() & y.notna()).to_numpy()
    a, b = column.to_numpy(float)[present], y.to_numpy(float)[present]
    if len(a) < MIN_ROWS or not (np.isfinite(a).all() and np.isfinite(b).all()) or not a.std() or not b.std():
        return False
    return bool(abs(np.corrcoef(a, b)[0, 1]) > 1 - 1e-9)
