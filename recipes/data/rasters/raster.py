"""Georeferenced rasters and their labels: tiles that are read from the files when they are asked for.

Nothing is kept in memory but where the tiles lie. A pixel that is nodata in any band gets the ignored label, and a NaN
where the inputs have such gaps; the preprocessing leaves it out of the bands' statistics and puts a 0 in its place.
"""

import dataclasses
import glob
import re
from pathlib import Path

import numpy as np

from recipes.data.examples import Data, Examples
from recipes.data.images.mask_labels import Table
from recipes.data.images.masks import BLOCK, FEW
from recipes.data.rasters.geotiff import SUFFIXES, raster_info
from recipes.data.rasters.tiles import Labels, Piece, Tiles, name_of
from recipes.data.split import split
from recipes.losses import IGNORE
from zoo.arguments import suggestion

SIDE = 256  # of a tile where the caller does not say [pixels]


def read_raster(place, options):
    """`Data` of tiles from one raster, a folder of them, or a pattern such as scenes/*.tif, each with its labels.

    Args:
        place: file, folder or pattern; what GDAL reads: GeoTIFF, VRT, JPEG 2000, ...
        options: `Options`; `labels` is the file, folder or pattern of rasters of the same names on the same grid,
            `tile` the side of a tile (256), `bands` numbers from 1 or names as the files describe them, `ignore` the
            labels that do not count.
    Returns:
        `Data` of the task segmentation, whose inputs and targets are read on demand.
    Raises:
        ValueError: if a file has no partner, cannot be read to its end, lies on another grid than its labels, lacks a
            band, or has a label that is no class; it names the file.
    """
    if not options.labels:
        raise ValueError(f"load: `labels` must be given for rasters, as in raster:{place}?labels=MASK.tif, got None.")
    images, masks = _partners(_files(place), _files(options.labels), options)
    for image, mask in zip(images, masks, strict=True):
        _same_grid(image, mask)
    for image in images[1:]:
        if (len(image.bands), image.dtype) != (len(images[0].bands), images[0].dtype):
            raise ValueError(
                f"load: all rasters must have the same bands and depth, got {len(images[0].bands)} bands of "
                f"{images[0].dtype} in {images[0].path} and {len(image.bands)} of {image.dtype} in {image.path}."
            )
    side = options.tile or SIDE
    places = np.array(
        [
            (i, row, column)
            for i, image in enumerate(images)
            for row in range(0, image.height, side)
            for column in range(0, image.width, side)
        ]
    )
    ignored = tuple(_ignored(mask, options) for mask in masks)
    labels = Labels(images, masks, places, side, ignored)
    table = Table.of([Piece(labels, i) for i in range(len(places))], options)
    labels = dataclasses.replace(labels, table=table)
    counts, holes, empty = _looked_through(labels)
    kept = np.flatnonzero(counts[:, :-1].any(1))
    if not len(kept):
        raise ValueError(f"load: the rasters must have pixels with a label, got none but nodata in {images[0].path}.")
    notes = [*table.notes, *_left_out(len(places), empty, len(kept))]
    gaps = bool(holes[kept].any())
    if gaps:
        notes.append("pixels that are nodata in any band are ignored; the bands are normalised by the others")
    dtype = images[0].dtype if images[0].dtype in ("uint8", "uint16") and not gaps else "float32"
    whole = Examples(
        Tiles(images, places[kept], side, dtype, gaps),
        dataclasses.replace(labels, places=places[kept], holes=holes[kept]),
        np.array([name_of(images, place) for place in places[kept]]),
    )
    parts, words = _split(whole, counts[kept, :-1], images, options)
    return Data(
        name=Path(place).stem, task="segmentation", kind="image",
        shape=(side, side, len(images[0].bands)), dtype=dtype, classes=table.names, outputs=(), **parts, columns={},
        source=str(place), licence="not stated", description="", split=words, notes=tuple(notes),
        missing="pad" if gaps else "error",
    )  # fmt: skip


def _files(place):
    """Name without its ending -> path, of one file, a folder, or a pattern."""
    path = Path(place).expanduser()
    if path.is_file():
        return {path.stem: path}
    if path.is_dir():
        paths = [p for p in sorted(path.iterdir()) if p.suffix.lower() in SUFFIXES]
    else:
        paths = sorted(Path(p) for p in glob.glob(str(path), recursive=True))
    if not paths:
        near = suggestion(path.name, [p.name for p in path.parent.iterdir()]) if path.parent.is_dir() else ""
        raise ValueError(f"load: there is no raster ({', '.join(SUFFIXES)}) at {path}.{near}")
    named = {}
    for p in paths:
        if p.stem in named:
            raise ValueError(f"load: names must differ beside their ending and folder, got {named[p.stem]} and {p}.")
        named[p.stem] = p
    return named


