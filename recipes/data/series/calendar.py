"""The calendar: cycles as inputs, seasons, and what is usual at a time of the year."""

import numpy as np

DAY = np.timedelta64(1, "D")
CYCLES = ("hour", "day_of_week", "day_of_year", "month")


def cycles(times, names):
    """Sine and cosine of where each time stands in each cycle, so that its end meets its beginning.

    Args:
        times: pandas.DatetimeIndex, (T,).
        names: of hour (in the day), day_of_week, day_of_year, month.
    Returns:
        (T, 2 * len(names)) float32.
    """
    share = {
        "hour": (times.hour + times.minute / 60) / 24,
        "day_of_week": times.day_of_week / 7,
        "day_of_year": (times.day_of_year - 1) / np.where(times.is_leap_year, 366, 365),
        "month": (times.month - 1) / 12,
    }
    angles = [2 * np.pi * np.asarray(share[name], dtype=np.float64) for name in names]
    return np.stack([f(a) for a in angles for f in (np.sin, np.cos)], axis=1).astype(np.float32)


def season_of(step):
    """How many steps of that length (a timedelta) the season before lies back: a day's, else a year's; 0 for years."""
    days = step / DAY
    if days < 1:
        return round(1 / days)
    return 0 if days > 200 else round(365.25 / days) if days > 1 else 365


def climatology(series, until, step):
    """What is usual at a time of the year (and of the day): means over the training part.

    Means are by day of the year (over 15 days), week, month, or month and hour, as the step of time suggests.

    Args:
        series: (times, (T, K) values) of each series, NaN where there is a gap.
        until: the training part's last time.
        step: the time between two rows.
    Returns:
        Function of times to (T, K).
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
    past = np.concatenate([times.to_numpy() <= until for times, _ in series])
    usual = pd.DataFrame(values[past]).groupby(slots[past]).mean()
    if DAY <= step < 6 * DAY:
        days = usual.reindex([*range(360, 367), *range(1, 367), *range(1, 8)])
        around = days.rolling(15, center=True, min_periods=1).mean().iloc[7:-7]
        usual = around.set_axis(range(1, 367))
    overall = np.nanmean(values[past], axis=0)
    return lambda times: usual.reindex(slot(times)).fillna(dict(enumerate(overall))).to_numpy().astype(np.float32)
