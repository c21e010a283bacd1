"""A table with the path of an image in each row, beside its class, its labels or its numbers."""

from pathlib import Path
from typing import Literal

import numpy as np

from recipes.data.assemble import Pool, assemble, warn_and_note
from recipes.data.examples import Data
from recipes.data.images.folder import conversion_notes, expected_image, listed_names
from recipes.data.images.image_files import SUFFIXES, ImageFiles
from recipes.data.images.image_scan import scan_images
from recipes.data.source_spec import absolute_path, with_source_spec
from recipes.data.split import SplitOptions
from recipes.data.tables.columns import IMAGE_COLUMNS, named_column, row_weights, target_columns
from recipes.data.tables.table import group_labels
from recipes.data.tables.table_files import read_frame
from recipes.data.tables.table_format import TableFormat, takes_table_format
from recipes.data.targets import gaps
from zoo.arguments import FilePath, Fraction, Whole, checked


@checked
@takes_table_format
def read_image_table(
    path: FilePath,
    target: tuple[str, ...] = (),
    *,
    images: FilePath | None = None,
    image: str | None = None,
    task: Literal["classification", "multilabel", "regression"] | None = None,
    group: str | None = None,
    weight: str | None = None,
    classes: tuple[str, ...] = (),
    strict: bool = False,
    validation: Fraction = 0.15,
    test: Fraction = 0.15,
    seed: Whole = 0,
    table_format: TableFormat,
) -> Data:
    """Reads a table whose rows have the path of an image and its target: a class, labels, or numbers.

    Images are read as `read_folder` reads them. Rows without an image or a target, and images that do not exist or
    cannot be read, are left out with a note. An image may stand in several rows, for example once for each of its
    possible classes with a `weight`; its rows stay in one split.

    Args:
        path: of a CSV, Excel, Parquet or Feather file.
        target: target column, or columns.
        images: folder that the paths of the images are below; None for the folder of the table. A name without a suffix
            is that of the only image of this name.
        image: column of the images' paths; None for image, file, file_name, filename, path or image_path.
        task: classification, multilabel or regression; inferred from the targets if None. Whole numbers are classes.
        group: column whose groups stay in one split, such as a camera or a day.
        weight: column of numbers, 0 or larger, that multiply each row's loss in training, divided by their mean.
        classes: names of the classes, where the targets have their index from 0, or for data of which a class may be
            absent.
        strict: whether a row that cannot be used is an error instead of a note, and all images are decoded before
            training.
        validation, test: fractions of the rows, 0 to 1.
        seed: seed of the split.
        table_format: options of reading the file, each an argument of its own, such as `separator` and `encoding`: the
            fields of `TableFormat`.
    Returns:
        `Data` of kind image.
    Raises:
        ValueError: if a column does not exist (the nearest is offered), no image can be read, or under `strict` one
            cannot be; or as `read_folder` documents for images that differ.
    """
    arguments = {name: value for name, value in locals().items() if name != "table_format"}
    used = [*target, *([weight] if weight else [])]
    frame, facts, resolved = read_frame(path, table_format, checked=used)
    frame = frame.set_axis([str(c) for c in frame.columns], axis=1)
    outputs, image = target_columns(target, frame), named_column(frame, image, IMAGE_COLUMNS, "image")
    root = (Path(path).parent if images is None else Path(images)).expanduser()
    frame, files, scan, notes = _readable_rows(frame, image, outputs, root, strict)
    expected = expected_image([(None, None, file) for file in files], scan, notes)
    notes += conversion_notes(scan, expected)
    orientations = np.array([kind.orientation for kind in scan.kinds], np.uint8)[scan.kind]
    paths, sizes = np.array([str(file) for file in files]), np.stack([scan.height, scan.width], axis=1)
    y = frame[list(outputs)].to_numpy() if len(outputs) > 1 else frame[outputs[0]].to_numpy()
    pool = Pool(
        ImageFiles(paths, orientations, *expected, sizes=sizes), y, None, paths, scan.keys,
        group_labels(frame, group), weights=row_weights(frame, weight, outputs),
    )  # fmt: skip
    shape, dtype, bands, has_gaps = expected
    facts["notes"] = [*facts["notes"], *notes]
    facts.pop("units")
    data = assemble(
        [pool], SplitOptions(validation, test, seed), kind="image", shape=shape, dtype=dtype, task=task,
        classes=classes, complete=not classes, outputs=outputs, missing="pad" if has_gaps else None, group=group,
        bands=bands, **facts,
    )  # fmt: skip
    return with_source_spec(
        data, "image_table", arguments, detected=resolved.detected_by(table_format), images=absolute_path(root),
        image=image, **resolved.options(),
    )  # fmt: skip


def _readable_rows(frame, image, outputs, root, strict):
    """Returns the rows that have a target and an image that can be read, their files, their scan, and notes."""
    names = frame[image]
    has_name = names.notna().to_numpy()
    without_target = gaps(frame[list(outputs)].to_numpy(object))
    problems = {
        "rows without an image": _row_numbers(frame.index[~has_name]),
        "rows without a target": _row_numbers(frame.index[has_name & without_target]),
    }
    frame = frame[has_name & ~without_target]
    distinct = list(dict.fromkeys(map(_text, frame[image])))
    paths = _existing_files(distinct, root)
    existing = [name for name in distinct if paths[name] is not None]
    problems["images that do not exist"] = [name for name in distinct if paths[name] is None]
    scan = scan_images([paths[name] for name in existing], root, decode_all=strict)
    for name, kind, reason in zip(existing, scan.kind, scan.reasons, strict=True):
        if kind < 0:
            problems.setdefault(f"images that cannot be read, {reason}", []).append(name)
    listed = [f"{kind}: {listed_names(places)}" for kind, places in problems.items() if places]
    if strict and listed:
        raise ValueError(f"every row must have an image and a target under `strict`, got {'; '.join(listed)}.")
    position = {name: i for i, (name, kind) in enumerate(zip(existing, scan.kind, strict=True)) if kind >= 0}
    frame = frame[[_text(name) in position for name in frame[image]]]
    if not len(frame):
        raise ValueError(
            f"the table must name images below {root} in the column {image!r}, got {'; '.join(listed)}. The option "
            "`images` names their folder."
        )
    rows = np.array([position[_text(name)] for name in frame[image]])
    files = [paths[existing[i]] for i in rows]
    return frame.reset_index(drop=True), files, scan.take(rows), [warn_and_note(f"left out {text}") for text in listed]


def _row_numbers(index):
    """Returns the names of rows for a note: row 1 is the first below the header."""
    return [f"row {i + 1}" for i in index]


def _existing_files(names, root):
    """Returns name -> path below `root`, or None where there is no such file."""
    by_stem = {}
    if any(not name.lower().endswith(SUFFIXES) for name in names):
        for file in sorted(root.rglob("*")):
            if file.suffix.lower() in SUFFIXES:
                by_stem.setdefault(file.relative_to(root).with_suffix("").as_posix(), []).append(file)
    paths = {}
    for name in names:
        file, candidates = root / name, by_stem.get(name, [])
        paths[name] = file if file.is_file() else candidates[0] if len(candidates) == 1 else None
    return paths


def _text(name):
    """Returns the name of an image as a text: 12 for 12.0, with / between folders."""
    name = int(name) if isinstance(name, float) and name.is_integer() else name
    return str(name).strip().replace("\\", "/")
