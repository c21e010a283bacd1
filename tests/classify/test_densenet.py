"""DenseNet."""

import keras
import numpy as np
import pytest

import zoo
from zoo.classify import densenet


@pytest.mark.parametrize(
    ("build", "convolutions", "transitions", "last"),
    [
        (zoo.densenet121, 120, [128, 256, 512], 1024),
        (zoo.densenet169, 168, [128, 256, 640], 1664),
        (zoo.densenet201, 200, [128, 256, 896], 1920),
        (zoo.densenet161, 160, [192, 384, 1056], 2208),
    ],
)
def test_channels_grow_and_are_halved_as_in_table_1(build, convolutions, transitions, last):
    with keras.StatelessScope(initialize_variables=False):
        model = build((64, 64, 3), 10)
    layers = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert len(layers) == convolutions
    assert not any(c.use_bias for c in layers)
    assert [c.filters for c in layers if c.name.endswith("transition")] == transitions
    assert model.get_layer("pool").output.shape[-1] == last


def test_a_layer_keeps_its_input_and_adds_growth_channels():
    inputs = keras.Input((4, 4, 5))
    model = keras.Model(inputs, densenet.dense_layer(inputs, 3, "layer"))
    order = [layer.name.removeprefix("layer_") for layer in model.layers[1:]]
    assert order == ["before_norm", "before_relu", "conv0", "conv0_norm", "conv0_relu", "conv1", "concat"]
    assert model.get_layer("layer_conv0").filters == 12
    x = np.random.default_rng(0).normal(0, 1, (2, 4, 4, 5)).astype("float32")
    output = np.asarray(model(x))
    assert output.shape == (2, 4, 4, 8)
    np.testing.assert_array_equal(output[..., :5], x)
