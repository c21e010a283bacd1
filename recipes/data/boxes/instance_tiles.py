"""Tiles of an image whose objects a mask numbers, with the boxes and masks of these objects."""

import numpy as np

from recipes.data.boxes.instances import numbered_objects
from recipes.data.boxes.object_masks import ObjectMasks
from recipes.data.examples import SPLITS, Data, Examples
from recipes.data.split import split

VISIBLE = 0.25  # fraction of an object's area below which a tile has it as a crowd: neither right nor wrong


def tiles_with_objects(pixels, numbers, label, *, tile, split_options, **facts):
    """Returns `Data` of the task detection, with masks.

    A tile has the part of an object that lies in it. Parts with less than a quarter of the object's area are no
    training examples, and neither right nor wrong in an evaluation.

    Args:
        pixels: (H, W, C) image.
        numbers: (H, W) whole numbers: 0 for the background, a number for each object.
        label: name of the objects' class.
        tile: side of a tile [pixels].
        split_options: `SplitOptions`.
        **facts: name, ..., as `Data` has them.
    Raises:
        ValueError: if the image has fewer than three tiles.
    """
    corners = [
        (y, x) for y in range(0, len(pixels) - tile + 1, tile) for x in range(0, pixels.shape[1] - tile + 1, tile)
    ]
    if len(corners) < len(SPLITS):
        raise ValueError(f"`tile` must give at least {len(SPLITS)} tiles of {pixels.shape[:2]} pixels, got {tile}.")
    areas, rows, masks = dict(zip(*np.unique(numbers, return_counts=True), strict=True)), [], []
    for y, x in corners:
        part, of_tile = numbers[y : y + tile, x : x + tile], []
        for number, box, cutout in numbered_objects(part):
            is_crowd = (part == number).sum() < VISIBLE * areas[number]
            of_tile.append([*(np.array(box) / tile), 0, is_crowd, len(masks)])
            masks.append(cutout)
        rows.append(of_tile)
    targets = np.full((len(rows), max(map(len, rows)), 7), -1, np.float32)
    for target, of_tile in zip(targets, rows, strict=True):
        target[: len(of_tile)] = np.reshape(of_tile, (-1, 7))
    tiles = np.stack([pixels[y : y + tile, x : x + tile] for y, x in corners])
    names = np.array([f"tile at row {y}, column {x}" for y, x in corners])
    whole = Examples(tiles, targets, names, ObjectMasks(masks))
    indices = split(
        np.zeros((len(tiles), 1), np.float32), np.arange(len(tiles)), split_options.fractions, split_options.seed
    )
    sizes = ", ".join(f"{len(i):,} {s}" for s, i in zip(SPLITS, indices, strict=True))
    return Data(
        task="detection", kind="image", shape=tiles.shape[1:], dtype=str(tiles.dtype), classes=(label,), outputs=(),
        **{s: whole.take(i) for s, i in zip(SPLITS, indices, strict=True)},
        split_description=f"{sizes} tiles; seed {split_options.seed}", **facts,
    )  # fmt: skip
