"""Losses: classes with wrong labels, semantic segmentation with an ignored class, image restoration and optical flow.

Segmentation losses take class indices instead of one-hot labels, and probabilities or logits. A single sigmoid output
is the probability of the second of two classes. Pixels of the class `ignore_class` do not contribute.
"""

import keras
import numpy as np
from keras import ops

from recipes.data.images.mask_labels import IGNORE
from zoo.introspect.output_activation import to_probabilities
from zoo.layers.warp import Warp


class PixelLoss(keras.losses.Loss):
    """Base class of segmentation losses; a subclass defines `batch_loss`.

    (B, H, W) or (B, H, W, 1) class indices and (B, H, W, C) outputs  ->  one number.

    Args:
        from_logits: whether the outputs are logits instead of probabilities.
        ignore_class: class index of the pixels that do not contribute.
        class_weight: weight of each class, (C,), or None for 1 each.
    """

    def __init__(
        self, from_logits=False, ignore_class=IGNORE, class_weight=None, name=None, reduction=None, dtype=None
    ):
        super().__init__(name=name or snake_case(type(self).__name__), reduction="sum", dtype=dtype or "float32")
        self.from_logits, self.ignore_class = from_logits, ignore_class
        self.class_weight = None if class_weight is None else [float(w) for w in class_weight]

    def __call__(self, y_true, y_pred, sample_weight=None):
        """Returns the loss; `sample_weight` has a weight per pixel, (B, H, W), or per example, (B,)."""
        return self.call(y_true, y_pred, sample_weight)

    def call(self, y_true, y_pred, sample_weight=None):
        outputs = ops.cast(y_pred, "float32")
        labels = ops.convert_to_tensor(y_true)
        if len(labels.shape) == len(outputs.shape):
            labels = labels[..., 0]
        labels = ops.cast(labels, "int32")
        probabilities = to_probabilities(outputs, "linear" if self.from_logits else "softmax")
        mask = ops.cast(ops.not_equal(labels, self.ignore_class), "float32")
        one_hot = ops.one_hot(ops.where(mask > 0, labels, 0), probabilities.shape[-1]) * mask[..., None]
        if sample_weight is None:
            weights = ops.ones_like(mask)
        else:
            weights = ops.cast(sample_weight, "float32")
            weights = ops.reshape(weights, (*ops.shape(weights), *[1] * (len(mask.shape) - len(weights.shape))))
        return self.batch_loss(one_hot, probabilities, mask, weights)

    def batch_loss(self, one_hot, probabilities, mask, weights):
        """Returns the loss of a batch, a scalar.

        Args:
            one_hot: (B, H, W, C) true classes; all 0 for ignored pixels.
            probabilities: (B, H, W, C) predicted probabilities.
            mask: (B, H, W), 0 for ignored pixels and 1 for the others.
            weights: pixel or example weights that broadcast to (B, H, W).
        """
        raise NotImplementedError

    def class_weights(self, classes):
        """Returns the (C,) weights of the classes."""
        return ops.convert_to_tensor(self.class_weight or [1.0] * classes, "float32")

    def get_config(self):
        arguments = ("from_logits", "ignore_class", "class_weight", "name")
        return {argument: getattr(self, argument) for argument in arguments}


def snake_case(name):
    """CrossEntropy -> cross_entropy."""
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


def masked_mean(values, mask):
    """Returns the mean of the values where the mask is 1, or 0 where the mask is empty."""
    return ops.sum(values * mask) / ops.maximum(ops.sum(mask), 1.0)


@keras.saving.register_keras_serializable("recipes")
class CrossEntropy(PixelLoss):
    """Mean of -w_c log p_c over the pixels, where c is the pixel's class; pixels may have weights of their own.

    With the pixel weights of `recipes.data.images.boundary_weights` it is the loss of U-Net.
    """

    gamma = 0.0

    def batch_loss(self, one_hot, probabilities, mask, weights):
        probabilities = ops.clip(probabilities, keras.config.epsilon(), 1.0 - keras.config.epsilon())
        losses = -one_hot * ops.log(probabilities) * self.class_weights(probabilities.shape[-1])
        if self.gamma:
            losses = losses * ops.power(1.0 - probabilities, self.gamma)
        return masked_mean(ops.sum(losses, axis=-1) * weights, mask)


