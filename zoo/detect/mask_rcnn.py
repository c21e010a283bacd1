"""Mask R-CNN: Faster R-CNN with the mask of each object in its box.

>>> model = zoo.mask_rcnn((256, 256, 3), 2, encoder="resnet18")
>>> model.compile("adam")
>>> model.fit(images, zoo.mask_targets(boxes, classes, masks))
>>> detections, masks = zoo.detector(model).predict(images)
>>> of_first_image = zoo.paste_masks(detections[0], masks[0], 256, 256)
"""

import keras

from zoo.arguments import Count, Shape
from zoo.detect.faster_rcnn import region_graph
from zoo.detect.masks import SIDE, MaskDetector, detection_masks, mask_layers
from zoo.detect.pyramid import FILTERS, freeze_norms
from zoo.detect.region_predictions import RegionDetections
from zoo.detect.roi_align import RoIAlign
from zoo.registry import register


@register(
    task="detect",
    source="https://arxiv.org/abs/1703.06870",
    example={"input_shape": (800, 800, 3), "classes": 90},
)
def mask_rcnn(
    input_shape: Shape,
    classes: Count,
    *,
    encoder: str = "resnet50",
    filters: Count = FILTERS,
    units: tuple[Count, Count] = (1024, 1024),
    anchor_sizes: tuple[Count, Count, Count, Count, Count] = (32, 64, 128, 256, 512),
    proposals: Count = 1000,
    freeze_batch_norm: bool = False,
    name: str = "mask_rcnn",
) -> keras.Model:
    """Mask R-CNN: Faster R-CNN on a feature pyramid, and a small network that draws the mask of each box.

    (B, H, W, C) float  ->  the outputs of `faster_rcnn`, and the masks (B, 100, 28, 28) of the 100 best boxes.

    `zoo.detector` returns the model with boxes after non-maximum suppression and their masks. `model.compile` takes no
    loss, and `model.fit` takes `zoo.mask_targets`, as `zoo.detect.masks.MaskDetector` describes.

    Args:
        input_shape: (H, W, C) of one image [pixels]; H and W are divisible by 32, or None.
        classes: number of classes without the background. torchvision counts it too.
        encoder: name of a classifier with maps at the strides 4, 8, 16 and 32, such as resnet18, mobilenet_v2 or
            efficientnet_lite0 for small machines.
        filters: number of filters of the pyramid, of the region proposal network and of the mask network.
        units: number of units of the two dense layers.
        anchor_sizes: square root of the area of the anchors of each level, at the strides 4 to 64 [pixels].
        proposals: number of regions of an image. Training samples at most 512 of them.
        freeze_batch_norm: whether the encoder's batch normalization keeps its weights and statistics in training, as
            is usual with pretrained weights and batches of few images.
        name: the model's name.
    Returns:
        Uncompiled functional model; 44,401,393 trainable parameters with 90 classes and frozen batch normalization,
        which has another 106,240.
    Raises:
        ValueError: if H or W is not divisible by 32, or the encoder lacks these maps.

    Source: He, Gkioxari, Dollár, Girshick 2017, section 3 and figure 4; the values of torchvision's
        `maskrcnn_resnet50_fpn`.
    Differs: as `faster_rcnn`.
    """
    image, outputs, strides = region_graph(
        name, input_shape, classes, encoder, True, filters, units, anchor_sizes, proposals
    )
    head = mask_layers(classes + 1, filters)
    head["mask_features"] = RoIAlign(SIDE // 2, strides, name="mask_features")
    detections = RegionDetections(name="detections")([outputs[0], image])
    masks = detection_masks(head.get, outputs[2], detections, image)
    model = MaskDetector(image, [*outputs, masks], name=name)
    return freeze_norms(model) if freeze_batch_norm else model
