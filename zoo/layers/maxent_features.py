"""Features of Maxent, the maximum entropy model of species' distributions."""

import itertools
from typing import Literal

import keras
import numpy as np
from keras import layers, ops

FeatureClass = Literal["linear", "quadratic", "product", "hinge", "threshold"]
# Regularization by the number of presences: (presences, factor), interpolated
LINEAR = ((0, 10, 30, 100), (1.0, 1.0, 0.2, 0.05))
QUADRATIC = ((0, 10, 17, 30, 100), (1.3, 0.8, 0.5, 0.25, 0.05))
PRODUCT = ((0, 10, 17, 30, 100), (2.6, 1.6, 0.9, 0.55, 0.05))
HINGE = ((0, 1), (0.5, 0.5))
THRESHOLD = ((0, 100), (2.0, 1.0))
CATEGORY = ((0, 10, 17), (0.65, 0.5, 0.25))
SMALLEST = 0.001  # regularization, as a fraction of a feature's range


@keras.saving.register_keras_serializable("zoo")
class MaxentFeatures(layers.Layer):
    """Linear, quadratic, product, hinge and threshold features of numbers, each from 0 to 1.

    (B, F) float  ->  (B, units) float: the features of each class in the order of `feature_classes`, then the F -
    `numbers` categories as they are. Numbers are clamped to the range of the data that `adapt` gets, so that the
    features stay constant outside of it. Before `adapt` the range is -2 to 2, for standardized numbers.

    Args:
        feature_classes: linear, quadratic, product, hinge and threshold, in any order.
        numbers: how many of the F inputs are numbers; None for all.
        hinges: knots of each number, from its minimum to its maximum; each but the last begins a rise to the maximum,
            and each but the first ends a rise from the minimum.
        thresholds: steps of each number.
        **kwargs: passed to `keras.layers.Layer`.

    Source: Phillips, Dudik 2008, https://doi.org/10.1111/j.0906-7590.2008.5203.x; hinges, thresholds and
        regularization as Phillips et al. 2017, https://doi.org/10.1111/ecog.03049, have them in the package maxnet.
    """

    def __init__(self, feature_classes, numbers=None, hinges=50, thresholds=50, **kwargs):
        super().__init__(**kwargs)
        self.feature_classes, self.numbers = tuple(feature_classes), numbers
        self.hinges, self.thresholds = int(hinges), int(thresholds)

    def build(self, input_shape):
        self.count = input_shape[-1] if self.numbers is None else self.numbers
        self.pairs = list(itertools.combinations(range(self.count), 2))
        options = {"shape": (self.count,), "trainable": False}
        self.minimum = self.add_weight(initializer=keras.initializers.Constant(-2.0), name="minimum", **options)
        self.maximum = self.add_weight(initializer=keras.initializers.Constant(2.0), name="maximum", **options)

    def adapt(self, data):
        """Sets the range of each number to that of (N, F) inputs, of the training split only."""
        numbers = np.asarray(data)[:, : self.count]
        self.minimum.assign(numbers.min(0))
        self.maximum.assign(numbers.max(0))

    def feature_counts(self, inputs):
        """Returns the number of features of each class, a dict in their order; `category` is the last.

        Args:
            inputs: number of inputs, F.
        """
        numbers = inputs if self.numbers is None else self.numbers
        counts = {
            "linear": numbers,
            "quadratic": numbers,
            "product": numbers * (numbers - 1) // 2,
            "hinge": 2 * (self.hinges - 1) * numbers,
            "threshold": self.thresholds * numbers,
        }
        return {**{name: counts[name] for name in self.feature_classes}, "category": inputs - numbers}

    def call(self, x):
        minimum, maximum = (ops.cast(v, x.dtype) for v in (self.minimum, self.maximum))
        size = ops.where(maximum > minimum, maximum - minimum, 1.0)
        numbers = ops.clip(x[:, : self.count], minimum, maximum)
        unit = (numbers - minimum) / size
        make = {
            "linear": lambda: unit,
            "quadratic": lambda: _scaled_product(numbers, numbers, minimum, maximum, minimum, maximum, is_square=True),
            "product": lambda: self._products(numbers, minimum, maximum),
            "hinge": lambda: self._hinges(unit),
            "threshold": lambda: self._thresholds(unit),
        }
        parts = [make[name]() for name in self.feature_classes]
        return ops.concatenate([*parts, x[:, self.count :]], axis=-1)

    def _products(self, numbers, minimum, maximum):
        first, second = ([pair[i] for pair in self.pairs] for i in (0, 1))

        def take(values, indices):
            return ops.take(values, indices, axis=-1)

        return _scaled_product(
            take(numbers, first), take(numbers, second), take(minimum, first), take(maximum, first),
            take(minimum, second), take(maximum, second),
        )  # fmt: skip

    def _hinges(self, unit):
        knots = ops.cast(ops.linspace(0.0, 1.0, self.hinges), unit.dtype)
        unit = ops.expand_dims(unit, -1)
        forward = ops.relu(unit - knots[:-1]) / (1 - knots[:-1])
        backward = ops.minimum(unit / knots[1:], 1.0)
        return ops.reshape(ops.concatenate([forward, backward], axis=-1), (-1, 2 * (self.hinges - 1) * self.count))

    def _thresholds(self, unit):
        knots = ops.cast(ops.linspace(0.0, 1.0, self.thresholds + 2)[1:-1], unit.dtype)
        steps = ops.cast(ops.expand_dims(unit, -1) >= knots, unit.dtype)
        return ops.reshape(steps, (-1, self.thresholds * self.count))

    def penalties(self, features, presences):
        """Returns the L1 penalty of each feature, (units,), by its spread over the presences and by their number.

        Args:
            features: (N, units) of the training split.
            presences: (N,) bool, some of them True.
        """
        features, count = np.asarray(features, np.float64), int(presences.sum())
        at_presences = features[presences]
        spread = at_presences.std(0, ddof=1) if count > 1 else np.zeros(features.shape[1])
        of_numbers = PRODUCT if "product" in self.feature_classes else LINEAR
        if of_numbers is LINEAR and "quadratic" in self.feature_classes:
            of_numbers = QUADRATIC
        tables = dict.fromkeys(("linear", "quadratic", "product"), of_numbers)
        tables |= {"hinge": HINGE, "threshold": THRESHOLD, "category": CATEGORY}
        inputs = self.count + features.shape[1] - sum(self.feature_counts(self.count).values())
        penalties, first = [], 0
        for name, size in self.feature_counts(inputs).items():
            factor, part = np.interp(count, *tables[name]) / count**0.5, np.s_[first : first + size]
            penalty = factor * spread[part]
            if name == "hinge":  # a feature that is nearly constant at the presences is not free
                penalty = np.maximum(penalty, factor * np.maximum(spread[part], count**-0.5))
            if name == "threshold":
                penalty = np.where(np.ptp(at_presences[:, part], axis=0) == 0, 1.0, penalty)
            penalties.append(penalty)
            first += size
        return np.maximum(np.concatenate(penalties), SMALLEST * np.ptp(features, axis=0))

    def compute_output_shape(self, input_shape):
        return (input_shape[0], sum(self.feature_counts(input_shape[-1]).values()))

    def get_config(self):
        config = {**super().get_config(), "feature_classes": self.feature_classes, "numbers": self.numbers}
        return {**config, "hinges": self.hinges, "thresholds": self.thresholds}


def _scaled_product(a, b, a_low, a_high, b_low, b_high, is_square=False):
    """Returns a b, scaled to 0 to 1 over all values of a and b within their ranges; as squares where a is b."""
    corners = ops.stack([a_low * b_low, a_low * b_high, a_high * b_low, a_high * b_high])
    low, high = ops.min(corners, axis=0), ops.max(corners, axis=0)
    if is_square:
        ends = ops.minimum(a_low * a_low, a_high * a_high)
        low = ops.where(a_low * a_high < 0, ops.zeros_like(ends), ends)
    return (a * b - low) / ops.where(high > low, high - low, 1.0)
