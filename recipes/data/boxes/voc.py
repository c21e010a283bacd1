"""Boxes in Pascal VOC files: one XML file for each image."""

import xml.etree.ElementTree as ElementTree
from pathlib import Path

from recipes.data.boxes.annotation_reader import AnnotationSet, annotation_reader
from recipes.data.boxes.annotations import Annotation
from recipes.data.images.image_files import SUFFIXES
from zoo.arguments import FilePath

ANNOTATION_FOLDERS = ("Annotations", "annotations")
IMAGE_FOLDERS = ("JPEGImages", "images", "Images")
LISTS = {"train": "train", "val": "validation", "test": "test"}  # ImageSets/Main/NAME.txt -> split
CORNERS = ("xmin", "ymin", "xmax", "ymax")


@annotation_reader
def read_voc(root, problems, *, images: FilePath | None = None, classes: tuple[str, ...] = ()):
    """Reads images and boxes from a folder of Pascal VOC files.

    The XML files lie in PATH/Annotations, or in PATH. Where PATH/ImageSets/Main has the lists train.txt and test.txt,
    with or without val.txt, they are the splits. Pixels are counted from 1 and a box has both its corners, so that it
    is (xmin - 1, ymin - 1, xmax, ymax). Objects that are marked as difficult are no training examples, and neither
    right nor wrong in an evaluation.

    Args:
        path: the folder.
        images: folder of the images; None for PATH/JPEGImages, PATH/images, or the folder of the XML files.
        classes: names of the classes; those of the files in alphabetical order where empty.
        {shared}
    Raises:
        ValueError: if there are no XML files, or no image or box is left.

    Source: http://host.robots.ox.ac.uk/pascal/VOC/voc2012/htmldoc/devkit_doc.html
    """
    folder = next((root / name for name in ANNOTATION_FOLDERS if (root / name).is_dir()), root)
    files = sorted(folder.glob("*.xml"))
    if not files:
        raise ValueError(f"voc: `path` must be a folder with XML files, or with a folder Annotations, got {root}.")
    image_folder = Path(images) if images else next((root / n for n in IMAGE_FOLDERS if (root / n).is_dir()), folder)
    annotations = {}
    for file in files:
        annotation = _read_xml(file, image_folder, problems)
        if annotation is not None and annotation.path in annotations:
            problems.add("files of an image that another file names", f"{file.name}: {annotation.path.name}")
        elif annotation is not None:
            annotations[annotation.path] = annotation
    annotations, notes = _apply_lists(root, list(annotations.values()))
    return AnnotationSet(annotations, image_folder, classes, root.resolve().name, notes)


def _read_xml(file, image_folder, problems):
    """Returns the `Annotation` of an XML file, or None where it is none; adds what is wrong to the problems."""
    try:
        root = ElementTree.fromstring(file.read_bytes())
    except ElementTree.ParseError as error:
        problems.add("files that are no XML", f"{file.name}: {error}")
        return None
    annotation = Annotation(_image_path(file, root, image_folder), file.name, size=_stated_size(root))
    for i, entry in enumerate(root.iter("object")):
        try:
            corners = [float(entry.find("bndbox").findtext(name)) for name in CORNERS]
        except (AttributeError, TypeError, ValueError):
            problems.add("objects without xmin, ymin, xmax and ymax", f"{file.name} box {i + 1}")
            continue
        if max(corners) <= 1:
            problems.add("boxes of less than a pixel (fractions of the sides?)", f"{file.name} box {i + 1}")
            continue
        annotation.boxes.append((corners[0] - 1, corners[1] - 1, *corners[2:]))
        annotation.labels.append((entry.findtext("name") or "").strip())
        annotation.crowd.append((entry.findtext("difficult") or "0").strip() == "1")
    return annotation


def _stated_size(root):
    """Returns the (height, width) that the file states for its image, or None."""
    try:
        size = tuple(float(root.find("size").findtext(name)) for name in ("height", "width"))
    except (AttributeError, TypeError, ValueError):
        return None
    return size if min(size) > 0 else None


def _image_path(file, root, image_folder):
    """Returns the path of the image: the stated file name, else a file of the XML file's name."""
    stated = (root.findtext("filename") or "").strip()
    candidates = [stated] if stated else []
    candidates += [stated + suffix for suffix in SUFFIXES if stated] + [file.stem + suffix for suffix in SUFFIXES]
    paths = [image_folder / name for name in candidates]
    return next((path for path in paths if path.is_file()), paths[0])


def _apply_lists(root, annotations):
    """Returns the annotations with the splits of the lists in ImageSets/Main, and notes."""
    folder = root / "ImageSets" / "Main"
    lists = {split: folder / f"{name}.txt" for name, split in LISTS.items()}
    lists = {split: file for split, file in lists.items() if file.is_file()}
    if not {"train", "test"} <= set(lists):
        return annotations, []
    splits = {
        line.split()[0]: split
        for split, file in lists.items()
        for line in file.read_text().splitlines()
        if line.strip()
    }
    for annotation in annotations:
        annotation.split = splits.get(Path(annotation.name).stem)
    listed = [a for a in annotations if a.split]
    left_out = len(annotations) - len(listed)
    return listed, [f"{left_out:,} images are in no list of {folder} and left out"] if left_out else []
