"""Faster R-CNN: regions that a first stage proposes, and the class and box of each from a second one.

Targets are those of `retinanet`: boxes (B, N, 4) with corners x1, y1, x2, y2 [pixels of the model's image] and classes
(B, N), padded with -1, which `detection_targets` joins. The model has its loss, as the second stage trains on regions
that are chosen with the targets:

>>> model = zoo.faster_rcnn((256, 256, 3), 2, encoder="resnet18")
>>> model.compile("adam")
>>> model.fit(images, zoo.detection_targets(boxes, classes))
>>> detections = zoo.detector(model).predict(images)
"""

import keras
from keras import initializers, layers

from zoo.arguments import Count, Shape, image_shape
from zoo.detect.anchors import ASPECT_RATIOS
from zoo.detect.level_predictions import LevelPredictions
from zoo.detect.proposals import RegionProposals
from zoo.detect.pyramid import FILTERS, encoder_maps, feature_pyramid, freeze_norms
from zoo.detect.region_predictions import RegionPredictions
from zoo.detect.roi_align import RoIAlign
from zoo.detect.two_stage import TwoStageDetector, apply_head, head_layers
from zoo.registry import register, variant

PYRAMID_SCALES = (2, 3, 4, 5)  # of the encoder's maps; the pyramid has one more level for proposals
SINGLE_SCALE = 4  # without a pyramid
SIZE = 7  # bins along each side of a region


@register(
    task="detect",
    source="https://arxiv.org/abs/1506.01497",
    example={"input_shape": (800, 800, 3), "classes": 90},
)
def faster_rcnn(
    input_shape: Shape,
    classes: Count,
    *,
    encoder: str = "resnet50",
    pyramid: bool = True,
    filters: Count = FILTERS,
    units: tuple[Count, Count] = (1024, 1024),
    anchor_sizes: tuple[Count, ...] = (32, 64, 128, 256, 512),
    proposals: Count = 1000,
    freeze_batch_norm: bool = False,
    name: str = "faster_rcnn",
) -> keras.Model:
    """Faster R-CNN: a region proposal network on the maps of an encoder, and two dense layers that judge each region.

    (B, H, W, C) float  ->  (B, proposals, 4 + 5 (classes + 1)): corners of the region [pixels], logits and deltas of
    the background and of each class; and, for the training, (B, anchors, 9): corners of the anchor, deltas, and the
    logit of an object; and the cells of the maps.

    `zoo.detector` returns the model with boxes after non-maximum suppression. `model.compile` takes no loss, and
    `model.fit` takes `zoo.detection_targets`, as `zoo.detect.two_stage.TwoStageDetector` describes.

    Args:
        input_shape: (H, W, C) of one image [pixels]; H and W are divisible by 32, or None.
        classes: number of classes without the background. torchvision counts it too.
        encoder: name of a classifier with maps at the strides 4, 8, 16 and 32, such as resnet18, mobilenet_v2 or
            efficientnet_lite0 for small machines.
        pyramid: whether regions are read from a feature pyramid. If not, from the encoder's map at the stride 16.
        filters: number of filters of the pyramid and of the region proposal network.
        units: number of units of the two dense layers.
        anchor_sizes: square root of the area of the anchors [pixels], in three aspect ratios: one size for each of the
            five levels of a pyramid, at the strides 4 to 64; without a pyramid any number.
        proposals: number of regions of an image. Training samples at most 512 of them.
        freeze_batch_norm: whether the encoder's batch normalization keeps its weights and statistics in training, as
            is usual with pretrained weights and batches of few images.
        name: the model's name.
    Returns:
        Uncompiled functional model; 41,755,286 trainable parameters with 90 classes and frozen batch normalization,
        which has another 106,240; 137,078,239 for the variant `faster_rcnn_vgg16` with 20 classes.
    Raises:
        ValueError: if H or W is not divisible by 32, the encoder lacks these maps, or a pyramid has not five sizes.

    Source: Ren, He, Girshick, Sun 2015, section 3; the pyramid is that of Lin et al. 2017,
        https://arxiv.org/abs/1612.03144, section 4, with the values of torchvision's `fasterrcnn_resnet50_fpn`.
    Differs: regions are read by RoIAlign in both forms, not by RoIPool. Anchors across the image's border take part in
        the training. Both as in torchvision.
    """
    image, outputs, _ = region_graph(
        name, input_shape, classes, encoder, pyramid, filters, units, anchor_sizes, proposals
    )
    model = TwoStageDetector(image, outputs, name=name)
    return freeze_norms(model) if freeze_batch_norm else model


