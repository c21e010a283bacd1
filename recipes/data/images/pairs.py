"""Pairs of images, what is given and what is to be made of it: folders, arrays, masks, photos and their edges."""

import dataclasses
from pathlib import Path

import numpy as np

from recipes.data.examples import Data, Examples
from recipes.data.images.image_patches import PARTS, pixels_of, squares, verify_photos
from recipes.data.images.masks import files_of, read_pixels
from recipes.data.split import content_keys, split
from recipes.losses import IGNORE
from zoo.arguments import suggestion

EDGES = (100, 200)  # Canny's thresholds on the gradient of 8-bit luminance: weak edges, strong edges
CANNY = "edges by Canny's method, thresholds {} and {}".format(*EDGES)
BRIGHTEST = (0.1, 99.9)  # percentiles of deeper images that become 0 and 255


def read_pairs(place, options):
    """`Data` from a folder of images and one of what is to be made of each, under equal names; or one file each.

    Args:
        place: folder or file of the images that are given.
        options: `Options`; `labels` is the folder or file of what is to be made, `tile` cuts both into squares.
    Returns:
        `Data` of the task translation.
    Raises:
        ValueError: if a file has no partner, cannot be read, is not 8-bit, or does not go with the others; it is named.
    """
    if not options.labels:
        raise ValueError(f"load: `labels` must be given for pairs, as in pairs:{place}?labels=PHOTOS, got None.")
    given, made = (files_of(Path(p).expanduser()) for p in (place, options.labels))
    if len(given) == len(made) == 1 and Path(place).expanduser().is_file():
        made = dict(zip(given, made.values(), strict=True))
    for name, path in {**made, **given}.items():
        mine, other = ("partner", made) if name in given else ("image", given)
        if name not in other:
            raise ValueError(
                f"load: every image must have its partner, got {path} without {mine}.{suggestion(name, other)}"
            )
    pairs = []
    for name in sorted(given):
        images = [read_pixels(files[name]) for files in (given, made)]
        for image, files in zip(images, (given, made), strict=True):
            if image.dtype != np.uint8:
                raise ValueError(f"load: pairs must be 8-bit images, got {image.dtype} in {files[name]}.")
        if images[0].shape[:2] != images[1].shape[:2]:
            raise ValueError(
                f"load: both images of a pair must have one size, got {images[0].shape[:2]} of {given[name]} and "
                f"{images[1].shape[:2]} of {made[name]}."
            )
        pairs.append((given[name].name, *images))
    return from_pairs(pairs, options, name=Path(place).resolve().stem, source=str(place))


def from_arrays(given, made, options):
    """`Data` of the task translation from two arrays, (N, H, W, C) or (N, H, W): 8-bit, or floats from 0 to 1.

    Raises:
        ValueError: if they are not as many images of one size, or leave their range, which is told.
    """
    found = []
    for name, images in (("the inputs", given), ("the targets", made)):
        images = np.asarray(images)
        images = images[..., None] if images.ndim == 3 else images
        if images.ndim != 4 or images.dtype.kind not in "uif":
            raise ValueError(f"load: {name} must be (N, H, W, C) numbers, got {images.dtype} of {images.shape}.")
        if images.dtype != np.uint8:
            low, high = (float(images.min()), float(images.max())) if images.size else (0.0, 0.0)
            if not (images.dtype.kind == "f" and low >= 0 and high <= 1):  # NaN is neither
                raise ValueError(
                    f"load: {name} must be 8-bit, or floats from 0 to 1, got {images.dtype} from {low:g} to {high:g}."
                )
            images = np.round(images * 255).astype(np.uint8)
        found.append(images)
    if found[0].shape[:3] != found[1].shape[:3]:
        raise ValueError(
            f"load: inputs and targets must be as many images of one size, got {found[0].shape} and {found[1].shape}."
        )
    pairs = [(f"pair {i}", *pair) for i, pair in enumerate(zip(*found, strict=True))]
    return from_pairs(pairs, options, name="arrays")


def from_pairs(pairs, options, *, name, notes=(), **told):
    """`Data` of the task translation, whole pairs on one side; of one or two pairs their squares.

    Args:
        pairs: (name, image that is given, image to be made), (H, W, C) uint8 arrays of one size.
        options: `Options`.
        name, notes, told: as `Data` has them.
    Raises:
        ValueError: if the pairs differ in size or bands, or are too few for three parts.
    """
    for place, what in ((1, "what is given"), (2, "what is to be made")):
        bands = {pair[place].shape[-1]: pair[0] for pair in pairs}
        if len(bands) > 1:
            told = " and ".join(f"{count} of {called}" for count, called in list(bands.items())[:2])
            raise ValueError(f"load: {what} must have the same bands in all pairs, got {told}.")
    sizes = {pair[1].shape[:2]: pair[0] for pair in pairs}
    if len(sizes) > 1 and not options.tile:
        told = " and ".join(f"{h} x {w} of {called}" for (h, w), called in list(sizes.items())[:2])
        raise ValueError(f"load: `tile` must be given where pairs differ in size, as in tile=64, got {told}.")
    given, made, names, origin = [], [], [], []
    for i, (called, x, y) in enumerate(pairs):
        for a, b in cut(called, x, y, options.tile) if options.tile else ((x, y),):
            given, made, names, origin = [*given, a], [*made, b], [*names, called], [*origin, i]
    shares, origin = (options.validation, options.test), np.array(origin)
    whole = Examples(np.stack(given), np.stack(made), np.array(names))
    if len(pairs) < len(PARTS):  # too few to be on one side as a whole
        origin, sides = np.arange(len(origin)), "squares"
        keys = content_keys(np.concatenate([whole.inputs, whole.targets], axis=-1))
    else:
        keys, sides = np.concatenate([content_keys(np.concatenate(pair[1:], axis=-1)[None]) for pair in pairs]), "pairs"
    drawn = split(np.zeros((len(keys), 1), np.float32), keys, shares, options.seed)
    places = [np.flatnonzero(np.isin(origin, chosen)) for chosen in drawn]
    parts = {part: whole.take(chosen) for part, chosen in zip(PARTS, places, strict=True)}
    counts = ", ".join(f"{len(examples):,} {part}" for part, examples in parts.items())
    told = {"source": "the user", "licence": "not stated", "description": "", **told}
    return Data(
        name=name, task="translation", kind="image", shape=whole.inputs.shape[1:], dtype="uint8", classes=(),
        outputs=(), **parts, columns={}, split=f"{counts}; whole {sides} on one side, drawn with seed {options.seed}",
        notes=tuple(notes), **told,
    )  # fmt: skip


