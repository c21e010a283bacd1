"""Maps of a species' distribution: the raster engine on a stack of environmental rasters."""

import contextlib
import time
from pathlib import Path

import numpy as np

from recipes.data.environment import UNKNOWN_LEVEL, Environment
from recipes.data.rasters.stack import read_stack
from recipes.prediction.fingerprint import model_fingerprint
from recipes.raster.blend import TileBlender
from recipes.raster.predict import RasterPrediction, verify_out, write_map
from recipes.raster.resumable_geotiff import ResumableGeoTiff
from recipes.raster.tiling import tile_axis
from recipes.runs.load import load_run
from recipes.training.run import Run
from zoo.arguments import Count, FilePath, checked, suggestion
from zoo.inputs.columns import plain_name

TILE = 128  # side of a tile [pixels]; the features of a tile's pixels are in memory at a time
PREDICTION, DEVIATION, SIMILARITY = "probability of presence", "deviation between runs", "similarity to the training"


@checked
def predict_species_map(
    run,
    rasters: tuple[str, ...],
    out: FilePath,
    *,
    tile: Count = TILE,
    verbose: bool = True,
) -> RasterPrediction:
    """Writes the probability of presence in every cell of a stack of environmental rasters to a GeoTIFF on their grid.

    Variables are matched to those of the training by name. The bands are float32, and NaN where a variable is nodata:
    the probability of presence; of several runs their mean, and the standard deviation between them; and the similarity
    to the training's environments (MESS), of which a negative one marks extrapolation. Memory does not grow with the
    size of the rasters. Until it is complete the file is named OUT.part. The same call resumes an interrupted one.

    Args:
        run: a `Run` of `SpeciesDistribution` or its folder; a list of them; or the folder of `cross_validate`, whose
            runs are used.
        rasters: files, folders or patterns, as `read_species` has them.
        out: path of the GeoTIFF.
        tile: side of a tile [pixels].
        verbose: whether to show progress (on stderr).
    Returns:
        `RasterPrediction`: path, tiles, skipped_tiles, resumed_rows, seconds, model_fraction.
    Raises:
        ValueError: if a variable is absent, the rasters are not on one grid, or `out` cannot be written.
    """
    start, caller = time.perf_counter(), "predict_species_map"
    runs = as_species_runs(run)
    stack = read_stack(rasters, caller)
    verify_out(out, [raster.path for raster in stack.rasters], caller)
    blender = MapBlender(runs, stack, tile)
    files = [(path.resolve(), path.stat().st_size, path.stat().st_mtime_ns) for path in _paths(stack)]
    models = [model_fingerprint(r.model, r.preprocessing, [r.record["environment"]]) for r in runs]
    key = model_fingerprint(runs[0].model, runs[0].preprocessing, [files, models, blender.rows, blender.columns])
    output = ResumableGeoTiff(out, key, blender.profile(), blender.describe)
    return write_map(blender, output, out, verbose, start)


def as_species_runs(run):
    """Returns the list of `Run`s of a run, its folder, the folder of a cross-validation, or a list of them."""
    if isinstance(run, str | Path):
        folds = sorted(Path(run).glob("fold*"), key=lambda path: (len(path.name), path.name))
        return as_species_runs(folds) if folds else as_species_runs([load_run(run)])
    if isinstance(run, Run):
        return as_species_runs([run])
    runs = [load_run(r) if isinstance(r, str | Path) else r for r in run]
    for r in runs:
        if not isinstance(r, Run) or not r.record.get("environment"):
            name = type(r.task).__name__ if isinstance(r, Run) else type(r).__name__
            raise ValueError(f"predict_species_map: `run` must be of SpeciesDistribution, got {name}.")
    if not runs or any(r.schema.columns != runs[0].schema.columns and _names(r) != _names(runs[0]) for r in runs):
        raise ValueError("predict_species_map: `run` must be one or more runs with the same columns.")
    return runs


def _names(run):
    return [column.name for column in run.schema.columns]


def _paths(stack):
    return [Path(raster.path) for raster in stack.rasters]


