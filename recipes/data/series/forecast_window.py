"""Forecasts of the future: the last window of each series of a new table, and the predictions as a table."""

from typing import NamedTuple

import numpy as np

from recipes.data.series.regular_series import ALL_ROWS, equal_steps, split_series, verify_step
from recipes.data.series.series_columns import describe_row, numeric_values, with_time_column
from recipes.data.series.time_steps import parse_step
from recipes.data.series.times import parse_times
from recipes.data.series.windows import add_cycles, lead_steps
from recipes.data.tables.column_checks import missing_marks
from zoo.arguments import suggestion


class FutureWindows(NamedTuple):
    """The last window of each series of a table.

    Attributes:
        inputs: (G, window, F) float32, raw, as the inputs of training windows.
        names: (G,) names of the series; "" where no column names several.
        times: (G, leads) datetime64[us] of the forecast steps.
    """

    inputs: np.ndarray
    names: np.ndarray
    times: np.ndarray


def future_windows(frame, options, notes=None):
    """Returns the last window of each series of a new table, made as the windows of the training data were.

    Columns are matched by name: their order is irrelevant, others are left out with a note. A column of targets is
    needed only where its past is an input.

    Args:
        frame: data frame.
        options: `series_options` of the training data.
        notes: list that notes are added to, or None.
    Returns:
        `FutureWindows`.
    Raises:
        ValueError: if a column is absent, times do not parse, the step is another than in training, a series has fewer
            rows than the window, or its last window has gaps and `missing` is not impute.
    """
    notes = [] if notes is None else notes
    columns, step = list(options["columns"]), options["step"]
    time, group, window = options["time"], options["group"], options["window"]
    frame = with_time_column(frame, time)
    for name in (time, *([group] if group else []), *columns):
        if name not in frame:
            raise ValueError(
                f"the table must have the columns of the training data, {', '.join([time, *columns])}, got none named "
                f"{name!r}.{suggestion(name, frame)}"
            )
    if not len(frame):
        raise ValueError("the table has no rows.")
    used = {time, group, *columns, *(options.get("target") or ())}
    extra = [str(name) for name in frame if name not in used]
    if extra:
        listed = ", ".join(f"`{name}`" for name in extra[:5]) + f" and {len(extra) - 5} more" * (len(extra) > 5)
        notes.append(f"left out the column{'s' * (len(extra) > 1)} {listed}, which the model was not trained on")
    times = parse_times(frame, time, options["time_format"], options["day_first"], notes)
    values = numeric_values(frame, columns, "columns")
    notes.extend(mark for mark in (missing_marks(frame[c], c, "leave these cells empty") for c in columns) if mark)
    series = split_series(
        frame, times, values, values[:, :0], notes, time=time, group=group, has_step=options["has_grid"]
    )
    verify_step(series, step, time, has_grid=options["has_grid"], has_means=options["has_means"])
    series, _, _ = equal_steps(series, step, time, notes, is_trained=not options["has_grid"])
    names = add_cycles(series, columns, options["calendar"])
    for s in series:
        _verify_window(s, names, window, options["missing"])
    time_step, leads = parse_step(step), lead_steps(tuple(options["horizon"]))
    return FutureWindows(
        np.stack([s.inputs[-window:] for s in series]),
        np.array(["" if s.name == ALL_ROWS and not group else s.name for s in series]),
        np.stack([time_step.after(s.times, leads) for s in series]),
    )


def _verify_window(s, names, window, missing):
    """Raises a ValueError if a series is shorter than the window, or its last window has gaps that are not imputed."""
    of = "" if s.name == ALL_ROWS else f" of {s.name}"
    if len(s.times) < window:
        raise ValueError(
            f"the table must have the {window} rows before the forecast, as in training, got {len(s.times)}{of}."
        )
    gaps = np.isnan(s.inputs[-window:])
    if missing != "impute" and gaps.any():
        row, column = np.argwhere(gaps)[0]
        where = describe_row(s, len(s.times) - window + row)
        raise ValueError(
            f"the last {window} rows{of} must have no gaps, as in training, got {gaps.sum():,}, the first in the "
            f"column {names[column]!r}, {where}; fill them, or train with missing='impute'."
        )


def forecast_table(predictions, names, times, outputs, quantiles=()):
    """Returns predictions of the future as a table with a row for each series and time.

    Args:
        predictions: (G, outputs * quantiles) of the model, in the targets' units.
        names: (G,) names of the series, as `future_windows` returns them.
        times: (G, leads) datetime64 of the forecast steps.
        outputs: names such as "flow +1", the targets of a lead side by side.
        quantiles: rising quantile levels that the model predicts for each output; () for one number.
    Returns:
        pandas.DataFrame with the columns series (where the series have names), time and, for each target, its name and,
        with quantiles, NAME_lower and NAME_upper of the outermost ones and NAME_q0.25, ... of others.
    """
    import pandas as pd

    targets = list(dict.fromkeys(output.rpartition(" +")[0] for output in outputs))
    times, levels = np.asarray(times), tuple(quantiles) or (0.5,)
    values = np.asarray(predictions).reshape(len(times), times.shape[1], len(targets), len(levels))
    columns = {"series": np.repeat(names, times.shape[1])} if any(names) else {}
    columns["time"] = times.ravel()
    labels = {level: f"_q{level:g}" for level in levels}
    labels |= {levels[0]: "_lower", levels[-1]: "_upper", 0.5: ""}
    for i, target in enumerate(targets):
        for level in sorted(levels, key=lambda level: level != 0.5):
            columns[f"{target}{labels[level]}"] = values[:, :, i, levels.index(level)].ravel()
    return pd.DataFrame(columns)


def forecast_frame(predict, frame, options, outputs, quantiles=(), notes=None):
    """Returns the forecast of the steps after the last row of each series of a table.

    Args:
        predict: function of raw windows, (G, window, F), to the model's outputs.
        frame: data frame.
        options: `series_options` of the training data.
        outputs: of the training data.
        quantiles: of the task, () for one number.
        notes: list that notes are added to, or None.
    Returns:
        pandas.DataFrame, as `forecast_table` has it.
    Raises:
        ValueError: as `future_windows` documents.
    """
    windows = future_windows(frame, options, notes=notes)
    return forecast_table(predict(windows.inputs), windows.names, windows.times, outputs, quantiles)
