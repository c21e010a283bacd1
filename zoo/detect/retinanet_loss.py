"""The loss of RetinaNet: focal loss of the classes, and absolute error of the boxes."""

import keras
import numpy as np
from keras import ops

from zoo.arguments import Fraction, NonNegative, checked
from zoo.detect.boxes import encode
from zoo.detect.focal_loss import focal_loss
from zoo.detect.level_predictions import split_predictions
from zoo.detect.matching import IGNORED, OBJECT, match

LOW, HIGH = 0.4, 0.5  # IoU below which an anchor is background, and from which it is an object


def detection_targets(boxes, classes):
    """Returns boxes and classes as the losses of detectors take them: (B, N, 4), (B, N)  ->  (B, N, 5) float32.

    Args:
        boxes: (B, N, 4) corners x1, y1, x2, y2 [pixels of the model's image], x2 > x1 and y2 > y1. Rows without an
            object have any values.
        classes: (B, N) class index, -1 in rows without an object.
    Raises:
        ValueError: if the shapes do not fit, a box has no area, or a coordinate is not finite.
    """
    boxes, classes = np.asarray(boxes, "float32"), np.asarray(classes)
    if boxes.ndim != 3 or boxes.shape[-1] != 4 or classes.shape != boxes.shape[:2]:
        raise ValueError(
            f"detection_targets: `boxes` must be (B, N, 4) and `classes` (B, N), got {boxes.shape} and {classes.shape}."
        )
    is_object = classes >= 0
    sides = boxes[..., 2:] - boxes[..., :2]
    wrong = is_object & ~((sides > 0).all(-1) & np.isfinite(boxes).all(-1))
    if wrong.any():
        i, j = np.argwhere(wrong)[0]
        raise ValueError(
            "detection_targets: `boxes` must be corners x1, y1, x2, y2 with x2 > x1 and y2 > y1, got "
            f"{boxes[i, j].tolist()} in row {j} of image {i}; corner, width and height are (x, y, x + w, y + h)."
        )
    boxes = np.where(is_object[..., None], boxes, -1)
    return np.concatenate([boxes, np.where(is_object, classes, -1)[..., None]], axis=-1).astype("float32")


@keras.saving.register_keras_serializable("zoo")
class RetinaNetLoss(keras.losses.Loss):
    """Focal loss of the classes plus mean absolute error of the deltas, both per image and object.

    targets (B, N, 5) as `detection_targets` returns them, predictions (B, A, 8 + C) of `retinanet`  ->  a number.

    The focal loss is summed over anchors and classes, and the error of the four deltas over the anchors with an object.
    Both are divided by the number of anchors with an object, at least 1. An image without objects trains its anchors as
    background.

    Args:
        alpha, gamma: of the focal loss.
        box_weight: factor of the boxes' error.
        **kwargs: as `keras.losses.Loss` has them.

    Source: Lin et al. 2017, sections 3 and 4; torchvision's `RetinaNetHead.compute_loss`.
    """

    @checked
    def __init__(
        self,
        alpha: Fraction = 0.25,
        gamma: NonNegative = 2.0,
        box_weight: NonNegative = 1.0,
        name: str = "retinanet_loss",
        **kwargs,
    ):
        super().__init__(name=name, **kwargs)
        self.alpha, self.gamma, self.box_weight = alpha, gamma, box_weight

    def call(self, y_true, y_pred):
        """Returns the loss of each image, (B,)."""
        y_true = ops.pad(y_true, ((0, 0), (0, 1), (0, 0)), constant_values=-1)  # a row where there is none
        boxes, classes = y_true[..., :4], ops.cast(y_true[..., 4], "int32")
        anchors, deltas, logits = split_predictions(y_pred)
        index, kind = match(anchors[0], boxes, classes >= 0, LOW, HIGH)
        is_object = ops.cast(kind == OBJECT, logits.dtype)
        count = ops.maximum(ops.sum(is_object, axis=1), 1.0)
        of_anchor = ops.where(kind == OBJECT, ops.take_along_axis(classes, index, axis=1), -1)
        targets = ops.one_hot(of_anchor, logits.shape[-1], dtype=logits.dtype)
        focal = ops.sum(focal_loss(targets, logits, self.alpha, self.gamma), axis=-1)
        focal = ops.sum(focal * ops.cast(kind != IGNORED, focal.dtype), axis=1)
        matched = ops.take_along_axis(boxes, index[..., None], axis=1)
        matched = ops.where((kind == OBJECT)[..., None], matched, anchors)  # whose deltas are 0
        errors = ops.sum(ops.abs(deltas - encode(matched, anchors)), axis=-1)
        return (focal + self.box_weight * ops.sum(errors * is_object, axis=1)) / count

    def get_config(self):
        options = {"alpha": self.alpha, "gamma": self.gamma, "box_weight": self.box_weight}
        return {**super().get_config(), **options}
