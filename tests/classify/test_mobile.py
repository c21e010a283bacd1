"""MobileNetV2 and EfficientNet-Lite."""

import keras
import numpy as np
import pytest

import zoo
from tests.tolerance import assert_close
from zoo.classify import mobilenet_v2
from zoo.layers.drop_path import DropPath


def build_outline(build, **options):
    with keras.StatelessScope(initialize_variables=False):
        return build((64, 64, 3), 10, **options)


def layers_of(model, kind):
    return [layer for layer in model.layers if isinstance(layer, kind)]


@pytest.mark.parametrize(
    ("width", "expected"),
    [(1, 8), (8, 8), (11.2, 16), (12, 16), (13, 16), (33.6, 32), (20, 24), (18, 24), (1792, 1792)],
)
def test_rounded_filters_are_multiples_of_8_and_at_most_a_tenth_fewer(width, expected):
    assert mobilenet_v2.round_filters(width) == expected


def test_mobilenet_v2_has_the_layers_of_table_2():
    model = build_outline(zoo.mobilenet_v2)
    depthwise = layers_of(model, keras.layers.DepthwiseConv2D)
    assert len(depthwise) == 17
    assert {d.kernel_size for d in depthwise} == {(3, 3)}
    strided = [d.name for d in depthwise if d.strides == (2, 2)]
    assert strided == [f"stage{i}_block0_depthwise" for i in (1, 2, 3, 5)]
    assert len(layers_of(model, keras.layers.Add)) == 10
    assert "stage0_block0_expand" not in {layer.name for layer in model.layers}


def test_bottlenecks_are_linear_and_all_other_convolutions_have_relu6():
    model = build_outline(zoo.mobilenet_v2)
    activated = {layer.name.removesuffix("_relu6") for layer in layers_of(model, keras.layers.Activation)} - {
        "activation"
    }
    convolved = {layer.name for layer in layers_of(model, keras.layers.Conv2D)}
    assert activated == {n for n in convolved if not n.endswith("_project")} | {
        d.name for d in layers_of(model, keras.layers.DepthwiseConv2D)
    }


def test_efficientnet_lite0_has_the_layers_of_b0_without_squeeze():
    model = build_outline(zoo.efficientnet_lite0)
    depthwise = layers_of(model, keras.layers.DepthwiseConv2D)
    assert [d.kernel_size[0] for d in depthwise] == [3, 3, 3, 5, 5, 3, 3, 3, 5, 5, 5, 5, 5, 5, 5, 3]
    assert [i for i, d in enumerate(depthwise) if d.strides == (2, 2)] == [1, 3, 5, 11]
    assert {a.activation.__name__ for a in layers_of(model, keras.layers.Activation)} == {"relu6", "softmax"}
    assert len(layers_of(model, keras.layers.Dense)) == 1


def test_stem_and_last_convolution_are_not_scaled():
    model = build_outline(zoo.efficientnet_lite4)
    assert (model.get_layer("stem").filters, model.get_layer("last").filters) == (32, 1280)
    blocks = [
        sum(d.name.startswith(f"stage{i}_") for d in layers_of(model, keras.layers.DepthwiseConv2D)) for i in range(7)
    ]
    assert blocks == [1, 4, 4, 6, 6, 8, 1]
    assert model.get_layer("stage6_block0_project").filters == 448


def test_the_drop_path_rate_rises_linearly():
    rates = [d.rate for d in layers_of(build_outline(zoo.efficientnet_lite0), DropPath)]
    shortcuts = [2, 4, 6, 7, 9, 10, 12, 13, 14]
    assert_close(rates, [0.2 * i / 16 for i in shortcuts])
    assert layers_of(build_outline(zoo.efficientnet_lite0, drop_path=0), DropPath) == []


def test_padding_is_that_of_tensorflow_or_pytorch():
    corner = np.zeros((1, 32, 32, 1), "float32")
    corner[0, 0, 0] = 1
    for padding, index in (("same", 0), ("symmetric", 4)):  # the kernel weight that multiplies the first pixel
        model = zoo.mobilenet_v2((32, 32, 1), 2, alpha=0.1, depths=(1,) * 7, padding=padding)
        stem = model.get_layer("stem")
        stem.set_weights([np.arange(9.0).reshape(3, 3, 1, 1) * np.ones((1, 1, 1, 8))])
        assert np.asarray(keras.Model(model.input, stem.output)(corner))[0, 0, 0, 0] == index
