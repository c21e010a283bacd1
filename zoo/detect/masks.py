"""Masks of objects: their targets, layers, loss, and their place in the image."""

import keras
import numpy as np
from keras import layers, ops

from zoo.detect.retinanet_loss import detection_targets
from zoo.detect.roi_align import roi_align
from zoo.detect.two_stage import REGION_FRACTION, REGIONS, TwoStageDetector, weighted_mean

SIDE = 28  # cells along each side of a mask
DEPTH = 4  # convolutions of the mask head
MASK_LAYERS = (*(f"mask_conv{i}" for i in range(DEPTH)), "mask_up", "head_masks")


def mask_targets(boxes, classes, masks):
    """Returns boxes, classes and masks as `zoo.mask_rcnn` trains on them: (B, N, 5) float32 and (B, N, H, W) uint8.

    Args:
        boxes: (B, N, 4), as `zoo.detection_targets` takes them.
        classes: (B, N) class index, -1 in rows without an object.
        masks: (B, N, H, W) 1 where a pixel of the model's image belongs to the object, else 0.
    Raises:
        ValueError: if the shapes do not fit, a box has no area, or a value of a mask is neither 0 nor 1.
    """
    targets, masks = detection_targets(boxes, classes), np.asarray(masks)
    if masks.ndim != 4 or masks.shape[:2] != targets.shape[:2]:
        raise ValueError(
            f"mask_targets: `masks` must be (B, N, H, W) with (B, N) = {targets.shape[:2]}, got {masks.shape}."
        )
    if masks.size and not np.isin(masks, (0, 1)).all():
        raise ValueError(f"mask_targets: `masks` must be 0 or 1, got values from {masks.min()} to {masks.max()}.")
    return targets, masks.astype("uint8")


def paste_masks(detections, masks, height, width):
    """Returns the masks of boxes in their image: (D, 6), (D, S, S)  ->  (D, height, width) float32 from 0 to 1.

    A mask is interpolated bilinearly in its box, and 0 outside of it and in rows without a box. Values of at least 0.5
    are usually taken as the object.

    Args:
        detections: (D, 4 or more) of one image [pixels]; -1 in rows without a box.
        masks: (D, S, S) as `zoo.detector` returns them.
        height, width: size of the image [pixels].
    Raises:
        ValueError: if the shapes do not fit.
    """
    detections, masks = np.asarray(detections, "float32"), np.asarray(masks, "float32")
    if detections.ndim != 2 or masks.ndim != 3 or len(detections) != len(masks) or detections.shape[1] < 4:
        raise ValueError(
            "paste_masks: `detections` must be (D, 6) and `masks` (D, S, S) of one image, got "
            f"{detections.shape} and {masks.shape}."
        )
    x1, y1, x2, y2 = detections[:, :4].T
    rows = _weights(y1, y2, height, masks.shape[1])
    columns = _weights(x1, x2, width, masks.shape[2])
    return rows @ masks @ columns.transpose(0, 2, 1)


def _weights(low, high, pixels, cells):
    """Returns the weight of each cell for each pixel along one side, (D, pixels, cells), 0 without a box."""
    length = np.maximum(high - low, 1e-6)[:, None]
    center = np.arange(pixels) + 0.5
    is_inside = (center > low[:, None]) & (center < high[:, None])
    position = (center - low[:, None]) / length * cells - 0.5
    weights = np.maximum(1 - np.abs(position[..., None] - np.arange(cells)), 0)
    return (weights * is_inside[..., None]).astype("float32")


@keras.saving.register_keras_serializable("zoo")
class DetectionMasks(layers.Layer):
    """Selects the mask of each box's class. Call: `DetectionMasks()([detections, logits])`.

    (B, D, 6) of `RegionDetections`, (B D, S, S, K)  ->  (B, D, S, S) float32 probabilities, 0 in rows without a box.

    Args:
        **kwargs: passed to `keras.layers.Layer`.
    """

    def __init__(self, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})

    def call(self, inputs):
        detections, logits = inputs
        batch, count, _ = ops.shape(detections)
        classes = ops.cast(detections[..., 5], "int32")
        masks = ops.sigmoid(of_class(ops.reshape(logits, (batch, count, *logits.shape[1:])), classes + 1))
        return ops.where(classes[..., None, None] >= 0, masks, 0.0)

    def compute_output_shape(self, input_shape):
        detections, logits = input_shape
        return (*detections[:2], *logits[1:3])

    def macs(self, shapes):
        """Copies are not counted."""
        return 0


