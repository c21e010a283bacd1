"""R-CNN: a classifier that judges each proposed region on its own, cut out of the image and warped to one size.

>>> model = zoo.rcnn((256, 256, 3), 2, encoder="resnet18", side=64, units=(256, 256))
>>> model.compile("adam")
>>> model.fit([images, regions], zoo.detection_targets(boxes, classes))
>>> detections = zoo.detector(model).predict([images, regions])
"""

import keras
from keras import layers, ops

from zoo.arguments import Count, Shape, Whole, convert, image_shape
from zoo.classify.features import classifier_features, verify_classifier
from zoo.detect.region_classifier import CROP_ENCODER, RegionClassifier, region_inputs, region_predictions
from zoo.detect.roi_align import roi_align
from zoo.registry import register


@register(
    task="detect",
    source="https://arxiv.org/abs/1311.2524",
    example={"input_shape": (375, 500, 3), "classes": 20},
)
def rcnn(
    input_shape: Shape,
    classes: Count,
    *,
    encoder: str = "alexnet",
    side: Count = 227,
    context: Whole = 16,
    units: tuple[Count, Count] = (4096, 4096),
    name: str = "rcnn",
) -> keras.Model:
    """R-CNN: a classifier that judges each proposed region on its own, cut out of the image and warped to one size.

    [images (B, H, W, C), regions (B, R, 4)] float  ->  (B, R, 4 + 5 (classes + 1)): corners of the region [pixels],
    logits and deltas of the background and of each class.

    Another method proposes the regions: corners x1, y1, x2, y2 [pixels], rows of 0 where there are fewer. Every region
    runs through the whole encoder, which is why `fast_rcnn` followed. `model.compile` takes no loss, and `model.fit`
    takes `zoo.detection_targets`, as `zoo.detect.region_classifier.RegionClassifier` describes.

    Args:
        input_shape: (H, W, C) of one image [pixels]; H and W may be None.
        classes: number of classes without the background.
        encoder: name of a classifier with feature maps.
        side: side of a warped region [pixels].
        context: pixels of the image around the region, along each side of the warped one.
        units: number of units of the two dense layers.
        name: the model's name.
    Returns:
        Uncompiled functional model; 57,298,409 parameters at the defaults with 20 classes.
    Raises:
        ValueError: if the encoder is no classifier, or `context` leaves no pixels of the region.

    Source: Girshick, Donahue, Darrell, Malik 2014, sections 2 and 3, appendices A and C.
    Differs: classes are judged by a softmax layer, in the paper by a linear support vector machine for each class.
        Boxes are corrected from the features of the last dense layer, in the paper by a ridge regression on those of
        the last pooling. Both are trained together with the encoder. Pixels outside of the image are 0.
    """
    image_shape(name, input_shape, at_least=1)
    verify_classifier(name, encoder)
    if 2 * context >= side:
        raise ValueError(f"{name}: `context` must be less than half of `side`, {side}, got {context}.")
    image, regions = region_inputs(input_shape)
    crops = WarpedRegions(side, context, name="region_features")([image, regions])
    crop = layers.Input((side, side, input_shape[-1]), name="crop")
    features = keras.Model(crop, classifier_features(encoder)(crop)[-1], name=CROP_ENCODER)(crops)
    return RegionClassifier([image, regions], region_predictions(regions, features, classes, units), name=name)


@keras.saving.register_keras_serializable("zoo")
class WarpedRegions(layers.Layer):
    """Cuts regions out of images, warped to one size. Call: `WarpedRegions(side, context)([image, regions])`.

    (B, H, W, C), (B, R, 4) [pixels]  ->  (B R, side, side, C) float32. The regions have no gradient.

    Args:
        side: of a warped region [pixels].
        context: pixels around the region, along each side of the warped one.
        **kwargs: passed to `keras.layers.Layer`.

    Source: Girshick et al. 2014, https://arxiv.org/abs/1311.2524, appendix A, figure 7 D.
    """

    def __init__(self, side, context=0, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})
        self.side = convert(side, Count, "WarpedRegions: `side`")
        self.context = convert(context, Whole, "WarpedRegions: `context`")

    def call(self, inputs):
        image, regions = inputs
        batch, height, width, channels = ops.shape(image)
        regions = ops.stop_gradient(regions)
        low, high = regions[..., :2], regions[..., 2:]
        border = (high - low) * (self.context / (self.side - 2 * self.context))
        # A pixel's value is at its center, and that of a cell at its index
        expanded = ops.concatenate([low - border, high + border], axis=-1) - 0.5
        pixels = ops.reshape(image, (batch, height * width, channels))
        crops = roi_align(pixels, expanded, self.side, (0, height, width, 1), samples=1)
        return ops.reshape(crops, (-1, self.side, self.side, channels))

    def compute_output_shape(self, input_shape):
        (batch, _, _, channels), (_, count, _) = input_shape
        return (None if None in (batch, count) else batch * count, self.side, self.side, channels)

    def macs(self, shapes):
        """Interpolation is not counted."""
        return 0

    def get_config(self):
        return {**super().get_config(), "side": self.side, "context": self.context}
