"""Losses for an answer at every pixel: classes with an ignored label, images, and motion.

Those on classes take class indices, not one-hot maps, and probabilities or logits of any number of classes; a single
sigmoid is the second of two classes. A pixel that has the label `ignore` counts nowhere.
"""

import keras
import numpy as np
from keras import ops

from recipes.data.images.mask_labels import IGNORE
from zoo.layers.warp import Warp


class PixelLoss(keras.losses.Loss):
    """What losses on a class for every pixel share; a subclass says what `of` one batch is.

    (B, H, W) or (B, H, W, 1) class index and (B, H, W, C) answers  ->  one number.

    Args:
        from_logits: whether the answers still lack their softmax or sigmoid.
        ignore: label of the pixels that do not count.
        class_weight: weight of each class, (C,), or None for 1 each.
    """

    def __init__(self, from_logits=False, ignore=IGNORE, class_weight=None, name=None, reduction=None, dtype=None):
        super().__init__(name=name or spelt(type(self).__name__), reduction="sum", dtype=dtype or "float32")
        self.from_logits, self.ignore = from_logits, ignore
        self.class_weight = None if class_weight is None else [float(w) for w in class_weight]

    def __call__(self, y_true, y_pred, sample_weight=None):
        """The loss; `sample_weight` weighs pixels, (B, H, W), or examples, (B,)."""
        return self.call(y_true, y_pred, sample_weight)

    def call(self, y_true, y_pred, sample_weight=None):
        answers = ops.cast(y_pred, "float32")
        labels = ops.convert_to_tensor(y_true)
        if len(labels.shape) == len(answers.shape):
            labels = labels[..., 0]
        labels = ops.cast(labels, "int32")
        shares = probabilities(answers, self.from_logits)
        valid = ops.cast(ops.not_equal(labels, self.ignore), "float32")
        truth = ops.one_hot(ops.where(valid > 0, labels, 0), shares.shape[-1]) * valid[..., None]
        if sample_weight is None:
            weights = ops.ones_like(valid)
        else:
            weights = ops.cast(sample_weight, "float32")
            weights = ops.reshape(weights, (*ops.shape(weights), *[1] * (len(valid.shape) - len(weights.shape))))
        return self.of(truth, shares, valid, weights)

    def by_class(self, classes):
        """(C,) weights of the classes."""
        return ops.convert_to_tensor(self.class_weight or [1.0] * classes, "float32")

    def get_config(self):
        told = {"from_logits": self.from_logits, "ignore": self.ignore, "class_weight": self.class_weight}
        return {**told, "name": self.name}


def spelt(name):
    """CrossEntropy -> cross_entropy."""
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


def probabilities(answers, from_logits):
    """(B, H, W, C) shares of at least two classes from any head's answers."""
    if answers.shape[-1] == 1:
        yes = ops.sigmoid(answers) if from_logits else answers
        return ops.concatenate([1 - yes, yes], axis=-1)
    return ops.softmax(answers, axis=-1) if from_logits else answers


def mean_of(values, valid):
    """Mean over the pixels that count, 0 where there are none."""
    return ops.sum(values * valid) / ops.maximum(ops.sum(valid), 1.0)


@keras.saving.register_keras_serializable("recipes")
class CrossEntropy(PixelLoss):
    """Mean of -w_c log p_c over the pixels that count, c being the pixel's class; pixels may have weights of their own.

    With those of `recipes.data.images.boundary_weights` as the pixels' weights it is U-Net's.
    """

    gamma = 0.0

    def of(self, truth, shares, valid, weights):
        shares = ops.clip(shares, keras.config.epsilon(), 1.0 - keras.config.epsilon())
        losses = -truth * ops.log(shares) * self.by_class(shares.shape[-1])
        if self.gamma:
            losses = losses * ops.power(1.0 - shares, self.gamma)
        return mean_of(ops.sum(losses, axis=-1) * weights, valid)


@keras.saving.register_keras_serializable("recipes")
class Focal(CrossEntropy):
    """Cross-entropy times (1 - p_c) ** gamma: what is right already counts little.

    Args:
        gamma: 0 is the cross-entropy.
        **kwargs: as `PixelLoss` has them; `class_weight` is the paper's alpha.

    Source: Lin et al. 2017, https://arxiv.org/abs/1708.02002, eq. 5.
    """

    def __init__(self, gamma=2.0, **kwargs):
        super().__init__(**kwargs)
        self.gamma = gamma

    def get_config(self):
        return {**super().get_config(), "gamma": self.gamma}


