"""Localization: the class of an image's main object, and one box around it."""

import keras
from keras import layers, ops

from zoo.arguments import Count, NonNegative, Shape, checked, image_shape
from zoo.classify.features import classifier_features, verify_classifier
from zoo.detect.boxes import area, generalized_iou
from zoo.detect.detections import Detections
from zoo.registry import register

BETA = 0.1  # error of a relative coordinate from which the loss is linear


@register(
    task="detect",
    source="https://arxiv.org/abs/1312.6229",
    example={"input_shape": (224, 224, 3), "classes": 1000},
)
def localizer(
    input_shape: Shape,
    classes: Count,
    *,
    encoder: str = "resnet50",
    name: str = "localizer",
) -> keras.Model:
    """Localizer: a classifier with a second output, the box around the main object of the image.

    (B, H, W, C) float  ->  (B, 1, 4 + classes): corners of the box [pixels], and logits of a softmax.

    `zoo.detector` returns the model with the box, its score and its class. `zoo.LocalizerLoss` trains it on
    `zoo.detection_targets`; of several objects in an image it is the largest that counts.

    Args:
        input_shape: (H, W, C) of one image [pixels].
        classes: number of classes.
        encoder: name of a classifier, such as resnet18, mobilenet_v2 or efficientnet_lite0.
        name: the model's name.
    Returns:
        Uncompiled functional model; the heads have (M + 1) (classes + 4) parameters, where the encoder's last map has M
        filters.
    Raises:
        ValueError: if the encoder is no classifier, or the image is too small for it.

    Source: Sermanet et al. 2013, section 4: the regression of a box by the features of a classifier.
    Differs: the features are averaged over the map, and the box is one for all classes, of center and size that are
        sigmoids, as an image has one object here. The paper regresses boxes at many places and scales and merges them.
    """
    image_shape(name, input_shape, at_least=1)
    verify_classifier(name, encoder)
    image = layers.Input(input_shape, name="image")
    last = classifier_features(encoder)(image)[-1]
    x = layers.GlobalAveragePooling2D(name="pool")(last)
    logits = layers.Dense(classes, dtype="float32", name="head")(x)
    box = layers.Dense(4, "sigmoid", dtype="float32", name="head_box")(x)
    return keras.Model(image, ObjectPrediction(name="prediction")([box, logits, image]), name=name)


@keras.saving.register_keras_serializable("zoo")
class ObjectPrediction(layers.Layer):
    """Joins a box and the logits of its class. Call: `ObjectPrediction()([box, logits, image])`.

    (B, 4) center x, y, width and height from 0 to 1, (B, C), (B, H, W, bands)  ->  (B, 1, 4 + C) float32: corners
    x1, y1, x2, y2 within the image [pixels], and logits.

    Args:
        **kwargs: passed to `keras.layers.Layer`.
    """

    def __init__(self, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})

    def call(self, inputs):
        box, logits, image = inputs
        center, half = box[:, :2], box[:, 2:] / 2
        corners = ops.clip(ops.concatenate([center - half, center + half], axis=-1), 0.0, 1.0)
        return ops.concatenate([corners * image_sides(image), logits], axis=-1)[:, None]

    def compute_output_shape(self, input_shape):
        return (input_shape[0][0], 1, 4 + input_shape[1][-1])

    def macs(self, shapes):
        """Copies are not counted."""
        return 0


def image_sides(image):
    """Returns (4,) float32: width, height, width and height of a batch of images [pixels]."""
    _, height, width, _ = ops.shape(image)
    return ops.cast(ops.stack([width, height, width, height]), "float32")


@keras.saving.register_keras_serializable("zoo")
class ObjectDetections(Detections):
    """The box of `ObjectPrediction`, its score and class. Call: `ObjectDetections()([prediction, image])`.

    (B, 1, 4 + C), (B, H, W, bands)  ->  (B, 1, 6) float32: x1, y1, x2, y2, score and class; -1 where the score is below
    `score`. Of the arguments of `Detections`, `score` and `normalized` have a meaning.
    """

    def call(self, inputs):
        prediction, image = inputs
        corners, probabilities = prediction[..., :4], ops.softmax(prediction[..., 4:])
        if self.normalized:
            corners = corners / image_sides(image)
        score = ops.max(probabilities, axis=-1, keepdims=True)
        index = ops.cast(ops.argmax(probabilities, axis=-1), "float32")[..., None]
        return ops.where(score >= self.score, ops.concatenate([corners, score, index], axis=-1), -1.0)

    def compute_output_shape(self, input_shape):
        return (input_shape[0][0], 1, 6)


@keras.saving.register_keras_serializable("zoo")
class LocalizerLoss(keras.losses.Loss):
    """Cross-entropy of the class plus the error of the box of an image's largest object.

    targets (B, N, 5) as `zoo.detection_targets` returns them, predictions (B, 1, 4 + C) of `localizer`  ->  a number.

    The error of the box is the mean smooth absolute error of its corners, as a fraction of the sides of the hull of
    both boxes, plus 1 - generalized IoU. An image without an object does not count.

    Args:
        box_weight: factor of the box's error.
        **kwargs: as `keras.losses.Loss` has them.

    Source: Rezatofighi et al. 2019, https://arxiv.org/abs/1902.09630, for the generalized IoU.
    """

    @checked
    def __init__(self, box_weight: NonNegative = 1.0, **kwargs):
        super().__init__(**{"name": "localizer_loss", **kwargs})
        self.box_weight = box_weight

    def call(self, y_true, y_pred):
        """Returns the loss of each image, (B,)."""
        y_true = ops.pad(y_true, ((0, 0), (0, 1), (0, 0)), constant_values=-1)  # a row where there is none
        is_object = y_true[..., 4] >= 0
        largest = ops.argmax(ops.where(is_object, area(y_true[..., :4]), -1.0), axis=-1)
        target = ops.take_along_axis(y_true, largest[:, None, None], axis=1)[:, 0]
        has_object = ops.cast(target[:, 4] >= 0, y_pred.dtype)
        box, logits = y_pred[:, 0, :4], y_pred[:, 0, 4:]
        expected = ops.where(target[:, 4:] >= 0, target[:, :4], ops.convert_to_tensor([0.0, 0.0, 1.0, 1.0]))
        index = ops.maximum(ops.cast(target[:, 4], "int32"), 0)
        cross_entropy = keras.losses.sparse_categorical_crossentropy(index, logits, from_logits=True)
        low, high = ops.minimum(box[:, :2], expected[:, :2]), ops.maximum(box[:, 2:], expected[:, 2:])
        sides = ops.stop_gradient(ops.tile(ops.maximum(high - low, 1e-3), (1, 2)))
        error = keras.losses.huber(expected / sides, box / sides, delta=BETA) / BETA
        error = error + 1 - generalized_iou(box, expected)
        return has_object * (cross_entropy + self.box_weight * error)

    def get_config(self):
        return {**super().get_config(), "box_weight": self.box_weight}
