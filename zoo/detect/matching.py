"""Matching: which object an anchor or a proposal is trained on."""

from keras import ops

from zoo.detect.boxes import pairwise_iou

OBJECT, BACKGROUND, IGNORED = 1, 0, -1


def match(anchors, boxes, is_object, low, high, best_for_each=True):
    """Returns (index, kind) of the object that each anchor is matched to, (B, A) int32 each.

    An anchor is of kind `OBJECT` where its IoU with an object is at least `high`, `BACKGROUND` below `low`, else
    `IGNORED`. The index is that of the object with the largest IoU; it is 0 where there is none.

    Args:
        anchors: (B, A, 4) or (A, 4).
        boxes: (B, N, 4) objects, N at least 1; the rows of no object have any values.
        is_object: (B, N) whether a row is an object.
        low, high: IoU below which an anchor is background, and from which it is an object.
        best_for_each: whether the anchors with the largest IoU with an object are of kind `OBJECT` whatever that IoU.

    Source: Ren et al. 2015, https://arxiv.org/abs/1506.01497, section 3.1.2; torchvision's `Matcher`.
    Differs: from torchvision in that an object that no anchor touches is matched to none.
    """
    overlap = ops.where(is_object[:, None], pairwise_iou(anchors, boxes), -1.0)  # (B, A, N)
    largest = ops.max(overlap, axis=-1)
    kind = ops.where(largest >= high, OBJECT, ops.where(largest < low, BACKGROUND, IGNORED))
    if best_for_each:
        best = ops.max(overlap, axis=1, keepdims=True)
        kind = ops.where(ops.any((overlap == best) & (best > 0), axis=-1), OBJECT, kind)
    return ops.cast(ops.argmax(overlap, axis=-1), "int32"), ops.cast(kind, "int32")
