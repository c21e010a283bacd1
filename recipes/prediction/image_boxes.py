"""Boxes in images, and their rows in a data frame: one for each box, and one for an image without any."""

import typing

import numpy as np

from recipes.data.images.photo_exif import PhotoExif

BOX_DIGITS, SCORE_DIGITS = 2, 5  # decimals in files
CORNERS = ("x1", "y1", "x2", "y2")


class ImageBoxes(typing.NamedTuple):
    """The boxes in one image, best first.

    Args:
        size: (height, width) of the image, upright [pixels].
        boxes: (n, 4) corners x1, y1, x2, y2 [pixels].
        scores: (n,), 0 to 1.
        labels: (n,) names of the classes.
        crop_labels: (n,) names of the classes of the crops, None where a crop was not classified; None without a
            classifier.
        crop_probabilities: (n,) their probabilities, NaN where a crop was not classified.
    """

    size: tuple
    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    crop_labels: np.ndarray | None = None
    crop_probabilities: np.ndarray | None = None

    def above(self, threshold):
        """Returns the boxes with a score of at least `threshold`."""
        selected = self.scores >= threshold
        return self._replace(boxes=self.boxes[selected], scores=self.scores[selected], labels=self.labels[selected])


def boxes_of_rows(rows, size):
    """Returns (boxes (n, 4) [pixels], scores (n,), indices of the classes (n,)) of a detector's rows for an image.

    Args:
        rows: (D, 6) relative corners, score and class; the class is -1 in rows without a box.
        size: (height, width) of the image [pixels].
    """
    rows = rows[rows[:, 5] >= 0]
    height, width = size
    boxes = rows[:, :4] * np.array([width, height, width, height], rows.dtype)
    return boxes, rows[:, 4], rows[:, 5].astype(int)


def box_frame(images, failures, *, has_classifier=False, corners=None):
    """Returns a data frame with a row per box, per image without a box, and per file that could not be read.

    Args:
        images: list of (path, `ImageBoxes`, `PhotoExif`).
        failures: path of a file that could not be read -> reason.
        has_classifier: whether there are columns for the classes of the crops.
        corners: function of a path and (n, 4) boxes that returns (coordinate reference system, list of n polygons with
            four (x, y) each); None for no such columns.
    """
    import pandas as pd

    rows = []
    for path, image, exif in images:
        boxes = np.round(image.boxes.astype(np.float64), BOX_DIGITS)
        scores = np.round(image.scores.astype(np.float64), SCORE_DIGITS)
        facts = {"file": path, **_image_facts(image.size, exif)}
        crs, polygons = corners(path, image.boxes) if corners else (None, None)
        for i in range(max(1, len(boxes))):
            is_box = len(boxes) > 0
            row = {**facts, "crs": crs}
            if is_box:
                row |= dict(zip(CORNERS, boxes[i].tolist(), strict=True))
                row |= {"score": scores[i], "class": image.labels[i]}
                row["polygon"] = polygons[i] if polygons else None
            if is_box and image.crop_labels is not None:
                row["detected_class"] = row["class"]
                if image.crop_labels[i] is not None:
                    row["class"] = image.crop_labels[i]
                    row["probability"] = round(float(image.crop_probabilities[i]), SCORE_DIGITS)
            rows.append(row)
    rows += [{"file": path, "error": reason} for path, reason in failures.items()]
    types = _column_types(has_classifier, corners is not None)
    return pd.DataFrame({name: _column([row.get(name) for row in rows], kind) for name, kind in types.items()})


def _column_types(has_classifier, has_corners):
    types = {"file": "text", **dict.fromkeys((*CORNERS, "score"), "number"), "class": "text"}
    if has_classifier:
        types |= {"probability": "number", "detected_class": "text"}
    types |= {"width": "whole", "height": "whole", "date_time": "text", "latitude": "number", "longitude": "number"}
    if has_corners:
        types |= {"crs": "text", "polygon": "text"}
    return {**types, "error": "text"}


def _column(values, kind):
    import pandas as pd

    if kind == "whole":
        return pd.array(values, dtype="Int64")
    return pd.Series(values, dtype="float64" if kind == "number" else object)


def _image_facts(size, exif: PhotoExif):
    time = None if exif.time is None else exif.time.isoformat(sep=" ")
    place = {"latitude": exif.latitude, "longitude": exif.longitude}
    return {"width": int(size[1]), "height": int(size[0]), "date_time": time, **place}
