"""Parity with other libraries: the same weights give the same logits."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest

import zoo
from tests.golden.seeded_arrays import images, seeded_array
from tests.tolerance import assert_close

GOLDEN = Path(__file__).parents[1] / "golden"
TWO = {"depths": (1, 2)}
VIT = {"patch": 4, "depth": 2, "width": 16, "units": 24, "heads": 2}
SMALL = {"alpha": 0.35, "depths": (1, 2, 1, 1, 1, 1, 1), "padding": "symmetric"}
# {case: (zoo builder, side of the images, its arguments)}
CASES = {
    # torch 2.15, torchvision 0.29.2, timm 1.0.31, transformers 5.23 (golden/make_convert.py)
    "alexnet/torchvision": (zoo.alexnet_owt, 64, {"units": (16, 12)}),
    "vgg/torchvision": (zoo.vgg, 28, {**TWO, "units": (16, 12)}),
    "vgg/torchvision_bn": (zoo.vgg, 28, {**TWO, "units": (16, 12), "batch_norm": True}),
    "vgg/timm": (zoo.vgg, 28, {"depths": (1, 1), "units": (16, 4096)}),
    "resnet/torchvision_basic": (zoo.resnet, 32, {**TWO, "block": "basic"}),
    "resnet/torchvision_bottleneck": (zoo.resnet, 32, TWO),
    "resnet/hugging_face": (zoo.resnet, 32, TWO),
    "densenet/torchvision": (zoo.densenet, 32, {"depths": (1, 2, 1), "growth": 8}),
    "vit/timm": (zoo.vit, 16, VIT),
    "vit/torchvision": (zoo.vit, 16, VIT),
    "vit/hugging_face": (zoo.vit, 16, VIT),
    "vit/hugging_face_file": (zoo.vit, 16, VIT),
    "mobilenet_v2/torchvision": (zoo.mobilenet_v2, 32, SMALL),
    "mobilenet_v2/timm": (zoo.mobilenet_v2, 32, {"alpha": 0.35, "padding": "symmetric"}),
    "mobilenet_v2/hugging_face": (zoo.mobilenet_v2, 32, {"alpha": 0.35, "padding": "same"}),
    "efficientnet_lite/timm": (zoo.efficientnet_lite0, 32, {"padding": "symmetric"}),
    "efficientnet_lite/timm_tf": (zoo.efficientnet_lite0, 32, {"padding": "same"}),
    # KerasHub 0.32 (golden/make_convert_hub.py)
    "vgg/hub": (zoo.vgg, 28, {**TWO, "units": (16, 16)}),
    "resnet/hub_basic": (zoo.resnet, 32, {**TWO, "block": "basic"}),
    "resnet/hub_bottleneck": (zoo.resnet, 32, TWO),
    "densenet/hub": (zoo.densenet, 33, {"depths": (1, 2, 1)}),  # on odd sizes it pads as the source of its weights
    "vit/hub": (zoo.vit, 16, VIT),
    "efficientnet_lite/hub": (zoo.efficientnet_lite0, 32, {"padding": "symmetric"}),
}


def golden(case):
    """Weights of the other library by name, and its logits."""
    with np.load(GOLDEN / ("convert_hub.npz" if "hub" in case else "convert_torch.npz")) as file:
        names = json.loads(str(file[f"{case}/names"]))
        return {name: seeded_array(name, tuple(shape)) for name, shape in names.items()}, file[f"{case}/answer"]


@pytest.mark.parametrize("case", CASES)
def test_the_logits_are_those_of_the_other_library(case):
    build, size, arguments = CASES[case]
    arrays, expected = golden(case)
    model = build((size, size, 3), 5, **arguments, activation=None)
    zoo.load_weights(model, arrays)
    logits = keras.ops.convert_to_numpy(model(images(case, (2, size, size, 3)), training=False))
    assert np.ptp(expected, axis=0).max() > 0.3  # the two images differ, so the logits are not only biases
    assert_close(logits, expected, rtol=1e-4)


@pytest.mark.parametrize("shape", [(24, 40), (8, 12)])
def test_position_embeddings_are_resized_as_by_timm(shape):
    arrays, _ = golden("vit/timm")
    with np.load(GOLDEN / "convert_torch.npz") as file:
        expected = file[f"vit/timm/answer_{shape[0]}"]
    model = zoo.vit((*shape, 3), 5, **VIT, activation=None)
    zoo.load_weights(model, arrays)
    logits = keras.ops.convert_to_numpy(model(images("vit/timm", (2, *shape, 3)), training=False))
    assert_close(logits, expected, rtol=1e-4)


def application(name, size):
    """A network of the installed keras.applications, small where its code has the numbers as arguments."""
    from keras.src.applications import densenet, resnet

    def stages(stack):
        return lambda x: stack(stack(x, 64, 1, stride1=1, name="conv2"), 128, 2, stride1=2, name="conv3")

    def stages_v2(x):
        x = resnet.stack_residual_blocks_v2(x, 64, 2, name="conv2")
        return resnet.stack_residual_blocks_v2(x, 128, 2, stride1=1, name="conv3")

    options = {"weights": None, "input_shape": (size, size, 3), "classes": 5, "classifier_activation": None}
    return {
        "vgg16": lambda: keras.applications.VGG16(**options),
        "resnet": lambda: resnet.ResNet(stages(resnet.stack_residual_blocks_v1), False, True, **options),
        "resnet_v2": lambda: resnet.ResNet(stages_v2, True, True, **options),
        "densenet": lambda: densenet.DenseNet([1, 2, 1, 1], **options),
        "mobilenet_v2": lambda: keras.applications.MobileNetV2(alpha=0.35, **options),
    }[name]()


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        pytest.param("vgg16", {}, marks=pytest.mark.slow),
        ("resnet", {"depths": (1, 2), "version": 1}),
        ("resnet_v2", {"depths": (2, 2)}),
        ("densenet", {"depths": (1, 2, 1, 1)}),
        ("mobilenet_v2", {"alpha": 0.35}),
    ],
)
def test_the_logits_are_those_of_keras_applications(name, arguments):
    source = application(name, 32)
    for weight in source.weights:
        weight.assign(seeded_array(weight.path, tuple(weight.shape)))
    model = zoo.build(name, (32, 32, 3), 5, **arguments, activation=None)
    zoo.load_weights(model, source)
    x = images(name, (2, 32, 32, 3))
    expected = keras.ops.convert_to_numpy(source(x, training=False))
    assert np.ptp(expected, axis=0).max() > 0.05
    assert_close(keras.ops.convert_to_numpy(model(x, training=False)), expected, rtol=1e-4)