def cut(name, given, made, side):
    """Squares of both images of a pair, row by row; what is left at the right and lower border is left out."""
    height, width = given.shape[:2]
    if min(height, width) < side:
        raise ValueError(
            f"load: `tile` must be at most the smallest side, got {side} for {height} x {width} of {name}."
        )
    for row in range(0, height - side + 1, side):
        for column in range(0, width - side + 1, side):
            place = np.s_[row : row + side, column : column + side]
            yield given[place], made[place]


def from_masks(data):
    """Images to be made of their masks: `Data` of a segmentation, turned round.

    A mask of two classes becomes one band, 255 where the second class is; else each class has a band. Where a mask does
    not count, all bands are 0. Images deeper than 8 bits are brought to 8: the training part's 0.1 and 99.9 percentile
    become 0 and 255.

    Args:
        data: `Data` of the task segmentation, in memory.
    Returns:
        `Data` of the task translation, with the same parts.
    """
    if not isinstance(data.train.inputs, np.ndarray):
        raise ValueError(f"`data` must be images in memory, got {data!r}; cut them into tiles and give arrays.")
    shown = range(1, 2) if len(data.classes) == 2 else range(len(data.classes))
    low, high = np.percentile(data.train.inputs, BRIGHTEST) if data.dtype != "uint8" else (0.0, 255.0)
    parts = {}
    for part in PARTS:
        examples = getattr(data, part)
        masks = np.where(examples.targets == IGNORE, -1, examples.targets.astype(np.int64))
        given = np.stack([masks == i for i in shown], axis=-1).astype(np.uint8) * 255
        scaled = (examples.inputs.astype(np.float64) - low) / max(high - low, 1e-12)
        made = np.round(np.clip(scaled, 0, 1) * 255).astype(np.uint8)
        parts[part] = dataclasses.replace(examples, inputs=given, targets=made)
    notes = () if data.dtype == "uint8" else (f"images brought to 8 bits: {low:g} to {high:g} become 0 to 255",)
    return _translation(data, parts, f"{data.split}; masks are given, their images to be made", notes)


def from_edges(data, side):
    """Images to be made of their edges (Canny 1986), in the parts that they are in.

    Args:
        data: `Data` of 8-bit images, whatever their task.
        side: of the squares that they are cut into [pixels]; None takes images of one size as they are, and of others
            squares of 256.
    Returns:
        `Data` of the task translation: inputs (N, H, W, 1) uint8, 255 at an edge; targets (N, H, W, C).
    Raises:
        ValueError: if these are no 8-bit images of one or three bands, or one is smaller than a square.
    """
    verify_photos(data)
    if side is None and isinstance(data.train.inputs, np.ndarray):
        parts = {part: getattr(data, part) for part in PARTS}
        for part, whole in parts.items():
            given = np.stack([edges(image) for image in whole.inputs]) if len(whole) else whole.inputs[..., :1]
            parts[part] = dataclasses.replace(whole, inputs=given, targets=whole.inputs)
        return _translation(data, parts, f"{data.split}; {CANNY}", ())
    side, parts = side or 256, {}
    for part in PARTS:
        examples = getattr(data, part)
        if not len(examples):
            none = np.zeros((0, side, side, 1 + data.shape[-1]), np.uint8)
            parts[part] = Examples(none[..., :1], none[..., 1:])
            continue
        both = squares(Examples(_WithEdges(examples), examples.targets, examples.names), side)
        parts[part] = dataclasses.replace(both, inputs=both.inputs[..., :1], targets=both.inputs[..., 1:])
    return _translation(data, parts, f"{data.split}; squares of {side} x {side} pixels; {CANNY}", ())


def _translation(data, parts, told, notes):
    return dataclasses.replace(
        data, **parts, task="translation", kind="image", shape=parts["train"].inputs.shape[1:], dtype="uint8",
        classes=(), outputs=(), split=told, notes=(*data.notes, *notes),
    )  # fmt: skip


class _WithEdges:
    """Photos with their edges as a band in front."""

    def __init__(self, examples):
        self.images = [np.concatenate([edges(image), image], axis=-1) for image in pixels_of(examples)]

    def read(self, index):
        return self.images[index]


def edges(image):
    """The edges of an (H, W, 1 or 3) uint8 image by Canny's method: (H, W, 1) uint8, 255 at an edge."""
    import cv2

    if image.shape[-1] not in (1, 3):
        raise ValueError(f"`data` must be images of 1 or 3 bands to find edges in, got {image.shape[-1]} bands.")
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if image.shape[-1] == 3 else image[..., 0]
    return cv2.Canny(np.ascontiguousarray(grey), *EDGES)[..., None]
