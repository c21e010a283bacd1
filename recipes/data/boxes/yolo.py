"""Boxes in the files of YOLO: a text file for each image, with relative centers and sizes."""

from pathlib import Path

from recipes.data.boxes.annotation_reader import AnnotationSet, annotation_reader
from recipes.data.boxes.annotations import Annotation
from recipes.data.images.image_files import SUFFIXES
from zoo.arguments import FilePath

YAML_NAMES = ("data.yaml", "data.yml", "dataset.yaml", "dataset.yml")
NAME_FILES = ("classes.txt", "labels/classes.txt", "obj.names")  # a name per line, where there is no YAML file
SPLIT_KEYS = {"train": "train", "val": "validation", "test": "test"}


@annotation_reader
def read_yolo(path, problems, *, images: FilePath | None = None, classes: tuple[str, ...] = ()):
    """Reads images and boxes in the layout of Ultralytics' YOLO.

    An image PATH/images/.../NAME.jpg has its boxes in PATH/labels/.../NAME.txt: lines of class, center x, center y,
    width and height, as fractions of the image's width and height. An image without such a file, or with an empty one,
    has no object. data.yaml has the names of the classes, and the folders or lists of images of the splits.

    Args:
        path: the folder, or its data.yaml.
        images: folder of the images; None for PATH/images, or PATH.
        classes: names of the classes; those of data.yaml or classes.txt where empty.
        {shared}
    Raises:
        ValueError: if there are no names of classes, or no image or box is left.

    Source: https://docs.ultralytics.com/datasets/detect
    """
    settings, root = _settings(path)
    names = _names(settings, root)
    folder = Path(images).expanduser() if images else root / "images" if (root / "images").is_dir() else root
    files = _split_files(settings, root) or [(None, file) for file in _images_below(folder)]
    annotations, labels = {}, set()
    for split, file in files:
        if file in annotations:
            problems.add("images that are in two splits", str(file))
            continue
        text = _label_file(file)
        labels.add(text)
        annotation = Annotation(file, file.name, split=split, is_relative=True)
        if text.is_file():
            _read_lines(text, annotation, names, problems)
        annotations[file] = annotation
    for text in sorted((root / "labels").rglob("*.txt")):
        if text not in labels and text.name != "classes.txt":
            problems.add("files of boxes without an image", text.relative_to(root).as_posix())
    return AnnotationSet(list(annotations.values()), folder, classes or tuple(names.values()), root.resolve().name)


def _settings(path):
    """Returns (content of the YAML file, {} where there is none; `Path` of the folder of the data)."""
    files = [path / name for name in YAML_NAMES if (path / name).is_file()] if path.is_dir() else [path]
    if not files:
        return {}, path
    file = files[0]
    if not file.is_file():
        raise ValueError(f"yolo: `path` must be a folder or its data.yaml, and {path} is neither.")
    try:
        import yaml
    except ImportError:
        raise ValueError("yolo: data.yaml needs pyyaml: pip install 'fieldzoo[detect]'.") from None
    try:
        settings = yaml.safe_load(file.read_text("utf-8-sig"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"yolo: {file} must be YAML: {' '.join(str(error).split())}.") from None
    if not isinstance(settings, dict):
        raise ValueError(f"yolo: {file} must have `names`, got {type(settings).__name__}.")
    root = file.parent / str(settings.get("path") or "")
    return settings, root if root.is_dir() else file.parent  # `path` is often of another machine


def _names(settings, root):
    """Returns the names of the classes by their number."""
    names = settings.get("names")
    if names is None:
        file = next((root / name for name in NAME_FILES if (root / name).is_file()), None)
        if file is None:
            raise ValueError(
                f"yolo: there must be the names of the classes, in data.yaml or classes.txt, got neither in {root}."
            )
        names = [line.strip() for line in file.read_text("utf-8-sig").splitlines() if line.strip()]
    pairs = names.items() if isinstance(names, dict) else enumerate(names)
    return {int(number): str(name) for number, name in sorted((int(n), name) for n, name in pairs)}


def _split_files(settings, root):
    """Returns a list of (split, path of an image) of the YAML file."""
    files = []
    for key, split in SPLIT_KEYS.items():
        entries = settings.get(key) or []
        for entry in entries if isinstance(entries, list) else [entries]:
            place = _existing(root, str(entry))
            if place is None:
                raise ValueError(
                    f"yolo: `{key}` of data.yaml must be a folder or a list of images, and {entry} is absent."
                )
            if place.is_dir():
                files += [(split, file) for file in _images_below(place)]
            else:
                lines = place.read_text("utf-8-sig").splitlines()
                files += [(split, (place.parent / line.strip())) for line in lines if line.strip()]
    return files


def _existing(root, entry):
    """Returns the path of an entry of the YAML file, which Roboflow writes from another folder, or None."""
    candidates = (root / entry, root / entry.removeprefix("../"))
    return next((place for place in candidates if place.exists()), None)


def _images_below(folder):
    return [file for file in sorted(folder.rglob("*")) if file.suffix.lower() in SUFFIXES]


def _label_file(image):
    """Returns the path of an image's boxes: the last folder `images` is `labels`, and the ending is .txt."""
    parts = list(image.parts)
    if "images" in parts[:-1]:
        parts[len(parts) - 1 - parts[::-1].index("images")] = "labels"
    return Path(*parts).with_suffix(".txt")


def _read_lines(file, annotation, names, problems):
    """Adds the boxes in a file to an annotation, and what is wrong to the problems."""
    for i, line in enumerate(file.read_text("utf-8-sig", errors="replace").splitlines(), 1):
        place = f"{file.name} line {i}"
        if not line.strip():
            continue
        try:
            number, x, y, width, height = map(float, line.split())
            number = int(number)
        except ValueError:
            problems.add("lines that are not class, center x, center y, width, height", place)
            continue
        annotation.boxes.append((x - width / 2, y - height / 2, x + width / 2, y + height / 2))
        annotation.labels.append(names.get(number, f"number {number}"))
        annotation.crowd.append(False)
        annotation.places.append(place)