@keras.saving.register_keras_serializable("recipes")
class Focal(CrossEntropy):
    """Cross-entropy times (1 - p_c) ** gamma, which gives pixels that are already right a small weight.

    Args:
        gamma: exponent; 0 is the cross-entropy.
        **kwargs: arguments of `PixelLoss`; `class_weight` is the paper's alpha.

    Source: Lin et al. 2017, https://arxiv.org/abs/1708.02002, eq. 5.
    """

    def __init__(self, gamma=2.0, **kwargs):
        super().__init__(**kwargs)
        self.gamma = gamma

    def get_config(self):
        return {**super().get_config(), "gamma": self.gamma}


@keras.saving.register_keras_serializable("recipes")
class Tversky(PixelLoss):
    """1 - TP / (TP + alpha FP + beta FN) of each class over the batch, averaged over the classes in the batch.

    TP, FP and FN are sums of probabilities, so that the loss has a gradient. Pixel weights are not used.

    Args:
        alpha: weight of false positives.
        beta: weight of false negatives; above `alpha` the recall of rare classes is higher.
        **kwargs: arguments of `PixelLoss`.

    Source: Salehi et al. 2017, https://arxiv.org/abs/1706.05721, eq. 4.
    Differs: `keras.losses.Tversky` has alpha and beta swapped, and gives a class that is not in the batch a loss of 1.
    """

    def __init__(self, alpha=0.3, beta=0.7, **kwargs):
        super().__init__(**kwargs)
        self.alpha, self.beta = alpha, beta

    def batch_loss(self, one_hot, probabilities, mask, weights):
        axes = tuple(range(len(one_hot.shape) - 1))
        probabilities = probabilities * mask[..., None]
        true_positives = ops.sum(one_hot * probabilities, axis=axes)
        positives = ops.sum(one_hot, axis=axes)
        false_positives = ops.sum(probabilities, axis=axes) - true_positives
        false_negatives = positives - true_positives
        denominator = true_positives + self.alpha * false_positives + self.beta * false_negatives
        index = true_positives / (denominator + keras.config.epsilon())
        return masked_mean(1.0 - index, ops.cast(positives > 0, "float32") * self.class_weights(one_hot.shape[-1]))

    def get_config(self):
        return {**super().get_config(), "alpha": self.alpha, "beta": self.beta}


@keras.saving.register_keras_serializable("recipes")
class Dice(Tversky):
    """1 - 2 TP / (2 TP + FP + FN): Tversky loss with alpha = beta = 1 / 2.

    Source: Milletari et al. 2016, https://arxiv.org/abs/1606.04797.
    Differs: no squares in the denominator, as in `keras.losses.Dice`.
    """

    def __init__(self, alpha=0.5, beta=0.5, **kwargs):
        super().__init__(alpha, beta, **kwargs)


@keras.saving.register_keras_serializable("recipes")
class Jaccard(Tversky):
    """1 - TP / (TP + FP + FN), one minus the intersection over union (IoU): Tversky loss with alpha = beta = 1.

    Source: Rahman, Wang 2016, https://doi.org/10.1007/978-3-319-50835-1_22.
    """

    def __init__(self, alpha=1.0, beta=1.0, **kwargs):
        super().__init__(alpha, beta, **kwargs)


@keras.saving.register_keras_serializable("recipes")
class Sum(keras.losses.Loss):
    """Weighted sum of several losses of the same output.

    Args:
        losses: Keras losses.
        weights: weight of each loss, or None for 1 each.
    """

    def __init__(self, losses, weights=None, name="sum", reduction=None, dtype=None):
        super().__init__(name=name, reduction="sum", dtype=dtype or "float32")
        self.losses = [keras.losses.get(loss) for loss in losses]
        self.weights = list(weights or [1.0] * len(self.losses))

    def __call__(self, y_true, y_pred, sample_weight=None):
        pairs = zip(self.losses, self.weights, strict=True)
        first, *others = [loss(y_true, y_pred, sample_weight) * weight for loss, weight in pairs]
        return sum(others, first)

    def call(self, y_true, y_pred):
        return self(y_true, y_pred)

    def get_config(self):
        losses = [keras.losses.serialize(loss) for loss in self.losses]
        return {"losses": losses, "weights": self.weights, "name": self.name}


