"""Images with a class for every pixel: folders of equal names, arrays, and large images cut into tiles.

All of it is in memory. Splits share no pixel: whole images, or square blocks of tiles, are in one split.
"""

import re
import typing
from pathlib import Path
from typing import Literal

import numpy as np

from recipes.data.assemble import warn_and_note
from recipes.data.examples import SPLITS, Data, Examples
from recipes.data.images.image_files import read_pixels_and_bands
from recipes.data.images.mask_files import lossy_mask_error, read_mask
from recipes.data.images.mask_labels import IGNORE, MaskClasses
from recipes.data.images.paired_files import paired_files
from recipes.data.in_memory import named_splits, without_names
from recipes.data.source_spec import absolute_path, with_source_spec
from recipes.data.split import SplitOptions, content_keys, lacking_classes, pixel_strata, split
from recipes.data.streams import read_stream
from zoo.arguments import Count, FilePath, Fraction, Whole, checked

BLOCK_TILES = 2  # tiles along the side of a block that stays in one split
MIN_UNITS = 10  # images below which blocks of tiles are split; blocks below which single tiles are

Instances = Literal["foreground", "separated", "boundary"]


class Scene(typing.NamedTuple):
    """One image with its mask as they were read."""

    name: str
    image: np.ndarray  # (H, W, C)
    mask: np.ndarray  # (H, W) values as the user wrote them


@checked
def read_masks(
    images: FilePath,
    labels: FilePath,
    *,
    classes: tuple[str, ...] = (),
    ignore: tuple[int, ...] = (),
    instances: Instances | None = None,
    bands: tuple[Count, ...] = (),
    tile: Count | None = None,
    group: str | None = None,
    validation: Fraction = 0.15,
    test: Fraction = 0.15,
    seed: Whole = 0,
) -> Data:
    """Reads a folder of images and one of masks with equal names, or one file each.

    Names may differ by a prefix or suffix that all have, as in img_1.png and img_1_mask.png.

    Args:
        images: folder or file of the images: PNG, JPEG, TIFF, ... in their own depth, or .npy of (H, W, C).
        labels: folder or file of the masks: gray values, palettes or .npy of (H, W). 255 is ignored where the other
            values count from 0 or 1.
        classes: names of the classes in the order of their values from 0, or NAME=VALUE; the values are read from the
            masks where empty.
        ignore: values of the masks that are ignored.
        instances: for masks that number instances, such as cells: foreground, separated (without the pixels that touch
            another instance) or boundary (each instance's rim is a class of its own). None is a class per value.
        bands: bands to read, counted from 1, in this order; all where empty.
        tile: side of the tiles that images are cut into, without overlap [pixels]; needed where they differ in size.
        group: regular expression that is searched in every image's name; its match (the first group of the expression,
            if it has one) names the group, and groups stay in one split.
        validation, test: fractions of the images or tiles, 0 to 1.
        seed: seed of the split.
    Returns:
        `Data` of the task segmentation.
    Raises:
        ValueError: if a file has no partner, cannot be read, or does not fit the others; it names the file.
    """
    arguments = dict(locals())
    scenes, notes, thresholded, lossy, band_names = [], [], 0, 0, ()
    for image_path, mask_path in paired_files(Path(images), Path(labels), "mask", notes):
        image, names = read_pixels_and_bands(image_path)
        band_names = band_names or names
        image, mask = _in_order(image, names, band_names, image_path, notes), read_mask(mask_path)
        _verify_one_size(image, image_path, mask.values, mask_path)
        scenes.append(Scene(image_path.name, _select_bands(image, bands, image_path), mask.values))
        thresholded += mask.is_thresholded
        lossy += mask.is_lossy
    if lossy == len(scenes) and not any(scene.mask.any() for scene in scenes):  # classes such as 0 and 1 become 0
        raise lossy_mask_error(mask_path, scenes[-1].mask)
    if thresholded:
        notes.append(warn_and_note(f"{thresholded:,} masks are JPEG, whose values were set to the nearer of 0 and 255"))
    data, mask_classes = from_scenes(
        {None: scenes}, SplitOptions(validation, test, seed), classes=classes, ignore=ignore, instances=instances,
        tile=tile, group=group, name=Path(images).resolve().stem, notes=notes, source=str(images),
        bands=tuple(band_names[b - 1] for b in bands) if bands and band_names else band_names,
    )  # fmt: skip
    return with_source_spec(
        data, "masks", arguments, labels=absolute_path(labels), classes=mask_classes.resolved(),
        bands=bands or tuple(range(1, data.shape[-1] + 1)),
    )  # fmt: skip


