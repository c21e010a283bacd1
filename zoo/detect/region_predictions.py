"""The predictions for regions, and the boxes, scores and classes that follow from them."""

import keras
from keras import layers, ops

from zoo.detect.boxes import decode
from zoo.detect.detections import Detections
from zoo.detect.top_k import top_k

WEIGHTS = (10.0, 10.0, 5.0, 5.0)  # of the deltas, which have a standard deviation of about 1 then


@keras.saving.register_keras_serializable("zoo")
class RegionPredictions(layers.Layer):
    """Joins regions with their predictions. Call: `RegionPredictions()([regions, logits, deltas])`.

    (B, R, 4) [pixels], (B R, K), (B R, K 4)  ->  (B, R, 4 + 5 K) float32: corners of the region, K logits and K times
    four deltas. Class 0 is the background.

    Args:
        **kwargs: passed to `keras.layers.Layer`.
    """

    def __init__(self, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})

    def call(self, inputs):
        regions, logits, deltas = inputs
        batch, count, _ = ops.shape(regions)
        predictions = [ops.reshape(x, (batch, count, x.shape[-1])) for x in (logits, deltas)]
        return ops.concatenate([regions, *predictions], axis=-1)

    def compute_output_shape(self, input_shape):
        regions, logits, deltas = input_shape
        return (*regions[:2], 4 + logits[-1] + deltas[-1])

    def macs(self, shapes):
        """Copies are not counted."""
        return 0


def split_regions(predictions):
    """Returns (regions, logits, deltas) of predictions (B, R, 4 + 5 K): (B, R, 4), (B, R, K), (B, R, K, 4)."""
    classes = (predictions.shape[-1] - 4) // 5
    regions, logits, deltas = predictions[..., :4], predictions[..., 4 : 4 + classes], predictions[..., 4 + classes :]
    return regions, logits, ops.reshape(deltas, (*ops.shape(deltas)[:2], classes, 4))


@keras.saving.register_keras_serializable("zoo")
class RegionDetections(Detections):
    """Decodes the predictions of regions and removes duplicates. Call: `RegionDetections()([predictions, image])`.

    (B, R, 4 + 5 K) of `RegionPredictions`, (B, H, W, bands)  ->  (B, detections, 6) float32: x1, y1, x2, y2, score and
    class, best first; -1 in rows without a box. The classes are 0 to K - 2, without the background.

    Arguments are those of `Detections`; `candidates` counts pairs of region and class.

    Source: torchvision's `RoIHeads.postprocess_detections`.
    """

    min_side = 1e-2

    def _candidates(self, predictions):
        """Returns boxes (B, K, 4), scores (B, K) and classes (B, K) of the best pairs of region and class."""
        regions, logits, deltas = split_regions(predictions)
        scores = ops.softmax(logits)[..., 1:]
        is_region = ops.any(regions > 0, axis=-1, keepdims=True)
        scores = ops.where(is_region & (scores > self.score), scores, 0.0)
        classes = scores.shape[-1]
        scores, index = top_k(ops.reshape(scores, (ops.shape(scores)[0], -1)), self.candidates)
        deltas = ops.reshape(deltas[:, :, 1:], (ops.shape(deltas)[0], -1, 4))
        deltas = ops.take_along_axis(deltas, index[..., None], axis=1)
        regions = ops.take_along_axis(regions, ops.cast(index // classes, "int32")[..., None], axis=1)
        return decode(deltas, regions, WEIGHTS), scores, ops.cast(index % classes, "int32")
