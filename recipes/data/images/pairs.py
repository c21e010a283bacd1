"""Pairs of images, an input and its target: folders, arrays, masks with their images, images with their edges."""

import dataclasses
from pathlib import Path

import numpy as np

from recipes.data.examples import SPLITS, Data, Examples
from recipes.data.images.image_files import read_pixels
from recipes.data.images.image_patches import cut_patches, iterate_images, verify_8bit_images
from recipes.data.images.mask_labels import IGNORE
from recipes.data.images.paired_files import paired_files
from recipes.data.source_spec import absolute_path, with_source_spec
from recipes.data.split import SplitOptions, content_keys, split
from zoo.arguments import Count, FilePath, Fraction, Whole, checked

CANNY_THRESHOLDS = (100, 200)  # on the gradient of 8-bit luminance: weak edges, strong edges
CANNY = "edges by Canny's method, thresholds {} and {}".format(*CANNY_THRESHOLDS)
RESCALING_PERCENTILES = (0.1, 99.9)  # of images deeper than 8 bits; they become 0 and 255
EDGE_TILE = 256  # side of the tiles of images of different sizes [pixels]


@checked
def read_pairs(
    images: FilePath,
    labels: FilePath,
    *,
    tile: Count | None = None,
    validation: Fraction = 0.15,
    test: Fraction = 0.15,
    seed: Whole = 0,
) -> Data:
    """Reads a folder of input images and one of target images with equal names, or one file each.

    Args:
        images: folder or file of the inputs.
        labels: folder or file of the targets.
        tile: side of the tiles that both are cut into [pixels]; needed where they differ in size.
        validation, test: fractions of the pairs, 0 to 1; of one or two pairs, of their tiles.
        seed: seed of the split.
    Returns:
        `Data` of the task translation.
    Raises:
        ValueError: if a file has no partner, cannot be read, is not 8-bit, or does not fit the others; it is named.
    """
    arguments = dict(locals())
    pairs, notes = [], []
    for input_path, target_path in paired_files(Path(images), Path(labels), "partner", notes):
        pixels = [read_pixels(path) for path in (input_path, target_path)]
        for image, path in zip(pixels, (input_path, target_path), strict=True):
            if image.dtype != np.uint8:
                raise ValueError(f"pairs must be 8-bit images, got {image.dtype} in {path}.")
        if pixels[0].shape[:2] != pixels[1].shape[:2]:
            raise ValueError(
                f"both images of a pair must have one size, got {pixels[0].shape[:2]} of {input_path} and "
                f"{pixels[1].shape[:2]} of {target_path}."
            )
        pairs.append((input_path.name, *pixels))
    split_options = SplitOptions(validation, test, seed)
    data = from_pairs(
        pairs, split_options, tile=tile, name=Path(images).resolve().stem, notes=notes, source=str(images)
    )
    return with_source_spec(data, "pairs", arguments, labels=absolute_path(labels))


def from_pair_arrays(inputs, targets, split_options):
    """Returns `Data` of the task translation from two arrays, (N, H, W, C) or (N, H, W): 8-bit, or floats in [0, 1].

    Raises:
        ValueError: if they have different numbers or sizes of images, or leave their range.
    """
    arrays = []
    for name, images in (("the inputs", inputs), ("the targets", targets)):
        images = np.asarray(images)
        images = images[..., None] if images.ndim == 3 else images
        if images.ndim != 4 or images.dtype.kind not in "uif":
            raise ValueError(f"{name} must be (N, H, W, C) numbers, got {images.dtype} of {images.shape}.")
        if images.dtype != np.uint8:
            low, high = (float(images.min()), float(images.max())) if images.size else (0.0, 0.0)
            if not (images.dtype.kind == "f" and low >= 0 and high <= 1):  # NaN is neither
                raise ValueError(
                    f"{name} must be 8-bit, or floats from 0 to 1, got {images.dtype} from {low:g} to {high:g}."
                )
            images = np.round(images * 255).astype(np.uint8)
        arrays.append(images)
    if arrays[0].shape[:3] != arrays[1].shape[:3]:
        raise ValueError(
            f"inputs and targets must be as many images of one size, got {arrays[0].shape} and {arrays[1].shape}."
        )
    pairs = [(f"pair {i}", *pair) for i, pair in enumerate(zip(*arrays, strict=True))]
    return from_pairs(pairs, split_options, name="arrays")