def _in_order(image, names, band_names, path, notes):
    """Returns an image with its bands in the order of `band_names`, where it names them."""
    if not names or names == band_names:
        return image
    if set(names) != set(band_names):
        raise ValueError(f"all images must have the bands {', '.join(band_names)}, got {', '.join(names)} in {path}.")
    notes.append(f"the bands of {path.name} are in another order: matched by name")
    return image[..., [names.index(name) for name in band_names]]


def _verify_one_size(image, image_path, mask, mask_path):
    """Raises a ValueError where image and mask differ in size."""
    if image.shape[:2] == mask.shape:
        return
    turned = image.shape[:2] == mask.shape[::-1]
    hint = "; is one of them turned by its EXIF orientation, which is applied, and the other not?" if turned else "."
    raise ValueError(
        f"image and mask must have one size, got {image.shape[:2]} of {image_path} and {mask.shape} of "
        f"{mask_path}{hint}"
    )


def _select_bands(image, bands, path):
    absent = [b for b in bands if b > image.shape[-1]]
    if absent:
        raise ValueError(f"`bands` must be from 1 to {image.shape[-1]}, got {absent[0]} for {path}.")
    return image[..., [b - 1 for b in bands]] if bands else image


@checked
def read_mask_arrays(
    source,
    *,
    classes: tuple[str, ...] = (),
    ignore: tuple[int, ...] = (),
    instances: Instances | None = None,
    tile: Count | None = None,
    validation: Fraction = 0.15,
    test: Fraction = 0.15,
    seed: Whole = 0,
) -> Data:
    """Reads arrays of images and masks, two or three splits of such, or tf.data.Datasets.

    Args:
        source: (x, masks), x (N, H, W) or (N, H, W, C) and masks (N, H, W) or (N, H, W, 1); a tf.data.Dataset of such
            pairs; or (train, test) or (train, validation, test) of such.
        classes, ignore, instances, tile: as `read_masks` has them.
        validation, test: fractions of the images or tiles, 0 to 1, for splits that are not given.
        seed: seed of the split.
    Returns:
        `Data` of the task segmentation.
    Raises:
        ValueError: if images and masks do not fit together, or a mask has a value of no class.
    """
    import tensorflow as tf

    scenes = {}
    for split_name, entry in named_splits(without_names(source)):
        if isinstance(entry, tf.data.Dataset):
            pool = read_stream(entry, split_name)
            if not isinstance(pool.inputs, np.ndarray):
                raise ValueError("the images of a tf.data.Dataset must have one size and fit in memory.")
            entry = pool.inputs, pool.y
        x, y = map(np.asarray, entry)
        x = x[..., None] if x.ndim == 3 else x
        y = y[..., 0] if y.ndim == 4 and y.shape[-1] == 1 else y
        if x.ndim != 4 or y.shape != x.shape[:3] or x.dtype.kind not in "uif" or not len(x):
            raise ValueError(
                "x must be (N, H, W, C) numbers and the masks (N, H, W) for segmentation, got "
                f"{x.shape} {x.dtype} and {y.shape}."
            )
        if x.dtype.kind == "f" and not np.isfinite(x).all():
            raise ValueError("x must be finite for segmentation, got NaN or infinity.")
        x = x if x.dtype in (np.uint8, np.uint16) else x.astype(np.float32)
        named = enumerate(zip(x, y, strict=True))
        scenes[split_name] = [Scene(f"{split_name or 'image'} {i}", *pair) for i, pair in named]
    split_options = SplitOptions(validation, test, seed)
    return from_scenes(
        scenes, split_options, classes=classes, ignore=ignore, instances=instances, tile=tile, name="arrays"
    )[0]


