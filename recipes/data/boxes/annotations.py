"""Images with boxes: checks of the annotations, and `Data` from them."""

import dataclasses
from pathlib import Path

import numpy as np

from recipes.data.assemble import warn_and_note
from recipes.data.boxes.object_masks import ObjectMasks
from recipes.data.examples import SPLITS, Data, Examples
from recipes.data.images.folder import conversion_notes, expected_image, groups_of, listed_names
from recipes.data.images.image_files import ImageFiles
from recipes.data.images.image_scan import scan_images
from recipes.data.split import lacking_classes, split
from zoo.arguments import suggestion

TOLERANCE = 1.0  # by which a box may exceed its image [pixels]; it is cut
COLUMNS = 6  # of a target: x1, y1, x2, y2 as fractions of width and height, class, whether it is a crowd


@dataclasses.dataclass
class Annotation:
    """One image with its boxes, as a file states them.

    Args:
        path: of the image.
        name: that errors and notes have.
        boxes: list of (x1, y1, x2, y2) [pixels], or fractions of width and height where `is_relative`.
        labels: name of the class of each box.
        crowd: whether each box is of several objects or is difficult: no object for training, and neither right nor
            wrong in an evaluation.
        split: train, validation or test; None where it is to be split.
        places: where each box stands, such as "boxes.csv row 3", for errors; () for its number in the image.
        is_relative: whether boxes are fractions of width and height.
        size: (height, width) that the file of annotations states for the image [pixels], or None.
        masks: mask of each box, a `Polygons` or a `Cutout`, or None where the file has none; () where masks are not
            read.
    """

    path: Path
    name: str
    boxes: list = dataclasses.field(default_factory=list)
    labels: list = dataclasses.field(default_factory=list)
    crowd: list = dataclasses.field(default_factory=list)
    split: str | None = None
    places: list = dataclasses.field(default_factory=list)
    is_relative: bool = False
    size: tuple | None = None
    masks: list = ()


class Problems:
    """What is wrong with annotations, by kind. Refused under `strict`; else skipped, counted and noted."""

    def __init__(self, strict):
        self.strict, self.by_kind = strict, {}

    def add(self, kind, place):
        """Adds a problem: its kind, such as "boxes without area", and the place, an image's name and a row."""
        self.by_kind.setdefault(kind, []).append(place)

    def notes(self):
        """Returns a note on each kind of problem; raises a ValueError under `strict`."""
        sentences = [f"{kind}: {listed_names(places)}" for kind, places in self.by_kind.items()]
        if sentences and self.strict:
            raise ValueError(f"annotations must have no errors under `strict`, got {'; '.join(sentences)}.")
        return [warn_and_note(f"skipped {sentence}") for sentence in sentences]


