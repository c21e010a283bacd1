"""RetinaNet: boxes from anchors at five scales in one pass, trained with the focal loss.

Targets are boxes (B, N, 4) with corners x1, y1, x2, y2 [pixels of the model's image] and classes (B, N), padded with
-1; `detection_targets` joins them to the (B, N, 5) that `RetinaNetLoss` takes. The model predicts, for each anchor, the
anchor, four deltas and the logit of each class; it is trained by Keras' own `fit`:

>>> model = zoo.retinanet((256, 256, 3), 2, encoder="resnet18")
>>> model.compile("adam", zoo.RetinaNetLoss())
>>> model.fit(images, zoo.detection_targets(boxes, classes))

`zoo.detector` returns the model with non-maximum suppression. Its output is (B, D, 6): the corners of D boxes, score
and class, best first; rows without a box are -1.

>>> detections = zoo.detector(model).predict(images)
"""

import keras
from keras import initializers, layers

from zoo.arguments import Count, Shape, image_shape
from zoo.detect.anchors import ASPECT_RATIOS
from zoo.detect.level_predictions import LevelPredictions, octave_sizes
from zoo.detect.pyramid import FILTERS, coarser_levels, encoder_maps, feature_pyramid, freeze_norms
from zoo.registry import register

PRIOR = 0.01  # probability of every class of an anchor before training (section 4.1)
SCALES = (3, 4, 5)  # of the encoder's maps; the pyramid has two more
OCTAVES = 3  # sizes of anchors per level


@register(
    task="detect",
    source="https://arxiv.org/abs/1708.02002",
    example={"input_shape": (800, 800, 3), "classes": 91},
)
def retinanet(
    input_shape: Shape,
    classes: Count,
    *,
    encoder: str = "resnet50",
    filters: Count = FILTERS,
    depth: Count = 4,
    anchor_sizes: tuple[Count, Count, Count, Count, Count] = (32, 64, 128, 256, 512),
    freeze_batch_norm: bool = False,
    name: str = "retinanet",
) -> keras.Model:
    """RetinaNet: a feature pyramid with anchors at five strides, 8 to 128, and two heads that the levels share.

    (B, H, W, C) float  ->  (B, anchors, 8 + classes): corners of the anchor [pixels], deltas, and logits of sigmoids.

    `zoo.detector` returns the model with boxes after non-maximum suppression; `zoo.RetinaNetLoss` trains it on
    `zoo.detection_targets`.

    Args:
        input_shape: (H, W, C) of one image [pixels]; H and W are divisible by 32, or None.
        classes: number of classes; none is needed for the background.
        encoder: name of a classifier with maps at the strides 8, 16 and 32, such as resnet18, mobilenet_v2 or
            efficientnet_lite0 for small machines.
        filters: number of filters of the pyramid and of the heads.
        depth: number of convolutions of each head before its last one.
        anchor_sizes: side of the smallest square anchor of each level [pixels]; the level has those of 1, 1.26 and
            1.59 times that, in three aspect ratios. Smaller ones suit smaller objects.
        freeze_batch_norm: whether the encoder's batch normalization keeps its weights and statistics in training, as
            is usual with pretrained weights and batches of few images.
        name: the model's name.
    Returns:
        Uncompiled functional model; 34,014,999 trainable parameters with 91 classes and frozen batch normalization,
        which has another 106,240.
    Raises:
        ValueError: if H or W is not divisible by 32, or the encoder lacks these maps.

    Source: Lin, Goyal, Girshick, He, Dollár 2017, section 4 and figure 3; initialization as in section 4.1.
    Differs: as in torchvision, P6 is computed from P5, anchors have whole pixels and start at the image's corner.
    """
    image_shape(name, input_shape, at_least=32, multiple=32)
    image = layers.Input(input_shape, name="image")
    maps = encoder_maps(name, image, encoder, SCALES)
    levels = coarser_levels(feature_pyramid(maps, filters), filters)
    anchors = OCTAVES * len(ASPECT_RATIOS)
    class_head = _head(filters, depth, "class")
    class_head.append(_head_conv(anchors * classes, "head", initializers.Constant(-keras.ops.log((1 - PRIOR) / PRIOR))))
    box_head = [*_head(filters, depth, "box"), _head_conv(anchors * 4, "box_deltas")]
    predictions = []
    for (scale, level), size in zip(levels.items(), anchor_sizes, strict=True):
        logits, deltas = _apply(class_head, level), _apply(box_head, level)
        predictions.append(LevelPredictions(octave_sizes(size), name=f"level{scale}")([logits, deltas, image]))
    outputs = layers.Concatenate(axis=1, dtype="float32", name="predictions")(predictions)
    model = keras.Model(image, outputs, name=name)
    return freeze_norms(model) if freeze_batch_norm else model


def _head(filters, depth, name):
    """Returns the layers of a head but the last one, which all levels share."""
    head = []
    for i in range(depth):
        head += [_conv(filters, f"{name}_conv{i}"), layers.Activation("relu", name=f"{name}_relu{i}")]
    return head


def _conv(filters, name, **options):
    options = {"kernel_initializer": initializers.RandomNormal(stddev=0.01), **options}
    return layers.Conv2D(filters, 3, padding="same", name=name, **options)


def _head_conv(filters, name, bias_initializer="zeros"):
    return _conv(filters, name, bias_initializer=bias_initializer, dtype="float32")


def _apply(head, x):
    for layer in head:
        x = layer(x)
    return x
