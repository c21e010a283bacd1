"""Fast R-CNN: the map of an encoder, and two dense layers that judge proposed regions of it.

>>> model = zoo.fast_rcnn((256, 256, 3), 2, encoder="resnet18", units=(256, 256))
>>> model.compile("adam")
>>> model.fit([images, regions], zoo.detection_targets(boxes, classes))
>>> detections = zoo.detector(model).predict([images, regions])
"""

import keras
from keras import layers

from zoo.arguments import Count, Shape, image_shape
from zoo.detect.pyramid import encoder_maps, freeze_norms
from zoo.detect.region_classifier import RegionClassifier, region_inputs, region_predictions
from zoo.detect.roi_pool import RoIPool
from zoo.registry import register

SCALE = 4  # base-2 logarithm of the stride of the map
SIZE = 7  # bins along each side of a region


@register(
    task="detect",
    source="https://arxiv.org/abs/1504.08083",
    example={"input_shape": (608, 800, 3), "classes": 20},
)
def fast_rcnn(
    input_shape: Shape,
    classes: Count,
    *,
    encoder: str = "vgg16",
    units: tuple[Count, Count] = (4096, 4096),
    freeze_batch_norm: bool = False,
    name: str = "fast_rcnn",
) -> keras.Model:
    """Fast R-CNN: the map of an encoder, and two dense layers that judge proposed regions of it.

    [images (B, H, W, C), regions (B, R, 4)] float  ->  (B, R, 4 + 5 (classes + 1)): corners of the region [pixels],
    logits and deltas of the background and of each class; and, for the training, the map at the stride 16.

    Another method proposes the regions: corners x1, y1, x2, y2 [pixels], rows of 0 where there are fewer. The encoder
    computes its map once for all regions, and each is pooled to 7 x 7 bins. `model.compile` takes no loss, and
    `model.fit` takes `zoo.detection_targets`, as `zoo.detect.region_classifier.RegionClassifier` describes.

    Args:
        input_shape: (H, W, C) of one image [pixels]; H and W are divisible by 32, or None.
        classes: number of classes without the background.
        encoder: name of a classifier with a map at the stride 16.
        units: number of units of the two dense layers.
        freeze_batch_norm: whether the encoder's batch normalization keeps its weights and statistics in training.
        name: the model's name.
    Returns:
        Uncompiled functional model; 134,690,729 parameters at the defaults with 20 classes.
    Raises:
        ValueError: if H or W is not divisible by 32, or the encoder lacks the map.

    Source: Girshick 2015, sections 2 and 3.
    Differs: the dense layers have no dropout.
    """
    image_shape(name, input_shape, at_least=32, multiple=32)
    image, regions = region_inputs(input_shape)
    maps = encoder_maps(name, image, encoder, (SCALE,))[SCALE]
    maps = layers.Activation("linear", dtype="float32", name="map")(maps)
    features = RoIPool(SIZE, 2**SCALE, name="region_features")([maps, regions])
    model = RegionClassifier([image, regions], [region_predictions(regions, features, classes, units), maps], name=name)
    return freeze_norms(model) if freeze_batch_norm else model