class RobustLoss(keras.losses.Loss):
    """Base class of losses for classes of which some labels are wrong; a subclass defines `loss_of`.

    (B,) class indices or (B, classes) targets, and (B, classes) or, for two classes, (B, 1) outputs  ->  (B,).

    Args:
        activation: of the outputs: softmax, sigmoid (of one output, the probability of the second class), or linear.
    """

    def __init__(self, activation="softmax", name=None, reduction="sum_over_batch_size", dtype=None):
        super().__init__(name=name or snake_case(type(self).__name__), reduction=reduction, dtype=dtype)
        self.activation = activation

    def call(self, y_true, y_pred):
        probabilities = to_probabilities(y_pred, self.activation)
        y_true = ops.convert_to_tensor(y_true)
        if len(y_true.shape) == 1 or y_true.shape[-1] == 1:
            y_true = ops.one_hot(ops.cast(ops.reshape(y_true, (-1,)), "int32"), probabilities.shape[-1])
        return self.loss_of(ops.cast(y_true, probabilities.dtype), probabilities)

    def get_config(self):
        return {**super().get_config(), "activation": self.activation}


@keras.saving.register_keras_serializable("recipes")
class GeneralizedCrossEntropy(RobustLoss):
    """Generalized cross-entropy (1 - p^q) / q of the probability p of the label, with q = 0.7.

    It lies between the mean absolute error (q = 1), which wrong labels disturb least, and the cross-entropy (q -> 0),
    which learns fastest.

    Source: Zhang and Sabuncu 2018, arXiv:1805.07836, equation 6.
    """

    q = 0.7

    def loss_of(self, targets, probabilities):
        """Returns (B,) losses of (B, classes) targets and probabilities."""
        of_label = ops.sum(targets * probabilities, axis=-1)
        return (1 - ops.power(ops.maximum(of_label, 1e-7), self.q)) / self.q


@keras.saving.register_keras_serializable("recipes")
class SymmetricCrossEntropy(RobustLoss):
    """0.1 times the cross-entropy plus the reverse cross-entropy, in which log 0 is -4.

    Source: Wang et al. 2019, arXiv:1908.06112, equation 7, with alpha 0.1 and beta 1, which the paper has for CIFAR-10.
    """

    alpha, beta, log_zero = 0.1, 1.0, -4.0

    def loss_of(self, targets, probabilities):
        """Returns (B,) losses of (B, classes) targets and probabilities."""
        forward = -ops.sum(targets * ops.log(ops.clip(probabilities, 1e-7, 1)), axis=-1)
        log_targets = ops.where(targets > 0, ops.log(ops.maximum(targets, 1e-7)), self.log_zero)
        reverse = -ops.sum(probabilities * ops.maximum(log_targets, self.log_zero), axis=-1)
        return self.alpha * forward + self.beta * reverse


@keras.saving.register_keras_serializable("recipes")
class CumulativeCrossEntropy(RobustLoss):
    """Sum of the binary cross-entropies of the events that the class is at most the first, second, ... of an order.

    A wrong class costs more the more classes lie between it and the right one.

    Source: Cao et al. 2020, arXiv:1901.07884, equation 4.
    Differs: the probabilities of the events are sums of those of the classes, so that they rise for all weights.
    """

    def loss_of(self, targets, probabilities):
        """Returns (B,) losses of (B, classes) targets and probabilities, in the order of the classes."""
        events, at_most = (ops.cumsum(values, axis=-1)[:, :-1] for values in (targets, probabilities))
        above = ops.flip(ops.cumsum(ops.flip(probabilities, axis=-1), axis=-1), axis=-1)[:, 1:]
        logs, others = (ops.log(ops.clip(values, 1e-7, 1)) for values in (at_most, above))
        return -ops.sum(events * logs + (1 - events) * others, axis=-1)


@keras.saving.register_keras_serializable("recipes")
class Charbonnier(keras.losses.Loss):
    """Mean of sqrt(x^2 + epsilon^2) over the differences x: an absolute error that is smooth at 0.

    Args:
        epsilon: width of the smooth region around 0, in the unit of the outputs.

    Source: Lai et al. 2017, https://arxiv.org/abs/1710.01992, eq. 4.
    """

    def __init__(self, epsilon=1e-3, name="charbonnier", reduction="sum_over_batch_size", dtype=None):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        self.epsilon = epsilon

    def call(self, y_true, y_pred):
        return ops.mean(ops.sqrt(ops.square(y_true - y_pred) + self.epsilon**2), axis=-1)

    def get_config(self):
        return {"epsilon": self.epsilon, "name": self.name, "reduction": self.reduction}


def safe_norm(vectors):
    """Returns the Euclidean norm over the last axis, with a gradient of 0 instead of NaN for zero vectors."""
    squares = ops.sum(ops.square(vectors), axis=-1)
    nonzero = squares > 0
    return ops.where(nonzero, ops.sqrt(ops.where(nonzero, squares, 1.0)), 0.0)


