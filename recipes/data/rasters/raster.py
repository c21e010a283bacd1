"""Georeferenced rasters and their labels: tiles that are read from the files on demand.

Only the positions of the tiles are in memory. A pixel that is nodata in any band has the ignored label, and NaN where
the inputs have such gaps; the preprocessing leaves it out of the bands' statistics and fills it with 0.
"""

import dataclasses
import glob
import re
from pathlib import Path

import numpy as np

from recipes.data.assemble import warn_and_note
from recipes.data.examples import SPLITS, Data, Examples
from recipes.data.images.mask_labels import IGNORE, NODATA_IS_CLASS, MaskClasses
from recipes.data.images.masks import (
    BLOCK_TILES,
    MIN_UNITS,
    describe_pixel_split,
    verify_every_class_in_training,
)
from recipes.data.rasters.geotiff import SUFFIXES, alpha_notes, raster_info
from recipes.data.rasters.tiles import TileLabels, Tiles, TileScene, tile_name
from recipes.data.source_spec import absolute_path, with_source_spec
from recipes.data.split import SplitOptions, lacking_classes, pixel_strata, split
from zoo.arguments import Count, FilePath, Fraction, Whole, checked, suggestion


@checked
def read_raster(
    images: FilePath,
    labels: FilePath,
    *,
    bands: tuple[Count | str, ...] = (),
    classes: tuple[str, ...] = (),
    ignore: tuple[int, ...] = (),
    tile: Count = 256,
    group: str | None = None,
    validation: Fraction = 0.15,
    test: Fraction = 0.15,
    seed: Whole = 0,
) -> Data:
    """Reads tiles from one raster, a folder of them, or a pattern such as scenes/*.tif, each with its labels.

    Args:
        images: file, folder or pattern; formats that GDAL reads: GeoTIFF, VRT, JPEG 2000, ...
        labels: file, folder or pattern of rasters of the same names on the same grid. Values below 0 and nodata are
            ignored, and 255 is where the other values count from 0 or 1.
        bands: bands to read, numbers from 1 or names as the files describe them, in this order; all where empty. Files
            that name their bands in another order are matched by name.
        classes: names of the classes in the order of their values from 0, or NAME=VALUE; the values are read from the
            labels where empty.
        ignore: further values of the labels that are ignored.
        tile: side of a tile [pixels].
        group: regular expression that is searched in every raster's path; its match (the first group of the expression,
            if it has one) names the group, and groups stay in one split.
        validation, test: fractions of the tiles, 0 to 1.
        seed: seed of the split.
    Returns:
        `Data` of the task segmentation, whose inputs and targets are read on demand.
    Raises:
        ValueError: if a file has no partner, cannot be read to its end, lies on another grid than its labels, lacks a
            band, or has a label of no class; it names the file.
    """
    arguments = dict(locals())
    rasters, masks = _paired_rasters(raster_files(images), raster_files(labels), bands)
    rasters, band_notes = _in_one_order(rasters, bands)
    _verify_grids(rasters, masks)
    positions = np.array(
        [
            (i, row, column)
            for i, raster in enumerate(rasters)
            for row in range(0, raster.height, tile)
            for column in range(0, raster.width, tile)
        ]
    )
    ignored = tuple(_ignored_values(mask, classes, ignore) for mask in masks)
    tile_labels = TileLabels(rasters, masks, positions, tile, ignored)
    mask_classes = _mask_classes(tile_labels, classes)
    tile_labels = dataclasses.replace(tile_labels, mask_classes=mask_classes)
    counts, holes, empty = _count_pixels(tile_labels)
    labelled = np.flatnonzero(counts[:, :-1].any(1))
    if not len(labelled):
        raise ValueError(f"the rasters must have pixels with a label, got none but nodata in {rasters[0].path}.")
    notes = [*band_notes, *mask_classes.notes, *_nodata_notes(masks, mask_classes)]
    notes += _left_out_notes(len(positions), empty, len(labelled))
    gaps = bool(holes[labelled].any())
    if gaps:
        notes.append("pixels that are nodata in any band are ignored; the bands are normalized by the others")
    dtype = rasters[0].dtype if rasters[0].dtype in ("uint8", "uint16") and not gaps else "float32"
    whole = Examples(
        Tiles(rasters, positions[labelled], tile, dtype, gaps),
        dataclasses.replace(tile_labels, positions=positions[labelled], holes=holes[labelled]),
        np.array([tile_name(rasters, position) for position in positions[labelled]]),
    )
    split_options = SplitOptions(validation, test, seed)
    splits, description, split_notes = _split_tiles(whole, counts[labelled, :-1], rasters, split_options, group)
    notes += split_notes
    data = Data(
        name=Path(images).stem, task="segmentation", kind="image",
        shape=(tile, tile, len(rasters[0].bands)), dtype=dtype, classes=mask_classes.names, outputs=(), **splits,
        source=str(images), split_description=description, notes=tuple(notes), missing="pad" if gaps else "error",
        bands=rasters[0].names,
    )  # fmt: skip
    return with_source_spec(data, "raster", arguments, labels=absolute_path(labels), classes=mask_classes.resolved())


