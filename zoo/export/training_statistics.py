"""How far a served input lies outside what training saw: a sentinel that is computed in the graph, with the answer."""

import typing

import numpy as np

from zoo.arguments import checked

PARTS = ("outside", "nodata", "swapped")  # what `skew` (B, 3) holds, in this order
UNNAMED = "inputs"  # what `seen` calls a bare array
DOUBT = 9.0  # squared standard deviations: bands must lie this far off before an exchange of two is a strong hint


class TrainingStatistics(typing.NamedTuple):
    """What training saw of its raw inputs, band by band; the bands of several inputs follow each other.

    Attributes:
        inputs: names of the numeric inputs -> how many bands each has.
        low: smallest value of each band.
        high: largest value of each band.
        mean: mean over the examples of each band's mean.
        spread: standard deviation over the examples of each band's mean.
        nodata: the value that stands for a missing one beside NaN, or None.
    """

    inputs: dict
    low: np.ndarray
    high: np.ndarray
    mean: np.ndarray
    spread: np.ndarray
    nodata: float | None

    def of(self, structure, taken):
        """The same by the names of a signature, the one array that had no name getting the one that it takes.

        Args:
            structure: what `model.input` is.
            taken: the same, by the signature's names.
        Raises:
            ValueError: if these are not the bands that the model takes.
        """
        names = dict(zip(structure if isinstance(structure, dict) else taken, taken, strict=True))
        if len(taken) == 1 and list(self.inputs) == [UNNAMED]:
            names[UNNAMED] = next(iter(taken))
        found = self._replace(inputs={names.get(n, n): bands for n, bands in self.inputs.items()})
        for name, bands in found.inputs.items():
            if name not in taken or taken[name].shape[-1] != bands:
                raise ValueError(f"`seen` tells of {bands} bands of {name!r}, which the model does not take so.")
        return found

    def graph(self, given):
        """(B, 3) float32 tensor: the parts of `PARTS` for raw tensors by name."""
        import tensorflow as tf

        counts, totals, outside, missing, first = [], [], 0.0, 0.0, 0
        for name, bands in self.inputs.items():
            values = tf.cast(given[name], "float32")
            values = tf.reshape(values, (tf.shape(values)[0], -1, bands))
            low, high = self.low[first : first + bands], self.high[first : first + bands]
            there = tf.math.logical_not(tf.math.is_nan(values))
            if self.nodata is not None:
                there &= values != np.float32(self.nodata)
            beyond = there & ((values < low) | (values > high))
            counts.append(tf.reduce_sum(tf.cast(there, "float32"), axis=1))
            totals.append(tf.reduce_sum(tf.where(there, values, 0.0), axis=1))
            outside += tf.reduce_sum(tf.cast(beyond, "float32"), axis=(1, 2))
            missing += tf.reduce_sum(tf.cast(~there, "float32"), axis=(1, 2))
            first += bands
        count, total = tf.concat(counts, axis=-1), tf.concat(totals, axis=-1)
        valid = tf.reduce_sum(count, axis=-1)
        shares = [tf.math.divide_no_nan(outside, valid), tf.math.divide_no_nan(missing, valid + missing)]
        # Squared distances (B, i, j) of band i's mean from what training saw of band j.
        means = tf.where(count > 0, total / tf.maximum(count, 1.0), self.mean)
        far = tf.square((means[:, :, None] - self.mean) / self.spread)
        own = tf.square((means - self.mean) / self.spread)
        gain = own[:, :, None] + own[:, None, :] - far - tf.transpose(far, (0, 2, 1))
        bands = float(len(self.mean))
        nearer, now = tf.reduce_max(gain, axis=(1, 2)) / bands, tf.reduce_mean(own, axis=-1)
        return tf.stack([*shares, tf.maximum(nearer, 0.0) / (now + DOUBT)], axis=-1)

    def told(self):
        """All of it as lists and numbers, for a JSON file."""
        arrays = {n: np.asarray(getattr(self, n)).tolist() for n in ("low", "high", "mean", "spread")}
        return {"parts": list(PARTS), "inputs": self.inputs, **arrays, "nodata": self.nodata}


@checked
def training_statistics(inputs: typing.Any, *, nodata: float | None = None) -> TrainingStatistics:
    """What training saw of its raw inputs, for the output `skew` of `zoo.export(..., seen=...)`.

    `skew` is (B, 3) float32: the share of an example's valid values outside the range that training saw; the share that
    is missing (NaN or `nodata`); and a hint from 0 to 1 that two bands were exchanged: by how much nearer to training's
    the bands' means would lie if they were, in squared standard deviations, over their distance now plus 9.

    Args:
        inputs: the raw training inputs: (N, ..., bands); a dict of columns or a DataFrame, whose text is left out; or a
            list of (H, W, bands) images that differ in size.
        nodata: the value that stands for a missing one; NaN always does.
    Returns:
        `Seen`. A bare array is taken for what the exported model takes, if that is one array.
    Raises:
        ValueError: if there are no numbers, or a band has no valid value.

    >>> float(seen(np.array([[0.0], [2.0]])).high[0])
    2.0
    """
    if hasattr(inputs, "columns"):
        inputs = {c: inputs[c].to_numpy() for c in inputs.columns}
    columns = inputs if isinstance(inputs, dict) else {UNNAMED: inputs}
    counts, summaries = {}, []
    for name, values in columns.items():
        if len(values) == 0:
            raise ValueError("seen: `inputs` must hold at least one example, got none.")
        kept = [np.asarray(example) for example in values]
        if kept[0].dtype.kind not in "fiub":
            continue
        bands = kept[0].shape[-1] if kept[0].ndim else 1
        summaries.append(_summary(name, [k.reshape(-1, bands).astype("float64") for k in kept], nodata))
        counts[name] = bands
    if not counts:
        raise ValueError("seen: `inputs` must hold numbers, got text only.")
    return TrainingStatistics(
        counts, *(np.concatenate(part).astype("float32") for part in zip(*summaries, strict=True)), nodata
    )


def _summary(name, examples, nodata):
    """Low, high, mean and spread of each band of one input."""
    lows, highs, means = [], [], []
    for example in examples:
        there = ~np.isnan(example) & (example != nodata)
        count = there.sum(axis=0)
        lows.append(np.where(there, example, np.inf).min(axis=0))
        highs.append(np.where(there, example, -np.inf).max(axis=0))
        total = np.where(there, example, 0).sum(axis=0)
        means.append(np.where(count > 0, total / np.maximum(count, 1), np.nan))
    means, low, high = np.array(means), np.min(lows, axis=0), np.max(highs, axis=0)
    if not np.isfinite(low).all():
        empty = int(np.isinf(low).argmax())
        raise ValueError(f"seen: every band of {name!r} must have a valid value, band {empty} has none.")
    spread = np.nanstd(means, axis=0)
    # A band that never changes from example to example is as far off as its range says, and at least a millionth.
    floor = np.maximum(1e-3 * (high - low), 1e-6 * np.maximum(np.abs(high), 1))
    return low, high, np.nanmean(means, axis=0), np.maximum(spread, floor)
