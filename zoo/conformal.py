"""Split conformal prediction: intervals of numbers and sets of classes that contain the truth as often as stated."""

import dataclasses
import math
import typing

import numpy as np
from keras import ops

TIE = 1e-6  # below a threshold, so that a probability that equals it up to rounding is in the set


@dataclasses.dataclass(frozen=True)
class Conformal:
    """How wide intervals, or how large sets of classes, must be to contain the truth in a fraction of new examples.

    The fraction holds on average for examples that are drawn as those of the calibration were, whatever the model; it
    does not hold for each class or place separately, nor for data of another year or site.

    Args:
        kind: interval (of numbers) or set (of classes).
        coverage: the fraction, 0 to 1.
        thresholds: of intervals the largest error of each output, in its unit, or its largest distance outside of the
            lowest and highest quantile, which may be negative; of sets one number, the smallest probability of a class
            in the set.
        examples: number of examples of the calibration.
        lowest, highest: that a number can be, such as 0 for counts; None for no limit.
        of_quantiles: whether intervals are made of the quantiles of each example, so that their widths differ.

    Source: Vovk, Gammerman, Shafer 2005; the sets as in Sadinle, Lei, Wasserman 2019 (arXiv:1609.00451); intervals of
        quantiles as in Romano, Patterson, Candès 2019 (arXiv:1905.03222).
    Differs: a set always has the most probable class, so that none is empty.
    """

    kind: typing.Literal["interval", "set"]
    coverage: float
    thresholds: tuple
    examples: int
    lowest: float | None = None
    highest: float | None = None
    of_quantiles: bool = False

    @classmethod
    def from_quantiles(cls, targets, quantiles, coverage):
        """Calibrates intervals around predicted quantiles on held-out examples.

        Args:
            targets: (N, outputs).
            quantiles: (N, outputs, levels), rising; the first and the last are used.
            coverage: fraction of the targets that the intervals contain, 0 to 1.
        Raises:
            ValueError: if there are too few examples for the coverage.
        """
        targets, quantiles = np.asarray(targets, "float64"), np.asarray(quantiles, "float64")
        outside = np.maximum(quantiles[..., 0] - targets, targets - quantiles[..., -1])
        thresholds = tuple(_quantile(column, coverage) for column in outside.T)
        return cls("interval", coverage, thresholds, len(outside), of_quantiles=True)

    @classmethod
    def of_numbers(cls, targets, predictions, coverage):
        """Calibrates intervals on held-out examples.

        Args:
            targets, predictions: (N, outputs).
            coverage: fraction of the targets that the intervals contain, 0 to 1.
        Raises:
            ValueError: if there are too few examples for the coverage.
        """
        errors = np.abs(np.asarray(targets, "float64") - predictions)
        return cls("interval", coverage, tuple(_quantile(column, coverage) for column in errors.T), len(errors))

    @classmethod
    def of_classes(cls, targets, probabilities, coverage):
        """Calibrates sets of classes on held-out examples.

        Args:
            targets: (N,) index of the class.
            probabilities: (N, classes).
            coverage: fraction of the targets that the sets contain, 0 to 1.
        Raises:
            ValueError: if there are too few examples for the coverage.
        """
        missing = 1 - np.take_along_axis(np.asarray(probabilities, "float64"), np.asarray(targets)[:, None], 1)[:, 0]
        return cls("set", coverage, (max(0.0, 1 - _quantile(missing, coverage) - TIE),), len(missing))

    def __call__(self, outputs):
        """Returns the intervals (..., outputs, 2), low and high, or for each class whether it is in the set, bool.

        Args:
            outputs: tensor or array of numbers (..., outputs), with `of_quantiles` of quantiles (..., outputs, levels),
                or of probabilities (..., classes).
        """
        module = np if isinstance(outputs, np.ndarray) else ops
        if self.kind == "interval":
            errors = module.array(self.thresholds, dtype=outputs.dtype)
            low, high = (outputs[..., 0], outputs[..., -1]) if self.of_quantiles else (outputs, outputs)
            # Quantiles that are too far apart have a negative distance; the ends meet in the middle at most
            errors = module.maximum(errors, (low - high) / 2)
            intervals = module.stack([low - errors, high + errors], axis=-1)
            intervals = intervals if self.lowest is None else module.maximum(intervals, self.lowest)
            return intervals if self.highest is None else module.minimum(intervals, self.highest)
        largest = module.max(outputs, axis=-1, keepdims=True)
        return module.greater_equal(outputs, module.minimum(largest, self.thresholds[0]))

    def to_json(self):
        """Returns a dict of JSON values."""
        return {**dataclasses.asdict(self), "thresholds": list(self.thresholds)}

    @classmethod
    def from_json(cls, values):
        """Returns what `to_json` described."""
        return cls(**{**values, "thresholds": tuple(values["thresholds"])})


def smallest_calibration(coverage):
    """Returns the smallest number of examples that calibrate a coverage."""
    return math.ceil(coverage / (1 - coverage) - 1e-9)


def _quantile(scores, coverage):
    """Returns the score that at least `coverage` of new ones do not exceed, on average over calibrations."""
    rank = math.ceil((len(scores) + 1) * coverage - 1e-9)
    if rank > len(scores):
        raise ValueError(
            f"`coverage` of {coverage:g} must be calibrated on {smallest_calibration(coverage)} examples or more, got "
            f"{len(scores)}."
        )
    return float(np.sort(scores)[rank - 1])