class MapBlender(TileBlender):
    """Tiles, predicts and writes a stack of rasters.

    Args:
        runs: `Run`s with the same columns.
        stack: `RasterStack`.
        tile: side of a tile [pixels].
    """

    def __init__(self, runs, stack, tile):
        self.stack = stack
        self.names = [PREDICTION, *[DEVIATION] * (len(runs) > 1), SIMILARITY]
        self.sources = variable_sources(runs[0], stack.names)
        self.coordinates = [axis for axis in ("x", "y") if axis in self.sources]
        axes = [tile_axis(size, tile, 0) for size in (stack.grid.height, stack.grid.width)]
        grid = stack.grid._replace(dtype="float32")
        self.lay_out(grid, *axes, len(self.names), probabilities=True, batch_size=1)
        self.predict = compile_map(runs, self.sources, [*stack.names, *self.coordinates], self.rows, self.columns)

    @contextlib.contextmanager
    def open(self):
        """Opens the rasters; yields a function as `RasterStack.open` does, with coordinates behind the variables."""
        with self.stack.open("predict_species_map") as read:

            def read_tile(row, column, height, width):
                values, valid = read(row, column, height, width)
                if self.coordinates:
                    rows, columns = np.mgrid[row : row + height, column : column + width]
                    centers = self.stack.centers(rows.ravel(), columns.ravel())
                    x_y = np.stack(centers, axis=-1).reshape(height, width, 2).astype(np.float32)
                    values = np.concatenate([values, x_y], axis=-1)
                return values, valid

            yield read_tile

    def describe(self, file):
        """Sets the names of the bands in an open GeoTIFF."""
        for i, name in enumerate(self.names, 1):
            file.set_band_description(i, name)


def variable_sources(run, names):
    """Returns for each column of a run, in order, the variable of the stack it is read from; x or y for coordinates.

    Raises:
        ValueError: if a column is no variable; the nearest is offered.
    """
    coordinates = dict(zip(run.record.get("coordinates") or (), ("x", "y"), strict=False))
    plain = {plain_name(name): name for name in names}
    sources = []
    for column in run.schema.columns:
        name = plain.get(column.name, plain.get(plain_name(column.source)))
        if column.source in names or name:
            sources.append(column.source if column.source in names else name)
        elif column.source in coordinates:
            sources.append(coordinates[column.source])
        else:
            raise ValueError(
                f"predict_species_map: the rasters must have the variables of the training, got none called "
                f"{column.source!r}.{suggestion(column.source, names)} They have {', '.join(names)}."
            )
    return sources


def compile_map(runs, sources, names, rows, columns):
    """Returns a tf.function: (B, h, w, variables) values, (B, h, w) validity -> (B, h, w, bands).

    Args:
        runs: `Run`s.
        sources: variable of each column of the runs.
        names: of the variables, in the order of the values.
        rows, columns: `TileAxis` of the tiles.
    """
    import tensorflow as tf

    from zoo.introspect.output_activation import output_activation, to_probabilities

    indices = [names.index(source) for source in sources]
    environments = [Environment.from_json(run.record["environment"]) for run in runs]
    shape = (rows.tile, columns.tile)

    def probability(run, inputs):
        outputs = run.model(run.preprocessing(inputs, training=False), training=False)
        return to_probabilities(tf.cast(outputs, tf.float32), output_activation(run.model))[:, -1]

    @tf.function(input_signature=[tf.TensorSpec((None, *shape, len(names))), tf.TensorSpec((None, *shape), "bool")])
    def predict(values, valid):
        cells = tf.boolean_mask(values, valid)
        inputs = {}
        for column, index in zip(runs[0].schema.columns, indices, strict=True):
            value = cells[:, index : index + 1]
            if column.kind == "category":
                value = tf.strings.as_string(tf.cast(tf.round(value), tf.int64))
            inputs[column.name] = value
        predictions = tf.stack([probability(run, inputs) for run in runs])
        bands = [tf.reduce_mean(predictions, 0)]
        if len(runs) > 1:
            bands.append(tf.math.reduce_std(predictions, 0))
        bands.append(tf.reduce_min([_similarity(environment, inputs) for environment in environments], axis=0))
        return tf.scatter_nd(
            tf.cast(tf.where(valid), tf.int32), tf.stack(bands, -1), (*tf.unstack(tf.shape(valid)), len(bands))
        )

    return predict.get_concrete_function()


def _similarity(environment, inputs):
    """Returns what `Environment.similarity` returns, in TensorFlow."""
    import tensorflow as tf

    lowest = tf.fill(tf.shape(next(iter(inputs.values())))[:1], 100.0)
    for column, percentiles in environment.numbers.items():
        values, points = inputs[column][:, 0], tf.constant(percentiles, tf.float32)
        low, high, last = percentiles[0], percentiles[-1], len(percentiles) - 1
        index = tf.clip_by_value(tf.searchsorted(points, values), 1, last)
        left, right = tf.gather(points, index - 1), tf.gather(points, index)
        fraction = tf.math.divide_no_nan(values - left, right - left)
        below = tf.clip_by_value((tf.cast(index - 1, tf.float32) + fraction) * (100 / last), 0.0, 100.0)
        outside = 100 * tf.minimum(values - low, high - values) / (high - low if high > low else 1.0)
        lowest = tf.minimum(lowest, tf.where(outside < 0, outside, 2 * tf.minimum(below, 100 - below)))
    for column, levels in environment.levels.items():
        has_level = tf.reduce_any(inputs[column] == tf.constant(levels)[None], axis=1)
        lowest = tf.where(has_level, lowest, tf.minimum(lowest, UNKNOWN_LEVEL))
    return lowest
