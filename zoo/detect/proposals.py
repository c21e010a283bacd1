"""Region proposals: the boxes that the first stage of a detector hands to the second one."""

import keras
import numpy as np
from keras import layers, ops

from zoo.arguments import Count, Fraction, convert
from zoo.detect.boxes import clip, decode
from zoo.detect.level_predictions import split_predictions
from zoo.detect.nms import suppress_sorted
from zoo.detect.top_k import top_k

MIN_SIDE = 1e-3  # of a proposal [pixels]


def objectness(logits):
    """Returns the logit of an object: (B, A, 1) logits, or (B, A, 2) of background and object  ->  (B, A)."""
    return logits[..., -1] - logits[..., 0] if logits.shape[-1] == 2 else logits[..., 0]


@keras.saving.register_keras_serializable("zoo")
class RegionProposals(layers.Layer):
    """Selects the boxes that most probably have an object. Call: `RegionProposals(count)([*levels, image])`.

    L times (B, A, 8 + 1 or 2) of `LevelPredictions`, (B, H, W, bands)  ->  (B, count, 4) float32 [pixels], best first.
    Rows without a box are 0. The boxes have no gradient.

    Args:
        count: number of boxes per image.
        candidates: largest number of boxes per level before non-maximum suppression, which is done level by level.
        iou: IoU above which the box with the lower score of two of one level is removed.
        **kwargs: passed to `keras.layers.Layer`.

    Source: Ren et al. 2015, https://arxiv.org/abs/1506.01497, section 3.3; torchvision's `filter_proposals`.
    """

    def __init__(self, count, candidates=1000, iou=0.7, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.count = convert(count, Count, "RegionProposals: `count`")
        self.candidates = convert(candidates, Count, "RegionProposals: `candidates`")
        self.iou = convert(iou, Fraction, "RegionProposals: `iou`")

    def call(self, inputs):
        *levels, image = inputs
        _, height, width, _ = ops.shape(image)
        levels = [self._level(ops.stop_gradient(p), height, width) for p in levels]
        boxes, scores = (ops.concatenate(x, axis=1) for x in zip(*levels, strict=True))
        boxes = ops.pad(boxes, ((0, 0), (0, self.count), (0, 0)))  # where there are fewer
        scores = ops.pad(scores, ((0, 0), (0, self.count)), constant_values=-np.inf)
        scores, index = ops.top_k(scores, self.count)
        boxes = ops.take_along_axis(boxes, index[..., None], axis=1)
        return ops.where(scores[..., None] > -np.inf, boxes, 0.0)

    def _level(self, predictions, height, width):
        """Returns the candidates of a level (B, K, 4) and their scores (B, K), -inf for those that are removed."""
        anchors, deltas, logits = split_predictions(predictions)
        scores, index = top_k(objectness(logits), self.candidates)
        anchors, deltas = (ops.take_along_axis(x, index[..., None], axis=1) for x in (anchors, deltas))
        boxes = clip(decode(deltas, anchors), height, width)
        is_box = ops.all(boxes[..., 2:] - boxes[..., :2] >= MIN_SIDE, axis=-1)
        return boxes, ops.where(suppress_sorted(boxes, is_box, self.iou), scores, -np.inf)

    def compute_output_shape(self, input_shape):
        return (input_shape[0][0], self.count, 4)

    def macs(self, shapes):
        """Decoding and comparisons are not counted."""
        return 0

    def get_config(self):
        return {**super().get_config(), "count": self.count, "candidates": self.candidates, "iou": self.iou}
