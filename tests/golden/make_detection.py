"""Makes detection.npz with torch and torchvision (`pip install` them): the boxes that their detectors return.

Run: python tests/golden/make_detection.py
With the path of another file it writes there the boxes of the models with torchvision's own encoder.
The file holds, for each model, the names and shapes of its weights. Of those with a small encoder it also has boxes,
scores and labels of two images; weights and images are drawn from their names by seeded_arrays.py, on both sides. It
has the losses of the two images' targets too: for Faster R-CNN of all anchors and regions, without sampling. For Mask
R-CNN it has the masks of 20 boxes, averaged over 4 x 4 cells.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from seeded_arrays import images, seeded_detector_array
from torchvision.models import resnet18
from torchvision.models.detection import (
    FasterRCNN,
    MaskRCNN,
    RetinaNet,
    fasterrcnn_resnet50_fpn,
    maskrcnn_resnet50_fpn,
    retinanet_resnet50_fpn,
)
from torchvision.models.detection.backbone_utils import _resnet_fpn_extractor
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.retinanet import _default_anchorgen
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

CLASSES = 5
MASKS = 20
SHAPE = (2, 128, 160, 3)
UNCHANGED = {"min_size": 128, "max_size": 160, "image_mean": [0.0] * 3, "image_std": [1.0] * 3}
TARGETS = np.array([[[20, 30, 70, 90, 1], [60, 20, 100, 44, 3], [0, 0, 159, 127, 1]], [[-1] * 5] * 3], "float32")


def small_retinanet():
    levels = LastLevelP6P7(256, 256)
    backbone = _resnet_fpn_extractor(resnet18(), 5, returned_layers=[2, 3, 4], extra_blocks=levels)
    return RetinaNet(backbone, CLASSES, anchor_generator=_default_anchorgen(), **UNCHANGED)


def small_faster_rcnn():
    everything = {"rpn_batch_size_per_image": 10**6, "box_batch_size_per_image": 10**6}
    fractions = {"rpn_positive_fraction": 1.0, "box_positive_fraction": 1.0}
    proposals = {f"rpn_{step}_nms_top_n_{mode}": 1000 for step in ("pre", "post") for mode in ("train", "test")}
    backbone = _resnet_fpn_extractor(resnet18(), 5)
    return FasterRCNN(
        backbone, CLASSES + 1, box_detections_per_img=300, **everything, **fractions, **proposals, **UNCHANGED
    )


def small_mask_rcnn():
    return MaskRCNN(_resnet_fpn_extractor(resnet18(), 5), CLASSES + 1, box_detections_per_img=MASKS, **UNCHANGED)


def fill(model):
    for name, value in model.state_dict().items():
        if value.is_floating_point():
            value.copy_(torch.from_numpy(np.array(seeded_detector_array(name, tuple(value.shape)), "float32")))
    return model.eval()


def names_of(model):
    return np.array(json.dumps({n: list(v.shape) for n, v in model.state_dict().items()}))


def detections(model, x):
    with torch.no_grad():
        results = model(list(x))
    rows = [torch.cat([r["boxes"], r["scores"][:, None], r["labels"][:, None]], 1).numpy() for r in results]
    padded = np.full((len(rows), 300, 6), -1, "float32")
    for i, r in enumerate(rows):
        padded[i, : len(r)] = r
    return padded


def masks(model, x):
    """Masks of the boxes, before they are brought into the image: (B, MASKS, 28, 28)."""
    with torch.no_grad():
        images_, sizes = ImageList(x, [SHAPE[1:3]] * len(x)), [SHAPE[1:3]] * len(x)
        features = model.backbone(x)
        results, _ = model.roi_heads(features, model.rpn(images_, features)[0], sizes)
    return np.stack([r["masks"][:, 0].numpy() for r in results])


def losses(model, x):
    with torch.no_grad():
        features = list(model.backbone(x).values())
        anchors = model.anchor_generator(ImageList(x, [SHAPE[1:3]] * len(x)), features)
        targets = [
            {"boxes": torch.from_numpy(rows[:, :4]), "labels": torch.from_numpy(rows[:, 4]).long()}
            for rows in (t[t[:, 4] >= 0] for t in TARGETS)
        ]
        values = model.compute_loss(targets, model.head(features), anchors)
    return np.array([float(values["classification"]), float(values["bbox_regression"])])


def two_stage_losses(model, x):
    """Losses of a model in training, but with the normalization of `eval`."""
    targets = [
        {"boxes": torch.from_numpy(rows[:, :4]), "labels": torch.from_numpy(rows[:, 4]).long() + 1}
        for rows in (t[t[:, 4] >= 0] for t in TARGETS)
    ]
    for part in (model, model.rpn, model.roi_heads):
        part.training = True
    with torch.no_grad():
        values = model(list(x), targets)
    model.eval()
    names = ("loss_objectness", "loss_rpn_box_reg", "loss_classifier", "loss_box_reg")
    return np.array([float(values[name]) for name in names])


def large_retinanet():
    return retinanet_resnet50_fpn(weights=None, weights_backbone=None, num_classes=CLASSES, **UNCHANGED)


def large_faster_rcnn():
    options = {"weights": None, "weights_backbone": None, "num_classes": CLASSES + 1, "box_detections_per_img": 300}
    return fasterrcnn_resnet50_fpn(**options, **UNCHANGED)


def large_mask_rcnn():
    options = {"weights": None, "weights_backbone": None, "num_classes": CLASSES + 1, "box_detections_per_img": MASKS}
    return maskrcnn_resnet50_fpn(**options, **UNCHANGED)


def golden(x):
    small, faster, masked = fill(small_retinanet()), fill(small_faster_rcnn()), fill(small_mask_rcnn())
    return {
        "retinanet/names": names_of(small),
        "retinanet/detections": detections(small, x),
        "retinanet/losses": losses(small, x),
        "retinanet/targets": TARGETS,
        "retinanet_resnet50/names": names_of(large_retinanet()),
        "faster_rcnn/names": names_of(faster),
        "faster_rcnn/detections": detections(faster, x),
        "faster_rcnn/losses": two_stage_losses(faster, x),
        "faster_rcnn_resnet50/names": names_of(large_faster_rcnn()),
        "mask_rcnn/names": names_of(masked),
        "mask_rcnn/detections": detections(masked, x)[:, :MASKS],
        "mask_rcnn/masks": masks(masked, x).reshape(len(x), MASKS, 7, 4, 7, 4).mean((3, 5)),
        "mask_rcnn_resnet50/names": names_of(large_mask_rcnn()),
    }


if __name__ == "__main__":
    batch = torch.from_numpy(images("detection", SHAPE).transpose(0, 3, 1, 2).copy())
    if len(sys.argv) > 1:
        large = {"retinanet": large_retinanet, "faster_rcnn": large_faster_rcnn}
        boxes = {f"{name}_resnet50/detections": detections(fill(build()), batch) for name, build in large.items()}
        masked = fill(large_mask_rcnn())
        of_masks = {"detections": detections(masked, batch)[:, :MASKS], "masks": masks(masked, batch)}
        np.savez(sys.argv[1], **boxes, **{f"mask_rcnn_resnet50/{key}": value for key, value in of_masks.items()})
    else:
        path = Path(__file__).with_name("detection.npz")
        np.savez_compressed(path, **golden(batch))
        print(path, path.stat().st_size, "bytes")
