"""Boxes, scores and classes from a detector's predictions, after non-maximum suppression."""

import keras
from keras import layers, ops

from zoo.arguments import Count, Fraction, checked, convert
from zoo.detect.boxes import clip, decode
from zoo.detect.level_predictions import LevelPredictions, split_predictions
from zoo.detect.nms import non_max_suppression


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
        count = min(self.candidates, count) if isinstance(count, int) else ops.minimum(self.candidates, count)
        scores, index = ops.top_k(scores, count)
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


@checked
def detector(
    model: keras.Model,
    *,
    score: Fraction = 0.05,
    iou: Fraction = 0.5,
    detections: Count = 100,
    normalized: bool = False,
) -> keras.Model:
    """Returns a detector whose output is boxes after non-maximum suppression. It has the same layers and weights.

    (B, H, W, C)  ->  (B, detections, 6) float32: x1, y1, x2, y2, score and class, best first; -1 in rows without a box.

    Args:
        model: built by `zoo.retinanet`, trained or not.
        score: smallest score, 0 to 1.
        iou: IoU above which the box with the lower score of two of one class is removed.
        detections: largest number of boxes per image.
        normalized: whether coordinates are fractions of the image's width and height; if not, pixels.
    Returns:
        `keras.Model`.
    Raises:
        ValueError: if the model is no detector of the zoo.
    """
    levels = [layer.output for layer in model.layers if isinstance(layer, LevelPredictions)]
    if not levels:
        raise ValueError(f"detector: `model` must be built by zoo.retinanet, got {model.name}.")
    options = {"score": score, "iou": iou, "detections": detections, "normalized": normalized}
    return keras.Model(model.input, Detections(**options, name="detections")([*levels, model.input]), name=model.name)