def data_from_annotations(
    annotations, classes, split_options, problems, *, root, group=None, notes=(), verify=None, **facts
):
    """Returns `Data` of the task detection.

    Targets are (N, M, 6) float32, padded with -1 to the largest number of boxes: x1, y1, x2, y2 as fractions of the
    image's width and height, the class, and 1 for a crowd. With masks they are (N, M, 7), the last is the number of the
    object's mask in `Examples.masks`.

    Args:
        annotations: list of `Annotation`.
        classes: names of the classes; () for those of the boxes, in alphabetical order.
        split_options: `SplitOptions` for annotations without a split.
        problems: `Problems` so far.
        root: `Path` of the folder of the images.
        group: regular expression whose match in an image's path below `root` names its group; or None.
        notes: sentences of the reader.
        verify: function of the annotations and the (N, 2) sizes of their images [pixels] that raises a ValueError, or
            None.
        **facts: name, source, as `Data` has them.
    Raises:
        ValueError: if no image is left, or under `strict` an annotation is wrong.
    """
    existing = [a for a in annotations if a.path.is_file()]
    for a in annotations:
        if not a.path.is_file():
            problems.add("images that do not exist", a.name)
    scan = scan_images([a.path for a in existing], root)
    for a, kind, reason in zip(existing, scan.kind, scan.reasons, strict=True):
        if kind < 0:
            problems.add("images that cannot be read", f"{a.name}: {reason}")
    has_size = _have_stated_size(existing, scan, problems)
    readable = np.flatnonzero((scan.kind >= 0) & has_size)
    annotations, scan = [existing[i] for i in readable], scan.take(readable)
    if not annotations:
        places = "; ".join(f"{kind}: {listed_names(p)}" for kind, p in problems.by_kind.items())
        raise ValueError(f"the annotations must have images that can be read, got none in {root}. {places}")
    classes = tuple(classes) or tuple(sorted({label for a in annotations for label in a.labels}))
    sizes = np.stack([scan.height, scan.width], axis=1)
    if verify is not None:
        verify(annotations, sizes)
    masks = [] if any(mask is not None for a in annotations for mask in a.masks) else None
    rows = [
        _target_rows(a, size, classes, problems, masks)
        for a, size in zip(annotations, sizes.astype(np.float64), strict=True)
    ]
    if not any(map(len, rows)):
        raise ValueError(
            f"the annotations must have boxes, got none in {len(annotations):,} images. "
            + "; ".join(f"{kind}: {listed_names(places)}" for kind, places in problems.by_kind.items())
        )
    notes = [*notes, *problems.notes()]
    targets = np.full((len(rows), max(map(len, rows)), COLUMNS + (masks is not None)), -1, np.float32)
    for target, row in zip(targets, rows, strict=True):
        target[: len(row)] = row
    files = [(None, None, a.path) for a in annotations]
    expected = expected_image(files, scan, notes)
    notes += conversion_notes(scan, expected)
    orientations = np.array([kind.orientation for kind in scan.kinds], np.uint8)[scan.kind]
    turned = np.flatnonzero(orientations > 1)
    if len(turned):
        first = annotations[turned[0]].path.name
        note = f"{len(turned):,} images are turned by their EXIF orientation: the boxes must be those of the upright"
        notes.append(warn_and_note(f"{note} images, the first is {first}"))
    paths = np.array([str(a.path) for a in annotations])
    shape, dtype, bands, gaps = expected
    store = None if masks is None else ObjectMasks(masks)
    whole = Examples(ImageFiles(paths, orientations, *expected, sizes=sizes), targets, paths, store)
    present = np.stack([(targets[..., 4] == i).sum(1) for i in range(len(classes))], axis=1)  # (N, classes)
    groups = groups_of([_below(a.path, root) for a in annotations], group)
    indices, description = _split(annotations, present, scan.keys, groups, split_options)
    boxes = {s: present[i].sum(0) for s, i in zip(SPLITS, indices, strict=True) if len(i)}
    if not boxes["train"].any():
        raise ValueError("the training split must have boxes, got none; lower `validation` and `test`.")
    notes += lacking_classes(boxes, classes)
    counts = ", ".join(f"{name} {n:,}" for name, n in zip(classes, present.sum(0), strict=True))
    empty = int((present.sum(1) == 0).sum())
    if empty:
        notes.append(f"{empty:,} images have no object, which are examples of background")
    return Data(
        task="detection", kind="image", shape=shape, dtype=dtype, classes=classes, outputs=(), bands=bands,
        **{s: whole.take(i) for s, i in zip(SPLITS, indices, strict=True)}, split_description=description,
        notes=tuple(notes), missing="pad" if gaps else "error",
        description=f"{present.sum():,} boxes in {len(rows):,} images: {counts}", **facts,
    )  # fmt: skip


def _below(path, root):
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else str(path)