def raster_files(path):
    """Returns name without its ending -> path, of one file, a folder, or a pattern."""
    path = Path(path)
    if path.is_file():
        return {path.stem: path}
    if path.is_dir():
        paths = [p for p in sorted(path.iterdir()) if p.suffix.lower() in SUFFIXES]
    else:
        paths = sorted(Path(p) for p in glob.glob(str(path), recursive=True))
    if not paths:
        nearest = suggestion(path.name, [p.name for p in path.parent.iterdir()]) if path.parent.is_dir() else ""
        raise ValueError(f"there is no raster ({', '.join(SUFFIXES)}) at {path}.{nearest}")
    files = {}
    for p in paths:
        if p.stem in files:
            raise ValueError(f"names must differ beside their ending and folder, got {files[p.stem]} and {p}.")
        files[p.stem] = p
    return files


def _paired_rasters(images, masks, bands):
    """Returns two tuples of `Raster`s: the images, and the labels of each."""
    if len(images) == len(masks) == 1:
        masks = dict(zip(images, masks.values(), strict=True))
    for name, path in {**masks, **images}.items():
        missing, others = ("labels", masks) if name in images else ("image", images)
        if name not in others:
            raise ValueError(
                f"every raster must have its labels, got {path} without {missing}.{suggestion(name, others)}"
            )
    names = sorted(images)
    return tuple(raster_info(images[n], bands) for n in names), tuple(raster_info(masks[n], single=True) for n in names)


def _in_one_order(rasters, bands):
    """Returns the rasters with their bands in the order of the first one's names, and notes.

    Raises:
        ValueError: if a raster names other bands.
    """
    first, notes, ordered = next((r for r in rasters if r.names), rasters[0]), [], []
    for raster in rasters:
        if raster.names and raster.names != first.names:
            if any(isinstance(band, int) for band in bands) or set(raster.names) != set(first.names):
                raise ValueError(
                    f"all rasters must have the same bands, got {', '.join(first.names)} in {first.path} and "
                    f"{', '.join(raster.names)} in {raster.path}; set `bands` to the names of the bands to read."
                )
            notes.append(f"the bands of {Path(raster.path).name} are in another order: matched by name")
            raster = raster_info(raster.path, first.names)
        ordered.append(raster)
    unnamed = sum(not raster.names for raster in rasters)
    if first.names and unnamed:
        notes.append(f"{unnamed:,} rasters do not name their bands: read in the order of the file")
    labelled = next((note for raster in rasters for note in alpha_notes(raster)), None)
    notes += [warn_and_note(labelled)] if labelled else []
    scaled = [raster for raster in rasters if raster.is_scaled]
    if scaled:
        notes.append(f"scale and offset of {len(scaled):,} rasters applied, as in {Path(scaled[0].path).name}")
    return tuple(ordered), notes


def _verify_grids(rasters, masks):
    """Raises a ValueError where labels lie on another grid than their image, or rasters differ in bands or depth."""
    for image, mask in zip(rasters, masks, strict=True):
        _verify_same_grid(image, mask)
    first = rasters[0]
    for image in rasters[1:]:
        if (len(image.bands), image.dtype) != (len(first.bands), first.dtype):
            raise ValueError(
                f"all rasters must have the same bands and depth, got {len(first.bands)} bands of {first.dtype} in "
                f"{first.path} and {len(image.bands)} of {image.dtype} in {image.path}."
            )


def _verify_same_grid(image, mask):
    """Raises a ValueError where size, CRS or transform differ; of rasters without georeference, where sizes differ."""

    def differ(what, value, other):
        raise ValueError(
            f"image and labels must have one {what}, got {value} of {image.path} and {other} of {mask.path}; bring "
            "them on one grid, as with gdalwarp."
        )

    if (image.height, image.width) != (mask.height, mask.width):
        differ("size", f"{image.height} x {image.width}", f"{mask.height} x {mask.width}")
    if not (image.georeferenced and mask.georeferenced):
        return
    if image.crs != mask.crs:
        differ("CRS", image.crs or "none", mask.crs or "none")
    pixel = max(abs(image.transform.a), abs(image.transform.b), abs(image.transform.d), abs(image.transform.e))
    if not np.allclose(image.transform, mask.transform, rtol=0, atol=pixel * 1e-3):
        differ("transform", tuple(image.transform)[:6], tuple(mask.transform)[:6])


