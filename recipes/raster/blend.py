"""The work on a raster: a thread reads tiles, the model answers them, a thread blends the answers and writes them."""

import collections
import concurrent.futures
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
from recipes.raster.tiling import axis, stripes
from zoo.introspect import receptive_field
from zoo.introspect.output_activation import output_activation
from zoo.layers.any_size import size_multiple

SIDE = 512  # of a tile where neither the caller nor the model says [pixels]
OVERLAP = 64  # of neighbouring tiles where the caller does not say, and no more than a quarter of their side [pixels]
SCALES = 32  # what networks halve an image by, most often
BUFFER = 128 * 2**20  # bytes of probabilities that are blended at once; a wider raster is taken in stripes
AHEAD = 3  # batches that are read before the model wants them, and answered before they are blended


class Batch(typing.NamedTuple):
    """Tiles of one row of tiles, within one stripe."""

    stripe: int
    row: int
    columns: list
    ends: bool  # whether the row of tiles ends with it
    pixels: typing.Any = None
    valid: typing.Any = None


class Stitch:
    """How one raster is cut, answered and put together.

    Args:
        source: the model, as `predict_raster` has opened it.
        raster: the `Raster`.
        tile, overlap, blend, probabilities, batch: as `predict_raster` has them.
    """

    def __init__(self, source, raster, tile, overlap, blend, probabilities, batch):
        self.source, self.raster, self.probabilities, self.batch_size = source, raster, probabilities, batch
        self.classes = max(2, source.model.output_shape[-1])
        self.rows, self.columns = _axes(source, raster, tile, overlap, blend)
        self.answer = answers(source, (self.rows.tile, self.columns.tile, len(raster.bands)), raster.dtype)
        most = BUFFER // ((self.rows.tile + BLOCK) * self.classes * 4)
        self.stripes = stripes(raster.width, max(most, 4 * self.columns.tile, BLOCK), BLOCK)
        self.tiles = self.empty = 0
        self.busy = 0.0  # seconds in the model
        self.buffer = None

    @property
    def total(self):
        """Block rows that are to be written, over all stripes."""
        return len(self.stripes) * -(-self.raster.height // BLOCK)

    def work(self, part, tell):
        """Answers what `part` lacks; `tell` is called with the block rows that are done."""
        with (
            open_raster(self.raster.path, "predict_raster") as file,
            concurrent.futures.ThreadPoolExecutor(1) as reader,
            concurrent.futures.ThreadPoolExecutor(1) as writer,
        ):
            written = collections.deque()
            for batch in ahead(reader, lambda b: self._read(file, b), self._batches(part.done)):
                found = None
                if batch.columns:
                    began = time.perf_counter()
                    found = self.answer(
                        keras.ops.convert_to_tensor(batch.pixels), keras.ops.convert_to_tensor(batch.valid)
                    ).numpy()
                    self.busy += time.perf_counter() - began
                written.append(writer.submit(self._blend, batch, found, part))
                if len(written) > AHEAD:
                    written.popleft().result()
                    tell(part.done)
            for last in written:
                last.result()
            tell(part.done)

    def _batches(self, done):
        """What is to be answered, in order, from the first block row that is not done."""
        rows = -(-self.raster.height // BLOCK)
        for s in range(done // rows, len(self.stripes)):
            first = (done % rows) * BLOCK if s == done // rows else 0
            columns = self.columns.within(*self.stripes[s])
            for row in self.rows.within(first, self.raster.height):
                for i in range(0, len(columns), self.batch_size):
                    yield Batch(s, row, columns[i : i + self.batch_size], i + self.batch_size >= len(columns))

    def _read(self, file, batch):
        """The batch with its pixels, without the tiles that are all nodata."""
        top, sides = self.rows.starts[batch.row], (self.rows.tile, self.columns.tile)
        read = {k: read_window(file, self.raster, top, self.columns.starts[k], *sides) for k in batch.columns}
        some = [k for k in batch.columns if read[k][1].any()]
        self.tiles, self.empty = self.tiles + len(some), self.empty + len(read) - len(some)
        if not some:
            return batch._replace(columns=[])
        return batch._replace(
            columns=some, pixels=np.stack([read[k][0] for k in some]), valid=np.stack([read[k][1] for k in some])
        )

    def _blend(self, batch, found, part):
        """Adds the answers of a batch to the stripe, and writes the block rows that lack nothing then."""
        low, high = self.stripes[batch.stripe]
        if self.buffer is None:
            self.first = part.done % -(-self.raster.height // BLOCK) * BLOCK
            shape = (self.rows.tile + BLOCK, high - low)
            self.buffer, self.valid = np.zeros((*shape, self.classes), np.float32), np.zeros(shape, bool)
        start, down = self.rows.starts[batch.row], self.rows.weights(batch.row)
        mine = _common(start, self.rows.tile, self.first, self.raster.height)
        for n, k in enumerate(batch.columns):
            left = self.columns.starts[k]
            across = _common(left, self.columns.tile, low, high)
            inside = np.s_[mine.start - start : mine.stop - start, across.start - left : across.stop - left]
            place = np.s_[mine.start - self.first : mine.stop - self.first, across.start - low : across.stop - low]
            weights = down[inside[0], None] * self.columns.weights(k)[inside[1]]
            self.buffer[place] += found[n][inside] * weights[..., None]
            self.valid[place] |= batch.valid[n][inside]
        if batch.ends:
            last = batch.row + 1 == len(self.rows.starts)
            whole = self.raster.height if last else self.rows.starts[batch.row + 1]
            while self.first + BLOCK <= whole or (last and self.first < whole):
                self._write(part, low, high, min(BLOCK, self.raster.height - self.first))
            if last:
                self.buffer = None

    def _write(self, part, low, high, height):
        """Writes the first block row of the stripe, and moves on by one."""
        found, valid = self.buffer[:height], self.valid[:height]
        if self.probabilities:
            values = np.where(valid, np.moveaxis(found, -1, 0), np.float32(np.nan))
        else:
            values = np.where(valid, found.argmax(-1), self.nodata).astype(self.dtype)[None]
        try:
            part.write(values, Window(low, self.first, high - low, height))
        except rasterio.errors.RasterioError as error:  # of the answer, not of the raster
            raise OSError(f"predict_raster: {part.part} could not be written: {error.__cause__ or error}") from None
        self.first += BLOCK
        for kept in (self.buffer, self.valid):
            kept[:-BLOCK] = kept[BLOCK:]
            kept[-BLOCK:] = 0

    @property
    def dtype(self):
        """Of the answer's numbers."""
        return "float32" if self.probabilities else "uint8" if self.classes <= IGNORE else "uint16"

    @property
    def nodata(self):
        """The answer's nodata."""
        return {"float32": np.nan, "uint8": IGNORE, "uint16": 65535}[self.dtype]

    def profile(self):
        """What rasterio is told of the answer."""
        size = {"height": self.raster.height, "width": self.raster.width}
        count = self.classes if self.probabilities else 1
        placed = {"crs": self.raster.crs, "transform": self.raster.transform} if self.raster.georeferenced else {}
        return {**size, **placed, "count": count, "dtype": self.dtype, "nodata": self.nodata}

    def describe(self, file):
        """Names and colours of the classes in an open GeoTIFF."""
        names = self.source.classes or tuple(map(str, range(self.classes)))
        file.update_tags(**{f"CLASS_{i}": name for i, name in enumerate(names)})
        if self.probabilities:
            for i, name in enumerate(names, 1):
                file.set_band_description(i, f"probability of {name}")
        elif self.dtype == "uint8":
            from recipes.reports.segmentation_figures import palette

            colours = {i: (*map(int, np.round(c * 255)), 255) for i, c in enumerate(palette(self.classes))}
            file.write_colormap(1, {**colours, IGNORE: (0, 0, 0, 0)})


def _axes(source, raster, tile, overlap, blend):
    """The `Axis` of rows and that of columns."""
    model = next((x for x in source.model.layers if isinstance(x, keras.Model)), source.model)  # `any_size` wraps it
    shapes = [m.input_shape[1:3] for m in (source.model, source.preprocessing) if m is not None]
    own = [next((s[i] for s in shapes if s[i] is not None), None) for i in (0, 1)]
    common, axes = size_multiple(model) if None in own else None, []
    field = receptive_field(model)
    for size, fixed in zip((raster.height, raster.width), own, strict=True):
        unit = common or math.gcd(fixed, SCALES)  # what the scales of a model of one size divide does not show
        reach = None if field is None else field // 2 if unit == 1 else min(field - 1, (field + unit) // 2)
        side = fixed or -(-(tile or SIDE) // unit) * unit
        shared = -(-(min(OVERLAP, side // 4) if overlap is None else overlap) // unit) * unit
        if fixed and tile not in (None, fixed):
            raise ValueError(f"predict_raster: `tile` must be the model's {fixed} pixels or None, got {tile}.")
        if shared >= side:
            raise ValueError(f"predict_raster: `overlap` must be less than the tile's {side} pixels, got {overlap}.")
        axes.append(axis(size, side, shared, unit=unit, reach=reach, blend=blend, fixed=fixed is not None))
    return axes


def answers(source, shape, dtype):
    """A compiled function: (B, *shape) raw pixels and (B, h, w) validity -> (B, h, w, classes) probabilities."""
    import tensorflow as tf

    ending, front = output_activation(source.model), source.preprocessing
    single = source.model.output_shape[-1] == 1

    @tf.function(input_signature=[tf.TensorSpec((None, *shape), dtype), tf.TensorSpec((None, *shape[:2]), "bool")])
    def answer(pixels, valid):
        x = tf.cast(pixels, tf.float32) if front is None else front(pixels, training=False)
        x = source.model(tf.where(valid[..., None], x, 0), training=False)
        x = tf.cast(x, tf.float32)
        if single:
            yes = tf.sigmoid(x) if ending == "linear" else x
            return tf.concat([1 - yes, yes], axis=-1)
        return tf.nn.softmax(x) if ending == "linear" else x

    return answer.get_concrete_function()  # TensorFlow would take several rasters for needless tracing


def ahead(pool, function, items):
    """What `function` makes of the items, in order, each begun before it is wanted."""
    waiting = collections.deque()
    for item in items:
        waiting.append(pool.submit(function, item))
        if len(waiting) > AHEAD:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _common(start, length, low, high):
    """The slice that a tile from `start` has in common with the pixels from `low` up to `high`."""
    return slice(max(start, low), max(min(start + length, high), start, low))
