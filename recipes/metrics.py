"""Streaming metrics for images: semantic segmentation with an ignored class, image restoration and optical flow."""

import keras
import numpy as np
from keras import ops

from recipes.data.images.mask_labels import IGNORE
from recipes.losses import safe_norm


@keras.saving.register_keras_serializable("recipes")
class Confusion(keras.metrics.Metric):
    """IoU or accuracy from a confusion matrix of pixels; pixels of the class `ignore_class` are not counted.

    (B, H, W) or (B, H, W, 1) class indices and (B, H, W, C) probabilities or logits.

    Args:
        classes: number of classes.
        value: result of the metric: "iou" (as in `overlap`), "mean_iou" or "accuracy".
        ignore_class: class index of the pixels that are not counted.
        from_logits: whether a single output per pixel is a logit instead of a probability.

    Differs: `keras.metrics.MeanIoU` counts in float32, which is exact up to 16,777,216 pixels; this counts in int64.
    """

    def __init__(self, classes, value="iou", ignore_class=IGNORE, from_logits=False, name=None, dtype=None):
        super().__init__(name=name or value, dtype=dtype)
        if value not in VALUES:
            raise ValueError(f"Confusion: `value` must be one of {', '.join(VALUES)}, got {value!r}.")
        self.classes, self.value, self.ignore_class, self.from_logits = classes, value, ignore_class, from_logits
        self.matrix = self.add_weight(shape=(classes, classes), initializer="zeros", dtype="int64", name="matrix")

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Adds a batch to the confusion matrix; `sample_weight` is not used."""
        y_true, y_pred = ops.convert_to_tensor(y_true), ops.convert_to_tensor(y_pred)
        if y_pred.shape[-1] == 1:
            predicted = ops.cast(y_pred[..., 0] > (0.0 if self.from_logits else 0.5), "int32")
        else:
            predicted = ops.cast(ops.argmax(y_pred, axis=-1), "int32")
        truth = ops.reshape(ops.cast(y_true, "int32"), (-1,))
        mask = ops.not_equal(truth, self.ignore_class)
        cell = ops.where(mask, truth, 0) * self.classes + ops.reshape(predicted, (-1,))
        counts = ops.segment_sum(ops.cast(mask, "int64"), cell, num_segments=self.classes**2)
        self.matrix.assign_add(ops.reshape(counts, (self.classes, self.classes)))

    def result(self):
        matrix = ops.cast(self.matrix, "float32")
        correct = ops.diagonal(matrix)
        union = ops.sum(matrix, 0) + ops.sum(matrix, 1) - correct
        if self.value == "accuracy":
            return ops.sum(correct) / ops.maximum(ops.sum(matrix), 1.0)
        present = ops.cast(union > 0, "float32")
        iou = correct / ops.maximum(union, 1.0)
        if self.value == "iou" and self.classes == 2:
            return iou[1]
        return ops.sum(iou * present) / ops.maximum(ops.sum(present), 1.0)

    def get_config(self):
        arguments = ("classes", "value", "ignore_class", "from_logits", "name")
        return {argument: getattr(self, argument) for argument in arguments}


VALUES = ("iou", "mean_iou", "accuracy")


def confusion_matrix(truth, predicted, classes):
    """Returns the confusion matrix of pixels without the ignored ones (255): (C, C) counts, rows are the true classes.

    Args:
        truth: (...) true class indices.
        predicted: (...) predicted class indices.
        classes: number of classes.
    """
    truth, predicted = np.ravel(truth).astype(np.int64), np.ravel(predicted).astype(np.int64)
    mask = truth != IGNORE
    return np.bincount(truth[mask] * classes + predicted[mask], minlength=classes**2).reshape(classes, classes)


def overlap(matrix):
    """Computes IoU, Dice and accuracy from a confusion matrix, as fractions from 0 to 1.

    Args:
        matrix: (C, C) counts, rows are the true classes.
    Returns:
        Dict: `iou`, for two classes that of the second one (the foreground), for more classes their mean; `mean_iou`,
        the mean over the classes in the truth or the predictions; `dice` and `mean_dice`, the same for
        2 TP / (2 TP + FP + FN), the F1 score; `pixel_accuracy`; and the lists `iou_by_class` and `dice_by_class`, with
        None for classes in neither the truth nor the predictions.
    """
    matrix = np.asarray(matrix, np.float64)
    correct, truth, predicted = np.diag(matrix), matrix.sum(1), matrix.sum(0)
    ratios = {"iou": (correct, truth + predicted - correct), "dice": (2 * correct, truth + predicted)}
    metrics = {}
    for key, (numerators, denominators) in ratios.items():
        by_class = [float(n / d) if d else None for n, d in zip(numerators, denominators, strict=True)]
        present = [value for value in by_class if value is not None]
        mean = float(np.mean(present)) if present else 0.0
        metrics[key] = (by_class[1] or 0.0) if len(by_class) == 2 else mean
        metrics[f"mean_{key}"], metrics[f"{key}_by_class"] = mean, by_class
    metrics["pixel_accuracy"] = float(correct.sum() / max(matrix.sum(), 1))
    return metrics


@keras.saving.register_keras_serializable("recipes")
class PSNR(keras.metrics.Mean):
    """Mean over the images of the peak signal-to-noise ratio, 10 log10(max_value^2 / MSE) [dB].

    True and predicted images, (B, H, W, C) each.

    Args:
        max_value: largest possible value of the images.
        border: pixels at each side that are not evaluated, as is usual in super-resolution.

    Differs: the mean of the PSNR of each image, as papers report it; `keras.ops.psnr` has one MSE for the whole batch.
    """

    def __init__(self, max_value=1.0, border=0, name="psnr", dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.max_value, self.border = max_value, border

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_true, y_pred = (crop_border(ops.cast(y, "float32"), self.border) for y in (y_true, y_pred))
        super().update_state(self.per_image(y_true, y_pred), sample_weight)

    def per_image(self, y_true, y_pred):
        """Returns the PSNR of each image [dB], (B,)."""
        error = ops.mean(ops.square(y_true - y_pred), axis=(1, 2, 3))
        return 10.0 * ops.log10(self.max_value**2 / error)

    def get_config(self):
        return {"max_value": self.max_value, "border": self.border, "name": self.name}


def crop_border(images, border):
    """Removes `border` pixels at each side of the images."""
    return images[:, border:-border, border:-border] if border else images


@keras.saving.register_keras_serializable("recipes")
class SSIM(PSNR):
    """Mean over the images of the structural similarity of `tf.image.ssim`; 1 for equal images.

    True and predicted images, (B, H, W, C) each, at least 11 x 11 pixels. Arguments are as in `PSNR`.

    Source: Wang et al. 2004, https://doi.org/10.1109/TIP.2003.819861.
    """

    def __init__(self, max_value=1.0, border=0, name="ssim", dtype=None):
        super().__init__(max_value, border, name, dtype)

    def per_image(self, y_true, y_pred):
        """Returns the SSIM of each image, (B,)."""
        import tensorflow as tf

        return tf.image.ssim(y_true, y_pred, self.max_value)


@keras.saving.register_keras_serializable("recipes")
class MeanEndpointError(keras.metrics.Mean):
    """Mean Euclidean distance between true and predicted optical flow [pixels].

    True and predicted flow, (B, H, W, 2) each. Pixels with `sample_weight` 0 are not counted.
    """

    def __init__(self, name="endpoint_error", dtype=None):
        super().__init__(name=name, dtype=dtype)

    def update_state(self, y_true, y_pred, sample_weight=None):
        super().update_state(safe_norm(ops.cast(y_true, "float32") - ops.cast(y_pred, "float32")), sample_weight)
