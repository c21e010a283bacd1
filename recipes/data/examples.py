"""A data set in memory or on disk: examples with their targets, in a training, a validation and a test split."""

import dataclasses

import numpy as np

from recipes.data.source_spec import SourceSpec

SPLITS = ("train", "validation", "test")


@dataclasses.dataclass(frozen=True, eq=False)
class Examples:
    """One split of a data set: raw inputs, before any preprocessing, and their targets.

    Args:
        inputs: (N, ...) array; for a table a dict from column to (N,) array; a sequence that is read on demand, such as
            `ImageFiles`, with `len`, `read(i)`, `take(indices)` and `dataset()`; `ImageQuestions`; or a tf.data.Dataset
            of single inputs.
        targets: (N,) int32 class index, (N, classes) uint8 multi-hot, (N, outputs) float32, (N, H, W) class of each
            pixel, (N, H, W, C) images; or read on demand like inputs.
        names: (N,) where each example came from: a file's path or a row's number, or None.
        masks: `ObjectMasks` of the objects whose numbers are in the last column of the targets, or None.
        weights: (N,) float32 factors of each example's loss, or None for 1 each.
        units: (N,) whole numbers, equal for examples that must stay in one split (of one group, one spatial block, or
            identical), across all splits that were drawn together; None where the splits were not drawn.
        unlabelled: `Examples` without labels to train on beside these, whose targets are -1, or hidden class indices
            for diagnostics only; None where there are none. `take` leaves them out.
    """

    inputs: object = dataclasses.field(repr=False)
    targets: np.ndarray = dataclasses.field(repr=False)
    names: np.ndarray | None = dataclasses.field(default=None, repr=False)
    masks: object = dataclasses.field(default=None, repr=False)
    weights: np.ndarray | None = dataclasses.field(default=None, repr=False)
    units: np.ndarray | None = dataclasses.field(default=None, repr=False)
    unlabelled: "Examples | None" = dataclasses.field(default=None, repr=False)

    def __len__(self):
        return len(self.targets)

    def dataset(self):
        """Returns a tf.data.Dataset of single (raw input, target), always in the same order."""
        import tensorflow as tf

        if all(isinstance(v, np.ndarray | dict) for v in (self.inputs, self.targets)):
            return tf.data.Dataset.from_tensor_slices((self.inputs, self.targets))
        return tf.data.Dataset.zip(_as_dataset(self.inputs), _as_dataset(self.targets)).apply(
            tf.data.experimental.assert_cardinality(len(self))
        )

    def take(self, indices):
        """Returns the examples at `indices`, in that order.

        Args:
            indices: whole numbers from 0, or a slice.
        Returns:
            `Examples`.
        Raises:
            ValueError: if the inputs are a tf.data.Dataset, which cannot be indexed.
        """
        if not isinstance(indices, slice):
            indices = np.asarray(indices, dtype=np.int64)
        if isinstance(self.inputs, dict):
            inputs = {column: values[indices] for column, values in self.inputs.items()}
        elif isinstance(self.inputs, np.ndarray):
            inputs = self.inputs[indices]
        elif hasattr(self.inputs, "read"):
            inputs = self.inputs.take(indices)
        else:
            raise ValueError(
                "take: `inputs` must be arrays, a table or files, got a tf.data.Dataset; read it in order."
            )
        targets = self.targets.take(indices) if hasattr(self.targets, "read") else self.targets[indices]
        names, weights, units = (None if v is None else v[indices] for v in (self.names, self.weights, self.units))
        return Examples(inputs, targets, names, self.masks, weights, units)

    def head(self, n):
        """Returns the raw batch of the first `n` inputs, without their targets.

        Args:
            n: number of inputs; fewer where there are fewer.
        Returns:
            (n, ...) array, for a table a dict of (n,) arrays, for images of different sizes a list of (H, W, C) arrays.
        """
        n = min(int(n), len(self))
        if hasattr(self.inputs, "head"):
            return self.inputs.head(n)
        if isinstance(self.inputs, dict):
            return {column: values[:n] for column, values in self.inputs.items()}
        if isinstance(self.inputs, np.ndarray):
            return self.inputs[:n]
        if hasattr(self.inputs, "read"):
            batch = [self.inputs.read(i) for i in range(n)]
        else:
            batch = list(self.inputs.take(n).as_numpy_iterator())
        return np.stack(batch) if len({x.shape for x in batch}) == 1 else batch


