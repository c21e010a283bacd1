"""Documents of boxes: COCO, MegaDetector's batch output, GeoJSON and GeoPackage.

Such a file cannot be continued, so its rows are JSON Lines until all are there, and it is written from them at the end.
"""

import abc
import datetime
import itertools
import json
import os
import typing
from pathlib import Path

import numpy as np

from recipes.prediction.image_boxes import CORNERS
from recipes.prediction.row_formats import JsonRows
from zoo.strict_json import json_text

MEGADETECTOR_VERSION = "1.6"  # of the format
BOX_DIGITS = 4  # decimals of relative boxes
VECTOR_DRIVERS = {".geojson": "GeoJSON", ".gpkg": "GPKG"}  # suffix -> GDAL's name


class Detector(typing.NamedTuple):
    """What documents say about the model that predicted the boxes.

    Args:
        name: of the detector.
        classes: names of its classes.
        typical_threshold, conservative_threshold: scores from which a box counts, in general and where no object is to
            be missed.
        classifier: name of the model that classified the crops; None for none.
        crop_classes: names of its classes.
    """

    name: str
    classes: tuple
    typical_threshold: float
    conservative_threshold: float
    classifier: str | None = None
    crop_classes: tuple = ()


class DocumentRows(JsonRows, abc.ABC):
    """JSON Lines of which `finish` makes a document.

    Args:
        detector: `Detector`.
    """

    def __init__(self, detector):
        super().__init__()
        self.detector = detector

    def finish(self, part, out):
        """Writes the document of the rows, so that a reader never sees half of it."""
        complete = out.with_name(f"{out.name}.part.document{out.suffix}")
        try:
            self.write(lambda: _images(part), complete, out.parent)
            os.replace(complete, out)
        finally:
            complete.unlink(missing_ok=True)

    @abc.abstractmethod
    def write(self, images, path, folder):
        """Writes the document.

        Args:
            images: function without arguments that yields the list of the rows of each image.
            path: of the document, until it is complete.
            folder: that paths of images are relative to.
        """


class CocoRows(DocumentRows):
    """A COCO file: the images, and an annotation with a score for each box. `failures` has the unreadable files."""

    def write(self, images, path, folder):
        """Writes the document, as `DocumentRows.write` has it."""
        names = _category_names(self.detector)
        ids = {name: i for i, name in enumerate(names, 1)}
        head = {
            "info": {"description": f"boxes of {self.detector.name}", "date_created": _now()},
            "categories": [{"id": i, "name": name} for name, i in ids.items()],
        }
        lists = {
            "images": (_coco_image(i, rows[0], folder) for i, rows in enumerate(images(), 1) if not rows[0]["error"]),
            "annotations": _coco_annotations(images(), ids),
            "failures": (
                {"file_name": _relative(rows[0]["file"], folder), "error": rows[0]["error"]}
                for rows in images()
                if rows[0]["error"]
            ),
        }
        _write_json(path, head, lists)


class MegaDetectorRows(DocumentRows):
    """MegaDetector's batch output, format 1.6. Source: https://lila.science/megadetector-output-format."""

    def write(self, images, path, folder):
        """Writes the document, as `DocumentRows.write` has it."""
        detector = self.detector
        categories = _numbered(detector.classes)
        crop_categories = _numbered(detector.crop_classes)
        metadata = {
            "megadetector_version": "unknown",
            "typical_detection_threshold": detector.typical_threshold,
            "conservative_detection_threshold": detector.conservative_threshold,
        }
        info = {
            "format_version": MEGADETECTOR_VERSION,
            "detector": detector.name,
            "detection_completion_time": _now(),
            "detector_metadata": metadata,
        }
        head = {"info": info, "detection_categories": {i: name for name, i in categories.items()}}
        if detector.classifier:
            info |= {"classifier": detector.classifier, "classification_completion_time": _now()}
            head["classification_categories"] = {i: name for name, i in crop_categories.items()}
        entries = (_megadetector_image(rows, folder, categories, crop_categories) for rows in images())
        _write_json(path, head, {"images": entries})


