"""Boxes in a table: one row for each box, and one with empty corners for an image without any."""

from pathlib import Path

import numpy as np

from recipes.data.boxes.annotation_reader import AnnotationSet, annotation_reader
from recipes.data.boxes.annotations import Annotation
from recipes.data.tables.columns import IMAGE_COLUMNS, LABEL_COLUMNS, named_column
from recipes.data.tables.table_files import read_table_file
from zoo.arguments import FilePath

CORNER_COLUMNS = (("x1", "y1", "x2", "y2"), ("xmin", "ymin", "xmax", "ymax"), ("x_min", "y_min", "x_max", "y_max"))
SIZE_COLUMNS = (("x", "y", "w", "h"), ("x", "y", "width", "height"))
FIRST_ROW = 2  # of the values in the file, after the header
SHOWN_ROWS = 3
CONFUSED = 0.5  # fraction of boxes that do not fit their image, from which the other meaning of the columns is tried
FITTING = 0.95  # fraction of boxes that fit, from which it is meant


@annotation_reader
def read_boxes(
    path,
    problems,
    *,
    images: FilePath | None = None,
    classes: tuple[str, ...] = (),
    image: str | None = None,
    label: str | None = None,
    corners: tuple[str, ...] = (),
    xywh: tuple[str, ...] = (),
):
    """Reads images and boxes from a table, such as a CSV file, with a row for each box.

    Boxes are in pixels, (0, 0) is the upper left corner of the image. A row without corners says that its image has no
    object. The tables that `zoo detect` writes are read too.

    Args:
        path: the table.
        images: folder that the paths of the images are below; None for the folder of the table.
        classes: names of the classes; those of the table in alphabetical order where empty.
        image: column of the images' paths; None for image, file, file_name, filename, path or image_path.
        label: column of the classes; None for class, label, category, species or name.
        corners: columns of the left, upper, right and lower border; of x1, y1, x2, y2 or xmin, ymin, xmax, ymax where
            both `corners` and `xywh` are empty.
        xywh: columns of the left and upper border, the width and the height; of x, y, w, h or x, y, width, height where
            both are empty.
        {shared}
    Raises:
        ValueError: if the table has no such columns, width and height stand where corners are expected or the other way
            round, or no image or box is left.
    """
    frame, notes = read_table_file(path, checked=())
    image, label = (
        named_column(frame, image, IMAGE_COLUMNS, "image"),
        named_column(frame, label, LABEL_COLUMNS, "label"),
    )
    columns, are_corners = _box_columns(frame, corners, xywh)
    numbers, is_empty = _numbers(frame, columns)
    root, annotations = path.parent if images is None else Path(images).expanduser(), {}
    for i, (name, text, values) in enumerate(zip(frame[image], frame[label], numbers, strict=True)):
        place = f"{path.name} row {i + FIRST_ROW}"
        if name is None or name != name:
            problems.add("rows without an image", place)
            continue
        annotation = annotations.setdefault(str(name), Annotation(root / str(name), str(name)))
        if is_empty[i]:
            continue
        if np.isnan(values).any():
            problems.add("boxes whose borders are no numbers", f"{place} ({name})")
        elif text is None or text != text:
            problems.add("boxes without a class", f"{place} ({name})")
        else:
            x1, y1, *rest = values
            annotation.boxes.append((x1, y1, *rest) if are_corners else (x1, y1, x1 + rest[0], y1 + rest[1]))
            annotation.labels.append(_class_name(text))
            annotation.crowd.append(False)
            annotation.places.append(place)

    def verify(annotations, sizes):
        _verify_meaning(annotations, sizes, columns, are_corners)

    return AnnotationSet(list(annotations.values()), root, classes, path.stem, notes, verify)


def _box_columns(frame, corners, xywh):
    """Returns (names of four columns, whether they are corners)."""
    if corners and xywh:
        raise ValueError("boxes: one of `corners` and `xywh` must be empty, got both.")
    for option, names in (("corners", corners), ("xywh", xywh)):
        if names and len(names) != 4:
            raise ValueError(f"boxes: `{option}` must be four columns, got {', '.join(names)}.")
        if names:
            return tuple(named_column(frame, name, (), option) for name in names), option == "corners"
    for options, are_corners in ((CORNER_COLUMNS, True), (SIZE_COLUMNS, False)):
        names = next((names for names in options if set(names) <= set(frame)), None)
        if names:
            return names, are_corners
    raise ValueError(
        "boxes: the table must have the columns x1, y1, x2, y2, or x, y, w, h, or the option `corners` or `xywh`, got "
        f"{', '.join(map(str, frame))}."
    )


def _numbers(frame, columns):
    """Returns (N, 4) numbers, NaN where a text is none, and (N,) whether all four are empty."""
    import pandas as pd

    values = frame[list(columns)]
    numbers = values.apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
    return numbers, values.isna().all(axis=1).to_numpy()


def _class_name(value):
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()


def _verify_meaning(annotations, sizes, columns, are_corners):
    """Raises a ValueError where most boxes do not fit their images, and would if the columns meant the other thing."""
    boxes = np.array([box for a in annotations for box in a.boxes], np.float64).reshape(-1, 4)
    places = [place for a in annotations for place in a.places]
    counts = [len(a.boxes) for a in annotations]
    limits = np.repeat(np.asarray(sizes, np.float64)[:, ::-1], counts, axis=0)
    sign = 1 if are_corners else -1
    others = np.concatenate([boxes[:, :2], boxes[:, 2:] + sign * boxes[:, :2]], axis=1)
    fits, others_fit = _fit(boxes, limits), _fit(others, limits)
    if len(boxes) and (~fits).mean() > CONFUSED and others_fit.mean() >= FITTING:
        meanings = ["corners", "left and upper border, width and height"]
        expected, better = meanings if are_corners else meanings[::-1]
        wrong = [places[i] for i in np.flatnonzero(~fits)[:SHOWN_ROWS]]
        option = "xywh" if are_corners else "corners"
        raise ValueError(
            f"boxes: the columns {', '.join(columns)} must be {expected}, but {(~fits).sum():,} of {len(fits):,} boxes "
            f"do not fit their images, such as {', '.join(wrong)}. They fit as {better}: set "
            f"{option}={','.join(columns)}."
        )


def _fit(boxes, limits):
    """Returns (N,) whether boxes have an area and lie in their images."""
    return (boxes[:, 2:] > boxes[:, :2]).all(1) & (boxes >= -1).all(1) & (boxes[:, 2:] <= limits + 1).all(1)
