"""Images with their masks, whole or cut into tiles: in memory, or read from their files when they are needed."""

import dataclasses
import typing
from pathlib import Path

import numpy as np

from recipes.data.examples import Examples
from recipes.data.images.image_files import read_pixels_and_bands
from recipes.data.images.mask_files import read_mask
from recipes.data.images.mask_labels import IGNORE, MaskClasses
from recipes.data.on_demand import dataset_on_demand
from recipes.data.split import content_keys


class Scene(typing.NamedTuple):
    """One image with its mask as they were read."""

    name: str
    image: np.ndarray  # (H, W, C)
    mask: np.ndarray  # (H, W) values as the user wrote them, or -1 for those that are ignored

    def without(self, values):
        """Returns the scene whose mask is -1 where it has one of the values."""
        return self._replace(mask=np.where(np.isin(self.mask, values), -1, self.mask.astype(np.int64)))


@dataclasses.dataclass(frozen=True)
class FileScene:
    """One image with its mask, each read from its file when it is accessed.

    Args:
        image_path, mask_path: `Path`s.
        bands: numbers of the bands to read, from 1; all where empty.
        band_names: order of the bands of files that name them; () for the file's.
        ignored: values of the mask that become -1.
    """

    image_path: Path
    mask_path: Path
    bands: tuple = ()
    band_names: tuple = ()
    ignored: tuple = ()

    @property
    def name(self):
        """The image's file name."""
        return self.image_path.name

    @property
    def image(self):
        """(H, W, C) in the bands and the order of the others."""
        image, names = read_pixels_and_bands(self.image_path)
        return select_bands(in_order(image, names, self.band_names, self.image_path), self.bands, self.image_path)

    @property
    def mask(self):
        """(H, W) values, or -1 for those that are ignored."""
        mask = read_mask(self.mask_path).values
        return np.where(np.isin(mask, self.ignored), -1, mask) if self.ignored else mask

    def without(self, values):
        """Returns the scene whose mask is -1 where it has one of the values."""
        return dataclasses.replace(self, ignored=(*self.ignored, *values))


def in_order(image, names, band_names, path):
    """Returns an image with its bands in the order of `band_names`, where it names them.

    Raises:
        ValueError: if it names other bands.
    """
    if not names or not band_names or names == band_names:
        return image
    if set(names) != set(band_names):
        raise ValueError(f"all images must have the bands {', '.join(band_names)}, got {', '.join(names)} in {path}.")
    return image[..., [names.index(name) for name in band_names]]


def select_bands(image, bands, path):
    """Returns the bands of an image by their numbers from 1, all where `bands` is empty; a gray photo has three alike.

    Raises:
        ValueError: if the image has fewer bands.
    """
    if image.shape[-1] == 1 and image.dtype == np.uint8 and tuple(bands) == (1, 2, 3):
        return np.repeat(image, 3, axis=-1)  # as `predict` reads it for a model of color photos
    absent = [b for b in bands if b > image.shape[-1]]
    if absent:
        raise ValueError(f"`bands` must be from 1 to {image.shape[-1]}, got {absent[0]} for {path}.")
    return image[..., [b - 1 for b in bands]] if bands else image


class CutScenes(typing.NamedTuple):
    """Whole images or tiles with their masks, and what a split needs of them.

    Args:
        examples: `Examples` of N images or tiles.
        positions: (N, 3) scene, and row and column of the tile.
        counts: (N, classes + 1) pixels of each class, and of those that are ignored.
        keys: (N,) hash of each image or tile.
    """

    examples: Examples
    positions: np.ndarray
    counts: np.ndarray
    keys: np.ndarray

    def take(self, indices):
        """Returns those at `indices`."""
        return CutScenes(self.examples.take(indices), *(values[indices] for values in self[1:]))


def cut_scenes(scenes, mask_classes, tile):
    """Returns the `CutScenes` of whole images, or of their tiles that have a label.

    Args:
        scenes: `Scene`s, which stay in memory, or `FileScene`s, which are read once here and again on demand.
        mask_classes: `MaskClasses`.
        tile: side of a tile [pixels], or None.
    Raises:
        ValueError: if the scenes differ in bands or depth, or without tiles in size; it names two.
    """
    on_demand = isinstance(scenes[0], FileScene)
    kinds, sizes, images, masks, names, positions, counts, keys = {}, {}, [], [], [], [], [], []
    for i, scene in enumerate(scenes):
        image, labels = scene.image, mask_classes.indices(scene)
        kinds.setdefault((image.shape[-1], image.dtype.name), scene.name)
        sizes.setdefault(image.shape[:2], scene.name)
        _verify_one_kind(kinds, sizes, tile)
        cut = tiles(image, labels, tile) if tile else [(image, labels, (0, 0))]
        for part, mask, (row, column) in cut:
            pixels = np.bincount(mask.ravel(), minlength=IGNORE + 1)
            if tile and pixels[IGNORE] == mask.size:
                continue
            names.append(f"{scene.name} row {row * tile} column {column * tile}" if tile else scene.name)
            positions.append((i, row, column))
            counts.append([*pixels[: len(mask_classes.names)], pixels[IGNORE]])
            keys.append(content_keys(part[None])[0])
            if not on_demand:
                images, masks = [*images, part], [*masks, mask]
    positions, keys = np.array(positions), np.array(keys, np.uint64)
    if on_demand:
        ((bands, dtype),) = kinds
        size = (tile, tile) if tile else next(iter(sizes))
        inputs = SceneImages(scenes, positions, tile, (*size, bands), dtype)
        targets = SceneMasks(scenes, positions, tile, size, mask_classes)
    else:
        inputs, targets = np.stack(images), np.stack(masks)
    return CutScenes(Examples(inputs, targets, np.array(names)), positions, np.array(counts), keys)


