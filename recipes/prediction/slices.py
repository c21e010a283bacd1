"""Calls of a function of batches: in slices of one size, and for images that differ in size."""

import math

import numpy as np

BATCH_VALUES = 1 << 25  # values of images that are preprocessed in one call, 128 MiB of float32


def map_by_shape(function, images):
    """Returns the outputs of a function of batches, (N, H, W, C), for images that may differ in size."""
    by_shape, outputs = {}, [None] * len(images)
    for i, image in enumerate(images):
        by_shape.setdefault(image.shape, []).append(i)
    for shape, indices in by_shape.items():
        step = max(1, BATCH_VALUES // max(1, math.prod(shape)))
        for start in range(0, len(indices), step):
            part = indices[start : start + step]
            for i, output in zip(part, function(np.stack([images[i] for i in part])), strict=True):
                outputs[i] = output
    return outputs


def in_slices(predict, batch, size):
    """Returns the predictions of an array or a dict of arrays, computed in slices of one size.

    The last slice is filled up with its first example, because each new size is compiled anew.
    """
    count = len(next(iter(batch.values())) if isinstance(batch, dict) else batch)
    if count <= size:
        return predict(batch)
    outputs = []
    for start in range(0, count, size):
        indices = np.minimum(np.arange(start, start + size), count - 1)
        part = {c: v[indices] for c, v in batch.items()} if isinstance(batch, dict) else batch[indices]
        outputs.append(predict(part)[: count - start])
    return np.concatenate(outputs)
