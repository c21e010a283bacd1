"""Grad-CAM of models with a dense output, of regressors, and of a selected layer."""

import keras
import numpy as np
import pytest
from keras import layers

import zoo
from tests.explain.test_gradients import random_array
from tests.tolerance import assert_close
from zoo import explain


def segmentation_model(bands=2, activation="softmax"):
    """A model with a feature map of half the size, upsampling and a 1 x 1 head."""
    inputs = layers.Input((8, 12, bands))
    x = layers.Conv2D(4, 3, strides=2, padding="same", activation="tanh", name="coarse")(inputs)
    x = layers.UpSampling2D(2)(x)
    return keras.Model(inputs, layers.Conv2D(3, 1, activation=activation, name="head")(x))


@pytest.mark.parametrize("activation", ["softmax", None])
def test_gradcam_of_a_region_is_the_coarse_map_weighted_by_the_class(activation):
    model = segmentation_model(activation=activation)
    x = random_array(2, 8, 12, 2)
    region = np.zeros((8, 12))
    region[2:4, 4:10] = 1  # 3 cells of the coarse map, and the mean gradient is over all 24
    result = explain.gradcam(model, x, 1, mask=region)
    maps = keras.Model(model.inputs, model.get_layer("coarse").output).predict(x, verbose=0)
    weights = model.get_layer("head").kernel.numpy()[0, 0, :, 1]
    coarse = np.maximum(maps @ weights, 0) / 24
    assert result.shape == (2, 8, 12)
    assert_close(result[:, ::2, ::2], resize(coarse)[:, ::2, ::2])


def resize(coarse):
    import tensorflow as tf

    return tf.image.resize(coarse[..., None], (8, 12))[..., 0].numpy()


def test_gradcam_of_a_unet_uses_its_bottleneck_at_any_size():
    model = zoo.unet((None, None, 2), 3, filters=(4, 6, 8))
    x = random_array(1, 16, 24, 2)
    region = np.zeros((16, 24), bool)
    region[:8, :8] = True
    result = explain.gradcam(model, x, 2, mask=region)
    bottleneck = explain.gradcam(model, x, 2, mask=region, layer="encoder2_relu1")
    assert_close(result, bottleneck)
    assert np.isfinite(result).all() and (result >= 0).all()
    other = explain.gradcam(model, x, 2, mask=~region)
    assert np.abs(result - other).max() > 0


def test_the_default_target_is_the_class_with_the_largest_mean_logit():
    model = segmentation_model()
    x = random_array(2, 8, 12, 2)
    logits = (
        keras.Model(model.inputs, model.layers[-2].output).predict(x, verbose=0)
        @ (model.layers[-1].kernel.numpy()[0, 0])
    )
    best = logits.mean(axis=(1, 2)).argmax(axis=-1)
    assert_close(explain.gradcam(model, x), explain.gradcam(model, x, best))


def test_a_single_sigmoid_per_pixel_has_two_classes():
    inputs = layers.Input((8, 8, 1))
    x = layers.Conv2D(3, 3, strides=2, padding="same", name="coarse")(inputs)
    model = keras.Model(inputs, layers.Conv2DTranspose(1, 2, strides=2, activation="sigmoid")(x))
    x = random_array(1, 8, 8, 1)
    yes, no = explain.gradcam(model, x, 1), explain.gradcam(model, x, 0)
    assert yes.any() and no.any()
    assert not (yes[:, ::7, ::7] * no[:, ::7, ::7]).any()  # the corners do not depend on neighbors


def test_gradcam_of_a_regressor_explains_the_increase_of_an_output():
    inputs = layers.Input((9, 7, 3))
    maps = layers.Conv2D(4, 3, padding="same", name="maps")(inputs)
    model = keras.Model(inputs, layers.Dense(2, name="head")(layers.GlobalAveragePooling2D(name="pool")(maps)))
    x = random_array(2, 9, 7, 3)
    result = keras.Model(inputs, maps).predict(x, verbose=0) @ model.get_layer("head").kernel.numpy()
    for output in range(2):
        expected = np.maximum(result[..., output], 0) / 63
        assert_close(explain.gradcam(model, x, output), expected)


def test_a_single_step_of_a_series_output_can_be_explained():
    model = zoo.lstm((6, 3), 2, units=(4, 3), every_step=True)
    last = np.zeros(6)
    last[-1] = 1
    assert explain.gradcam(model, random_array(2, 6, 3), 1, mask=last).shape == (2, 6)


def test_a_restoration_model_is_explained_per_output_band():
    model = zoo.edsr((None, 6, 2), scale=2, depth=1, filters=4)
    corner = np.zeros((10, 12))
    corner[:2, :2] = 1
    result = explain.gradcam(model, random_array(1, 5, 6, 2), 1, mask=corner)
    assert result.shape == (1, 5, 6)
    assert np.isfinite(result).all()


def test_another_layer_can_be_selected_and_a_wrong_name_gets_a_suggestion():
    model = zoo.cnn((8, 8, 3), 3, filters=(4, 4), units=(5,))
    x = random_array(1, 8, 8, 3)
    default = explain.gradcam(model, x, 1)
    assert np.abs(explain.gradcam(model, x, 1, layer="block0_conv0") - default).max() > 0
    with pytest.raises(
        ValueError, match="`layer` must be a layer of cnn, got 'block0_conf0'. Did you mean `block0_conv"
    ):
        explain.gradcam(model, x, 1, layer="block0_conf0")
    with pytest.raises(ValueError, match=r"the layer head has no feature map \(B, H, W, C\)"):
        explain.gradcam(model, x, 1, layer="head")
    inner = keras.Sequential([layers.Conv2D(2, 3, name="deep"), layers.Conv2D(2, 3)])
    model = keras.Sequential([layers.Input((8, 8, 3)), inner, layers.Flatten(), layers.Dense(2)])
    assert explain.gradcam(model, x, 1, layer="deep").shape == (1, 8, 8)


def test_videos_raise_an_error():
    model = zoo.convlstm((2, 4, 6, 2), 3, filters=(3, 2), kernel_size=3, patch=2)
    with pytest.raises(ValueError, match=r"`model` must take images .* or series .*, got \(None, 2, 4, 6, 2\)"):
        explain.gradcam(model, random_array(1, 2, 4, 6, 2))


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_gradcam_supports_mixed_precision_and_constant_images(policy):
    keras.config.set_dtype_policy(policy)
    inputs = layers.Input((8, 8, 1))
    x = layers.UpSampling2D(2)(layers.Conv2D(3, 3, strides=2, padding="same", activation="relu")(inputs))
    model = keras.Model(inputs, layers.Conv2D(2, 1, dtype="float32")(x))
    for method in (explain.gradcam, explain.guided_gradcam):
        result = method(model, np.full((1, 8, 8, 1), 0.5), 1)
        assert result.dtype == np.float32
        assert result.shape == (1, 8, 8)
        assert np.isfinite(result).all()
