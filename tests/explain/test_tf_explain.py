"""tf-explain's explainers and callbacks on every kind of model, compared with the original where that works."""

import warnings

import keras
import numpy as np
import pytest
from keras import layers
from tf_explain import core

from tests.explain.test_gradients import random_array
from zoo.explain.attribution import tf_explain

SHAPE = (8, 8, 3)


def backbone_layers():
    return [
        layers.Conv2D(4, 3, padding="same", activation="relu", name="first"),
        layers.Conv2D(6, 3, strides=2, padding="same", activation="relu", name="second"),
    ]


def head_layers():
    return [layers.GlobalAveragePooling2D(), layers.Dense(3), layers.Activation("softmax")]


def apply_layers(x, sequence):
    for layer in sequence:
        x = layer(x)
    return x


def functional(shape=SHAPE):
    inputs = layers.Input(shape)
    return keras.Model(inputs, apply_layers(inputs, [*backbone_layers(), *head_layers()]))


def sequential():
    return keras.Sequential(
        [layers.Input(SHAPE), *backbone_layers(), *head_layers()[:1], layers.Dense(3, activation="softmax")]
    )


def nested():
    inner, inputs = layers.Input(SHAPE), layers.Input(SHAPE)
    backbone = keras.Model(inner, apply_layers(inner, backbone_layers()), name="backbone")
    return keras.Model(inputs, apply_layers(backbone(inputs), head_layers()))


MODELS = {
    "functional": functional,
    "sequential": sequential,
    "nested": nested,
    "five bands": lambda: functional((8, 8, 5)),
    "one band, not square": lambda: functional((8, 12, 1)),
}
CALLS = {
    "GradCAM": {"class_index": 1},
    "OcclusionSensitivity": {"class_index": 1, "patch_size": 4},
    "SmoothGrad": {"class_index": 1, "num_samples": 2, "noise": 0.1},
    "IntegratedGradients": {"class_index": 1, "n_steps": 3},
    "VanillaGradients": {"class_index": 1},
    "GradientsInputs": {"class_index": 1},
    "ExtractActivations": {"layers_name": ["second"]},
}
COLOR_METHODS = ("GradCAM", "OcclusionSensitivity")


