"""Training-serving skew: statistics of the raw training inputs, and the output `skew` that is computed from them."""

import typing

import numpy as np

from zoo.arguments import checked
from zoo.export.input_adapter import signature_names

SKEW_COLUMNS = ("outside", "nodata", "swapped")  # of the output `skew` (B, 3), in this order
DEFAULT_INPUT = "inputs"  # name of a bare array
# Squared standard deviations: bands must lie about this far off before `swapped` becomes large.
SWAP_OFFSET = 9.0


class TrainingStatistics(typing.NamedTuple):
    """Statistics of the raw training inputs per band. The bands of several inputs follow each other.

    Attributes:
        bands: number of bands of each numeric input, by its name.
        minimum: smallest value of each band.
        maximum: largest value of each band.
        mean: mean over the examples of each band's mean.
        standard_deviation: standard deviation over the examples of each band's mean.
        nodata: the value that marks a missing one beside NaN, or None.
    """

    bands: dict
    minimum: np.ndarray
    maximum: np.ndarray
    mean: np.ndarray
    standard_deviation: np.ndarray
    nodata: float | None

    def with_signature_names(self, structure, specs):
        """Returns the same statistics by the signature's input names.

        Args:
            structure: `model.input`.
            specs: the same inputs by signature name.
        Raises:
            ValueError: if the model takes no such input, or one with another number of bands.
        """
        names = signature_names(structure, specs)
        if len(specs) == 1 and list(self.bands) == [DEFAULT_INPUT]:
            names[DEFAULT_INPUT] = next(iter(specs))
        renamed = self._replace(bands={names.get(n, n): count for n, count in self.bands.items()})
        for name, count in renamed.bands.items():
            if name not in specs or specs[name].shape[-1] != count:
                raise ValueError(
                    f"`training_statistics` has {count} bands of {name!r}, but the model has no such input; "
                    f"expected {', '.join(f'{s.shape[-1]} of {n!r}' for n, s in specs.items())}."
                )
        return renamed

    def skew(self, tensors):
        """Computes the output `skew`: (B, 3) float32, with the columns `SKEW_COLUMNS`.

        Args:
            tensors: raw tensors by signature name.
        """
        import tensorflow as tf

        counts, totals, outside, missing, first = [], [], 0.0, 0.0, 0
        for name, bands in self.bands.items():
            values = tf.cast(tensors[name], "float32")
            values = tf.reshape(values, (tf.shape(values)[0], -1, bands))
            minimum, maximum = self.minimum[first : first + bands], self.maximum[first : first + bands]
            valid = tf.math.logical_not(tf.math.is_nan(values))
            if self.nodata is not None:
                valid &= values != np.float32(self.nodata)
            beyond = valid & ((values < minimum) | (values > maximum))
            counts.append(tf.reduce_sum(tf.cast(valid, "float32"), axis=1))
            totals.append(tf.reduce_sum(tf.where(valid, values, 0.0), axis=1))
            outside += tf.reduce_sum(tf.cast(beyond, "float32"), axis=(1, 2))
            missing += tf.reduce_sum(tf.cast(~valid, "float32"), axis=(1, 2))
            first += bands
        count, total = tf.concat(counts, axis=-1), tf.concat(totals, axis=-1)
        valid_count = tf.reduce_sum(count, axis=-1)
        fractions = [
            tf.math.divide_no_nan(outside, valid_count),
            tf.math.divide_no_nan(missing, valid_count + missing),
        ]
        means = tf.where(count > 0, total / tf.maximum(count, 1.0), self.mean)
        # Squared distances of band i's mean from training's mean of band j (B, i, j), and of the same band (B, i).
        cross = tf.square((means[:, :, None] - self.mean) / self.standard_deviation)
        same = tf.square((means - self.mean) / self.standard_deviation)
        gain = same[:, :, None] + same[:, None, :] - cross - tf.transpose(cross, (0, 2, 1))
        best_gain = tf.reduce_max(gain, axis=(1, 2)) / float(len(self.mean))
        distance = tf.reduce_mean(same, axis=-1)
        return tf.stack([*fractions, tf.maximum(best_gain, 0.0) / (distance + SWAP_OFFSET)], axis=-1)

    def to_dict(self):
        """Returns the statistics as lists and numbers, for a JSON file."""
        arrays = ("minimum", "maximum", "mean", "standard_deviation")
        lists = {name: np.asarray(getattr(self, name)).tolist() for name in arrays}
        return {"columns": list(SKEW_COLUMNS), "bands": self.bands, **lists, "nodata": self.nodata}


