"""Boxes in images of any size, predicted tile by tile: small objects are not shrunk, and memory has a few tiles."""

import itertools
import typing

import numpy as np

from recipes.data.image_windows import open_windows
from recipes.data.new_inputs import InputBatch, failure_reason, new_file_notes, read_ahead
from recipes.data.rasters.tile_starts import tile_starts
from recipes.prediction.image_boxes import ImageBoxes, boxes_of_rows
from recipes.prediction.merge_boxes import Tiles, merge_boxes
from recipes.prediction.predict import predict_batch
from zoo.inputs import band_range_notes

OVERLAP = 4  # the default overlap is the tile's side divided by this


class TileBatch(typing.NamedTuple):
    """Some tiles of an image, or what came of reading it.

    Args:
        path: of the image.
        pixels: list of (h, w, C) tiles.
        offsets: list of (y, x) of their first pixels.
        valid: list of (h, w) bool.
        tiles: `Tiles` of the image, with its last batch; None before.
        failure: reason why the image could not be read to its end, or None.
        notes: sentences on its bands, with its last batch.
    """

    path: str
    pixels: list
    offsets: list
    valid: list
    tiles: Tiles | None = None
    failure: str | None = None
    notes: list = ()


def verify_tiles(tile_size, overlap):
    """Returns the overlap of tiles [pixels], by default a quarter of their side.

    Raises:
        ValueError: if it is not less than the side, or there is no side.
    """
    if tile_size is None:
        if overlap is not None:
            raise ValueError(f"detect: `overlap` needs `tile_size`, the side of a tile in pixels, got {overlap} alone.")
        return None
    overlap = tile_size // OVERLAP if overlap is None else overlap
    if not 0 <= overlap < tile_size:
        raise ValueError(f"detect: `overlap` must be from 0 to less than the tile's {tile_size} pixels, got {overlap}.")
    return overlap


def tiled_batches(run, files, tile_size, overlap, unit=0):
    """Yields an `InputBatch` per image, whose inputs are a list of one `ImageBoxes`.

    Args:
        run: `Run` of a detection.
        files: paths of images and rasters.
        tile_size: side of a tile [pixels of the image].
        overlap: of neighboring tiles [pixels].
        unit: number of the unit of the batches.
    """
    shown, parts = set(), []
    for batch in read_ahead(_read_files(run, files, tile_size, overlap)):
        if batch.failure:
            parts = []
            yield InputBatch([], [], {batch.path: batch.failure}, [], unit)
            continue
        if batch.pixels:
            parts.append(_predict_tiles(run, batch))
        if batch.tiles:
            boxes, scores, classes = _merge(parts, batch.tiles, run.task.iou)
            labels = np.array(run.classes, dtype=object)[classes]
            parts, notes = [], new_file_notes(batch.notes, shown)
            image = ImageBoxes(batch.tiles.size, boxes, scores, labels)
            yield InputBatch([batch.path], [image], {}, notes, unit, [batch.tiles.size])


def _read_files(run, files, tile_size, overlap):
    """Yields the `TileBatch`es of all images."""
    for path in map(str, files):
        try:
            yield from _read_tiles(run, path, tile_size, overlap)
        except Exception as error:  # a broken file may raise anything in a decoder; its reason is recorded
            yield TileBatch(path, [], [], [], failure=failure_reason(error))


def _read_tiles(run, path, tile_size, overlap):
    notes = []
    with open_windows(run.schema, path, notes) as windows:
        height, width = windows.size
        shape = (min(tile_size, height), min(tile_size, width))
        rows, columns = (tile_starts(size, tile_size, overlap) for size in windows.size)
        pending, is_compared = [], False
        for y, x in itertools.product(rows, columns):
            pixels, valid = windows.read(y, x, *shape)
            if not valid.any():
                continue
            if not is_compared:
                notes += band_range_notes(run.schema, [path], [pixels])
                is_compared = True
            pending.append((pixels, (y, x), valid))
            if len(pending) == run.task.predict_batch_size:
                yield TileBatch(path, *map(list, zip(*pending, strict=True)))
                pending = []
        last = map(list, zip(*pending, strict=True)) if pending else ([], [], [])
        yield TileBatch(path, *last, tiles=Tiles(rows, columns, shape, (height, width)), notes=notes)


def _predict_tiles(run, batch):
    """Returns (boxes (n, 4), scores (n,), classes (n,), offsets (n, 2)) of the tiles of a batch, in the whole image.

    Boxes whose center is no valid pixel are left out.
    """
    predicted = []
    outputs = predict_batch(run, batch.pixels)
    for rows, pixels, offset, valid in zip(outputs, batch.pixels, batch.offsets, batch.valid, strict=True):
        boxes, scores, classes = boxes_of_rows(rows, pixels.shape[:2])
        x, y = ((boxes[:, :2] + boxes[:, 2:]) / 2).T.astype(int)
        inside = valid[y.clip(0, valid.shape[0] - 1), x.clip(0, valid.shape[1] - 1)]
        boxes = boxes[inside] + np.array([offset[1], offset[0]] * 2)
        predicted.append((boxes, scores[inside], classes[inside], np.tile(offset, (len(boxes), 1))))
    return tuple(map(np.concatenate, zip(*predicted, strict=True)))


def _merge(parts, tiles, iou):
    none = (np.zeros((0, 4)), np.zeros(0), np.zeros(0, int), np.zeros((0, 2), int))
    return merge_boxes(*map(np.concatenate, zip(none, *parts, strict=True)), tiles, iou)