def from_pairs(pairs, split_options, *, tile=None, name, notes=(), **facts):
    """Returns `Data` of the task translation, split pair by pair; one or two pairs are split tile by tile.

    Args:
        pairs: (name, input image, target image), (H, W, C) uint8 arrays of one size.
        split_options: `SplitOptions`.
        tile: side of the tiles [pixels], or None.
        name, notes: as `Data` has them.
        **facts: source, license, description, as `Data` has them.
    Raises:
        ValueError: if the pairs differ in size or bands, or are too few for three splits.
    """
    for index, what in ((1, "the inputs"), (2, "the targets")):
        bands = {pair[index].shape[-1]: pair[0] for pair in pairs}
        if len(bands) > 1:
            received = " and ".join(f"{count} of {pair_name}" for count, pair_name in list(bands.items())[:2])
            raise ValueError(f"{what} must have the same bands in all pairs, got {received}.")
    sizes = {pair[1].shape[:2]: pair[0] for pair in pairs}
    if len(sizes) > 1 and not tile:
        received = " and ".join(f"{h} x {w} of {pair_name}" for (h, w), pair_name in list(sizes.items())[:2])
        raise ValueError(f"`tile` must be given where pairs differ in size, as in tile=64, got {received}.")
    inputs, targets, names, pair_index = [], [], [], []
    for i, (pair_name, x, y) in enumerate(pairs):
        for a, b in _cut_pair(pair_name, x, y, tile) if tile else ((x, y),):
            inputs, targets, names = [*inputs, a], [*targets, b], [*names, pair_name]
            pair_index.append(i)
    pair_index = np.array(pair_index)
    whole = Examples(np.stack(inputs), np.stack(targets), np.array(names))
    if len(pairs) < len(SPLITS):  # too few to split pair by pair
        pair_index, units = np.arange(len(pair_index)), "tiles"
        keys = content_keys(np.concatenate([whole.inputs, whole.targets], axis=-1))
    else:
        keys, units = np.concatenate([content_keys(np.concatenate(p[1:], axis=-1)[None]) for p in pairs]), "pairs"
    selections = split(np.zeros((len(keys), 1), np.float32), keys, split_options.fractions, split_options.seed)
    indices = [np.flatnonzero(np.isin(pair_index, selected)) for selected in selections]
    splits = {s: whole.take(i) for s, i in zip(SPLITS, indices, strict=True)}
    counts = ", ".join(f"{len(examples):,} {s}" for s, examples in splits.items())
    return Data(
        name=name, task="translation", kind="image", shape=whole.inputs.shape[1:], dtype="uint8", classes=(),
        outputs=(), **splits, split_description=f"{counts}; whole {units}, seed {split_options.seed}",
        notes=tuple(notes), **facts,
    )  # fmt: skip


def _cut_pair(name, x, y, side):
    """Yields tiles of both images of a pair, row by row; the rest at the right and lower border is left out."""
    height, width = x.shape[:2]
    if min(height, width) < side:
        raise ValueError(f"`tile` must be at most the smallest side, got {side} for {height} x {width} of {name}.")
    for row in range(0, height - side + 1, side):
        for column in range(0, width - side + 1, side):
            window = np.s_[row : row + side, column : column + side]
            yield x[window], y[window]


