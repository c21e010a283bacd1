"""Boxes, scores and classes from the predictions for anchors, after non-maximum suppression."""

import keras
from keras import layers, ops

from zoo.arguments import Count, Fraction, convert
from zoo.detect.boxes import clip, decode
from zoo.detect.level_predictions import split_predictions
from zoo.detect.nms import non_max_suppression
from zoo.detect.top_k import top_k


@keras.saving.register_keras_serializable("zoo")
class Detections(layers.Layer):
    """Decodes the predictions of all levels and removes duplicates. Call: `Detections()([*levels, image])`.

    L times (B, A, 8 + C) of `LevelPredictions`, (B, H, W, bands)  ->  (B, detections, 6) float32: x1, y1, x2, y2, score
    and class, best first; -1 in rows without a box.

    An anchor may have boxes of several classes. Of each level, at most `candidates` pairs of anchor and class whose
    score is above `score` take part.

    Args:
        score: smallest score.
        iou: IoU above which the box with the lower score of two of one class is removed.
        detections: largest number of boxes per image.
        candidates: largest number of boxes per level before non-maximum suppression.
        normalized: whether coordinates are fractions of the image's width and height; if not, pixels.
        **kwargs: passed to `keras.layers.Layer`.

    Source: torchvision's `RetinaNet.postprocess_detections`.
    """

    min_side = 0.0  # of a box [pixels]

    def __init__(self, score=0.05, iou=0.5, detections=100, candidates=1000, normalized=False, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.score = convert(score, Fraction, "Detections: `score`")
        self.iou = convert(iou, Fraction, "Detections: `iou`")
        self.detections = convert(detections, Count, "Detections: `detections`")
        self.candidates = convert(candidates, Count, "Detections: `candidates`")
        self.normalized = convert(normalized, bool, "Detections: `normalized`")
        self.activation = keras.activations.sigmoid  # of the logits

    def call(self, inputs):
        *levels, image = inputs
        _, height, width, _ = ops.shape(image)
        boxes, scores, classes = (ops.concatenate(x, axis=1) for x in zip(*map(self._candidates, levels), strict=True))
        boxes = clip(boxes, height, width)
        is_box = ops.all(boxes[..., 2:] - boxes[..., :2] >= self.min_side, axis=-1)
        scores = ops.where(is_box, scores, 0.0)
        index = non_max_suppression(boxes, scores, classes, self.iou, self.detections)[..., None]
        if self.normalized:
            boxes = boxes / ops.cast(ops.stack([width, height, width, height]), boxes.dtype)
        rows = ops.concatenate([boxes, scores[..., None], ops.cast(classes, boxes.dtype)[..., None]], axis=-1)
        return ops.where(index >= 0, ops.take_along_axis(rows, ops.maximum(index, 0), axis=1), -1.0)

    def _candidates(self, predictions):
        """Returns boxes (B, K, 4), scores (B, K) and classes (B, K) of the best pairs of anchor and class."""
        anchors, deltas, logits = split_predictions(predictions)
        classes = logits.shape[-1]
        count = ops.shape(logits)[1] * classes
        scores = ops.reshape(self.activation(logits), (-1, count))
        scores = ops.where(scores > self.score, scores, 0.0)
        scores, index = top_k(scores, self.candidates)
        anchor = ops.cast(index // classes, "int32")[..., None]
        anchors, deltas = (ops.take_along_axis(x, anchor, axis=1) for x in (anchors, deltas))
        return decode(deltas, anchors), scores, ops.cast(index % classes, "int32")

    def compute_output_shape(self, input_shape):
        return (input_shape[0][0], self.detections, 6)

    def macs(self, shapes):
        """Decoding and comparisons are not counted."""
        return 0

    def get_config(self):
        names = ("score", "iou", "detections", "candidates", "normalized")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}


@keras.saving.register_keras_serializable("zoo")
class RelativeCorners(layers.Layer):
    """Divides corners by the image's width and height. Call: `RelativeCorners()([detections, image])`.

    (B, D, 6) of `Detections` in pixels, (B, H, W, bands)  ->  (B, D, 6); rows without a box stay -1.

    Args:
        **kwargs: passed to `keras.layers.Layer`.
    """

    def __init__(self, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})

    def call(self, inputs):
        rows, image = inputs
        _, height, width, _ = ops.shape(image)
        sides = ops.cast(ops.stack([width, height, width, height, 1, 1]), rows.dtype)
        return ops.where(rows[..., 5:] >= 0, rows / sides, rows)

    def compute_output_shape(self, input_shape):
        return tuple(input_shape[0])

    def macs(self, shapes):
        """Divisions are not counted."""
        return 0