@keras.saving.register_keras_serializable("recipes")
class Tversky(PixelLoss):
    """1 - TP / (TP + alpha FP + beta FN) of each class over the batch, averaged over the classes that are there.

    Pixels are counted by their shares of probability, so that it has a gradient. Pixel weights are not used.

    Args:
        alpha: what a false positive costs.
        beta: what a false negative costs; above `alpha` it finds more of a rare class.
        **kwargs: as `PixelLoss` has them.

    Source: Salehi et al. 2017, https://arxiv.org/abs/1706.05721, eq. 4.
    Differs: `keras.losses.Tversky` has alpha and beta the other way round, and counts a class that the batch lacks as
        wholly missed.
    """

    def __init__(self, alpha=0.3, beta=0.7, **kwargs):
        super().__init__(**kwargs)
        self.alpha, self.beta = alpha, beta

    def of(self, truth, shares, valid, weights):
        axes = tuple(range(len(truth.shape) - 1))
        shares = shares * valid[..., None]
        both = ops.sum(truth * shares, axis=axes)
        there, answered = ops.sum(truth, axis=axes), ops.sum(shares, axis=axes)
        found = both / (both + self.alpha * (answered - both) + self.beta * (there - both) + keras.config.epsilon())
        return mean_of(1.0 - found, ops.cast(there > 0, "float32") * self.by_class(truth.shape[-1]))

    def get_config(self):
        return {**super().get_config(), "alpha": self.alpha, "beta": self.beta}


@keras.saving.register_keras_serializable("recipes")
class Dice(Tversky):
    """1 - 2 TP / (2 TP + FP + FN): Tversky's with alpha = beta = 1 / 2.

    Source: Milletari et al. 2016, https://arxiv.org/abs/1606.04797.
    Differs: no squares in the denominator, as in `keras.losses.Dice`.
    """

    def __init__(self, alpha=0.5, beta=0.5, **kwargs):
        super().__init__(alpha, beta, **kwargs)


@keras.saving.register_keras_serializable("recipes")
class Jaccard(Tversky):
    """1 - TP / (TP + FP + FN), one minus the intersection over the union: Tversky's with alpha = beta = 1.

    Source: Rahman, Wang 2016, https://doi.org/10.1007/978-3-319-50835-1_22.
    """

    def __init__(self, alpha=1.0, beta=1.0, **kwargs):
        super().__init__(alpha, beta, **kwargs)


@keras.saving.register_keras_serializable("recipes")
class Sum(keras.losses.Loss):
    """Several losses on one answer, each times its weight.

    Args:
        losses: Keras losses.
        weights: a number for each; None is 1 each.
    """

    def __init__(self, losses, weights=None, name="sum", reduction=None, dtype=None):
        super().__init__(name=name, reduction="sum", dtype=dtype or "float32")
        self.losses = [keras.losses.get(x) for x in losses]
        self.weights = list(weights or [1.0] * len(self.losses))

    def __call__(self, y_true, y_pred, sample_weight=None):
        found = [x(y_true, y_pred, sample_weight) * w for x, w in zip(self.losses, self.weights, strict=True)]
        return sum(found[1:], found[0])

    def call(self, y_true, y_pred):
        return self(y_true, y_pred)

    def get_config(self):
        losses = [keras.losses.serialize(x) for x in self.losses]
        return {"losses": losses, "weights": self.weights, "name": self.name}


@keras.saving.register_keras_serializable("recipes")
class Charbonnier(keras.losses.Loss):
    """sqrt(x^2 + epsilon^2) of every difference x: an absolute error that is smooth at 0.

    Args:
        epsilon: how wide the smooth part is, in the answers' unit.

    Source: Lai et al. 2017, https://arxiv.org/abs/1710.01992, eq. 4.
    """

    def __init__(self, epsilon=1e-3, name="charbonnier", reduction="sum_over_batch_size", dtype=None):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.epsilon = epsilon

    def call(self, y_true, y_pred):
        return ops.mean(ops.sqrt(ops.square(y_true - y_pred) + self.epsilon**2), axis=-1)

    def get_config(self):
        return {"epsilon": self.epsilon, "name": self.name, "reduction": self.reduction}