def from_scenes(
    scenes, split_options, *, classes=(), ignore=(), instances=None, tile=None, group=None, name, notes=(), **facts
):
    """Returns (`Data`, `MaskClasses`) from scenes: masks become class indices, large images tiles.

    Args:
        scenes: train, validation, test -> scenes as given; or None -> scenes to be split.
        split_options: `SplitOptions`.
        classes, ignore, instances, tile, group: as `read_masks` has them.
        name, notes: as `Data` has them.
        **facts: source, license, description, as `Data` has them.
    Raises:
        ValueError: if the sizes or bands differ, or a mask has a value of no class; it names the scene.
    """
    if ignore:
        scenes = {
            split_name: [_without_values(s, ignore) for s in split_scenes]
            for split_name, split_scenes in scenes.items()
        }
    mask_classes = MaskClasses.of([s for split_scenes in scenes.values() for s in split_scenes], classes, instances)
    splits, descriptions = {}, []
    for split_name, split_scenes in scenes.items():
        examples, positions = _cut_scenes(split_scenes, mask_classes, tile)
        fractions = [
            0.0 if other in scenes else fraction
            for other, fraction in zip(SPLITS[1:], split_options.fractions, strict=True)
        ]
        if split_name in SPLITS[1:] or not any(fractions):
            splits[split_name or "train"] = examples
            descriptions.append(f"the {split_name or 'train'} split as given")
            continue
        units, description = _split_units(split_scenes, positions, tile, group)
        strata = _strata_of(examples.targets, mask_classes)
        indices = split(strata, content_keys(examples.inputs), fractions, split_options.seed, units)
        for other, selected in zip(SPLITS, indices, strict=True):
            if other == "train" or other not in scenes:
                splits[other] = examples.take(selected)
        descriptions.append(describe_pixel_split(indices, description, split_options.seed, len(mask_classes.names)))
    for split_name in SPLITS[1:]:
        splits.setdefault(split_name, splits["train"].take(slice(0, 0)))
    keys = {split_name: content_keys(e.inputs) for split_name, e in splits.items()}
    shared = {s: int(np.isin(keys[s], keys["train"]).sum()) for s in SPLITS[1:]}
    notes = [
        *notes,
        *mask_classes.notes,
        *(f"{n:,} images of the {s} split are also in training" for s, n in shared.items() if n),
    ]
    pixels = {s: _pixel_counts(splits[s].targets, mask_classes).sum(0) for s in SPLITS if len(splits[s])}
    notes += lacking_classes(pixels, mask_classes.names)
    train = splits["train"]
    verify_every_class_in_training(
        np.bincount(train.targets[train.targets != IGNORE], minlength=len(mask_classes.names)), mask_classes.names
    )
    data = Data(
        name=name, task="segmentation", kind="image", shape=train.inputs.shape[1:], dtype=train.inputs.dtype.name,
        classes=mask_classes.names, outputs=(), **splits, split_description="; ".join(descriptions),
        notes=tuple(notes), **facts,
    )  # fmt: skip
    return data, mask_classes


def _without_values(scene, ignore):
    """Returns a scene whose mask is -1 where it has one of the values."""
    return scene._replace(mask=np.where(np.isin(scene.mask, ignore), -1, scene.mask.astype(np.int64)))


def _pixel_counts(masks, mask_classes):
    """Returns (N, classes) number of pixels of each class in each mask."""
    return np.array([np.bincount(y.ravel(), minlength=IGNORE + 1)[: len(mask_classes.names)] for y in masks])


def _strata_of(masks, mask_classes):
    """Returns the targets of `split`: of two classes the fraction of the rarer one, of more which a mask has."""
    if len(mask_classes.names) > 2:
        return pixel_strata(_pixel_counts(masks, mask_classes))
    rare = 1.0 - np.array([np.mean((y == mask_classes.commonest) | (y == IGNORE)) for y in masks])
    return rare[:, None].astype(np.float32)