@keras.saving.register_keras_serializable("zoo")
class DetectionRows(layers.Layer):
    """Joins boxes and their masks to one output. Call: `DetectionRows()([detections, masks])`.

    (B, D, 6), (B, D, S, S)  ->  (B, D, 6 + S S) float32; `split_rows` takes it apart.

    Args:
        **kwargs: passed to `keras.layers.Layer`.
    """

    def __init__(self, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.activation = keras.activations.sigmoid  # scores and masks are probabilities already

    def call(self, inputs):
        detections, masks = inputs
        batch, count, _ = ops.shape(detections)
        return ops.concatenate([detections, ops.reshape(masks, (batch, count, masks.shape[2] * masks.shape[3]))], -1)

    def compute_output_shape(self, input_shape):
        (batch, count, width), (_, _, height, side) = input_shape
        return (batch, count, width + height * side)

    def macs(self, shapes):
        """Copies are not counted."""
        return 0


def split_rows(rows):
    """Returns (detections (..., 6), masks (..., S, S)) of the rows of `DetectionRows`."""
    side = round((rows.shape[-1] - 6) ** 0.5)
    return rows[..., :6], rows[..., 6:].reshape(*rows.shape[:-1], side, side)


def of_class(logits, classes):
    """Returns the map of one class of each region: (B, R, S, S, K), (B, R)  ->  (B, R, S, S)."""
    return ops.take_along_axis(logits, classes[..., None, None, None], axis=-1)[..., 0]


def mask_layers(classes, filters):
    """Returns {name: layer} of the mask head: four convolutions, a transposed one, and the logits of `classes`."""
    options = {"kernel_initializer": "he_normal", "padding": "same"}
    head = [layers.Conv2D(filters, 3, activation="relu", name=name, **options) for name in MASK_LAYERS[:DEPTH]]
    head.append(layers.Conv2DTranspose(filters, 2, strides=2, activation="relu", name="mask_up", **options))
    head.append(layers.Conv2D(classes, 1, dtype="float32", name="head_masks", **options))
    return {layer.name: layer for layer in head}


def apply_mask_head(get_layer, features):
    """Returns the logits (R, 28, 28, K) of the features of regions (R, 14, 14, C)."""
    for layer in map(get_layer, MASK_LAYERS):
        features = layer(features)
    return features


def detection_masks(get_layer, cells, detections, image):
    """Returns the symbolic masks (B, D, 28, 28) of detections (B, D, 6) in pixels.

    Args:
        get_layer: function of a name that returns the layer.
        cells: (B, N, filters) of the maps.
        detections: of `RegionDetections`.
        image: input of the model.
    """
    features = get_layer("mask_features")([cells, detections[..., :4], image])
    return DetectionMasks(name="masks")([detections, apply_mask_head(get_layer, features)])


@keras.saving.register_keras_serializable("zoo")
class MaskDetector(TwoStageDetector):
    """A `TwoStageDetector` that predicts the mask of each box, with its training.

    Outputs are those of `TwoStageDetector`, and the masks (B, D, 28, 28) of its detections. `fit` takes images and
    `zoo.mask_targets`. The loss has the binary cross-entropy of the mask of each sampled region's class.

    Source: He et al. 2017, https://arxiv.org/abs/1703.06870, section 3; torchvision's `maskrcnn_loss`.
    Differs: the mask of a region is sampled at 2 x 2 points per cell, in torchvision at as many as it has pixels.
    """

    def box_targets(self, y):
        return y[0]

    def further_losses(self, images, y, cells, samples):
        """Returns the loss of the masks of objects; 0 where there are none."""
        count = int(REGIONS * REGION_FRACTION)  # all objects: they are first
        regions, _, index, _, classes = samples
        regions, index, classes = regions[:, :count], index[:, :count], classes[:, :count]
        features = self.get_layer("mask_features")([cells, regions, images])
        logits = apply_mask_head(self.get_layer, features)
        batch, number = ops.shape(classes)
        logits = of_class(ops.reshape(logits, (batch, number, *logits.shape[1:])), classes)
        masks = ops.pad(ops.cast(y[1], "float32"), ((0, 0), (0, 1), (0, 0), (0, 0)))  # one where there is none
        _, _, height, width = ops.shape(masks)
        grid = (index * (height * width), height, width, 1)
        targets = roi_align(ops.reshape(masks, (batch, -1, 1)), regions, SIDE, grid)[..., 0]
        cross_entropy = ops.softplus(logits) - targets * logits
        is_object = ops.cast(classes > 0, "float32")
        return [weighted_mean(ops.mean(cross_entropy, axis=(2, 3)), is_object)]