faster_rcnn_vgg16 = variant(
    faster_rcnn,
    "faster_rcnn_vgg16",
    example={"input_shape": (608, 800, 3), "classes": 20},
    encoder="vgg16",
    pyramid=False,
    filters=512,
    units=(4096, 4096),
    anchor_sizes=(128, 256, 512),
    proposals=300,
)


def region_graph(name, input_shape, classes, encoder, pyramid, filters, units, anchor_sizes, proposals):
    """Returns the graph that all detectors of two stages have.

    Returns:
        image, outputs of a `TwoStageDetector`, strides of the maps that regions are read from.
    """
    image_shape(name, input_shape, at_least=32, multiple=32)
    image = layers.Input(input_shape, name="image")
    maps = encoder_maps(name, image, encoder, PYRAMID_SCALES if pyramid else (SINGLE_SCALE,))
    levels = feature_pyramid(maps, filters) if pyramid else maps
    strides = [2**scale for scale in levels]
    cells = [layers.Reshape((-1, x.shape[-1]), name=f"cells{scale}")(x) for scale, x in levels.items()]
    cells = layers.Concatenate(axis=1, dtype="float32", name="cells")(cells)  # of a single map, too: in float32
    predictions = _proposal_network(name, image, levels, pyramid, filters, anchor_sizes)
    regions = RegionProposals(proposals, name="proposals")([*predictions, image])
    features = RoIAlign(SIZE, strides, name="region_features")([cells, regions, image])
    logits, deltas = apply_head(head_layers(classes + 1, units).get, features)
    of_regions = RegionPredictions(name="region_predictions")([regions, logits, deltas])
    of_anchors = layers.Concatenate(axis=1, dtype="float32", name="anchor_predictions")(predictions)
    return image, [of_regions, of_anchors, cells], strides


def _proposal_network(name, image, levels, pyramid, filters, anchor_sizes):
    """Returns the predictions for the anchors of each level, of layers that the levels share."""
    if pyramid:
        coarsest = max(levels)
        pooled = layers.MaxPooling2D(1, strides=2, name=f"pyramid{coarsest + 1}")(levels[coarsest])
        levels = {**levels, coarsest + 1: pooled}
        if len(anchor_sizes) != len(levels):
            raise ValueError(
                f"{name}: `anchor_sizes` must be {len(levels)} sizes, one for each level of the pyramid, got "
                f"{anchor_sizes}."
            )
    sizes = [(size,) for size in anchor_sizes] if pyramid else [anchor_sizes]
    logits_per_anchor = 1 if pyramid else 2  # the paper has background and object (section 3.1)
    anchors = len(sizes[0]) * len(ASPECT_RATIOS)
    options = {"kernel_initializer": initializers.RandomNormal(stddev=0.01), "padding": "same"}
    hidden = layers.Conv2D(filters, 3, activation="relu", name="proposal_conv", **options)
    objectness = layers.Conv2D(anchors * logits_per_anchor, 1, dtype="float32", name="proposal_logits", **options)
    deltas = layers.Conv2D(anchors * 4, 1, dtype="float32", name="proposal_deltas", **options)
    predictions = []
    for (scale, level), level_sizes in zip(levels.items(), sizes, strict=True):
        x = hidden(level)
        predictions.append(LevelPredictions(level_sizes, name=f"level{scale}")([objectness(x), deltas(x), image]))
    return predictions
