"""Reads batches of examples in any order: of files in threads, resized as they are decoded, stored where they fit."""

import os
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from recipes.data.images.image_files import ImageFiles
from recipes.training.example_store import store_for

PARTS = 4  # of a batch for each core, which a thread reads one after the other
ALIGNMENT = 64  # bytes; TensorFlow copies arrays that begin elsewhere


class BatchReader:
    """Reads the inputs of a split by their indices.

    Args:
        inputs: (N, ...) array, dict of arrays, or a sequence that is read on demand.
        size: (H, W) to which 8-bit image files are resized as they are read; None keeps their size.
        scale: number by which 8-bit image files are multiplied, which makes them float32; None keeps their values.
    """

    def __init__(self, inputs, size=None, scale=None):
        self.inputs, self.size, self.scale, self._reported = inputs, size, scale, set()
        self._executor = self._store = None
        if not isinstance(inputs, np.ndarray | dict):
            self._executor = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="examples")
            self.shape, self.dtype = example_spec(inputs, size)
            if not getattr(inputs, "is_random", False):
                self._store = store_for(len(inputs), self.shape, self.dtype, _identity(inputs, size))
            self._batch_dtype = np.dtype(self.dtype if scale is None else "float32")

    def read(self, indices, flips=None):
        """Returns the batch at `indices` of a sequence that is read on demand, as an array.

        A file that cannot be read any more, or only now turns out to be broken, is replaced by another of the batch,
        and a warning names it.

        Args:
            indices: (B,) whole numbers, or (B, 2) with the number of the epoch for inputs that are another crop in
                each epoch.
            flips: (B, 2) bool, whether to flip an image horizontally and vertically; None for no flips.
        Raises:
            ValueError: if no file of the batch can be read.
        """
        batch, errors = aligned_array((len(indices), *self.shape), self._batch_dtype), {}

        def read_part(positions):
            for k in positions:
                example = self._read_one(*np.atleast_1d(indices[k]).tolist())
                if isinstance(example, Exception):
                    errors[int(k)] = example
                    continue
                example = example if flips is None else flipped(example, *flips[k])
                if self.scale is None:
                    batch[k] = example
                else:
                    np.multiply(example, np.float32(self.scale), out=batch[k])

        parts = np.array_split(np.arange(len(indices)), min(len(indices), PARTS * os.cpu_count()))
        list(self._executor.map(read_part, parts))
        readable = [k for k in range(len(indices)) if k not in errors]
        if not readable:
            raise errors[0]
        for k, error in errors.items():
            self._report(error)
            batch[k] = batch[readable[k % len(readable)]]
        return batch

    def read_tensors(self, indices, flips=None):
        """Returns the batch at `indices`, a tensor, inside a tf.data function: a tensor, or a dict of tensors."""
        import tensorflow as tf

        if isinstance(self.inputs, np.ndarray | dict):
            values = self.inputs if isinstance(self.inputs, dict) else {"": self.inputs}
            arrays = list(values.values())
            types = [tf.string if v.dtype.kind in "OU" else v.dtype for v in arrays]
            parts = tf.numpy_function(lambda i: [v[i] for v in arrays], [indices], types)
            parts = [tf.ensure_shape(p, (indices.shape[0], *v.shape[1:])) for p, v in zip(parts, arrays, strict=True)]
            return dict(zip(values, parts, strict=True)) if isinstance(self.inputs, dict) else parts[0]
        batch = tf.numpy_function(self.read, [indices] if flips is None else [indices, flips], self._batch_dtype)
        return tf.ensure_shape(batch, (indices.shape[0], *self.shape))

    def _read_one(self, index, *epoch):
        example = self._store.get(index) if self._store else None
        if example is not None:
            return example
        try:
            example = self.inputs.read_resized(index, self.size) if self.size else self.inputs.read(index, *epoch)
        except (ValueError, OSError) as error:
            return error
        if self._store:
            self._store.put(index, example)
        return example

    def _report(self, error):
        if str(error) not in self._reported:
            self._reported.add(str(error))
            warnings.warn(f"{error}; another example of its batch takes its place", stacklevel=2)


def aligned_array(shape, dtype):
    """Returns an array without values, of which TensorFlow makes a tensor without a copy."""
    size = int(np.prod(shape)) * dtype.itemsize
    memory = np.empty(size + ALIGNMENT, np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + size].view(dtype).reshape(shape)


def flipped(image, horizontally, vertically):
    """Returns an image (H, W, C) flipped horizontally, vertically, both or not at all."""
    if not horizontally and not vertically:
        return image
    if image.dtype == np.uint8 and image.shape[-1] <= 4:
        import cv2

        turned = cv2.flip(np.ascontiguousarray(image), -1 if horizontally and vertically else int(horizontally))
        return turned.reshape(image.shape)
    return image[:: -1 if vertically else 1, :: -1 if horizontally else 1]


def example_spec(inputs, size):
    """Returns (shape, dtype) of an example of `BatchReader`, of a sequence that is read on demand."""
    if isinstance(inputs, ImageFiles):
        return (*(size or inputs.shape[:2]), inputs.shape[2]), inputs.dtype
    example = inputs.read(0)
    return example.shape, example.dtype


def _identity(inputs, size):
    """Returns bytes that are equal for equal files and sizes."""
    paths = getattr(inputs, "paths", None)
    if paths is None:
        return repr((type(inputs).__name__, len(inputs), size, os.urandom(8))).encode()
    status = [os.stat(path) for path in paths]
    times = np.array([(s.st_size, s.st_mtime_ns) for s in status])
    parts = np.stack([inputs.starts, inputs.lengths]) if hasattr(inputs, "starts") else np.zeros(0)  # of recordings
    names = "\n".join(paths).encode("utf-8", "surrogateescape")
    return b"\0".join([repr(size).encode(), names, times.tobytes(), parts.tobytes()])
