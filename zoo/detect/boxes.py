"""Boxes: overlap, clipping, and their coding as deltas from anchors.

A box is (x1, y1, x2, y2) [pixels]: the upper left and the lower right corner, with x2 and y2 outside of the object.
"""

import math

from keras import ops
from keras.utils import bounding_boxes

MAX_LOG_RATIO = math.log(1000 / 16)  # largest log of a decoded side divided by the anchor's, as in Detectron


def area(boxes):
    """Returns the area of boxes: (..., 4)  ->  (...)."""
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def pairwise_iou(boxes, others):
    """Returns the intersection over union of every pair: (B, N, 4) or (N, 4), (B, M, 4) or (M, 4)  ->  (B, N, M).

    Without a batch axis in either, the result has none. The IoU of a box without area is 0.
    """
    return bounding_boxes.compute_iou(boxes, others, "xyxy")


def iou(boxes, others):
    """Returns the intersection over union of boxes one by one: two (..., 4) that broadcast  ->  (...)."""
    shared = _intersection(boxes, others)
    return _ratio(shared, area(boxes) + area(others) - shared)


def generalized_iou(boxes, others):
    """Returns the generalized IoU of boxes one by one, from -1 to 1: two (..., 4) that broadcast  ->  (...).

    Source: Rezatofighi et al. 2019, https://arxiv.org/abs/1902.09630, algorithm 1.
    """
    shared = _intersection(boxes, others)
    union = area(boxes) + area(others) - shared
    low, high = ops.minimum(boxes[..., :2], others[..., :2]), ops.maximum(boxes[..., 2:], others[..., 2:])
    hull = ops.prod(high - low, axis=-1)
    return _ratio(shared, union) - _ratio(hull - union, hull)


def _intersection(boxes, others):
    low, high = ops.maximum(boxes[..., :2], others[..., :2]), ops.minimum(boxes[..., 2:], others[..., 2:])
    return ops.prod(ops.maximum(high - low, 0), axis=-1)


def _ratio(part, whole):
    return ops.where(whole > 0, part / ops.where(whole > 0, whole, 1), 0)


def clip(boxes, height, width):
    """Returns boxes (..., 4) cut to an image of `height` x `width` [pixels]."""
    limits = ops.cast(ops.stack([width, height, width, height]), boxes.dtype)
    return ops.minimum(ops.maximum(boxes, 0), limits)


def _center_and_size(boxes):
    size = boxes[..., 2:] - boxes[..., :2]
    return boxes[..., :2] + size / 2, size


def encode(boxes, anchors, weights=(1.0, 1.0, 1.0, 1.0)):
    """Returns the deltas of boxes from anchors: two (..., 4) that broadcast  ->  (..., 4).

    The deltas are (x, y) of the center, in sides of the anchor, and the logarithm of width and height divided by the
    anchor's, times `weights`. Sides must be positive.

    Source: Girshick et al. 2014, https://arxiv.org/abs/1311.2524, appendix C.
    """
    (center, size), (anchor_center, anchor_size) = _center_and_size(boxes), _center_and_size(anchors)
    deltas = ops.concatenate([(center - anchor_center) / anchor_size, ops.log(size / anchor_size)], axis=-1)
    return deltas * ops.convert_to_tensor(weights, deltas.dtype)


def decode(deltas, anchors, weights=(1.0, 1.0, 1.0, 1.0)):
    """Returns the boxes of deltas from anchors, the inverse of `encode`: two (..., 4) that broadcast  ->  (..., 4).

    A side is at most 62.5 times the anchor's.
    """
    center, size = _center_and_size(anchors)
    deltas = deltas / ops.convert_to_tensor(weights, deltas.dtype)
    center = center + deltas[..., :2] * size
    size = ops.exp(ops.minimum(deltas[..., 2:], MAX_LOG_RATIO)) * size
    return ops.concatenate([center - size / 2, center + size / 2], axis=-1)
