"""Sampling: the anchors or regions of an image that are trained on."""

import keras
from keras import ops

from zoo.detect.matching import BACKGROUND, OBJECT
from zoo.detect.top_k import top_k


def sample(kind, count, fraction, seed):
    """Returns which rows are drawn, (B, A) bool: at most `count` per image, at most a `fraction` of them objects.

    Background fills what objects leave, as far as there is any.

    Args:
        kind: (B, A) `OBJECT`, `BACKGROUND` or `IGNORED`.
        count: number of rows per image.
        fraction: largest fraction of objects.
        seed: as `keras.random` takes it.

    Source: Girshick 2015, https://arxiv.org/abs/1504.08083, section 2.3; Ren et al. 2015, section 3.1.3.
    """
    noise = keras.random.uniform(ops.shape(kind), seed=seed)
    objects = _draw(kind == OBJECT, noise, count, int(count * fraction))
    left = count - ops.sum(ops.cast(objects, "int32"), axis=1, keepdims=True)
    return objects | _draw(kind == BACKGROUND, noise, count, left)


def _draw(is_candidate, noise, most, number):
    """Returns the `number` candidates, `most` at most, with the largest noise; all where there are fewer."""
    values, _ = top_k(ops.where(is_candidate, noise, -1.0), most)
    number = ops.minimum(number, ops.shape(values)[1]) + ops.zeros_like(values[:, :1], "int32")
    threshold = ops.take_along_axis(values, ops.maximum(number - 1, 0), axis=1)
    return is_candidate & (noise >= threshold) & (number > 0)