def _partners(images, masks, options):
    """Two tuples of `Raster`s that belong together."""
    if len(images) == len(masks) == 1:
        masks = dict(zip(images, masks.values(), strict=True))
    for name, path in {**masks, **images}.items():
        mine, other = ("labels", masks) if name in images else ("image", images)
        if name not in other:
            raise ValueError(
                f"load: every raster must have its labels, got {path} without {mine}.{suggestion(name, other)}"
            )
    names = sorted(images)
    return tuple(raster_info(images[n], options.bands) for n in names), tuple(
        raster_info(masks[n], single=True) for n in names
    )


def _same_grid(image, mask):
    """A ValueError where labels lie on another grid than their image; without any georeference, where sizes differ."""

    def differ(what, one, other):
        raise ValueError(
            f"load: image and labels must have one {what}, got {one} of {image.path} and {other} of {mask.path}; bring "
            "them on one grid, as with gdalwarp."
        )

    if (image.height, image.width) != (mask.height, mask.width):
        differ("size", f"{image.height} x {image.width}", f"{mask.height} x {mask.width}")
    if not (image.placed and mask.placed):
        return
    if image.crs != mask.crs:
        differ("CRS", image.crs or "none", mask.crs or "none")
    pixel = max(abs(image.transform.a), abs(image.transform.b), abs(image.transform.d), abs(image.transform.e))
    if not np.allclose(image.transform, mask.transform, rtol=0, atol=pixel * 1e-3):
        differ("transform", tuple(image.transform)[:6], tuple(mask.transform)[:6])


def _ignored(mask, options):
    """The values of a raster of labels that do not count: `ignore`, and its nodata where no class has that value."""
    pairs = [c.rpartition("=") for c in options.classes]
    named = {int(v) if name and v.lstrip("-").isdigit() else i for i, (name, _, v) in enumerate(pairs)}
    nodata = [] if mask.nodata is None or mask.nodata in named else [mask.nodata]
    return (*options.ignore, *nodata)


def _looked_through(labels):
    """Every tile is read once: (N, classes + 1) pixels of each class and ignored, (N,) any nodata, (N,) only nodata."""
    counts = np.zeros((len(labels), len(labels.table.names) + 1), np.int64)
    holes, empty = np.zeros(len(labels), bool), np.zeros(len(labels), bool)
    for n in range(len(labels)):
        valid = labels.valid(n)
        holes[n], empty[n] = not valid.all(), not valid.any()
        classes = labels.table.indices(Piece(labels, n))
        classes[~valid] = IGNORE
        # 255 may be a value of the table, never an index: there are no 256 classes
        counted = np.bincount(classes.ravel(), minlength=IGNORE + 1)
        counts[n] = [*counted[: len(labels.table.names)], counted[IGNORE]]
    return counts, holes, empty


def _left_out(total, empty, kept):
    """What is said of tiles that are left out."""
    lacking = total - kept - int(empty.sum())
    reasons = [(int(empty.sum()), "are all nodata"), (lacking, "have no pixel with a label")]
    return [f"{n:,} of {total:,} tiles {why} and are left out" for n, why in reasons if n]


def _split(whole, counts, images, options):
    """Three parts by name, and in words how they were made."""
    shares = (options.validation, options.test)
    places, side = whole.inputs.places, whole.inputs.side
    units, said = _units(places, images, options, side)
    said = f"tiles of {side} x {side} pixels without overlap, {said}"
    if any(shares):
        rarer = 1.0 - counts[:, counts.sum(0).argmax()] / counts.sum(1)
        chosen = split(rarer[:, None].astype(np.float32), None, shares, options.seed, blocks=units)
        sizes = ", ".join(f"{len(p):,} {s}" for s, p in zip(("training", "validation", "test"), chosen, strict=True))
        said = f"{sizes}; {said}, drawn with seed {options.seed}, stratified by the share of the rarer classes"
    else:
        chosen, said = (slice(None), slice(0, 0), slice(0, 0)), f"{said}, all in training"
    learnt = counts[chosen[0]].sum(0)
    if not learnt.all():
        lacking = whole.targets.table.names[int(learnt.argmin())]
        raise ValueError(f"load: the training part must have pixels of every class, got none of {lacking!r}.")
    return {p: whole.take(c) for p, c in zip(("train", "validation", "test"), chosen, strict=True)}, said


def _units(places, images, options, side):
    """(N,) what stays on one side, and that in words."""
    if options.group is not None:
        matches = [re.search(str(options.group), str(image.path)) for image in images]
        if None in matches:
            strange = images[matches.index(None)].path
            raise ValueError(f"load: `group` must be found in every path, got {options.group!r} not in {strange}.")
        groups = np.array([m[1] if m.re.groups else m[0] for m in matches])
        return groups[places[:, 0]], f"{len(set(groups)):,} groups of {options.group} whole"
    if len(images) >= FEW:
        return places[:, 0], "whole rasters on one side"
    squares = np.stack([places[:, 0], *(places[:, 1:] // (BLOCK * side)).T])
    units = np.unique(squares, axis=1, return_inverse=True)[1].ravel()
    if units.max() + 1 < FEW:
        return np.arange(len(places)), "each on a side of its own, as there are few"
    return units, f"in {units.max() + 1:,} squares of {BLOCK} x {BLOCK} tiles that stay on one side"