class VectorRows(DocumentRows):
    """A layer of polygons in the rasters' coordinate reference system: GeoJSON or GeoPackage."""

    def write(self, images, path, folder):
        """Writes the document, as `DocumentRows.write` has it."""
        import pyogrio
        import shapely

        crs, polygons, fields = None, [], {"file": [], "class": [], "score": []}
        if self.detector.classifier:
            fields |= {"probability": [], "detected_class": []}
        for rows in images():
            crs = crs or rows[0]["crs"]
            for row in rows:
                if row["polygon"]:
                    polygons.append(row["polygon"])
                    for name, values in fields.items():
                        values.append(row[name])
        geometry = shapely.to_wkb(shapely.polygons(np.reshape(polygons, (-1, 4, 2))))
        kinds = {"score": float, "probability": float}
        columns = [np.array(values, dtype=kinds.get(name, object)) for name, values in fields.items()]
        pyogrio.raw.write(
            path, geometry, columns, list(fields), geometry_type="Polygon", crs=crs, layer="boxes",
            driver=VECTOR_DRIVERS[path.suffix.lower()],
        )  # fmt: skip


def _images(part):
    """Yields the list of the rows of each image, from JSON Lines."""
    with open(part, encoding="utf-8", errors="surrogateescape") as lines:
        rows = map(json.loads, lines)
        yield from (list(group) for _, group in itertools.groupby(rows, key=lambda row: row["file"]))


def _write_json(path, head, lists):
    """Writes a JSON object: the entries of `head`, then lists whose entries come one by one."""
    with open(path, "w", encoding="utf-8", errors="replace") as file:
        file.write(json_text(head, indent=1, ensure_ascii=False).removesuffix("\n}"))
        for name, entries in lists.items():
            file.write(f",\n {json.dumps(name)}: [")
            for i, entry in enumerate(entries):
                file.write(",\n  " if i else "\n  ")
                file.write(json_text(entry, ensure_ascii=False))
            file.write("\n ]")
        file.write("\n}\n")
        file.flush()
        os.fsync(file.fileno())


def _category_names(detector):
    """Returns the names of the classes that a box may have: the classifier's, and the detector's."""
    return list(dict.fromkeys([*detector.crop_classes, *detector.classes]))


def _numbered(names):
    return {name: str(i) for i, name in enumerate(names, 1)}


def _relative(file, folder):
    """Returns the path of an image from the folder of a document, with slashes; absolute on another drive."""
    try:
        return Path(os.path.relpath(file, folder)).as_posix()
    except ValueError:
        return Path(file).absolute().as_posix()


def _now():
    return datetime.datetime.now().isoformat(sep=" ", timespec="seconds")


def _coco_image(number, row, folder):
    image = {"id": number, "file_name": _relative(row["file"], folder)}
    image |= {"width": row["width"], "height": row["height"]}
    optional = {"date_captured": row["date_time"], "latitude": row["latitude"], "longitude": row["longitude"]}
    return image | {name: value for name, value in optional.items() if value is not None}


def _coco_annotations(images, ids):
    count = itertools.count(1)
    for number, rows in enumerate(images, 1):
        for row in rows:
            if row["score"] is None:
                continue
            x1, y1, x2, y2 = (row[name] for name in CORNERS)
            box = [x1, y1, round(x2 - x1, 2), round(y2 - y1, 2)]
            annotation = {"id": next(count), "image_id": number, "category_id": ids[row["class"]], "bbox": box}
            annotation |= {"area": round(box[2] * box[3], 2), "iscrowd": 0, "score": row["score"]}
            optional = {name: row.get(name) for name in ("probability", "detected_class")}
            yield annotation | {name: value for name, value in optional.items() if value is not None}


def _megadetector_image(rows, folder, categories, crop_categories):
    image = {"file": _relative(rows[0]["file"], folder)}
    if rows[0]["error"]:
        return image | {"detections": None, "failure": rows[0]["error"]}
    if rows[0]["date_time"]:
        image["datetime"] = rows[0]["date_time"].replace("-", ":")  # as the EXIF has it
    detections = [_megadetector_box(row, categories, crop_categories) for row in rows if row["score"] is not None]
    return image | {"detections": detections}


def _megadetector_box(row, categories, crop_categories):
    x1, y1, x2, y2 = (row[name] for name in CORNERS)
    left, right = (min(max(round(x / row["width"], BOX_DIGITS), 0.0), 1.0) for x in (x1, x2))
    top, bottom = (min(max(round(y / row["height"], BOX_DIGITS), 0.0), 1.0) for y in (y1, y2))
    box = [left, top, round(right - left, BOX_DIGITS), round(bottom - top, BOX_DIGITS)]
    is_classified = row.get("probability") is not None
    name = row["detected_class"] if row.get("detected_class") else row["class"]
    entry = {"category": categories[name], "conf": float(row["score"]), "bbox": box}
    if is_classified:
        entry["classifications"] = [[crop_categories[row["class"]], row["probability"]]]
    return entry
