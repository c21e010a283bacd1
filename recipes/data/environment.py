"""How similar environments are to those of the training: the multivariate environmental similarity surface (MESS)."""

import dataclasses

import numpy as np

PERCENTILES = 101
UNKNOWN_LEVEL = -100.0  # of a category that training did not have


@dataclasses.dataclass(frozen=True)
class Environment:
    """The environments of a training split.

    Args:
        numbers: column -> its 101 percentiles, from the smallest to the largest value.
        levels: column -> its categories.
    """

    numbers: dict
    levels: dict

    @classmethod
    def of_data(cls, data):
        """Returns the environments of the training split of a table's `Data`."""
        inputs, points = data.train.inputs, np.linspace(0, 100, PERCENTILES)
        numbers = {c: inputs[c] for c, kind in data.columns.items() if kind == "number"}
        levels = {c: np.unique(inputs[c]).tolist() for c, kind in data.columns.items() if kind == "category"}
        return cls({c: np.nanpercentile(v, points).astype(float).tolist() for c, v in numbers.items()}, levels)

    @classmethod
    def from_json(cls, record):
        """Returns the environments of what `to_json` returned, or None for None."""
        return cls(**record) if record else None

    def to_json(self):
        """Returns a dict of JSON values."""
        return dataclasses.asdict(self)

    def similarity(self, inputs):
        """Returns the similarity of environments, (N,) float32, at most 100; below 0 a variable is out of its range.

        It is that of the least similar variable: twice the percentage of the training's values that are below (or
        above, whichever is less), which percentiles give to 1 %; beyond the range minus the distance to it, in % of the
        range. An unknown category has -100. Gaps do not count.

        Args:
            inputs: dict from column to (N,) values.

        Source: Elith, Kearney, Phillips 2010, https://doi.org/10.1111/j.2041-210X.2010.00036.x, appendix.
        """
        rows = len(next(iter(inputs.values())))
        lowest = np.full(rows, 100.0)
        for column, percentiles in self.numbers.items():
            values = np.asarray(inputs[column], np.float64).reshape(-1)
            lowest = np.fmin(lowest, similarity_of_number(values, np.array(percentiles)))
        for column, levels in self.levels.items():
            has_level = np.isin(np.asarray(inputs[column], object).astype(str).reshape(-1), levels)
            lowest = np.where(has_level, lowest, np.minimum(lowest, UNKNOWN_LEVEL))
        return lowest.astype(np.float32)


def similarity_of_number(values, percentiles):
    """Returns the similarity of values to those of the training, by one variable.

    Args:
        values: (N,).
        percentiles: (101,) of the training's values.
    """
    low, high = percentiles[0], percentiles[-1]
    size = high - low if high > low else 1.0
    index = np.clip(np.searchsorted(percentiles, values), 1, len(percentiles) - 1)
    left, right = percentiles[index - 1], percentiles[index]
    fraction = np.where(right > left, (values - left) / np.where(right > left, right - left, 1), 0)
    below = np.clip((index - 1 + fraction) * 100 / (len(percentiles) - 1), 0, 100)
    inside = 2 * np.minimum(below, 100 - below)
    outside = 100 * np.minimum(values - low, high - values) / size
    return np.where(outside < 0, outside, np.where(np.isnan(values), np.nan, inside))