def images(model, count=2):
    return np.random.default_rng(1).random((count, *model.inputs[0].shape[1:])).astype("float32")


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("build", MODELS)
def test_every_explainer_runs_on_every_model(build, name):
    model = MODELS[build]()
    x = images(model)
    before = model(x).numpy()
    picture = getattr(tf_explain, name)().explain((x, None), model, **CALLS[name])
    height, width = x.shape[1:3]
    if name == "ExtractActivations":
        assert picture.shape == (4 * height // 2, 4 * width // 2)  # 2 images of 6 half-sized maps, in 4 x 4 places
    else:
        assert picture.shape == (2 * height, 2 * width, *[3] * (name in COLOR_METHODS))
    assert picture.dtype == np.uint8
    assert picture.max() > picture.min()
    np.testing.assert_array_equal(model(x), before)


@pytest.mark.parametrize("name", ["functional", "nested"])
def test_gradcam_takes_the_name_of_a_layer(name):
    model = MODELS[name]()
    x = images(model)
    explain = tf_explain.GradCAM().explain
    default, first, second = (explain((x, None), model, 1, layer_name=n) for n in (None, "first", "second"))
    np.testing.assert_array_equal(default, second)
    assert (default != first).any()
    with pytest.raises(ValueError, match="has no layer 'secnd'. Did you mean `second`"):
        explain((x, None), model, 1, layer_name="secnd")
    with pytest.raises(ValueError, match=r"Grad-CAM needs a feature map, float32 \(B, H, W, C\); activation"):
        explain((x, None), model, 1, layer_name=model.layers[-1].name)


@pytest.mark.parametrize("name", CALLS)
def test_results_equal_those_of_the_original_where_it_works(name):
    model = functional()
    x = images(model)
    call = dict(CALLS[name]) | ({"layer_name": "second"} if name == "GradCAM" else {})
    np.random.seed(3)  # noqa: NPY002
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # from Keras, about the structure of tf-explain's inputs
        expected = getattr(core, name)().explain((x, None), model, **call)
    np.random.seed(3)  # noqa: NPY002
    picture = getattr(tf_explain, name)().explain((x, None), model, **call)
    assert np.abs(picture.astype(int) - expected).max() <= 1


def test_several_layers_are_stacked_vertically():
    model = nested()
    x = images(model, 1)
    explain = tf_explain.ExtractActivations().explain
    first, second = (explain((x, None), model, [name]) for name in ("first", "second"))
    both = explain((x, None), model, ["first", "second"])
    np.testing.assert_array_equal(both[: first.shape[0], : first.shape[1]], first)
    np.testing.assert_array_equal(both[first.shape[0] :, : second.shape[1]], second)
    with pytest.raises(ValueError, match=r"must output feature maps \(B, H, W, C\), got \(None, 3\)"):
        explain((x, None), model, [model.layers[-1].name])


def test_occlusion_does_not_swap_rows_and_columns():
    inputs = layers.Input((8, 12, 1))
    corner = layers.Cropping2D(((0, 4), (8, 0)))(inputs)  # the output is the mean of the upper right corner
    model = keras.Model(inputs, layers.Flatten()(layers.GlobalAveragePooling2D()(corner)))
    picture = tf_explain.OcclusionSensitivity().get_sensitivity_map(model, np.zeros((8, 12, 1)), 0, 4)
    assert picture.shape == (8, 12)
    assert np.unravel_index(picture.argmin(), picture.shape)[0] < 4
    assert picture[0, -1] == 1 - 127.5
    assert picture[-1, 0] == picture[0, 0] == 1


def test_constant_maps_and_images_are_drawn():
    model = functional()
    for weight in model.weights:
        weight.assign(keras.ops.zeros_like(weight))
    x = np.full((1, *SHAPE), 0.5, "float32")
    assert tf_explain.GradCAM().explain((x, None), model, 0).shape == SHAPE
    assert not tf_explain.ExtractActivations().explain((x, None), model, ["first"]).any()


def test_half_precision_and_subclassed_models_raise_an_error():
    keras.config.set_dtype_policy("mixed_float16")
    model = functional()
    with pytest.raises(ValueError, match="Grad-CAM needs a feature map, float32 .*; second outputs float16"):
        tf_explain.GradCAM().explain((images(model), None), model, 1)

    class Subclassed(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(ValueError, match="tf_explain: `model` must be functional or Sequential"):
        tf_explain.SmoothGrad().explain((random_array(1, 4), None), Subclassed(), 1)


CALLBACKS = {
    "ActivationsVisualizationCallback": ("Activations Visualization", {"layers_name": ["first"]}),
    "GradCAMCallback": ("Grad CAM", {"class_index": 0}),
    "OcclusionSensitivityCallback": ("Occlusion Sensitivity", {"class_index": 0, "patch_size": 4}),
    "IntegratedGradientsCallback": ("IntegratedGradients", {"class_index": 0, "n_steps": 3}),
    "SmoothGradCallback": ("SmoothGrad", {"class_index": 0, "num_samples": 2}),
    "VanillaGradientsCallback": ("VanillaGradients", {"class_index": 0}),
    "GradientsInputsCallback": ("GradientsInputs", {"class_index": 0}),
}


@pytest.mark.parametrize(
    "build",
    ["nested", *(pytest.param(b, marks=pytest.mark.slow) for b in ("functional", "sequential", "five bands"))],
)
def test_all_seven_callbacks_write_a_picture_after_every_epoch(build, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    model = MODELS[build]()
    x, y = images(model, 4), np.eye(3)[[0, 1, 2, 0]]
    recorders = [
        getattr(tf_explain, name)((x[:1], None), output_dir=tmp_path / name, **options)
        for name, (_, options) in CALLBACKS.items()
    ]
    model.compile("sgd", "categorical_crossentropy")
    assert len(model.fit(x, y, epochs=2, verbose=0, callbacks=recorders).history["loss"]) == 2
    for name, (tag, _) in CALLBACKS.items():
        (folder,) = (tmp_path / name).iterdir()
        events = EventAccumulator(str(folder), size_guidance={"tensors": 0}).Reload()
        assert [event.step for event in events.Tensors(tag)] == [0, 1], name