def length(vectors):
    """(...,) lengths of (..., 2) vectors, whose gradient is 0 where they are 0, not NaN."""
    squares = ops.sum(ops.square(vectors), axis=-1)
    moved = squares > 0
    return ops.where(moved, ops.sqrt(ops.where(moved, squares, 1.0)), 0.0)


@keras.saving.register_keras_serializable("recipes")
class EndpointError(keras.losses.Loss):
    """Distance between the true and the answered end of each pixel's motion [pixels].

    (B, H, W, 2) and (B, H, W, 2)  ->  (B, H, W) before the mean; where the truth is not known, `sample_weight` is 0.

    Source: Otte, Nagel 1994; Baker et al. 2011, https://doi.org/10.1007/s11263-010-0390-2, section 4.1.
    """

    def __init__(self, name="endpoint_error", reduction="mean_with_sample_weight", dtype=None):
        super().__init__(name=name, reduction=reduction, dtype=dtype)

    def call(self, y_true, y_pred):
        return length(y_true - y_pred)


@keras.saving.register_keras_serializable("recipes")
class Photometric(keras.losses.Loss):
    """How little a second frame, seen where the flow points, looks like the first: brightness constancy without truth.

    (B, H, W, 2 C) both frames, the first one's bands first, and (B, H, W, 2) flow  ->  one number: the mean of
    (x^2 + epsilon^2)^alpha over the differences x at pixels that the flow does not lead out of the frame.

    Args:
        alpha: 0.5 is Charbonnier's; below, large differences, as of what is covered, count less.
        epsilon: how wide the smooth part is, in the frames' unit.

    Source: Yu, Harley, Derpanis 2016, https://arxiv.org/abs/1608.05842, eq. 2; alpha and epsilon of Sun et al. 2014.
    """

    def __init__(self, alpha=0.45, epsilon=1e-3, name="photometric", reduction=None, dtype=None):
        super().__init__(name=name, reduction="sum", dtype=dtype or "float32")
        self.alpha, self.epsilon = alpha, epsilon

    def call(self, y_true, y_pred):
        first, second = ops.split(ops.cast(y_true, "float32"), 2, axis=-1)
        warp, flow = Warp(dtype="float32"), ops.cast(y_pred, "float32")
        seen = warp([second, flow])
        # Beyond the border a warp shows 0, and between it and the border a mixture
        inside = ops.cast(warp([ops.ones_like(second[..., :1]), flow])[..., 0] > 0.999, "float32")
        penalty = ops.power(ops.square(first - seen) + self.epsilon**2, self.alpha)
        return mean_of(ops.mean(penalty, axis=-1), inside)

    def get_config(self):
        return {"alpha": self.alpha, "epsilon": self.epsilon, "name": self.name}


@keras.saving.register_keras_serializable("recipes")
class Smoothness(keras.losses.Loss):
    """How much a flow differs between neighbours, less where the first frame has an edge.

    (B, H, W, 2 C) both frames, as `Photometric` has them, and (B, H, W, 2) flow  ->  one number: the mean of
    sqrt(d^2 + epsilon^2) exp(-edges |dI|) over the differences d to the right and down.

    Args:
        edges: how much an edge of the frame excuses an edge of the flow; 0 ignores the frame.
        epsilon: how wide the smooth part is [pixels].

    Source: Yu, Harley, Derpanis 2016, eq. 3; the weights of Wang et al. 2018, https://arxiv.org/abs/1711.05890, eq. 7.
    """

    def __init__(self, edges=10.0, epsilon=1e-3, name="smoothness", reduction=None, dtype=None):
        super().__init__(name=name, reduction="sum", dtype=dtype or "float32")
        self.edges, self.epsilon = edges, epsilon

    def call(self, y_true, y_pred):
        first, _ = ops.split(ops.cast(y_true, "float32"), 2, axis=-1)
        flow, found = ops.cast(y_pred, "float32"), 0.0
        pairs = ((2, np.s_[:, :, 1:], np.s_[:, :, :-1]), (1, np.s_[:, 1:], np.s_[:, :-1]))
        for one, other in (pair for axis, *pair in pairs if flow.shape[axis] > 1):  # else the mean of nothing
            edge = ops.mean(ops.abs(first[one] - first[other]), axis=-1, keepdims=True)
            step = ops.sqrt(ops.square(flow[one] - flow[other]) + self.epsilon**2)
            found = found + ops.mean(step * ops.exp(-self.edges * edge))
        return found / 2

    def get_config(self):
        return {"edges": self.edges, "epsilon": self.epsilon, "name": self.name}
