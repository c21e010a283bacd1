"""Calendar features: cycles as inputs, season lengths, and climatology."""

import numpy as np

DAY = np.timedelta64(1, "D")


def cycles(times, names):
    """Returns sine and cosine of the phase of each time in each cycle, so that its end meets its beginning.

    Args:
        times: pandas.DatetimeIndex, (T,).
        names: of hour (in the day), day_of_week, day_of_year, month.
    Returns:
        (T, 2 * len(names)) float32.
    """
    phase = {
        "hour": (times.hour + times.minute / 60) / 24,
        "day_of_week": times.day_of_week / 7,
        "day_of_year": (times.day_of_year - 1) / np.where(times.is_leap_year, 366, 365),
        "month": (times.month - 1) / 12,
    }
    angles = [2 * np.pi * np.asarray(phase[name], dtype=np.float64) for name in names]
    return np.stack([f(a) for a in angles for f in (np.sin, np.cos)], axis=1).astype(np.float32)


def season_length_of(step):
    """Returns the number of steps in a season: of a day for steps below a day, else of a year; 0 for steps of a year.

    Args:
        step: time between rows, numpy.timedelta64.
    """
    days = step / DAY
    if days < 1:
        return round(1 / days)
    return 0 if days > 200 else round(365.25 / days) if days > 1 else 365


def climatology(series, end, step):
    """Returns a function of times to the mean of the training split at that time of the year (and of the day).

    Means are by day of the year (over 15 days), week, month, or month and hour, depending on the time step.

    Args:
        series: (times, (T, K) values) of each series, NaN where there is a gap.
        end: last time of the training split.
        step: time between rows, numpy.timedelta64.
    Returns:
        Function of times to (T, K) float32.
    """
    import pandas as pd

    def slot(times):
        days = step / DAY
        if days > 200:
            return np.zeros(len(times), int)
        if days >= 27:
            return np.asarray(times.month)
        if days >= 6:
            return np.minimum(np.asarray(times.isocalendar().week, dtype=int), 52)
        return np.asarray(times.day_of_year) if days >= 1 else np.asarray(times.month * 24 + times.hour)

    slots = np.concatenate([slot(times) for times, _ in series])
    values = np.concatenate([values for _, values in series]).astype(np.float64)
    in_training = np.concatenate([times.to_numpy() <= end for times, _ in series])
    means = pd.DataFrame(values[in_training]).groupby(slots[in_training]).mean()
    if DAY <= step < 6 * DAY:
        days = means.reindex([*range(360, 367), *range(1, 367), *range(1, 8)])
        smoothed = days.rolling(15, center=True, min_periods=1).mean().iloc[7:-7]
        means = smoothed.set_axis(range(1, 367))
    overall = np.nanmean(values[in_training], axis=0)
    return lambda times: means.reindex(slot(times)).fillna(dict(enumerate(overall))).to_numpy().astype(np.float32)