@keras.saving.register_keras_serializable("recipes")
class EndpointError(keras.losses.Loss):
    """Euclidean distance between true and predicted optical flow of each pixel [pixels].

    (B, H, W, 2) and (B, H, W, 2)  ->  (B, H, W) before the mean. Pixels without true flow have `sample_weight` 0.

    Source: Otte, Nagel 1994; Baker et al. 2011, https://doi.org/10.1007/s11263-010-0390-2, section 4.1.
    """

    def __init__(self, name="endpoint_error", reduction="mean_with_sample_weight", dtype=None):
        super().__init__(name=name, reduction=reduction, dtype=dtype)

    def call(self, y_true, y_pred):
        return safe_norm(y_true - y_pred)


@keras.saving.register_keras_serializable("recipes")
class Photometric(keras.losses.Loss):
    """Photometric loss: difference between the first frame and the second frame warped by the flow, without true flow.

    (B, H, W, 2 C) both frames, the bands of the first one first, and (B, H, W, 2) flow  ->  one number: the mean of
    (x^2 + epsilon^2)^alpha over the differences x at pixels whose flow stays inside the frame.

    Args:
        alpha: exponent; 0.5 is the Charbonnier loss. Below 0.5 large differences, as in occlusions, have less weight.
        epsilon: width of the smooth region around 0, in the unit of the frames.

    Source: Yu, Harley, Derpanis 2016, https://arxiv.org/abs/1608.05842, eq. 2; alpha and epsilon of Sun et al. 2014.
    """

    def __init__(self, alpha=0.45, epsilon=1e-3, name="photometric", reduction=None, dtype=None):
        super().__init__(name=name, reduction="sum", dtype=dtype or "float32")
        self.alpha, self.epsilon = alpha, epsilon

    def call(self, y_true, y_pred):
        first, second = ops.split(ops.cast(y_true, "float32"), 2, axis=-1)
        warp, flow = Warp(dtype="float32"), ops.cast(y_pred, "float32")
        warped = warp([second, flow])
        # The warp is 0 outside the frame and interpolates between 0 and the border pixels at its border.
        inside = ops.cast(warp([ops.ones_like(second[..., :1]), flow])[..., 0] > 0.999, "float32")
        penalty = ops.power(ops.square(first - warped) + self.epsilon**2, self.alpha)
        return masked_mean(ops.mean(penalty, axis=-1), inside)

    def get_config(self):
        return {"alpha": self.alpha, "epsilon": self.epsilon, "name": self.name}


@keras.saving.register_keras_serializable("recipes")
class Smoothness(keras.losses.Loss):
    """Smoothness loss: differences of the flow between neighboring pixels, weighted less at edges of the first frame.

    (B, H, W, 2 C) both frames, as in `Photometric`, and (B, H, W, 2) flow  ->  one number: the mean of
    sqrt(d^2 + epsilon^2) exp(-edges |dI|) over the differences d to the right and down.

    Args:
        edges: factor of the frame's gradient |dI| in the weight exp(-edges |dI|); 0 ignores the frame.
        epsilon: width of the smooth region around 0 [pixels].

    Source: Yu, Harley, Derpanis 2016, eq. 3; the weights of Wang et al. 2018, https://arxiv.org/abs/1711.05890, eq. 7.
    """

    def __init__(self, edges=10.0, epsilon=1e-3, name="smoothness", reduction=None, dtype=None):
        super().__init__(name=name, reduction="sum", dtype=dtype or "float32")
        self.edges, self.epsilon = edges, epsilon

    def call(self, y_true, y_pred):
        first, _ = ops.split(ops.cast(y_true, "float32"), 2, axis=-1)
        flow, total = ops.cast(y_pred, "float32"), 0.0
        pairs = ((2, np.s_[:, :, 1:], np.s_[:, :, :-1]), (1, np.s_[:, 1:], np.s_[:, :-1]))
        # A side of 1 pixel has no neighbors, and the mean of nothing is NaN.
        for pixels, neighbors in (pair for axis, *pair in pairs if flow.shape[axis] > 1):
            edge = ops.mean(ops.abs(first[pixels] - first[neighbors]), axis=-1, keepdims=True)
            step = ops.sqrt(ops.square(flow[pixels] - flow[neighbors]) + self.epsilon**2)
            total = total + ops.mean(step * ops.exp(-self.edges * edge))
        return total / 2

    def get_config(self):
        return {"edges": self.edges, "epsilon": self.epsilon, "name": self.name}
