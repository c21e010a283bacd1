"""AlexNet."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from tests.tolerance import assert_close
from zoo.classify.alexnet import features
from zoo.layers.local_response import LocalResponse


@pytest.mark.parametrize("alpha", [1e-4, 0.5])
def test_local_response_equals_tensorflows_with_half_the_size(alpha):
    x = np.random.default_rng(0).normal(0, 5, (2, 3, 4, 9)).astype("float32")
    expected = tf.nn.local_response_normalization(x, depth_radius=2, bias=2.0, alpha=alpha, beta=0.75)
    assert_close(np.asarray(LocalResponse(alpha=alpha)(x)), expected.numpy())


def test_local_response_equals_values_computed_by_hand():
    x = np.array([[1.0, 2.0, 3.0, 4.0]], "float32")
    expected = x / (2 + 0.1 * np.array([5.0, 14.0, 29.0, 25.0])) ** 0.75
    assert_close(np.asarray(LocalResponse(size=3, alpha=0.1)(x)), expected)


def test_local_response_refuses_an_even_size():
    with pytest.raises(ValueError, match="`size` must be odd, got 4"):
        LocalResponse(size=4)


def build_tiny(**options):
    return zoo.alexnet((67, 67, 3), 2, filters=(4, 4, 6, 4, 4), units=(5,), **options)


def test_only_the_third_convolution_connects_the_towers():
    model = build_tiny()
    assert [model.get_layer(n).groups for n in ("stem", "conv1", "conv2", "conv3", "conv4")] == [1, 2, 1, 2, 2]
    assert [model.get_layer(f"conv{i}").kernel.shape[2] for i in range(1, 5)] == [2, 4, 3, 2]
    x = np.random.default_rng(0).random((1, 9, 9, 4), "float32")
    first_tower = x * np.array([1, 1, 0, 0], "float32")
    both, first = (np.asarray(model.get_layer("conv1")(v)) for v in (x, first_tower))
    assert_close(both[..., :2], first[..., :2])  # the first tower reads only its own maps
    assert not np.allclose(both[..., 2:], first[..., 2:])


def test_initial_weights_are_those_of_section_5():
    model = zoo.alexnet((67, 67, 3), 10, units=(64, 64))
    biases = {layer.name: layer.bias.numpy() for layer in model.layers if hasattr(layer, "bias") and layer.weights}
    ones = {name for name, bias in biases.items() if (bias == 1).all()}
    assert ones == {"conv1", "conv3", "conv4", "hidden0", "hidden1"}
    assert all((biases[name] == 0).all() for name in biases.keys() - ones)
    spreads = [layer.kernel.numpy().std() for layer in model.layers if hasattr(layer, "kernel")]
    np.testing.assert_allclose(spreads, 0.01, rtol=0.1)


def test_only_2012_normalizes_and_only_2014_pads():
    names = {year: {layer.name for layer in build_tiny(version=year).layers} for year in (2012, 2014)}
    assert names[2012] - names[2014] == {"stem_response", "conv1_response"}
    assert names[2014] - names[2012] == {"stem_pad"}


def test_pooling_windows_overlap():
    pools = [layer for layer in build_tiny().layers if isinstance(layer, keras.layers.MaxPooling2D)]
    assert [(p.pool_size, p.strides) for p in pools] == [((3, 3), (2, 2))] * 3


def test_groups_that_do_not_divide_the_filters_are_refused():
    with pytest.raises(ValueError, match="`groups` must divide every entry of `filters` = .*, got 3"):
        build_tiny(groups=3)


def test_images_that_are_too_small_are_refused_with_the_required_size():
    for version, side in ((2012, 66), (2014, 62)):
        with pytest.raises(ValueError, match=rf"must be at least {side + 1} \[pixels\], got \({side}, {side}, 3\)"):
            features(keras.Input((side, side, 3)), filters=(4, 4, 4, 4, 4), version=version)
        assert (
            features(keras.Input((side + 1, side + 1, 3)), filters=(4, 4, 4, 4, 4), version=version)[-1].shape[1] == 1
        )