def _as_dataset(values):
    """Returns a tf.data.Dataset of single values from arrays, from a sequence read on demand, or from a Dataset."""
    import tensorflow as tf

    if isinstance(values, np.ndarray | dict):
        return tf.data.Dataset.from_tensor_slices(values)
    return values.dataset() if hasattr(values, "read") else values


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Data:
    """A data set with its metadata, in three disjoint splits.

    Args:
        name: name of the data set.
        task: classification, multilabel, regression, segmentation, unlabelled, ...: one of a recipe's `data_tasks`.
        kind: image, table, vector, series, video, pair, text, sound or question (an image and a text).
        shape: of one raw input, or of the image of a question; (None, None, C) where images differ in size, None for a
            table.
        dtype: of the raw inputs; "mixed" for a table.
        classes: names of the classes in the order of their index; () for regression.
        outputs: names of the target columns for regression, the characters of a language model; () else.
        train, validation, test: `Examples`; a split may be empty.
        split_description: how the splits were made, with the seed.
        columns: for a table, from column to "number" or "category"; else {}.
        column_names: for a table, from column to its name in the source; else {}.
        units: for a table, from column in the source to the unit that is written behind its numbers; else {}.
        bands: names of the bands of images, () where they have none.
        options: arguments of the reader, as resolved; {} for arrays.
        source: origin of the data: a dataset page, a paper, a repository or a path.
        license: terms of use, as far as known.
        description: what the data show.
        notes: sentences on what was skipped, dropped, merged or converted.
        missing: treatment of gaps in the inputs: error, drop, impute or pad.
        baselines: for forecasts, split -> name of a baseline -> its (N, outputs) predictions; else {}.
        series_options: for forecasts, how the windows were made, in JSON values: the options time, target, window,
            horizon, group, calendar, time_format and day_first of `read_series`, as resolved; columns (names of the
            input columns in the source, in order), step (such as 1D or 1MS), has_grid (whether the rows were put on a
            grid), has_means (whether a step is the mean of several rows) and missing; else {}.
        sound_options: for clips of sound, sample_rate [Hz], seconds (length of a clip) and channels; else {}.
        source_spec: reader, source and resolved options by which `recipes.data.reopen` reads the data again; None for
            data that were passed in memory.
    """

    name: str
    task: str
    kind: str
    shape: tuple | None
    dtype: str
    classes: tuple
    outputs: tuple
    train: Examples
    validation: Examples
    test: Examples
    split_description: str
    columns: dict = dataclasses.field(default_factory=dict)
    column_names: dict = dataclasses.field(default_factory=dict)
    units: dict = dataclasses.field(default_factory=dict)
    bands: tuple = ()
    options: dict = dataclasses.field(default_factory=dict)
    source: str = "the user"
    license: str = "not stated"
    description: str = ""
    notes: tuple = ()
    missing: str = "error"
    baselines: dict = dataclasses.field(default_factory=dict)
    series_options: dict = dataclasses.field(default_factory=dict)
    sound_options: dict = dataclasses.field(default_factory=dict)
    source_spec: SourceSpec | None = None

    def __repr__(self):
        outputs = f"outputs {', '.join(self.outputs)}" if len(self.outputs) <= 20 else f"{len(self.outputs)} outputs"
        targets = f"{len(self.classes)} classes" if self.classes else outputs
        shape = f"{len(self.columns)} columns" if self.shape is None else f"{self.shape} {self.dtype}"
        sizes = f"{len(self.train):,} train, {len(self.validation):,} validation, {len(self.test):,} test"
        sizes += f", {len(self.train.unlabelled):,} unlabelled" if self.train.unlabelled is not None else ""
        return f"<{self.name}: {self.task} of {self.kind} {shape}, {targets}; {sizes}>"
