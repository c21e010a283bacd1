"""Non-maximum suppression: of boxes of one class that overlap, the one with the highest score stays."""

from keras import ops

from zoo.detect.boxes import iou, pairwise_iou


def non_max_suppression(boxes, scores, classes, iou_threshold, count):
    """Returns the indices of the boxes that stay, highest score first: (B, count) int32, -1 after the last one.

    Boxes of different classes do not suppress each other. All operations have fixed shapes, so that it runs inside a
    graph, for all images of a batch together.

    Args:
        boxes: (B, K, 4), K at least 1.
        scores: (B, K); boxes with a score of 0 or less never stay.
        classes: (B, K) integers.
        iou_threshold: IoU with a box of a higher score above which a box is removed.
        count: largest number of boxes that stay.
    """
    position, candidate = ops.arange(count), ops.arange(ops.shape(scores)[1])

    def any_left(i, scores, selected):
        return (i < count) & ops.any(scores > 0)

    def select(i, scores, selected):
        best = ops.cast(ops.argmax(scores, axis=1), "int32")[:, None]  # (B, 1)
        is_left = ops.take_along_axis(scores, best, axis=1) > 0
        box = ops.take_along_axis(boxes, best[..., None], axis=1)
        same_class = classes == ops.take_along_axis(classes, best, axis=1)
        removed = (same_class & (iou(boxes, box) > iou_threshold)) | (candidate == best)
        selected = ops.where((position == i) & is_left, best, selected)
        return i + 1, ops.where(removed, ops.zeros_like(scores), scores), selected

    selected = ops.cast(ops.zeros_like(scores[:, :1]), "int32") - ops.ones((1, count), "int32")
    return ops.while_loop(any_left, select, (ops.convert_to_tensor(0, "int32"), scores, selected))[2]


def suppress_sorted(boxes, is_box, iou_threshold):
    """Returns which boxes stay, (B, K) bool: those with an IoU of at most `iou_threshold` with any before that stays.

    The result is that of the loop over the boxes. It is computed for all of them together, by repeating the rule until
    nothing changes, which takes a few passes; memory grows with K squared.

    Args:
        boxes: (B, K, 4), highest score first.
        is_box: (B, K) bool; the other rows neither stay nor suppress.
        iou_threshold: IoU above which the later of two boxes is removed.
    """
    position = ops.arange(ops.shape(boxes)[1])
    before = position[None, :] < position[:, None]
    overlaps = ops.cast((pairwise_iou(boxes, boxes) > iou_threshold) & before, "float32")

    def changed(stays, previous):
        return ops.any(stays != previous)

    def apply(stays, previous):
        suppressors = ops.matmul(overlaps, ops.cast(stays, "float32")[..., None])[..., 0]
        return is_box & (suppressors == 0), stays

    return ops.while_loop(changed, apply, (is_box, ops.logical_not(is_box)))[0]
