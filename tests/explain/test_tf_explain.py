"""tf-explain's explainers and callbacks on models of every build, beside the original where that works."""

import warnings

import keras
import numpy as np
import pytest
from keras import layers
from tf_explain import core

from tests.explain.test_gradients import draw
from zoo.explain.attribution import tf_explain

SHAPE = (8, 8, 3)


def backbone_layers():
    return [
        layers.Conv2D(4, 3, padding="same", activation="relu", name="first"),
        layers.Conv2D(6, 3, strides=2, padding="same", activation="relu", name="second"),
    ]


def top():
    return [layers.GlobalAveragePooling2D(), layers.Dense(3), layers.Activation("softmax")]


def chain(x, parts):
    for part in parts:
        x = part(x)
    return x


def functional(shape=SHAPE):
    inputs = layers.Input(shape)
    return keras.Model(inputs, chain(inputs, [*backbone_layers(), *top()]))


def sequential():
    return keras.Sequential(
        [layers.Input(SHAPE), *backbone_layers(), *top()[:1], layers.Dense(3, activation="softmax")]
    )


def nested():
    inner, inputs = layers.Input(SHAPE), layers.Input(SHAPE)
    backbone = keras.Model(inner, chain(inner, backbone_layers()), name="backbone")
    return keras.Model(inputs, chain(backbone(inputs), top()))


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
COLOURED = ("GradCAM", "OcclusionSensitivity")


def images(model, count=2):
    return np.random.default_rng(1).random((count, *model.inputs[0].shape[1:])).astype("float32")


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("build", MODELS)
def test_every_explainer_runs_on_every_model(build, name):
    model = MODELS[build]()
    x = images(model)
    before = model(x).numpy()
    found = getattr(tf_explain, name)().explain((x, None), model, **CALLS[name])
    height, width = x.shape[1:3]
    if name == "ExtractActivations":
        assert found.shape == (4 * height // 2, 4 * width // 2)  # 2 images of 6 half-sized maps, in 4 x 4 places
    else:
        assert found.shape == (2 * height, 2 * width, *[3] * (name in COLOURED))
    assert found.dtype == np.uint8
    assert found.max() > found.min()
    np.testing.assert_array_equal(model(x), before)


@pytest.mark.parametrize("name", ["functional", "nested"])
def test_grad_cam_takes_a_layers_name(name):
    model = MODELS[name]()
    x = images(model)
    explain = tf_explain.GradCAM().explain
    own, first, second = (explain((x, None), model, 1, layer_name=n) for n in (None, "first", "second"))
    np.testing.assert_array_equal(own, second)
    assert (own != first).any()
    with pytest.raises(ValueError, match="no layer of .* is called 'secnd'. Did you mean `second`"):
        explain((x, None), model, 1, layer_name="secnd")
    with pytest.raises(ValueError, match=r"Grad-CAM needs a map, float32 \(B, H, W, C\); activation"):
        explain((x, None), model, 1, layer_name=model.layers[-1].name)


@pytest.mark.parametrize("name", CALLS)
def test_it_is_what_the_original_answers_where_that_works(name):
    model = functional()
    x = images(model)
    call = dict(CALLS[name]) | ({"layer_name": "second"} if name == "GradCAM" else {})
    np.random.seed(3)  # noqa: NPY002
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras' of how tf-explain passes inputs
        expected = getattr(core, name)().explain((x, None), model, **call)
    np.random.seed(3)  # noqa: NPY002
    found = getattr(tf_explain, name)().explain((x, None), model, **call)
    assert np.abs(found.astype(int) - expected).max() <= 1


def test_several_layers_stand_below_one_another():
    model = nested()
    x = images(model, 1)
    explain = tf_explain.ExtractActivations().explain
    first, second = (explain((x, None), model, [name]) for name in ("first", "second"))
    both = explain((x, None), model, ["first", "second"])
    np.testing.assert_array_equal(both[: first.shape[0], : first.shape[1]], first)
    np.testing.assert_array_equal(both[first.shape[0] :, : second.shape[1]], second)
    with pytest.raises(ValueError, match=r"answers no maps \(B, H, W, C\) but \(None, 3\)"):
        explain((x, None), model, [model.layers[-1].name])


def test_occlusion_knows_rows_from_columns():
    inputs = layers.Input((8, 12, 1))
    corner = layers.Cropping2D(((0, 4), (8, 0)))(inputs)  # the answer is what lies at the upper right
    model = keras.Model(inputs, layers.Flatten()(layers.GlobalAveragePooling2D()(corner)))
    found = tf_explain.OcclusionSensitivity().get_sensitivity_map(model, np.zeros((8, 12, 1)), 0, 4)
    assert found.shape == (8, 12)
    assert np.unravel_index(found.argmin(), found.shape)[0] < 4
    assert found[0, -1] == 1 - 127.5
    assert found[-1, 0] == found[0, 0] == 1


def test_flat_maps_and_constant_images_are_drawn():
    model = functional()
    for weight in model.weights:
        weight.assign(keras.ops.zeros_like(weight))
    x = np.full((1, *SHAPE), 0.5, "float32")
    assert tf_explain.GradCAM().explain((x, None), model, 0).shape == SHAPE
    assert not tf_explain.ExtractActivations().explain((x, None), model, ["first"]).any()


def test_other_precisions_and_subclassed_models_are_refused():
    keras.config.set_dtype_policy("mixed_float16")
    model = functional()
    with pytest.raises(ValueError, match="Grad-CAM needs a map, float32 .*; second answers float16"):
        tf_explain.GradCAM().explain((images(model), None), model, 1)

    class Subclassed(keras.Model):
        def call(self, x):
            return x

    with pytest.raises(ValueError, match="tf_explain: `model` must be functional or Sequential"):
        tf_explain.SmoothGrad().explain((draw(1, 4), None), Subclassed(), 1)


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
def test_the_seven_callbacks_write_a_picture_after_every_epoch(build, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    model = MODELS[build]()
    x, y = images(model, 4), np.eye(3)[[0, 1, 2, 0]]
    watching = [
        getattr(tf_explain, name)((x[:1], None), output_dir=tmp_path / name, **given)
        for name, (_, given) in CALLBACKS.items()
    ]
    model.compile("sgd", "categorical_crossentropy")
    assert len(model.fit(x, y, epochs=2, verbose=0, callbacks=watching).history["loss"]) == 2
    for name, (tag, _) in CALLBACKS.items():
        (folder,) = (tmp_path / name).iterdir()
        events = EventAccumulator(str(folder), size_guidance={"tensors": 0}).Reload()
        assert [event.step for event in events.Tensors(tag)] == [0, 1], name