def describe_pixel_split(indices, units, seed, classes):
    """Returns the description of a split of images or tiles.

    Args:
        indices: of the training, validation and test examples.
        units: description of what stays in one split.
        seed: of the split.
        classes: number of classes.
    """
    sizes = ", ".join(f"{len(i):,} {s}" for s, i in zip(SPLITS, indices, strict=True))
    strata = "fraction of the rarer classes" if classes <= 2 else "classes that each has"
    return f"{sizes}; {units}, seed {seed}, stratified by the {strata}"


def verify_every_class_in_training(pixels, names):
    """Raises a ValueError where a class has no pixel in the training split.

    Args:
        pixels: number of training pixels of each class.
        names: of the classes.
    """
    if not pixels.all():
        lacking = names[int(pixels.argmin())]
        raise ValueError(f"the training split must have pixels of every class, got none of {lacking!r}.")


def _cut_scenes(scenes, mask_classes, tile):
    """Returns `Examples` of whole images or of tiles, and their (N, 3) positions: scene, row and column of the tile."""
    kinds = {(s.image.shape[-1], s.image.dtype.name): s for s in scenes}
    if len(kinds) > 1:
        received = " and ".join(f"{c} bands of {t} in {s.name}" for (c, t), s in list(kinds.items())[:2])
        raise ValueError(f"all images must have the same bands and depth, got {received}.")
    sizes = {s.image.shape[:2]: s for s in scenes}
    if len(sizes) > 1 and not tile:
        received = " and ".join(f"{h} x {w} of {s.name}" for (h, w), s in list(sizes.items())[:2])
        raise ValueError(f"`tile` must be given where images differ in size, as in tile=128, got {received}.")
    images, masks, names, positions = [], [], [], []
    for i, scene in enumerate(scenes):
        labels = mask_classes.indices(scene)
        if not tile:
            images, masks, names = [*images, scene.image], [*masks, labels], [*names, scene.name]
            positions.append((i, 0, 0))
            continue
        for image, mask, (row, column) in tiles(scene.image, labels, tile):
            if (mask != IGNORE).any():
                images, masks = [*images, image], [*masks, mask]
                names.append(f"{scene.name} row {row * tile} column {column * tile}")
                positions.append((i, row, column))
    return Examples(np.stack(images), np.stack(masks), np.array(names)), np.array(positions)


def tiles(image, mask, side):
    """Yields tiles of an image and its mask, without overlap; beyond the border they are mirrored and ignored.

    Args:
        image: (H, W, C).
        mask: (H, W) class index.
        side: of a tile [pixels].
    Yields:
        (side, side, C), (side, side) and (row, column) of the tile.
    """
    height, width = mask.shape
    padding = ((0, -height % side), (0, -width % side))
    image, mask = np.pad(image, (*padding, (0, 0)), "symmetric"), np.pad(mask, padding, constant_values=IGNORE)
    for row in range(len(mask) // side):
        for column in range(mask.shape[1] // side):
            window = np.s_[row * side : (row + 1) * side, column * side : (column + 1) * side]
            yield image[window], mask[window], (row, column)


def _split_units(scenes, positions, tile, group):
    """Returns (N,) units that stay in one split, and their description."""
    tiled = f"tiles of {tile} x {tile} pixels without overlap, " if tile else ""
    if group is not None:
        groups = np.array([_group_of(s.name, group) for s in scenes])
        return groups[positions[:, 0]], f"{tiled}{len(np.unique(groups)):,} groups of {group} kept whole"
    if not tile or len(scenes) >= MIN_UNITS:
        return positions[:, 0], f"{tiled}whole images in one split"
    blocks = np.stack([positions[:, 0], *(positions[:, 1:] // BLOCK_TILES).T])
    blocks = np.unique(blocks, axis=1, return_inverse=True)[1].ravel()
    count = blocks.max() + 1
    if count < MIN_UNITS:
        return np.arange(len(positions)), f"{tiled}split one by one, as there are few"
    return blocks, f"{tiled}in {count:,} blocks of {BLOCK_TILES} x {BLOCK_TILES} tiles kept whole"


def _group_of(name, pattern):
    match = re.search(pattern, name)
    if not match:
        raise ValueError(f"`group` must match every image's name, got {pattern!r} not in {name}.")
    return match[1] if match.re.groups else match[0]
