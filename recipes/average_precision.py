"""Average precision of boxes, and which box is right, by COCO's rules."""

import contextlib
import io

import numpy as np

from zoo.detect.boxes import pairwise_iou

COUNTED_SCORE = 0.5  # from which a box counts as an object, in counts, pictures and tables of boxes
MATCH_IOU = 0.5  # from which a box is right, in counts and pictures
# Names of the first six of COCO's twelve statistics
STATISTICS = ("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large")


def average_precision(targets, detections, sizes, classes):
    """Returns COCO's average precision of boxes as a dict.

    Args:
        targets: (N, M, 6) relative corners, class and crowd of each object; the class is -1 in rows without one.
        detections: (N, D, 6) relative corners, score and class of each box; the class is -1 in rows without one.
        sizes: (N, 2) height and width of each image [pixels].
        classes: names of the classes.
    Returns:
        Dict: ap (mean over IoU 0.5 to 0.95), ap50, ap75, ap_small, ap_medium, ap_large (objects of less than 32 x 32,
        96 x 96, and more pixels), each a number from 0 to 1 or None where there is no object; and the list
        ap50_by_class.
    Raises:
        ImportError: if pycocotools is not installed.

    Source: https://cocodataset.org/#detection-eval, computed by pycocotools.
    Differs: sizes are those of the boxes; COCO's own files have the areas of the segments.
    """
    try:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ImportError:
        raise ImportError("average precision needs pycocotools: pip install pycocotools.") from None
    sides = np.asarray(sizes, np.float64)[:, None, [1, 0, 1, 0]]
    objects = _entries(np.asarray(targets, np.float64), sides, column=4)
    for i, entry in enumerate(objects):
        entry |= {"id": i + 1, "iscrowd": int(entry.pop("values")[5])}
    boxes = _entries(np.asarray(detections, np.float64), sides, column=5)
    for i, entry in enumerate(boxes):
        entry |= {"id": i + 1, "score": entry.pop("values")[4], "iscrowd": 0}
    images = [{"id": i} for i in range(len(targets))]
    categories = [{"id": i, "name": name} for i, name in enumerate(classes)]
    with contextlib.redirect_stdout(io.StringIO()):
        truth, results = COCO(), COCO()
        for coco, annotations in ((truth, objects), (results, boxes)):
            coco.dataset = {"images": images, "annotations": annotations, "categories": categories}
            coco.createIndex()
        evaluation = COCOeval(truth, results, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    precision = evaluation.eval["precision"][0, :, :, 0, -1]  # IoU 0.5: (recalls, classes)
    by_class = [_mean(column) for column in precision.T]
    statistics = dict(zip(STATISTICS, (_or_none(v) for v in evaluation.stats[:6]), strict=True))
    return {**statistics, "ap50_by_class": by_class}


def _entries(rows, sides, column):
    """Returns the rows of a class as COCO's annotations, with the row under `values`."""
    pixels = rows[..., :4] * sides
    entries = []
    for i, j in np.argwhere(rows[..., column] >= 0):
        x1, y1, x2, y2 = pixels[i, j].tolist()
        box = [x1, y1, x2 - x1, y2 - y1]
        entry = {"image_id": int(i), "category_id": int(rows[i, j, column]), "bbox": box, "area": box[2] * box[3]}
        entries.append({**entry, "values": rows[i, j].tolist()})
    return entries


def _or_none(value):
    return None if value < 0 else float(value)


def _mean(values):
    values = values[values >= 0]
    return float(values.mean()) if len(values) else None


def match_boxes(objects, boxes):
    """Returns (is_right, is_detected) of one image's boxes and objects.

    Each box, best first, is right where it overlaps an object of its class that no better box has, with an IoU of at
    least 0.5.

    Args:
        objects: (n, 6) targets, without crowds.
        boxes: (m, 6) detections, best first.
    Returns:
        (m,) bool of the boxes, (n,) bool of the objects.
    """
    is_right, is_detected = np.zeros(len(boxes), bool), np.zeros(len(objects), bool)
    if not len(objects) or not len(boxes):
        return is_right, is_detected
    overlap = np.asarray(pairwise_iou(boxes[:, :4].astype("float32"), objects[:, :4].astype("float32")))
    for i, row in enumerate(overlap):
        row = np.where(is_detected | (objects[:, 4] != boxes[i, 5]), -1, row)
        if row.max() >= MATCH_IOU:
            is_right[i] = is_detected[row.argmax()] = True
    return is_right, is_detected
