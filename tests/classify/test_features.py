"""`features` of classifiers: the last feature map at each stride, finest first."""

import importlib

import keras
import pytest


def feature_shapes(module, shape, **options):
    """Returns the shapes of the stage outputs, without allocating weights."""
    with keras.StatelessScope(initialize_variables=False):
        stages = importlib.import_module(f"zoo.classify.{module}").features(keras.Input(shape), **options)
    return [tuple(s.shape[1:]) for s in stages]


def square_shapes(*pairs):
    return [(side, side, width) for side, width in pairs]


RESNET = square_shapes((112, 64), (56, 256), (28, 512), (14, 1024), (7, 2048))
BASIC = square_shapes((112, 64), (56, 64), (28, 128), (14, 256), (7, 512))
VGG = square_shapes((224, 64), (112, 128), (56, 256), (28, 512), (14, 512), (7, 512))
DENSE = square_shapes((112, 64), (56, 256), (28, 512), (14, 1024), (7, 1024))


@pytest.mark.parametrize(
    ("module", "side", "options", "expected"),
    [
        ("alexnet", 227, {}, square_shapes((55, 96), (27, 256), (13, 256), (6, 256))),
        ("alexnet", 224, {"version": 2014, "groups": 1}, square_shapes((55, 96), (27, 256), (13, 256), (6, 256))),
        ("vgg", 224, {}, VGG),
        ("vgg", 224, {"depths": (2, 2, 4, 4, 4), "batch_norm": True}, VGG),
        ("resnet", 224, {}, RESNET),
        ("resnet", 224, {"version": 1}, RESNET),
        ("resnet", 224, {"depths": (2, 2, 2, 2), "block": "basic"}, BASIC),
        ("resnet_v2", 224, {}, RESNET),
        ("resnet_cifar", 32, {}, square_shapes((32, 16), (16, 32), (8, 64))),
        ("densenet", 224, {}, DENSE),
        ("mobilenet_v2", 224, {}, square_shapes((112, 16), (56, 24), (28, 32), (14, 96), (7, 1280))),
        ("efficientnet_lite", 224, {}, square_shapes((112, 16), (56, 24), (28, 40), (14, 112), (7, 1280))),
    ],
)
def test_features_have_the_papers_shapes_finest_first(module, side, options, expected):
    assert feature_shapes(module, (side, side, 3), **options) == expected


@pytest.mark.parametrize("module", ["resnet", "resnet_v2", "mobilenet_v2", "efficientnet_lite"])
@pytest.mark.parametrize("bands", [1, 13])
def test_any_number_of_bands_and_any_size_work(module, bands):
    shapes = feature_shapes(module, (37, None, bands))
    assert [side for side, _, _ in shapes] == [19, 10, 5, 3, 2]  # halves are rounded up
    assert {side for _, side, _ in shapes} == {None}


@pytest.mark.parametrize("module", ["mobilenet_v2", "efficientnet_lite"])
def test_padding_does_not_change_the_shapes(module):
    assert feature_shapes(module, (36, 37, 3)) == feature_shapes(module, (36, 37, 3), padding="symmetric")
