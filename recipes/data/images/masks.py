"""Images with a class for every pixel: folders of equal names, arrays, and large images cut into tiles.

Files of more than 1 GiB of pixels are read when they are needed; all else is in memory. Splits share no pixel: whole
images, or square blocks of tiles, are in one split.
"""

import re
from pathlib import Path
from typing import Literal

import numpy as np

from recipes.data.assemble import warn_and_note
from recipes.data.examples import SPLITS, Data
from recipes.data.images.image_files import read_pixels_and_bands
from recipes.data.images.mask_files import exif_orientation, lossy_mask_error, read_mask
from recipes.data.images.mask_labels import MaskClasses
from recipes.data.images.mask_scenes import FileScene, Scene, cut_scenes, in_order, select_bands
from recipes.data.images.paired_files import paired_files
from recipes.data.in_memory import named_splits, without_names
from recipes.data.source_spec import absolute_path, with_source_spec
from recipes.data.split import SplitOptions, lacking_classes, pixel_strata, split
from recipes.data.streams import MAX_BYTES_IN_MEMORY, read_stream
from zoo.arguments import Count, FilePath, Fraction, Whole, checked

BLOCK_TILES = 2  # tiles along the side of a block that stays in one split
MIN_UNITS = 10  # images below which blocks of tiles are split; blocks below which single tiles are

Instances = Literal["foreground", "separated", "boundary"]


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
    notes, thresholded, lossy, band_names, reordered, is_empty = [], 0, 0, (), [], True
    pairs = paired_files(Path(images), Path(labels), "mask", notes)
    scenes, palette, turned = [], {}, []
    for image_path, mask_path in pairs:
        image, names = read_pixels_and_bands(image_path)
        band_names, mask = band_names or names, read_mask(mask_path)
        if names and names != band_names:
            reordered.append(image_path.name)
        _verify_one_size(image, image_path, mask.values, mask_path)
        if exif_orientation(image_path) != 1 == exif_orientation(mask_path):
            turned.append(image_path.name)
        thresholded += mask.is_thresholded
        lossy += mask.is_lossy
        is_empty = is_empty and not mask.values.any()
        _verify_one_palette(palette, mask.colors, mask_path)
        if image.nbytes * len(pairs) > MAX_BYTES_IN_MEMORY:
            scenes.append(FileScene(image_path, mask_path, bands, band_names))
        else:
            ordered = select_bands(in_order(image, names, band_names, image_path), bands, image_path)
            scenes.append(Scene(image_path.name, ordered, mask.values))
    notes += [f"the bands of {name} are in another order: matched by name" for name in reordered]
    if lossy == len(scenes) and is_empty:  # classes such as 0 and 1 become 0
        raise lossy_mask_error(mask_path, mask.values)
    if any(isinstance(scene, FileScene) for scene in scenes):
        scenes = [FileScene(*pair, bands, band_names) for pair in pairs]
        notes.append("images and masks are read from their files when they are needed")
    if turned:
        notes.append(
            warn_and_note(
                f"{len(turned):,} images are turned by their EXIF orientation, and their masks have none: the masks "
                f"must be drawn on the upright images, the first is {turned[0]}"
            )
        )
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


def _verify_one_palette(palette, colors, path):
    """Adds the colors of a mask's values to `palette`, value -> (color, path).

    Raises:
        ValueError: if a value has another color in an earlier mask.
    """
    for value, color in colors.items():
        expected, first = palette.setdefault(value, (color, path))
        if expected != color:
            raise ValueError(
                f"the palettes of all masks must have the same colors, got {expected} for the value {value} in {first} "
                f"and {color} in {path}; write the masks with one palette, or the classes as gray values."
            )


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
        scenes = {name_: [scene.without(ignore) for scene in several] for name_, several in scenes.items()}
    mask_classes = MaskClasses.of([s for split_scenes in scenes.values() for s in split_scenes], classes, instances)
    splits, descriptions = {}, []
    for split_name, split_scenes in scenes.items():
        cut = cut_scenes(split_scenes, mask_classes, tile)
        fractions = [
            0.0 if other in scenes else fraction
            for other, fraction in zip(SPLITS[1:], split_options.fractions, strict=True)
        ]
        if split_name in SPLITS[1:] or not any(fractions):
            splits[split_name or "train"] = cut
            descriptions.append(f"the {split_name or 'train'} split as given")
            continue
        units, description = _split_units(split_scenes, cut.positions, tile, group)
        strata = _strata_of(cut.counts, mask_classes)
        indices = split(strata, cut.keys, fractions, split_options.seed, units)
        for other, selected in zip(SPLITS, indices, strict=True):
            if other == "train" or other not in scenes:
                splits[other] = cut.take(selected)
        descriptions.append(describe_pixel_split(indices, description, split_options.seed, len(mask_classes.names)))
    for split_name in SPLITS[1:]:
        splits.setdefault(split_name, splits["train"].take(slice(0, 0)))
    shared = {s: int(np.isin(splits[s].keys, splits["train"].keys).sum()) for s in SPLITS[1:]}
    notes = [
        *notes,
        *mask_classes.notes,
        *(f"{n:,} images of the {s} split are also in training" for s, n in shared.items() if n),
    ]
    pixels = {s: splits[s].counts[:, :-1].sum(0) for s in SPLITS if len(splits[s].keys)}
    notes += lacking_classes(pixels, mask_classes.names)
    if len(pixels) > 1:  # all examples are in `train` for an evaluation, which may lack a class
        verify_every_class_in_training(pixels["train"], mask_classes.names)
    first = splits["train"].examples.head(1)
    splits = {name_: cut.examples for name_, cut in splits.items()}
    data = Data(
        name=name, task="segmentation", kind="image", shape=first.shape[1:], dtype=first.dtype.name,
        classes=mask_classes.names, outputs=(), **splits, split_description="; ".join(descriptions),
        notes=tuple(notes), **facts,
    )  # fmt: skip
    return data, mask_classes


def _strata_of(counts, mask_classes):
    """Returns the targets of `split`: of two classes the fraction of the rarer one, of more which a mask has.

    Args:
        counts: (N, classes + 1) pixels of each class, and of those that are ignored.
        mask_classes: `MaskClasses`.
    """
    if len(mask_classes.names) > 2:
        return pixel_strata(counts[:, :-1])
    others = counts[:, mask_classes.commonest] + counts[:, -1]
    return (1.0 - others / counts.sum(1))[:, None].astype(np.float32)


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
