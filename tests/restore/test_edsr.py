"""EDSR: residual blocks and sub-pixel convolutions."""

import keras
import numpy as np
import pytest

import zoo
from tests.tolerance import assert_close
from zoo.introspect import outline


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_output_is_larger_by_the_scale(scale):
    assert outline("edsr", input_shape=(7, 9, 3), scale=scale).output.shape == (None, 7 * scale, 9 * scale, 3)


def test_scale_four_has_two_steps_of_two():
    names = [layer.name for layer in outline("edsr_baseline", input_shape=(8, 8, 3), scale=4).layers]
    assert [n for n in names if n.startswith("up")] == ["up0", "up1"]


def test_a_sub_pixel_convolution_arranges_channels_as_pixels():
    """With zero weights except for those that copy, channel i of a pixel becomes its i-th sub-pixel."""
    model = zoo.edsr((2, 3, 1), depth=1, filters=4, residual_scale=1.0)
    for weight in model.weights:
        weight.assign(keras.ops.zeros_like(weight))
    up, head = model.get_layer("up0"), model.get_layer("head")
    up.bias.assign(np.repeat([1.0, 2.0, 3.0, 4.0], 4))
    kernel = np.zeros(head.kernel.shape, "float32")
    kernel[1, 1, 0] = 1
    head.kernel.assign(kernel)
    assert_close(np.asarray(model(np.zeros((1, 2, 3, 1))))[0, :, :, 0], np.tile([[1, 2], [3, 4]], (2, 3)))


def test_a_block_adds_its_scaled_residual():
    model = zoo.edsr((5, 6, 2), depth=1, filters=3, residual_scale=0.25)
    x = np.random.default_rng(0).random((1, 5, 6, 2), "float32")
    names = ("stem", "block0_conv1", "block0_add")
    stem, residual, added = keras.Model(model.input, [model.get_layer(n).output for n in names])(x)
    assert_close(added, stem + 0.25 * residual)


def test_other_scales_are_refused():
    with pytest.raises(ValueError, match="edsr: `scale` must be one of 2, 3, 4, got 5"):
        zoo.edsr((8, 8, 3), scale=5)
