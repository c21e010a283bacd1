"""Metrics for an answer at every pixel: classes with an ignored label, images, and motion; all stream over batches."""

import keras
import numpy as np
from keras import ops

from recipes.data.images.mask_labels import IGNORE
from recipes.losses import length


@keras.saving.register_keras_serializable("recipes")
class Confusion(keras.metrics.Metric):
    """The confusion matrix of pixels, and what is read from it; a pixel with the label `ignore` counts nowhere.

    (B, H, W) or (B, H, W, 1) class index and (B, H, W, C) probabilities or logits.

    Args:
        classes: how many.
        value: iou (as `overlap` has it), mean_iou or accuracy: what `result` is.
        ignore: label of the pixels that do not count.
        from_logits: whether a single answer per pixel is a logit, not a probability.

    Differs: `keras.metrics.MeanIoU` counts in float32, which stops at 16,777,216 pixels of a kind; here it is int64.
    """

    def __init__(self, classes, value="iou", ignore=IGNORE, from_logits=False, name=None, dtype=None):
        super().__init__(name=name or value, dtype=dtype)
        if value not in VALUES:
            raise ValueError(f"Confusion: `value` must be one of {', '.join(VALUES)}, got {value!r}.")
        self.classes, self.value, self.ignore, self.from_logits = classes, value, ignore, from_logits
        self.matrix = self.add_weight(shape=(classes, classes), initializer="zeros", dtype="int64", name="matrix")

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Counts one batch; a pixel counts as one, whatever its weight in the loss."""
        y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
        if y_pred.shape[-1] == 1:
            chosen = ops.cast(y_pred[..., 0] > (0.0 if self.from_logits else 0.5), "int32")
        else:
            chosen = ops.cast(ops.argmax(y_pred, axis=-1), "int32")
        truth = ops.reshape(ops.cast(y_true, "int32"), (-1,))
        valid = ops.not_equal(truth, self.ignore)
        place = ops.where(valid, truth, 0) * self.classes + ops.reshape(chosen, (-1,))
        counts = ops.segment_sum(ops.cast(valid, "int64"), place, num_segments=self.classes**2)
        self.matrix.assign_add(ops.reshape(counts, (self.classes, self.classes)))

    def result(self):
        matrix = ops.cast(self.matrix, "float32")
        right, union = ops.diagonal(matrix), ops.sum(matrix, 0) + ops.sum(matrix, 1) - ops.diagonal(matrix)
        if self.value == "accuracy":
            return ops.sum(right) / ops.maximum(ops.sum(matrix), 1.0)
        there = ops.cast(union > 0, "float32")
        shares = right / ops.maximum(union, 1.0)
        if self.value == "iou" and self.classes == 2:
            return shares[1]
        return ops.sum(shares * there) / ops.maximum(ops.sum(there), 1.0)

    def get_config(self):
        kept = ("classes", "value", "ignore", "from_logits", "name")
        return {k: getattr(self, k) for k in kept}


VALUES = ("iou", "mean_iou", "accuracy")


def confusion_matrix(truth, chosen, classes, ignore=IGNORE):
    """(C, C) counts, rows being the truth; pixels with the label `ignore` are left out.

    Args:
        truth: (...) class index.
        chosen: (...) class index.
        classes: how many.
        ignore: the label of pixels that do not count.
    """
    truth, chosen = np.ravel(truth).astype(np.int64), np.ravel(chosen).astype(np.int64)
    valid = truth != ignore
    return np.bincount(truth[valid] * classes + chosen[valid], minlength=classes**2).reshape(classes, classes)


def overlap(matrix):
    """What a confusion matrix says, in shares; None for a class that neither the truth nor the answers have.

    Args:
        matrix: (C, C) counts, rows being the truth.
    Returns:
        Dict: `iou`, of two classes that of the second (the foreground), of more their mean; `mean_iou`, over the
        classes that are there; `dice`, the same of 2 TP / (2 TP + FP + FN), which is F1; `pixel_accuracy`; and
        `iou_by_class`, `dice_by_class`, lists.
    """
    matrix = np.asarray(matrix, np.float64)
    right, truth, chosen = np.diag(matrix), matrix.sum(1), matrix.sum(0)
    found = {}
    for key, top, bottom in (("iou", right, truth + chosen - right), ("dice", 2 * right, truth + chosen)):
        shares = [float(t / b) if b else None for t, b in zip(top, bottom, strict=True)]
        known = [s for s in shares if s is not None]
        mean = float(np.mean(known)) if known else 0.0
        found[key] = (shares[1] or 0.0) if len(shares) == 2 else mean
        found[f"mean_{key}"], found[f"{key}_by_class"] = mean, shares
    found["pixel_accuracy"] = float(right.sum() / max(matrix.sum(), 1))
    return found


@keras.saving.register_keras_serializable("recipes")
class PSNR(keras.metrics.Mean):
    """Peak signal-to-noise ratio of each image, 10 log10(max_value^2 / MSE) [dB], and their mean.

    (B, H, W, C) images, twice.

    Args:
        max_value: the largest value that an image can have.
        border: pixels at each side that are left out, as is customary where they cannot be known.

    Differs: the mean of the images' own, as papers report it; `keras.ops.psnr` takes a batch for one image.
    """

    def __init__(self, max_value=1.0, border=0, name="psnr", dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.max_value, self.border = max_value, border

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_true, y_pred = (cut(ops.cast(y, "float32"), self.border) for y in (y_true, y_pred))
        super().update_state(self.of(y_true, y_pred), sample_weight)

    def of(self, y_true, y_pred):
        """(B,) of each image."""
        error = ops.mean(ops.square(y_true - y_pred), axis=(1, 2, 3))
        return 10.0 * ops.log10(self.max_value**2 / error)

    def get_config(self):
        return {"max_value": self.max_value, "border": self.border, "name": self.name}


def cut(images, border):
    """Images without `border` pixels at each side."""
    return images[:, border:-border, border:-border] if border else images


@keras.saving.register_keras_serializable("recipes")
class SSIM(PSNR):
    """Structural similarity of each image, as `tf.image.ssim` has it, and their mean; 1 is the same image.

    (B, H, W, C) images of at least 11 x 11 pixels, twice; arguments as `PSNR` has them.

    Source: Wang et al. 2004, https://doi.org/10.1109/TIP.2003.819861.
    """

    def __init__(self, max_value=1.0, border=0, name="ssim", dtype=None):
        super().__init__(max_value, border, name, dtype)

    def of(self, y_true, y_pred):
        import tensorflow as tf

        return tf.image.ssim(y_true, y_pred, self.max_value)


@keras.saving.register_keras_serializable("recipes")
class MeanEndpointError(keras.metrics.Mean):
    """Mean distance between the true and the answered end of the motion [pixels]; `sample_weight` 0 leaves pixels out.

    (B, H, W, 2) flows, twice.
    """

    def __init__(self, name="endpoint_error", dtype=None):
        super().__init__(name=name, dtype=dtype)

    def update_state(self, y_true, y_pred, sample_weight=None):
        super().update_state(length(ops.cast(y_true, "float32") - ops.cast(y_pred, "float32")), sample_weight)