@checked
def training_statistics(inputs: typing.Any, *, nodata: float | None = None) -> TrainingStatistics:
    """Computes the statistics of raw training inputs that `zoo.export(..., training_statistics=...)` needs.

    The export then has the output `skew`, (B, 3) float32:
    - the fraction of an example's valid values outside the range of the training inputs, 0 to 1;
    - the fraction of its values that are missing (NaN or `nodata`), 0 to 1;
    - a score from 0 to 1 that two bands were swapped. It is the largest decrease of the bands' mean squared distance
      from training's means that a swap of two bands would bring, over that distance plus 9. Distances are in standard
      deviations.

    Args:
        inputs: the raw training inputs: (N, ..., bands); a dict of columns or a DataFrame, whose text columns are left
            out; or a list of (H, W, bands) images that differ in size.
        nodata: the value that marks a missing one; NaN always does.
    Returns:
        `TrainingStatistics`. The statistics of a bare array are those of the model's one input, whatever its name.
    Raises:
        ValueError: if there is no example or no number, or a band has no valid value.

    >>> float(training_statistics(np.array([[0.0], [2.0]])).maximum[0])
    2.0
    """
    if hasattr(inputs, "columns"):
        inputs = {c: inputs[c].to_numpy() for c in inputs.columns}
    columns = inputs if isinstance(inputs, dict) else {DEFAULT_INPUT: inputs}
    counts, statistics = {}, []
    for name, values in columns.items():
        if len(values) == 0:
            raise ValueError("training_statistics: `inputs` must hold at least one example, got none.")
        examples = [np.asarray(example) for example in values]
        if examples[0].dtype.kind not in "fiub":
            continue
        bands = examples[0].shape[-1] if examples[0].ndim else 1
        examples = [example.reshape(-1, bands).astype("float64") for example in examples]
        statistics.append(_band_statistics(name, examples, nodata))
        counts[name] = bands
    if not counts:
        raise ValueError("training_statistics: `inputs` must hold numbers, got text only.")
    arrays = (np.concatenate(parts).astype("float32") for parts in zip(*statistics, strict=True))
    return TrainingStatistics(counts, *arrays, nodata)


def _band_statistics(name, examples, nodata):
    """Minimum, maximum, mean and standard deviation of each band of one input."""
    minima, maxima, means = [], [], []
    for example in examples:
        valid = ~np.isnan(example) & (example != nodata)
        count = valid.sum(axis=0)
        minima.append(np.where(valid, example, np.inf).min(axis=0))
        maxima.append(np.where(valid, example, -np.inf).max(axis=0))
        total = np.where(valid, example, 0).sum(axis=0)
        means.append(np.where(count > 0, total / np.maximum(count, 1), np.nan))
    means, minimum, maximum = np.array(means), np.min(minima, axis=0), np.max(maxima, axis=0)
    if not np.isfinite(minimum).all():
        band = int(np.isinf(minimum).argmax())
        raise ValueError(f"training_statistics: every band of {name!r} must have a valid value, band {band} has none.")
    # A band whose mean is the same in every example gets 0.001 of its range, and at least 1e-6 of its largest value.
    floor = np.maximum(1e-3 * (maximum - minimum), 1e-6 * np.maximum(np.abs(maximum), 1))
    return minimum, maximum, np.nanmean(means, axis=0), np.maximum(np.nanstd(means, axis=0), floor)
