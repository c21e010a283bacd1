"""What every data door answers: examples with their targets, in three parts."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True, eq=False)
class Examples:
    """One part of a data set: raw inputs as the user has them, and targets.

    Args:
        inputs: (N, ...) array; for a table a dict from column to (N,) array; something read on demand, such as
            `Files`, with `len`, `read(i)`, `take(indices)` and `dataset()`; or a tf.data.Dataset of single inputs.
        targets: (N,) int32 class index, (N, classes) uint8 multi-hot, (N, outputs) float32, (N, H, W) class of each
            pixel, (N, H, W, C) images; or read on demand like inputs.
        names: (N,) where each came from: a file's path or a row's number, or None.
    """

    inputs: object = dataclasses.field(repr=False)
    targets: np.ndarray = dataclasses.field(repr=False)
    names: np.ndarray | None = dataclasses.field(default=None, repr=False)

    def __len__(self):
        return len(self.targets)

    def dataset(self):
        """tf.data.Dataset of single (raw input, target), always in the same order; photos are of their own size."""
        import tensorflow as tf

        if all(isinstance(v, np.ndarray | dict) for v in (self.inputs, self.targets)):
            return tf.data.Dataset.from_tensor_slices((self.inputs, self.targets))
        return tf.data.Dataset.zip(_stream(self.inputs), _stream(self.targets)).apply(
            tf.data.experimental.assert_cardinality(len(self))
        )

    def take(self, indices):
        """The examples at `indices`, in that order.

        Args:
            indices: whole numbers from 0, or a slice.
        Returns:
            `Examples`.
        Raises:
            ValueError: if the inputs are a tf.data stream, which has no places to take from.
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
            raise ValueError("take: `inputs` must be arrays, a table or files, got a tf.data stream; read it in order.")
        targets = self.targets.take(indices) if hasattr(self.targets, "read") else self.targets[indices]
        return Examples(inputs, targets, None if self.names is None else self.names[indices])

    def head(self, n):
        """The raw batch of the first `n` inputs, without their targets.

        Args:
            n: how many; fewer where there are not so many.
        Returns:
            (n, ...) array, for a table a dict of (n,) arrays, for photos of different sizes a list of (H, W, C) arrays.
        """
        n = min(int(n), len(self))
        if isinstance(self.inputs, dict):
            return {column: values[:n] for column, values in self.inputs.items()}
        if isinstance(self.inputs, np.ndarray):
            return self.inputs[:n]
        if hasattr(self.inputs, "read"):
            batch = [self.inputs.read(i) for i in range(n)]
        else:
            batch = list(self.inputs.take(n).as_numpy_iterator())
        return np.stack(batch) if len({x.shape for x in batch}) == 1 else batch


def _stream(values):
    """tf.data.Dataset of single values: of arrays, of what is read on demand, or as it is."""
    import tensorflow as tf

    if isinstance(values, np.ndarray | dict):
        return tf.data.Dataset.from_tensor_slices(values)
    return values.dataset() if hasattr(values, "read") else values


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Data:
    """A data set with what is known of it, in three parts that share nothing.

    Args:
        name: what it is called.
        task: classification, multilabel, regression, segmentation, ...: what a recipe's `tasks` name.
        kind: image, table, vector, series, video or text.
        shape: of one raw input; (None, None, C) where photos differ in size, None for a table.
        dtype: of the raw inputs; "mixed" for a table.
        classes: names of the classes in the order of their index; () for regression.
        outputs: names of the target columns for regression, the characters of a language model; () else.
        train, validation, test: `Examples`; a part may be empty.
        columns: for a table, from column to "number" or "category"; else {}.
        source: where it comes from.
        licence: its terms, as far as known.
        description: what it shows.
        split: in words, how the parts were made, with the seed.
        notes: what was skipped, dropped, merged or converted, in words.
        missing: what happens to gaps in the inputs: error, drop or impute.
        baselines: for forecasts, part -> name of a trivial forecast -> its (N, outputs) answers; else {}.
        origin: the string that `load` was given, or None where it was given an object.
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
    columns: dict
    source: str
    licence: str
    description: str
    split: str
    notes: tuple = ()
    missing: str = "error"
    baselines: dict = dataclasses.field(default_factory=dict)
    origin: str | None = None

    def __repr__(self):
        outputs = f"outputs {', '.join(self.outputs)}" if len(self.outputs) <= 20 else f"{len(self.outputs)} outputs"
        answer = f"{len(self.classes)} classes" if self.classes else outputs
        shape = f"{len(self.columns)} columns" if self.shape is None else f"{self.shape} {self.dtype}"
        sizes = f"{len(self.train):,} train, {len(self.validation):,} validation, {len(self.test):,} test"
        return f"<{self.name}: {self.task} of {self.kind} {shape}, {answer}; {sizes}>"
