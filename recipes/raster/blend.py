"""Predicts a raster tile by tile: one thread reads tiles, the model predicts, one thread blends and writes."""

import collections
import concurrent.futures
import contextlib
import math
import time
import typing

import keras
import numpy as np
import rasterio
from rasterio.windows import Window

from recipes.data.images.mask_labels import IGNORE
from recipes.data.rasters.geotiff import open_raster, read_window
from recipes.raster.resumable_geotiff import BLOCK
from recipes.raster.tiling import split_into_stripes, tile_axis
from zoo.introspect import receptive_field
from zoo.introspect.output_activation import output_activation, to_probabilities
from zoo.layers.any_size import size_multiple

DEFAULT_TILE = 512  # side [pixels]
DEFAULT_OVERLAP = 64  # of neighboring tiles, at most a quarter of their side [pixels]
COMMON_STRIDE = 32  # most networks downsample by this
BUFFER_BYTES = 128 * 2**20  # probabilities being blended; a wider raster is split into stripes
QUEUED_BATCHES = 3  # batches read before they are predicted, and predicted before they are blended


class Batch(typing.NamedTuple):
    """Tiles of one row of tiles within one stripe."""

    stripe: int
    row: int
    columns: list
    ends_row: bool  # whether this is the row's last batch
    pixels: typing.Any = None
    valid: typing.Any = None


