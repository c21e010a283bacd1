"""The detector of a trained model: boxes, scores and classes after non-maximum suppression."""

import keras

from zoo.arguments import Count, Fraction, checked
from zoo.detect.detections import Detections, RelativeCorners
from zoo.detect.level_predictions import LevelPredictions
from zoo.detect.localizer import ObjectDetections, ObjectPrediction
from zoo.detect.masks import MaskDetector, detection_masks
from zoo.detect.region_predictions import RegionDetections
from zoo.detect.two_stage import TwoStageDetector


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
    Of `zoo.mask_rcnn` also (B, detections, 28, 28): probability of the object in each cell of its box, which
    `zoo.paste_masks` brings into the image. Of `zoo.localizer` (B, 1, 6).

    Args:
        model: built by `zoo.localizer`, `zoo.retinanet`, `zoo.rcnn`, `zoo.fast_rcnn`, `zoo.faster_rcnn` or
            `zoo.mask_rcnn`, trained or not. Of the two with proposed regions, the detector takes [images, regions].
        score: smallest score, 0 to 1.
        iou: IoU above which the box with the lower score of two of one class is removed.
        detections: largest number of boxes per image.
        normalized: whether coordinates are fractions of the image's width and height; if not, pixels.
    Returns:
        `keras.Model`.
    Raises:
        ValueError: if the model is no detector of the zoo.
    """
    options = {"score": score, "iou": iou, "detections": detections, "normalized": normalized, "name": "detections"}
    if isinstance(model, MaskDetector):
        in_pixels = RegionDetections(**{**options, "normalized": False})([model.outputs[0], model.input])
        masks = detection_masks(model.get_layer, model.outputs[2], in_pixels, model.input)
        boxes = RelativeCorners(name="relative_detections")([in_pixels, model.input]) if normalized else in_pixels
        outputs = [boxes, masks]
    elif isinstance(model, TwoStageDetector):
        outputs = RegionDetections(**options)([model.outputs[0], model.inputs[0]])
    elif isinstance(model.layers[-1], ObjectPrediction):
        outputs = ObjectDetections(**options)([model.outputs[0], model.input])
    elif levels := [layer.output for layer in level_layers(model)]:
        outputs = Detections(**options)([*levels, model.input])
    else:
        raise ValueError(f"detector: `model` must be built by zoo.retinanet or another detector, got {model.name}.")
    return keras.Model(model.input, outputs, name=model.name)


def detector_classes(model):
    """Returns the number of classes of a detector of boxes, without the background; None for other models."""
    if isinstance(model, TwoStageDetector):
        return (model.outputs[0].shape[-1] - 4) // 5 - 1
    if isinstance(model.layers[-1], ObjectPrediction):
        return model.output_shape[-1] - 4
    widths = {layer.output.shape[-1] for layer in level_layers(model)}
    return model.output_shape[-1] - 8 if widths == {model.output_shape[-1]} else None


def level_layers(model):
    """Returns the layers with the predictions for the anchors of each level."""
    return [layer for layer in model.layers if isinstance(layer, LevelPredictions)]
