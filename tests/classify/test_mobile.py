"""MobileNetV2 and EfficientNet-Lite."""

import keras
import numpy as np
import pytest

import zoo
from tests.tolerance import assert_close
from zoo.classify import mobilenet_v2
from zoo.layers.drop_path import DropPath


def planned(build, **options):
    with keras.StatelessScope(initialize_variables=False):
        return build((64, 64, 3), 10, **options)


def of(model, kind):
    return [layer for layer in model.layers if isinstance(layer, kind)]


@pytest.mark.parametrize(
    ("width", "expected"),
    [(1, 8), (8, 8), (11.2, 16), (12, 16), (13, 16), (33.6, 32), (20, 24), (18, 24), (1792, 1792)],
)
def test_widths_are_multiples_of_8_and_never_a_tenth_less(width, expected):
    assert mobilenet_v2.rounded(width) == expected


def test_mobilenet_v2_is_table_2():
    model = planned(zoo.mobilenet_v2)
    depthwise = of(model, keras.layers.DepthwiseConv2D)
    assert len(depthwise) == 17
    assert {d.kernel_size for d in depthwise} == {(3, 3)}
    halved = [d.name for d in depthwise if d.strides == (2, 2)]
    assert halved == [f"stage{i}_block0_depthwise" for i in (1, 2, 3, 5)]
    assert len(of(model, keras.layers.Add)) == 10
    assert "stage0_block0_expand" not in {layer.name for layer in model.layers}


def test_bottlenecks_are_linear_and_all_else_is_relu6():
    model = planned(zoo.mobilenet_v2)
    active = {layer.name.removesuffix("_relu6") for layer in of(model, keras.layers.Activation)} - {"activation"}
    convolved = {layer.name for layer in of(model, keras.layers.Conv2D)}
    assert active == {n for n in convolved if not n.endswith("_project")} | {
        d.name for d in of(model, keras.layers.DepthwiseConv2D)
    }


def test_efficientnet_lite0_is_b0_without_squeeze():
    model = planned(zoo.efficientnet_lite0)
    depthwise = of(model, keras.layers.DepthwiseConv2D)
    assert [d.kernel_size[0] for d in depthwise] == [3, 3, 3, 5, 5, 3, 3, 3, 5, 5, 5, 5, 5, 5, 5, 3]
    assert [i for i, d in enumerate(depthwise) if d.strides == (2, 2)] == [1, 3, 5, 11]
    assert {a.activation.__name__ for a in of(model, keras.layers.Activation)} == {"relu6", "softmax"}
    assert len(of(model, keras.layers.Dense)) == 1


def test_scaling_leaves_the_stem_and_the_last_convolution():
    model = planned(zoo.efficientnet_lite4)
    assert (model.get_layer("stem").filters, model.get_layer("last").filters) == (32, 1280)
    blocks = [sum(d.name.startswith(f"stage{i}_") for d in of(model, keras.layers.DepthwiseConv2D)) for i in range(7)]
    assert blocks == [1, 4, 4, 6, 6, 8, 1]
    assert model.get_layer("stage6_block0_project").filters == 448


def test_drop_path_grows_in_a_line():
    rates = [d.learning_rate for d in of(planned(zoo.efficientnet_lite0), DropPath)]
    shortcuts = [2, 4, 6, 7, 9, 10, 12, 13, 14]
    assert_close(rates, [0.2 * i / 16 for i in shortcuts])
    assert of(planned(zoo.efficientnet_lite0, drop_path=0), DropPath) == []


def test_padding_is_tensorflows_or_pytorchs():
    corner = np.zeros((1, 32, 32, 1), "float32")
    corner[0, 0, 0] = 1
    for padding, seen in (("same", 0), ("symmetric", 4)):  # which of the nine weights the first pixel meets first
        model = zoo.mobilenet_v2((32, 32, 1), 2, alpha=0.1, depths=(1,) * 7, padding=padding)
        stem = model.get_layer("stem")
        stem.set_weights([np.arange(9.0).reshape(3, 3, 1, 1) * np.ones((1, 1, 1, 8))])
        assert np.asarray(keras.Model(model.input, stem.output)(corner))[0, 0, 0, 0] == seen
