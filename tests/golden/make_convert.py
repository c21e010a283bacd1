"""Makes convert_torch.npz with torch, torchvision, timm and transformers (`pip install` them): what they answer.

Run: python tests/golden/make_convert.py
The file holds, for each case, the names and shapes of a small network's weights and its logits; the weights and the
images are drawn from their names by seeded_arrays.py, on both sides.
"""

import json
import tempfile
from pathlib import Path

import numpy as np
import timm
import torch
from safetensors.numpy import load_file, save_file
from seeded_arrays import images, seeded_array
from timm.layers import resample_abs_pos_embed
from timm.models.vgg import VGG as TimmVGG
from timm.models.vision_transformer import VisionTransformer as TimmViT
from torch import nn
from torchvision.models import densenet, mobilenetv2, resnet, vgg, vision_transformer
from torchvision.models.alexnet import AlexNet
from transformers import (
    MobileNetV2Config,
    MobileNetV2ForImageClassification,
    ResNetConfig,
    ResNetForImageClassification,
    ViTConfig,
    ViTForImageClassification,
)

CLASSES = 5


def torchvision_vgg(batch_norm):
    model = vgg.VGG(vgg.make_layers([64, "M", 128, 128, "M"], batch_norm), CLASSES)
    model.avgpool = nn.Identity()
    widths = ((128 * 7 * 7, 16), (16, 12), (12, CLASSES))
    first, second, third = (nn.Linear(*w) for w in widths)
    model.classifier = nn.Sequential(first, nn.ReLU(), nn.Dropout(), second, nn.ReLU(), nn.Dropout(), third)
    return model


def torchvision_alexnet():
    model = AlexNet(CLASSES)
    model.avgpool = nn.Identity()
    for i, widths in ((1, (256, 16)), (4, (16, 12)), (6, (12, CLASSES))):
        model.classifier[i] = nn.Linear(*widths)
    return model


def torchvision_resnet(block, depths):
    """Of two stages."""
    model = resnet.ResNet(block, [*depths, 1, 1], CLASSES)
    model.layer3 = model.layer4 = nn.Identity()
    model.fc = nn.Linear(128 * block.expansion, CLASSES)
    return model


def torchvision_mobilenet():
    setting = [[t, c, 1 + (c == 24), s] for t, c, s in zip([1] + [6] * 6, WIDTHS, (1, 2, 2, 2, 1, 2, 1), strict=True)]
    return mobilenetv2.MobileNetV2(CLASSES, 0.35, setting)


def published_vit():
    """With the weights of a file, whose names transformers changes when it reads or writes one."""
    with tempfile.TemporaryDirectory() as folder:
        ViTForImageClassification(ViTConfig(**VIT, image_size=16, patch_size=4, num_labels=CLASSES)).save_pretrained(
            folder
        )
        file = f"{folder}/model.safetensors"
        weights = {k: seeded_array(k, v.shape) for k, v in load_file(file).items()}
        save_file(weights, file, {"format": "pt"})
        model = ViTForImageClassification.from_pretrained(folder)
    model.names = {k: list(v.shape) for k, v in weights.items()}
    return model.eval()


WIDTHS = (16, 24, 32, 64, 96, 160, 320)
VIT = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
BOTTLENECK = {"embedding_size": 64, "hidden_sizes": [256, 512], "depths": [1, 2], "layer_type": "bottleneck"}
CASES = {
    "alexnet/torchvision": (torchvision_alexnet, 64),
    "vgg/torchvision": (lambda: torchvision_vgg(False), 28),
    "vgg/torchvision_bn": (lambda: torchvision_vgg(True), 28),
    "vgg/timm": (lambda: TimmVGG((64, "M", 128, "M"), CLASSES, mlp_ratio=1 / 256), 28),
    "resnet/torchvision_basic": (lambda: torchvision_resnet(resnet.BasicBlock, [1, 2]), 32),
    "resnet/torchvision_bottleneck": (lambda: torchvision_resnet(resnet.Bottleneck, [1, 2]), 32),
    "resnet/hugging_face": (
        lambda: ResNetForImageClassification(ResNetConfig(**BOTTLENECK, num_labels=CLASSES)),
        32,
    ),
    "densenet/torchvision": (lambda: densenet.DenseNet(8, (1, 2, 1), 16, num_classes=CLASSES), 32),
    "vit/timm": (lambda: TimmViT(16, 4, 3, CLASSES, embed_dim=16, depth=2, num_heads=2, mlp_ratio=1.5), 16),
    "vit/torchvision": (
        lambda: vision_transformer.VisionTransformer(16, 4, 2, 2, 16, 24, num_classes=CLASSES),
        16,
    ),
    "vit/hugging_face": (
        lambda: ViTForImageClassification(ViTConfig(**VIT, image_size=16, patch_size=4, num_labels=CLASSES)),
        16,
    ),
    "vit/hugging_face_file": (published_vit, 16),
    "mobilenet_v2/torchvision": (torchvision_mobilenet, 32),
    "mobilenet_v2/timm": (lambda: timm.create_model("mobilenetv2_035", num_classes=CLASSES), 32),
    "mobilenet_v2/hugging_face": (
        lambda: MobileNetV2ForImageClassification(MobileNetV2Config(depth_multiplier=0.35, num_labels=CLASSES)),
        32,
    ),
    "efficientnet_lite/timm": (lambda: timm.create_model("efficientnet_lite0", num_classes=CLASSES), 32),
    "efficientnet_lite/timm_tf": (lambda: timm.create_model("tf_efficientnet_lite0", num_classes=CLASSES), 32),
}


def fill(model):
    for name, value in model.state_dict().items():
        if value.is_floating_point():
            value.copy_(torch.from_numpy(seeded_array(name, tuple(value.shape)).astype("float32")))
    return model.eval()


def logits(model, case, shape):
    x = torch.from_numpy(images(case, shape).transpose(0, 3, 1, 2).copy())
    with torch.no_grad():
        answer = model(x)
    return getattr(answer, "logits", answer).numpy()


if __name__ == "__main__":
    arrays = {}
    for case, (build, size) in CASES.items():
        model = build()
        names = getattr(model, "names", None)
        if names is None:
            names = {n: list(v.shape) for n, v in fill(model).state_dict().items()}
        answer = logits(model, case, (2, size, size, 3))
        arrays[f"{case}/names"], arrays[f"{case}/answer"] = np.array(json.dumps(names)), answer
        print(f"{case:32} {len(names):4} {np.ptp(answer, axis=0).max():.3f} {np.abs(answer).max():.3f}")
        if case == "vit/timm":
            wide = fill(TimmViT((24, 40), 4, 3, CLASSES, embed_dim=16, depth=2, num_heads=2, mlp_ratio=1.5))
            small = fill(TimmViT((8, 12), 4, 3, CLASSES, embed_dim=16, depth=2, num_heads=2, mlp_ratio=1.5))
            for other, shape in ((wide, (24, 40)), (small, (8, 12))):
                grid = [shape[0] // 4, shape[1] // 4]
                table = resample_abs_pos_embed(model.pos_embed.data, grid, [4, 4])
                other.pos_embed.data.copy_(table)
                arrays[f"{case}/answer_{shape[0]}"] = logits(other, case, (2, *shape, 3))
    path = Path(__file__).with_name("convert_torch.npz")
    np.savez_compressed(path, **arrays)
    print(path, path.stat().st_size, "bytes")