def _verify_one_kind(kinds, sizes, tile):
    """Raises a ValueError where scenes differ in bands or depth, or without tiles in size."""
    if len(kinds) > 1:
        received = " and ".join(f"{c} bands of {t} in {name}" for (c, t), name in kinds.items())
        raise ValueError(f"all images must have the same bands and depth, got {received}.")
    if len(sizes) > 1 and not tile:
        received = " and ".join(f"{h} x {w} of {name}" for (h, w), name in sizes.items())
        raise ValueError(f"`tile` must be given where images differ in size, as in tile=128, got {received}.")


def tiles(image, mask, side):
    """Yields tiles of an image and its mask, without overlap; beyond the border they are mirrored and ignored.

    Args:
        image: (H, W, C).
        mask: (H, W) class index.
        side: of a tile [pixels].
    Yields:
        (side, side, C), (side, side) and (row, column) of the tile.
    """
    rows, columns = (-(-length // side) for length in mask.shape)
    for row in range(rows):
        for column in range(columns):
            yield tile_at(image, side, row, column), tile_at(mask, side, row, column, IGNORE), (row, column)


def tile_at(values, side, row, column, fill=None):
    """Returns one tile of an image (H, W, C), mirrored beyond the border, or of a mask (H, W), filled there.

    Args:
        values: of the image or mask.
        side: of a tile [pixels].
        row, column: of the tile, from 0.
        fill: value beyond the border; None mirrors.
    """
    top, left = (max(0, (i - 1) * side) for i in (row, column))  # what is mirrored may begin in the tile before
    values = values[top : (row + 1) * side, left : (column + 1) * side]
    height, width = values.shape[:2]
    padding = ((0, -height % side), (0, -width % side), *((0, 0),) * (values.ndim - 2))
    options = {"mode": "symmetric"} if fill is None else {"constant_values": fill}
    return np.pad(values, padding, **options)[-side:, -side:]


@dataclasses.dataclass(frozen=True, eq=False)
class SceneImages:
    """Images or tiles of `FileScene`s, read on demand.

    Args:
        scenes: list of `FileScene`.
        positions: (N, 3) scene, row and column of the tile.
        tile: side of a tile [pixels]; None for whole images.
        shape: (H, W, C) of each.
        dtype: of the pixels.
    """

    scenes: list
    positions: np.ndarray
    tile: int | None
    shape: tuple
    dtype: str

    def __len__(self):
        return len(self.positions)

    def take(self, indices):
        """Returns those at `indices`."""
        return dataclasses.replace(self, positions=self.positions[indices])

    def read(self, index):
        """Returns the image or tile at `index`, (H, W, C)."""
        scene, row, column = self.positions[index]
        image = self.scenes[scene].image
        return tile_at(image, self.tile, row, column) if self.tile else image

    def dataset(self):
        """Returns a tf.data.Dataset of single images or tiles in their order."""
        return dataset_on_demand(self, self.shape, self.dtype)


@dataclasses.dataclass(frozen=True, eq=False)
class SceneMasks:
    """The class of every pixel of `SceneImages`, read on demand; 255 where a pixel is ignored.

    Args:
        scenes, positions, tile: as `SceneImages` has them.
        size: (H, W) of each.
        mask_classes: `MaskClasses`.
    """

    scenes: list
    positions: np.ndarray
    tile: int | None
    size: tuple
    mask_classes: MaskClasses

    def __len__(self):
        return len(self.positions)

    def __array__(self, dtype=None, copy=None):
        masks = [self.read(i) for i in range(len(self))]
        return np.asarray(masks, dtype or np.uint8).reshape(len(self), *self.size)

    def take(self, indices):
        """Returns those at `indices`."""
        return dataclasses.replace(self, positions=self.positions[indices])

    def read(self, index):
        """Returns the mask at `index`: (H, W) uint8 class index."""
        scene, row, column = self.positions[index]
        labels = self.mask_classes.indices(self.scenes[scene])
        return tile_at(labels, self.tile, row, column, IGNORE) if self.tile else labels

    __getitem__ = read

    def dataset(self):
        """Returns a tf.data.Dataset of single masks in their order."""
        return dataset_on_demand(self, self.size, "uint8")
