"""Boxes in a COCO file: one JSON with the images, the categories and an annotation for each object."""

import collections
import json
from pathlib import Path

from recipes.data.boxes.annotation_reader import AnnotationSet, annotation_reader
from recipes.data.boxes.annotations import Annotation
from recipes.data.boxes.object_masks import Cutout, Polygons
from zoo.arguments import FilePath

LISTS = ("images", "annotations", "categories")


@annotation_reader
def read_coco(path, problems, *, images: FilePath | None = None, classes: tuple[str, ...] = (), masks: bool = False):
    """Reads images and boxes from a COCO file.

    Boxes are (x, y, width, height) [pixels]. Crowds are no training examples, and neither right nor wrong in an
    evaluation. Images without annotations have no object.

    Args:
        path: the JSON file.
        images: folder that the file names are below; None for the folder of the JSON file, or `images` in it.
        classes: names of the classes, a selection or an order of the file's categories; all in the file's order where
            empty.
        masks: whether the masks of the objects are read, too: `segmentation`, polygons or run lengths. Objects without
            one are skipped.
        {shared}
    Raises:
        ValueError: if the file is no COCO file, or no image or box is left.

    Source: https://cocodataset.org/#format-data
    """
    content = _read_json(path)
    root = Path(images) if images else _image_folder(path, content)
    names = _categories(content["categories"], problems)
    by_id = {}
    for entry in content["images"]:
        if entry.get("id") in by_id:
            problems.add("images whose id is used twice", f"{entry.get('file_name')}: id {entry.get('id')}")
        elif not isinstance(entry.get("file_name"), str):
            problems.add("images without a file name", f"id {entry.get('id')}")
        else:
            by_id[entry.get("id")] = Annotation(root / entry["file_name"], entry["file_name"])
    sizes = {entry.get("id"): (entry.get("height"), entry.get("width")) for entry in content["images"]}
    for key, annotation in by_id.items():
        if all(isinstance(side, int | float) and side > 0 for side in sizes[key]):
            annotation.size = sizes[key]
    used, left_out = set(), collections.Counter()
    for i, entry in enumerate(content["annotations"]):
        place, box = f"annotation {entry.get('id', i + 1)}", entry.get("bbox")
        if "id" in entry and entry["id"] in used:
            problems.add("annotations whose id is used twice", place)
            continue
        used.add(entry.get("id"))
        if entry.get("image_id") not in by_id:
            problems.add("annotations of unknown images", f"{place}: image_id {entry.get('image_id')}")
        elif entry.get("category_id") not in names:
            problems.add("annotations of unknown categories", f"{place}: category_id {entry.get('category_id')}")
        elif not _is_box(box):
            problems.add("annotations without a box (x, y, width, height)", place)
        elif classes and names[entry["category_id"]] not in classes:
            left_out[names[entry["category_id"]]] += 1
        else:
            x, y, width, height = box
            image = by_id[entry["image_id"]]
            image.boxes.append((x, y, x + width, y + height))
            image.labels.append(names[entry["category_id"]])
            image.crowd.append(bool(entry.get("iscrowd", 0)))
            if masks:
                segment = None if image.crowd[-1] else read_segment(entry.get("segmentation"), sizes[entry["image_id"]])
                image.masks = [*image.masks, segment]
    notes = [f"{n:,} boxes of {name!r} left out, which is not in `classes`" for name, n in left_out.items()]
    return AnnotationSet(list(by_id.values()), root, classes or tuple(names.values()), path.stem, notes)


def _read_json(path):
    """Returns the content of a COCO file; a ValueError says what is wrong with it."""
    if not path.is_file():
        raise ValueError(f"coco: `path` must be a JSON file, and {path} is not a file.")
    try:
        content = json.loads(path.read_text("utf-8-sig"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"coco: {path} must be JSON: {error}.") from None
    lists = [name for name in LISTS if isinstance(content, dict) and isinstance(content.get(name), list)]
    if lists != list(LISTS) or not all(isinstance(e, dict) for name in LISTS for e in content[name]):
        received = f"the lists {', '.join(lists)}" if lists else type(content).__name__
        raise ValueError(
            f"coco: {path} must have the lists {', '.join(LISTS)}, whose entries are dicts, got {received}."
        )
    return content


def _image_folder(path, content):
    """Returns the folder of the JSON file, or the folder `images` in it where the first image lies there."""
    first = next((e["file_name"] for e in content["images"] if isinstance(e.get("file_name"), str)), "")
    folders = [path.parent, path.parent / "images"]
    return next((folder for folder in folders if first and (folder / first).is_file()), folders[0])


def _categories(entries, problems):
    """Returns the names of the categories by id."""
    names = {}
    for entry in entries:
        if entry.get("id") in names:
            problems.add("categories whose id is used twice", f"{entry.get('name')}: id {entry.get('id')}")
        elif str(entry.get("name")) in names.values():
            problems.add("categories whose name is used twice", f"{entry.get('name')}: id {entry.get('id')}")
        else:
            names[entry.get("id")] = str(entry.get("name"))
    return names


def read_segment(segment, size):
    """Returns the `Polygons` or the `Cutout` of an annotation's `segmentation`, or None where it has none.

    Args:
        segment: list of polygons, or run lengths: {"size": [height, width], "counts": list or text}.
        size: (height, width) of the image [pixels], (None, None) where the file does not have it.
    """
    from pycocotools import mask as coco

    if isinstance(segment, dict) and {"size", "counts"} <= set(segment):
        lengths = coco.frPyObjects(segment, *segment["size"]) if isinstance(segment["counts"], list) else segment
        mask = coco.decode(lengths)
        return Cutout.of(mask) if mask.any() else None
    polygons = [p for p in segment if len(p) >= 6 and len(p) % 2 == 0] if isinstance(segment, list) else []
    return Polygons(polygons, None if None in size else tuple(size)) if polygons else None


def _is_box(box):
    return isinstance(box, list) and len(box) == 4 and all(isinstance(v, int | float) for v in box)
