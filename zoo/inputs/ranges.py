"""Notes on numbers that are far outside of the training range, or in another unit."""

import typing

import numpy as np

RANGE_MARGIN = 0.5  # fraction of the training range beyond which a number is noted: rows of other splits are near it

WINDOW_STEPS = 5  # of a window, from which it is noted that all its values are outside of the training range


def unit_notes(columns, sources, units, caller="predict"):
    """Returns notes on columns of which either the training or the new table had a unit.

    Args:
        columns: `Column`s.
        sources: dict from the name of a column to its name in the new table.
        units: dict from columns of the new table to their units; None where they are not known, as in a data frame.
        caller: the call that an error names.
    Raises:
        ValueError: if a column has another unit than in training.
    """
    notes = []
    for column in columns if units is not None else ():
        unit = units.get(sources.get(column.name, column.source), "")
        if column.unit and unit and column.unit != unit:
            raise ValueError(
                f"{caller}: the column `{column.source}` must be in {column.unit!r}, as in training, got {unit!r}; "
                "convert it."
            )
        if column.unit != unit:
            was, now = (f"the unit {u!r}" if u else "no unit" for u in (column.unit, unit))
            notes.append(f"`{column.source}` has {now}, in training it had {was}")
    return notes


def target_range_notes(ranges, names, targets):
    """Returns notes on targets that are far outside of their training range, as in another unit.

    Args:
        ranges: `InputSchema.target_ranges`.
        names: of the targets.
        targets: (N, outputs) numbers.
    """
    columns = [Range(name, *limits) for name, limits in zip(names, ranges, strict=True)] if ranges else []
    return [f"the target {note}" for note in feature_range_notes(columns, targets)] if len(targets) else []


class Range(typing.NamedTuple):
    """The range of a number in the training split."""

    source: str
    minimum: float
    maximum: float


def feature_range_notes(columns, array):
    """Returns notes on features of series whose values are far outside of the training range.

    Args:
        columns: `Column`s of the features.
        array: (..., F) numbers; NaN where there is a gap. Of windows, (N, T, F) with five steps or more, those that lie
            outside of the training range with all their values are noted, too, as of a sensor that is dead.
    """
    notes = []
    for i, column in enumerate(columns):
        values = array[..., i]
        if column.minimum is None or np.isnan(values).all():
            continue
        margin = RANGE_MARGIN * (column.maximum - column.minimum)
        outside = (values < np.float32(column.minimum - margin)) | (values > np.float32(column.maximum + margin))
        if outside.any():
            notes.append(
                f"`{column.source}`: {outside.sum():,} of {outside.size:,} values are far outside of the training "
                f"range, {column.minimum:g} to {column.maximum:g}, the first is {values[outside][0]:g}"
            )
        elif values.ndim > 1 and values.shape[-1] >= WINDOW_STEPS:
            low, high = np.float32(column.minimum), np.float32(column.maximum)
            beyond = ((values < low) | (values > high) | np.isnan(values)).all(-1) & ~np.isnan(values).all(-1)
            if beyond.any():
                first = values[beyond][0][~np.isnan(values[beyond][0])][0]
                notes.append(
                    f"`{column.source}`: all values of {beyond.sum():,} of {beyond.size:,} windows are outside of the "
                    f"training range, {column.minimum:g} to {column.maximum:g}, the first is {first:g}"
                )
    return notes