def _split(annotations, present, keys, groups, split_options):
    """Returns (indices of the training, validation and test images, description of the split)."""
    stated = np.array([a.split or "" for a in annotations])
    indices = [np.flatnonzero(stated == s) for s in SPLITS]
    rest = np.flatnonzero(stated == "")
    description = [f"the {s} split as given" for s, i in zip(SPLITS, indices, strict=True) if len(i)]
    if len(rest):
        strata = (present[rest] > 0).astype(np.uint8)
        if not strata.any() or strata.all():
            strata = np.zeros((len(rest), 1), np.float32)
        rest_indices = split(
            strata, keys[rest], split_options.fractions, split_options.seed, None if groups is None else groups[rest]
        )
        indices = [np.concatenate([i, rest[d]]) for i, d in zip(indices, rest_indices, strict=True)]
        sizes = ", ".join(f"{len(d):,} {s}" for s, d in zip(SPLITS, rest_indices, strict=True))
        description.append(
            f"{sizes}; seed {split_options.seed}, stratified by the classes that each image has, identical images in "
            f"one split{'' if groups is None else ', groups kept whole'}"
        )
    return indices, "; ".join(description)


def _have_stated_size(annotations, scan, problems):
    """Returns (N,) bool whether each image has the size that its annotations state, upright or turned, or none."""
    result = np.ones(len(annotations), bool)
    for i, a in enumerate(annotations):
        size = (int(scan.height[i]), int(scan.width[i]))
        if a.size and a.boxes and not a.is_relative and scan.kind[i] >= 0 and sorted(a.size) != sorted(size):
            result[i] = False
            stated = f"{a.size[1]:g} x {a.size[0]:g}, the file has {size[1]} x {size[0]}"
            problems.add("images of another size than their annotations state", f"{a.name}: {stated}")
    return result


def _target_rows(annotation, size, classes, problems, masks):
    """Returns the (n, 6) or (n, 7) targets of an image's valid boxes, and adds the others to the problems.

    Args:
        annotation: `Annotation`.
        size: (height, width) of the image [pixels].
        classes: names of the classes.
        problems: `Problems`.
        masks: list, to which the masks of the boxes are added; None where there are none.
    """
    limits, rows, used = np.array([size[1], size[0], size[1], size[0]]), [], set()
    for i, (box, label, crowd) in enumerate(zip(annotation.boxes, annotation.labels, annotation.crowd, strict=True)):
        place = f"{annotation.places[i]} ({annotation.name})" if annotation.places else f"{annotation.name} box {i + 1}"
        box = np.asarray(box, np.float64) * (limits if annotation.is_relative else 1)
        if label not in classes:
            problems.add("boxes of unknown classes", f"{place}: {label!r}{suggestion(label, classes)}")
        elif not np.isfinite(box).all():
            problems.add("boxes that are not finite", place)
        elif (box[2:] <= box[:2]).any():
            problems.add("boxes without area", f"{place}: {_text(box)}")
        elif not annotation.is_relative and (box[2:] - box[:2] < 1).all():
            problems.add("boxes of less than a pixel (fractions of the sides?)", f"{place}: {_text(box)}")
        elif masks is None and (*box, label) in used:
            problems.add("boxes that are there twice", f"{place}: {_text(box)}")
        elif (box < -TOLERANCE).any() or (box > limits + TOLERANCE).any():
            problems.add("boxes outside of the image", f"{place}: {_text(box)} in {size[1]:g} x {size[0]:g}")
        else:
            used.add((*box, label))
            box, mask = np.clip(box, 0, limits), annotation.masks[i] if masks is not None else None
            if mask is not None and mask.size is None:
                mask = mask._replace(size=tuple(size))
            if masks is not None and mask is None and not crowd:
                problems.add("objects without a mask", place)
            elif mask is not None and tuple(mask.size) != tuple(size):
                what = f"{mask.size[1]} x {mask.size[0]} for {size[1]:g} x {size[0]:g}"
                problems.add("masks of another size than the image", f"{place}: {what}")
            elif (box[2:] > box[:2]).all():
                number = [] if masks is None else [-1 if mask is None else len(masks)]
                rows.append([*(box / limits), classes.index(label), float(crowd), *number])
                if mask is not None:
                    masks.append(mask)
            else:
                problems.add("boxes outside of the image", f"{place}: {_text(box)} in {size[1]:g} x {size[0]:g}")
    return np.array(rows).reshape(-1, COLUMNS + (masks is not None))


def _text(box):
    return "(" + ", ".join(f"{v:g}" for v in box) + ")"