def _ignored_values(mask, classes, ignore):
    """Returns the ignored values of a raster of labels: `ignore`, and its nodata where no class has that value."""
    pairs = [c.rpartition("=") for c in classes]
    class_values = {int(v) if name and v.lstrip("-").isdigit() else i for i, (name, _, v) in enumerate(pairs)}
    nodata = [] if mask.nodata is None or mask.nodata in class_values else [mask.nodata]
    return (*ignore, *nodata)


def _nodata_notes(masks, mask_classes):
    """Returns a note in a list where the nodata value of labels is that of a class."""
    for mask in masks:
        if mask.nodata in mask_classes.values:
            name = mask_classes.names[mask_classes.values.index(int(mask.nodata))]
            what = f"{mask.path}: {mask.nodata:g}, {NODATA_IS_CLASS} {name!r}, and is read as it"
            return [f"{what}; a further `ignore={mask.nodata:g}` leaves these pixels out"]
    return []


def _mask_classes(labels, classes):
    """Returns the `MaskClasses` of all labels; an error names a nodata value that may be meant as a class."""
    try:
        return MaskClasses.of([TileScene(labels, i) for i in range(len(labels))], classes)
    except ValueError as error:
        nodata = next((mask.nodata for mask in labels.masks if mask.nodata is not None), None)
        if classes or nodata is None:
            raise
        raise ValueError(
            f"{error} The labels have the nodata value {nodata:g}, which is ignored unless `classes` names it, as in "
            f"classes=background={nodata:g}."
        ) from None


def _count_pixels(labels):
    """Reads every tile once.

    Returns:
        (N, classes + 1) pixels of each class and ignored, (N,) whether any is nodata, (N,) whether all are.
    """
    classes = len(labels.mask_classes.names)
    counts = np.zeros((len(labels), classes + 1), np.int64)
    holes, empty = np.zeros(len(labels), bool), np.zeros(len(labels), bool)
    for n in range(len(labels)):
        valid = labels.valid(n)
        holes[n], empty[n] = not valid.all(), not valid.any()
        indices = labels.mask_classes.indices(TileScene(labels, n))
        indices[~valid] = IGNORE
        # 255 may be a value of a class, never an index: there are no 256 classes
        pixels = np.bincount(indices.ravel(), minlength=IGNORE + 1)
        counts[n] = [*pixels[:classes], pixels[IGNORE]]
    return counts, holes, empty


def _left_out_notes(total, empty, labelled):
    """Returns notes on tiles that are left out."""
    unlabelled = total - labelled - int(empty.sum())
    reasons = [(int(empty.sum()), "are all nodata"), (unlabelled, "have no pixel with a label")]
    return [f"{n:,} of {total:,} tiles {reason} and are left out" for n, reason in reasons if n]


def _split_tiles(whole, counts, rasters, split_options, group):
    """Returns (split -> `Examples`, description of the split, notes on classes that a split lacks)."""
    side = whole.inputs.side
    units, description = _split_units(whole.inputs.positions, rasters, group, side)
    description = f"tiles of {side} x {side} pixels without overlap, {description}"
    if any(split_options.fractions):
        indices = split(pixel_strata(counts), None, split_options.fractions, split_options.seed, blocks=units)
        description = describe_pixel_split(indices, description, split_options.seed, counts.shape[1])
    else:
        indices, description = (slice(None), slice(0, 0), slice(0, 0)), f"{description}, all in training"
    if any(split_options.fractions):  # all tiles are in `train` for an evaluation, which may lack a class
        verify_every_class_in_training(counts[indices[0]].sum(0), whole.targets.mask_classes.names)
    pixels = {s: counts[i].sum(0) for s, i in zip(SPLITS, indices, strict=True) if len(counts[i])}
    notes = lacking_classes(pixels, whole.targets.mask_classes.names)
    return {s: whole.take(i) for s, i in zip(SPLITS, indices, strict=True)}, description, notes


def _split_units(positions, rasters, group, side):
    """Returns (N,) units that stay in one split, and their description."""
    if group is not None:
        matches = [re.search(group, str(raster.path)) for raster in rasters]
        if None in matches:
            path = rasters[matches.index(None)].path
            raise ValueError(f"`group` must match every raster's path, got {group!r} not in {path}.")
        groups = np.array([m[1] if m.re.groups else m[0] for m in matches])
        return groups[positions[:, 0]], f"{len(set(groups)):,} groups of {group} kept whole"
    if len(rasters) >= MIN_UNITS:
        return positions[:, 0], "whole rasters in one split"
    blocks = np.stack([positions[:, 0], *(positions[:, 1:] // (BLOCK_TILES * side)).T])
    blocks = np.unique(blocks, axis=1, return_inverse=True)[1].ravel()
    count = blocks.max() + 1
    if count < MIN_UNITS:
        return np.arange(len(positions)), "split one by one, as there are few"
    return blocks, f"in {count:,} blocks of {BLOCK_TILES} x {BLOCK_TILES} tiles kept whole"
