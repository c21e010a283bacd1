"""Makes detection.npz with torch and torchvision (`pip install` them): the boxes that their detectors return.

Run: python tests/golden/make_detection.py
With the path of another file it writes there the boxes of the models with torchvision's own encoder.
The file holds, for each model, the names and shapes of its weights. Of those with a small encoder it also has boxes,
scores and labels of two images; weights and images are drawn from their names by drawn.py, on both sides. For
RetinaNet it has the losses of the two images' targets too.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from drawn import drawn_detector, images
from torchvision.models import resnet18
from torchvision.models.detection import RetinaNet, retinanet_resnet50_fpn
from torchvision.models.detection.backbone_utils import _resnet_fpn_extractor
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.retinanet import _default_anchorgen
from torchvision.ops.feature_pyramid_network import LastLevelP6P7

CLASSES = 5
SHAPE = (2, 128, 160, 3)
UNCHANGED = {"min_size": 128, "max_size": 160, "image_mean": [0.0] * 3, "image_std": [1.0] * 3}
TARGETS = np.array([[[20, 30, 70, 90, 1], [60, 20, 100, 44, 3], [0, 0, 159, 127, 1]], [[-1] * 5] * 3], "float32")


def small_retinanet():
    levels = LastLevelP6P7(256, 256)
    backbone = _resnet_fpn_extractor(resnet18(), 5, returned_layers=[2, 3, 4], extra_blocks=levels)
    return RetinaNet(backbone, CLASSES, anchor_generator=_default_anchorgen(), **UNCHANGED)


def fill(model):
    for name, value in model.state_dict().items():
        if value.is_floating_point():
            value.copy_(torch.from_numpy(np.array(drawn_detector(name, tuple(value.shape)), "float32")))
    return model.eval()


def names_of(model):
    return np.array(json.dumps({n: list(v.shape) for n, v in model.state_dict().items()}))


def detections(model, x):
    with torch.no_grad():
        results = model(list(x))
    return np.stack([torch.cat([r["boxes"], r["scores"][:, None], r["labels"][:, None]], 1).numpy() for r in results])


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


def large_retinanet():
    return retinanet_resnet50_fpn(weights=None, weights_backbone=None, num_classes=CLASSES, **UNCHANGED)


def golden(x):
    small = fill(small_retinanet())
    return {
        "retinanet/names": names_of(small),
        "retinanet/detections": detections(small, x),
        "retinanet/losses": losses(small, x),
        "retinanet/targets": TARGETS,
        "retinanet_resnet50/names": names_of(large_retinanet()),
    }


if __name__ == "__main__":
    batch = torch.from_numpy(images("detection", SHAPE).transpose(0, 3, 1, 2).copy())
    if len(sys.argv) > 1:
        np.savez(sys.argv[1], **{"retinanet_resnet50/detections": detections(fill(large_retinanet()), batch)})
    else:
        path = Path(__file__).with_name("detection.npz")
        np.savez_compressed(path, **golden(batch))
        print(path, path.stat().st_size, "bytes")
