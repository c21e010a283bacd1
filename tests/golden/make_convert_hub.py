"""Makes convert_hub.npz with KerasHub 0.32 (`pip install keras-hub`): what its networks answer.

Run: python tests/golden/make_convert_hub.py
As make_convert.py: names, shapes and logits; weights and images are drawn from their names by seeded_arrays.py.
"""

import json
from pathlib import Path

import keras
import numpy as np
from keras_hub import models
from keras_hub.src.utils.timm.convert_efficientnet import convert_backbone_config
from seeded_arrays import images, seeded_array

CLASSES = 5


def classifier(backbone):
    """KerasHub's own ends: global average pooling and `predictions`."""
    x = keras.layers.GlobalAveragePooling2D()(backbone.output)
    return keras.Model(backbone.input, keras.layers.Dense(CLASSES, name="predictions")(x))


def resnet(block, depths):
    stages = {"stackwise_num_filters": [64, 128], "stackwise_num_blocks": depths, "stackwise_num_strides": [1, 2]}
    stem = {"input_conv_filters": [64], "input_conv_kernel_sizes": [7]}
    backbone = models.ResNetBackbone(**stem, **stages, block_type=block, image_shape=(32, 32, 3))
    return models.ResNetImageClassifier(backbone, CLASSES, activation=None)


def vgg():
    backbone = models.VGGBackbone(
        stackwise_num_repeats=[1, 2], stackwise_num_filters=[64, 128], image_shape=(28, 28, 3)
    )
    return models.VGGImageClassifier(backbone, CLASSES, pooling_hidden_dim=16, activation=None)


def densenet():
    backbone = models.DenseNetBackbone(
        stackwise_num_repeats=[1, 2, 1], compression_ratio=0.5, growth_rate=32, image_shape=(33, 33, 3)
    )
    return models.DenseNetImageClassifier(backbone, CLASSES, activation=None)


def vit():
    sizes = {"num_layers": 2, "num_heads": 2, "hidden_dim": 16, "mlp_dim": 24}
    backbone = models.ViTBackbone(image_shape=(16, 16, 3), patch_size=4, **sizes)
    return models.ViTImageClassifier(backbone, CLASSES, pooling="token", activation=None)


def efficientnet_lite():
    config = convert_backbone_config({"architecture": "efficientnet_lite0"})
    backbone = models.EfficientNetBackbone(**config, image_shape=(32, 32, 3))
    return models.EfficientNetImageClassifier(backbone, CLASSES, activation=None)


CASES = {
    "vgg/hub": (vgg, 28),
    "resnet/hub_basic": (lambda: resnet("basic_block", [1, 2]), 32),
    "resnet/hub_bottleneck": (lambda: resnet("bottleneck_block", [1, 2]), 32),
    "densenet/hub": (densenet, 33),
    "vit/hub": (vit, 16),
    "efficientnet_lite/hub": (efficientnet_lite, 32),
}

if __name__ == "__main__":
    arrays = {}
    for case, (build, size) in CASES.items():
        model = build()
        for weight in model.weights:
            weight.assign(seeded_array(weight.path, tuple(weight.shape)))
        names = {w.path: list(w.shape) for w in model.weights}
        answer = keras.ops.convert_to_numpy(model(images(case, (2, size, size, 3)), training=False))
        arrays[f"{case}/names"], arrays[f"{case}/answer"] = np.array(json.dumps(names)), answer
        print(f"{case:32} {len(names):4} {np.ptp(answer, axis=0).max():.3f} {np.abs(answer).max():.3f}")
    path = Path(__file__).with_name("convert_hub.npz")
    np.savez_compressed(path, **arrays)
    print(path, path.stat().st_size, "bytes")