def masks_to_images(data):
    """Returns pairs of a mask as input and its image as target, from `Data` of a segmentation.

    A mask of two classes becomes one band, 255 where the second class is; else each class has a band. Where a mask is
    ignored, all bands are 0. Images deeper than 8 bits are rescaled: the training split's percentiles 0.1 and 99.9
    become 0 and 255.

    Args:
        data: `Data` of the task segmentation, in memory.
    Returns:
        `Data` of the task translation, with the same splits.
    """
    if not isinstance(data.train.inputs, np.ndarray):
        raise ValueError(f"`data` must be images in memory, got {data!r}; cut them into tiles and pass arrays.")
    class_bands = range(1, 2) if len(data.classes) == 2 else range(len(data.classes))
    low, high = np.percentile(data.train.inputs, RESCALING_PERCENTILES) if data.dtype != "uint8" else (0.0, 255.0)
    splits = {}
    for s in SPLITS:
        examples = getattr(data, s)
        masks = np.where(examples.targets == IGNORE, -1, examples.targets.astype(np.int64))
        inputs = np.stack([masks == i for i in class_bands], axis=-1).astype(np.uint8) * 255
        scaled = (examples.inputs.astype(np.float64) - low) / max(high - low, 1e-12)
        targets = np.round(np.clip(scaled, 0, 1) * 255).astype(np.uint8)
        splits[s] = dataclasses.replace(examples, inputs=inputs, targets=targets)
    notes = () if data.dtype == "uint8" else (f"images rescaled to 8 bits: {low:g} to {high:g} become 0 to 255",)
    return _translation(data, splits, "masks are inputs, their images targets", notes)


def edges_to_images(data, side):
    """Returns pairs of an image's edges (Canny 1986) as input and the image as target, with the same splits.

    Args:
        data: `Data` of 8-bit images, whatever their task.
        side: of the tiles that they are cut into [pixels]; None keeps images of one size whole, and cuts others into
            tiles of 256.
    Returns:
        `Data` of the task translation: inputs (N, H, W, 1) uint8, 255 at an edge; targets (N, H, W, C).
    Raises:
        ValueError: if these are no 8-bit images of one or three bands, or one is smaller than a tile.
    """
    verify_8bit_images(data)
    splits = {}
    if side is None and isinstance(data.train.inputs, np.ndarray):
        for s in SPLITS:
            whole = getattr(data, s)
            inputs = np.stack([edges(image) for image in whole.inputs]) if len(whole) else whole.inputs[..., :1]
            splits[s] = dataclasses.replace(whole, inputs=inputs, targets=whole.inputs)
        return _translation(data, splits, CANNY, ())
    side = side or EDGE_TILE
    for s in SPLITS:
        examples = getattr(data, s)
        if not len(examples):
            none = np.zeros((0, side, side, 1 + data.shape[-1]), np.uint8)
            splits[s] = Examples(none[..., :1], none[..., 1:])
            continue
        both = cut_patches(Examples(_ImagesWithEdges(examples), examples.targets, examples.names), side)
        splits[s] = dataclasses.replace(both, inputs=both.inputs[..., :1], targets=both.inputs[..., 1:])
    return _translation(data, splits, f"tiles of {side} x {side} pixels; {CANNY}", ())


def _translation(data, splits, description, notes):
    return dataclasses.replace(
        data, **splits, task="translation", kind="image", shape=splits["train"].inputs.shape[1:], dtype="uint8",
        classes=(), outputs=(), split_description=f"{data.split_description}; {description}",
        notes=(*data.notes, *notes),
    )  # fmt: skip


class _ImagesWithEdges:
    """Images with their edges as the first band."""

    def __init__(self, examples):
        self.images = [np.concatenate([edges(image), image], axis=-1) for image in iterate_images(examples)]

    def read(self, index):
        return self.images[index]


def edges(image):
    """Returns the edges of an (H, W, 1 or 3) uint8 image by Canny's method: (H, W, 1) uint8, 255 at an edge."""
    import cv2

    if image.shape[-1] not in (1, 3):
        raise ValueError(f"`data` must be images of 1 or 3 bands to find edges in, got {image.shape[-1]} bands.")
    gray = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if image.shape[-1] == 3 else image[..., 0]
    return cv2.Canny(np.ascontiguousarray(gray), *CANNY_THRESHOLDS)[..., None]