class TileBlender:
    """Tiles, predicts and blends one raster.

    Args:
        source: `SegmentationModel`.
        raster: the `Raster`.
        tile, overlap, blend, probabilities, batch_size: of `predict_raster`.
    """

    def __init__(self, source, raster, tile, overlap, blend, probabilities, batch_size):
        self.source, classes = source, max(2, source.model.output_shape[-1])
        rows, columns = _tile_axes(source, raster, tile, overlap, blend)
        self.predict = compile_prediction(source, (rows.tile, columns.tile, len(raster.bands)), raster.dtype)
        self.lay_out(raster, rows, columns, classes, probabilities, batch_size)

    def lay_out(self, raster, rows, columns, classes, probabilities, batch_size):
        """Sets the tiles and the stripes of the output.

        Args:
            raster: the `Raster`, whose grid is that of the output.
            rows, columns: `TileAxis`.
            classes: values that are predicted for each pixel.
            probabilities: whether they are written, instead of the index of the largest one.
            batch_size: tiles per batch.
        """
        self.raster, self.rows, self.columns, self.classes = raster, rows, columns, classes
        self.probabilities, self.batch_size = probabilities, batch_size
        max_width = BUFFER_BYTES // ((self.rows.tile + BLOCK) * self.classes * 4)
        self.stripes = split_into_stripes(raster.width, max(max_width, 4 * self.columns.tile, BLOCK), BLOCK)
        self.tiles = self.skipped_tiles = 0
        self.model_seconds = 0.0
        self.buffer = None

    @property
    def total_rows(self):
        """Number of block rows to write, over all stripes."""
        return len(self.stripes) * -(-self.raster.height // BLOCK)

    def run(self, output, report_progress):
        """Predicts and writes what `output` lacks.

        Args:
            output: `ResumableGeoTiff`.
            report_progress: function of the number of written block rows.
        """
        with (
            self.open() as read,
            concurrent.futures.ThreadPoolExecutor(1) as reader,
            concurrent.futures.ThreadPoolExecutor(1) as writer,
        ):
            pending = collections.deque()
            for batch in map_ahead(reader, lambda b: self._read(read, b), self._batches(output.rows_written)):
                predictions = None
                if batch.columns:
                    start = time.perf_counter()
                    predictions = self.predict(
                        keras.ops.convert_to_tensor(batch.pixels), keras.ops.convert_to_tensor(batch.valid)
                    ).numpy()
                    self.model_seconds += time.perf_counter() - start
                pending.append(writer.submit(self._blend, batch, predictions, output))
                if len(pending) > QUEUED_BATCHES:
                    pending.popleft().result()
                    report_progress(output.rows_written)
            for write in pending:
                write.result()
            report_progress(output.rows_written)

    def _batches(self, rows_written):
        """Yields the batches to predict, in order, from the first block row that is not written."""
        rows = -(-self.raster.height // BLOCK)
        for stripe in range(rows_written // rows, len(self.stripes)):
            first = (rows_written % rows) * BLOCK if stripe == rows_written // rows else 0
            columns = self.columns.tiles_within(*self.stripes[stripe])
            for row in self.rows.tiles_within(first, self.raster.height):
                for i in range(0, len(columns), self.batch_size):
                    yield Batch(stripe, row, columns[i : i + self.batch_size], i + self.batch_size >= len(columns))

    @contextlib.contextmanager
    def open(self):
        """Opens the raster; yields a function from a window to its pixels and their validity."""
        with open_raster(self.raster.path, "predict_raster") as file:
            yield lambda *window: read_window(file, self.raster, *window)

    def _read(self, read, batch):
        """Returns the batch with its pixels, without the tiles that are all nodata."""
        top, shape = self.rows.starts[batch.row], (self.rows.tile, self.columns.tile)
        tiles = {k: read(top, self.columns.starts[k], *shape) for k in batch.columns}
        columns = [k for k in batch.columns if tiles[k][1].any()]
        self.tiles, self.skipped_tiles = self.tiles + len(columns), self.skipped_tiles + len(tiles) - len(columns)
        if not columns:
            return batch._replace(columns=[])
        return batch._replace(
            columns=columns,
            pixels=np.stack([tiles[k][0] for k in columns]),
            valid=np.stack([tiles[k][1] for k in columns]),
        )

    def _blend(self, batch, predictions, output):
        """Adds a batch's predictions to the stripe's buffer and writes the block rows that are complete."""
        low, high = self.stripes[batch.stripe]
        if self.buffer is None:
            self.first = output.rows_written % -(-self.raster.height // BLOCK) * BLOCK
            shape = (self.rows.tile + BLOCK, high - low)
            self.buffer, self.valid = np.zeros((*shape, self.classes), np.float32), np.zeros(shape, bool)
        top, row_weights = self.rows.starts[batch.row], self.rows.weights(batch.row)
        rows = _intersection(top, self.rows.tile, self.first, self.raster.height)
        for n, k in enumerate(batch.columns):
            left = self.columns.starts[k]
            columns = _intersection(left, self.columns.tile, low, high)
            in_tile = np.s_[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
            in_buffer = np.s_[
                rows.start - self.first : rows.stop - self.first, columns.start - low : columns.stop - low
            ]
            weights = row_weights[in_tile[0], None] * self.columns.weights(k)[in_tile[1]]
            self.buffer[in_buffer] += predictions[n][in_tile] * weights[..., None]
            self.valid[in_buffer] |= batch.valid[n][in_tile]
        if batch.ends_row:
            is_last = batch.row + 1 == len(self.rows.starts)
            complete = self.raster.height if is_last else self.rows.starts[batch.row + 1]
            while self.first + BLOCK <= complete or (is_last and self.first < complete):
                self._write(output, low, high, min(BLOCK, self.raster.height - self.first))
            if is_last:
                self.buffer = None

    def _write(self, output, low, high, height):
        """Writes the first block row of the stripe and shifts the buffer by one block row."""
        probabilities, valid = self.buffer[:height], self.valid[:height]
        if self.probabilities:
            values = np.where(valid, np.moveaxis(probabilities, -1, 0), np.float32(np.nan))
        else:
            values = np.where(valid, probabilities.argmax(-1), self.nodata).astype(self.dtype)[None]
        try:
            output.write(values, Window(low, self.first, high - low, height))
        except rasterio.errors.RasterioError as error:  # concerns the output, so no ValueError as for the raster
            raise OSError(
                f"predict_raster: {output.partial_path} could not be written: {error.__cause__ or error}"
            ) from None
        self.first += BLOCK
        for array in (self.buffer, self.valid):
            array[:-BLOCK] = array[BLOCK:]
            array[-BLOCK:] = 0

    @property
    def dtype(self):
        """Data type of the output."""
        return "float32" if self.probabilities else "uint8" if self.classes <= IGNORE else "uint16"

    @property
    def nodata(self):
        """Nodata value of the output."""
        return {"float32": np.nan, "uint8": IGNORE, "uint16": 65535}[self.dtype]

    def profile(self):
        """Returns the rasterio profile of the output."""
        size = {"height": self.raster.height, "width": self.raster.width}
        count = self.classes if self.probabilities else 1
        georeference = {"crs": self.raster.crs, "transform": self.raster.transform} if self.raster.georeferenced else {}
        return {**size, **georeference, "count": count, "dtype": self.dtype, "nodata": self.nodata}

    def describe(self, file):
        """Sets names and colors of the classes in an open GeoTIFF."""
        names = self.source.classes or tuple(map(str, range(self.classes)))
        file.update_tags(**{f"CLASS_{i}": name for i, name in enumerate(names)})
        if self.probabilities:
            for i, name in enumerate(names, 1):
                file.set_band_description(i, f"probability of {name}")
        elif self.dtype == "uint8":
            from recipes.reports.segmentation_figures import palette

            colors = {i: (*map(int, np.round(c * 255)), 255) for i, c in enumerate(palette(self.classes))}
            file.write_colormap(1, {**colors, IGNORE: (0, 0, 0, 0)})


def _tile_axes(source, raster, tile, overlap, blend):
    """Returns the `TileAxis` of rows and that of columns."""
    model = next((x for x in source.model.layers if isinstance(x, keras.Model)), source.model)  # inside of `any_size`
    shapes = [m.input_shape[1:3] for m in (source.model, source.preprocessing) if m is not None]
    fixed_sides = [next((s[i] for s in shapes if s[i] is not None), None) for i in (0, 1)]
    stride, axes = size_multiple(model) if None in fixed_sides else None, []
    field = receptive_field(model)
    for size, fixed in zip((raster.height, raster.width), fixed_sides, strict=True):
        unit = stride or math.gcd(fixed, COMMON_STRIDE)  # the stride of a model of fixed size is not known
        radius = None if field is None else field // 2 if unit == 1 else min(field - 1, (field + unit) // 2)
        side = fixed or -(-(tile or DEFAULT_TILE) // unit) * unit
        axis_overlap = min(DEFAULT_OVERLAP, side // 4) if overlap is None else overlap
        axis_overlap = -(-axis_overlap // unit) * unit
        if overlap is None and axis_overlap >= side:  # tiles of one stride cannot overlap
            axis_overlap = 0
        if fixed and tile not in (None, fixed):
            raise ValueError(f"predict_raster: `tile` must be the model's {fixed} pixels or None, got {tile}.")
        if axis_overlap >= side:
            raise ValueError(f"predict_raster: `overlap` must be less than the tile's {side} pixels, got {overlap}.")
        axes.append(
            tile_axis(
                size, side, axis_overlap, unit=unit, receptive_radius=radius, blend=blend, fixed=fixed is not None
            )
        )
    return axes


def compile_prediction(source, shape, dtype):
    """Returns a tf.function: (B, *shape) raw pixels, (B, h, w) validity -> (B, h, w, classes) probabilities."""
    import tensorflow as tf

    activation, preprocessing = output_activation(source.model), source.preprocessing

    @tf.function(
        input_signature=[tf.TensorSpec((None, *shape), dtype), tf.TensorSpec((None, *shape[:2]), "bool")],
        autograph=False,
    )
    def predict(pixels, valid):
        x = tf.cast(pixels, tf.float32) if preprocessing is None else preprocessing(pixels, training=False)
        x = source.model(tf.where(valid[..., None], x, 0), training=False)
        return to_probabilities(tf.cast(x, tf.float32), activation)

    return predict.get_concrete_function()  # no retracing warning when several rasters are predicted


def map_ahead(pool, function, items):
    """Yields `function` of each item in order, computed `QUEUED_BATCHES` items ahead in the pool."""
    futures = collections.deque()
    for item in items:
        futures.append(pool.submit(function, item))
        if len(futures) > QUEUED_BATCHES:
            yield futures.popleft().result()
    while futures:
        yield futures.popleft().result()


def _intersection(start, length, low, high):
    """Returns the slice of pixels from `low` up to `high` that a tile of `length` pixels from `start` covers."""
    return slice(max(start, low), max(min(start + length, high), start, low))
