"""Average precision of boxes and masks, and which box is right, by COCO's rules."""

import contextlib
import io

import numpy as np

from zoo.detect.boxes import pairwise_iou

CELLS = 4_000_000  # weights x boxes in memory
COUNTED_SCORE = 0.5  # from which a box counts as an object, in counts, pictures and tables of boxes
MATCH_IOU = 0.5  # from which a box is right, in counts and pictures
# Names of the first six of COCO's twelve statistics
STATISTICS = ("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large")


class BoxEvaluation:
    """The comparison of boxes, or of masks, with objects by COCO's rules.

    Args:
        targets: (N, M, 6) relative corners, class and crowd of each object; the class is -1 in rows without one.
        detections: (N, D, 6) relative corners, score and class of each box; the class is -1 in rows without one.
        sizes: (N, 2) height and width of each image [pixels].
        classes: names of the classes.
        masks: (of the objects, of the boxes): two functions of the index of an image and of a row that return its mask
            as run lengths, as `pycocotools.mask.encode` does; None to compare the boxes.
    Raises:
        ImportError: if pycocotools is not installed.

    Source: https://cocodataset.org/#detection-eval, computed by pycocotools.
    Differs: without masks, sizes are those of the boxes; COCO's own files have the areas of the segments.
    """

    def __init__(self, targets, detections, sizes, classes, masks=None):
        self.images, self.classes = len(targets), len(classes)
        self._evaluation = _evaluate(targets, detections, sizes, classes, masks)

    def metrics(self):
        """Returns COCO's average precision as a dict.

        ap (mean over IoU 0.5 to 0.95), ap50, ap75, ap_small, ap_medium, ap_large (objects of less than 32 x 32 pixels,
        96 x 96, and more), each a number from 0 to 1 or None where there is no object; and the list ap50_by_class.
        """
        precision = self._evaluation.eval["precision"][0, :, :, 0, -1]  # IoU 0.5: (recalls, classes)
        by_class = [_mean(column) for column in precision.T]
        statistics = dict(zip(STATISTICS, (_or_none(v) for v in self._evaluation.stats[:6]), strict=True))
        return {**statistics, "ap50_by_class": by_class}

    def weighted_ap50(self):
        """Returns a function from weights of the images, (R, N), to the average precision at an IoU of 0.5, (R,).

        With a weight of 1 for each image it is `ap50`; 0 where no object has a weight.
        """
        entries, areas = self._evaluation.evalImgs, len(self._evaluation.params.areaRng)
        starts = [k * areas * self.images for k in range(self.classes)]  # of all areas, the first
        of_classes = [[e for e in entries[start : start + self.images] if e is not None] for start in starts]
        ranked = [_ranked_boxes(of_class) for of_class in of_classes if of_class]
        size = max(1, CELLS // max([1, *(len(boxes) for boxes, *_ in ranked)]))

        def ap50(weights):
            if len(weights) > size:
                return np.concatenate([ap50(weights[i : i + size]) for i in range(0, len(weights), size)])
            precisions = [_class_precision(weights, *boxes) for boxes in ranked]
            precisions = np.array(precisions).reshape(-1, len(weights))
            counts = (~np.isnan(precisions)).sum(0)
            return np.where(counts > 0, np.nansum(precisions, 0) / np.maximum(counts, 1), 0.0)

        return ap50


def _ranked_boxes(entries):
    """Returns (image of each box, whether it is right, image of each object) of a class, the boxes best first."""
    boxes, objects = [], []
    for entry in entries:
        objects += [entry["image_id"]] * int((np.asarray(entry["gtIgnore"]) == 0).sum())
        for score, match, ignored in zip(entry["dtScores"], entry["dtMatches"][0], entry["dtIgnore"][0], strict=True):
            if not ignored:
                boxes.append((-score, entry["image_id"], match > 0))
    order = np.argsort([score for score, *_ in boxes], kind="stable")
    images, right = (np.array([box[i] for box in boxes], int)[order] for i in (1, 2))
    return images, right.astype(bool), np.array(objects, int)


def _class_precision(weights, images, is_right, objects):
    """Returns (R,) the average precision of a class, at 101 recalls as COCO has it; NaN where it has no object."""
    total = weights[:, objects].sum(1)
    of_boxes = weights[:, images]
    right = np.cumsum(of_boxes * is_right, axis=1)
    count = np.cumsum(of_boxes, axis=1)
    precision = np.where(count > 0, right / np.maximum(count, 1e-12), 0)
    precision = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]  # the best at this recall or a higher one
    results = np.full(len(weights), np.nan)
    recalls = np.linspace(0, 1, 101)
    for row in np.flatnonzero(total > 0):
        first = np.searchsorted(right[row] / total[row], recalls, side="left")
        reached = first < len(images)
        results[row] = precision[row][first[reached]].sum() / len(recalls)
    return results


def _evaluate(targets, detections, sizes, classes, masks):
    """Returns pycocotools' evaluation; arguments and errors as `BoxEvaluation` has them."""
    try:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ImportError:
        raise ImportError("average precision needs pycocotools: pip install pycocotools.") from None
    sides = np.asarray(sizes, np.float64)[:, None, [1, 0, 1, 0]]
    of_objects, of_boxes = masks or (None, None)
    objects = _entries(np.asarray(targets, np.float64), sides, 4, of_objects)
    for i, entry in enumerate(objects):
        entry |= {"id": i + 1, "iscrowd": int(entry.pop("values")[5])}
    boxes = _entries(np.asarray(detections, np.float64), sides, 5, of_boxes)
    for i, entry in enumerate(boxes):
        entry |= {"id": i + 1, "score": entry.pop("values")[4], "iscrowd": 0}
    images = [{"id": i, "height": int(height), "width": int(width)} for i, (height, width) in enumerate(sizes)]
    categories = [{"id": i, "name": name} for i, name in enumerate(classes)]
    with contextlib.redirect_stdout(io.StringIO()):
        truth, results = COCO(), COCO()
        for coco, annotations in ((truth, objects), (results, boxes)):
            coco.dataset = {"images": images, "annotations": annotations, "categories": categories}
            coco.createIndex()
        evaluation = COCOeval(truth, results, "segm" if masks else "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation


def _entries(rows, sides, column, mask_of):
    """Returns the rows of a class as COCO's annotations, with the row under `values`."""
    from pycocotools import mask as coco

    pixels = rows[..., :4] * sides
    entries = []
    for i, j in np.argwhere(rows[..., column] >= 0):
        x1, y1, x2, y2 = pixels[i, j].tolist()
        box = [x1, y1, x2 - x1, y2 - y1]
        entry = {"image_id": int(i), "category_id": int(rows[i, j, column]), "bbox": box, "area": box[2] * box[3]}
        if mask_of is not None:
            segment = mask_of(i, j)
            entry |= {"segmentation": segment, "area": float(coco.area(segment))}
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
