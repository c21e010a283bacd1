"""GroupNorm equals Keras' group normalization."""

import keras
import numpy as np
import pytest

from tests.layers.pairs import assert_same
from tests.tolerance import assert_close
from zoo.layers.group_norm import GroupNorm


def layer_and_keras_layer(shape, **arguments):
    """Returns the layer and Keras' own, with the same random weights."""
    pair = GroupNorm(**arguments), keras.layers.GroupNormalization(**arguments)
    for layer in pair:
        layer.build(shape)
        rng = np.random.default_rng(1)
        layer.set_weights([rng.normal(size=w.shape) for w in layer.weights])
    return pair


@pytest.mark.parametrize("options", [{}, {"center": False, "scale": False}])
@pytest.mark.parametrize("groups", [1, 4, 8, -1])
def test_outputs_and_gradients_equal_those_of_keras(groups, options):
    # A mean far from 0 shows whether the variance is computed in a numerically stable way.
    x = np.random.default_rng(0).normal(50, 3, (3, 5, 4, 8)).astype("float32")
    assert_same(layer_and_keras_layer(x.shape, groups=groups, **options), x)


def test_each_group_of_each_image_is_normalized_for_any_image_size():
    inputs = keras.Input((None, None, 6))
    model = keras.Model(inputs, GroupNorm(3, epsilon=1e-9)(inputs))
    for shape in ((2, 7, 5, 6), (1, 4, 9, 6)):
        outputs = model.predict(np.random.default_rng(3).uniform(0, 9, shape).astype("float32"), verbose=0)
        groups = outputs.reshape(*shape[:3], 3, 2)
        assert_close(groups.mean((1, 2, 4)), 0, scale=1)
        assert_close(groups.std((1, 2, 4)), 1)


def test_half_precision_inputs_are_normalized_in_float32():
    x = np.random.default_rng(4).normal(300, 1, (2, 16, 16, 4)).astype("float16")  # squares overflow float16
    outputs = GroupNorm(2, dtype="mixed_float16", epsilon=1e-6)(x)
    assert keras.backend.standardize_dtype(outputs.dtype) == "float16"
    expected = GroupNorm(2, epsilon=1e-6)(x.astype("float32"))
    assert_close(np.asarray(outputs, "float32"), expected, rtol=3e-3)


def test_the_layer_is_restored_from_its_config():
    layer = GroupNorm(2, epsilon=1e-4, scale=False, name="norm")
    restored = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert type(restored) is GroupNorm and restored.get_config() == layer.get_config()


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: GroupNorm(2, axis=1), "GroupNorm: `axis` must be -1, the last axis, got 1"),
        (
            lambda: GroupNorm(2, name="n").build((None, 5, 4)),
            r"n: the input must be \(B, H, W, C\), got \(None, 5, 4\)",
        ),
        (lambda: GroupNorm(3).build((None, 5, 5, 4)), "multiple"),
    ],
)
def test_unsupported_axes_shapes_and_group_counts_are_refused(build, message):
    with pytest.raises(ValueError, match=message):
        build()
