"""Models of several backbones and one head, and missing inputs."""

import keras
import numpy as np
import pytest

import zoo
from tests.backbones.test_transfer import images, savedmodel_difference, small_mobilenet
from tests.tolerance import assert_close

RNG = np.random.default_rng(4)
INPUTS = {
    "optical": RNG.random((6, 16, 16, 4), "float32"),
    "thermal": RNG.random((6, 8, 8, 1), "float32"),
    "site": RNG.random((6, 3), "float32"),
    "weather": RNG.random((6, 5, 2), "float32"),
}
PRESENT = np.array([[1, 1, 1, 1], [0, 1, 1, 1], [1, 0, 1, 1], [1, 1, 0, 1], [1, 1, 1, 0], [0, 0, 0, 1]], "float32")


def backbones():
    resnet = {"depths": (1, 1), "block": "basic"}
    return {
        "optical": zoo.resnet18((16, 16, 4), 2, **resnet),
        "thermal": zoo.resnet18((8, 8, 1), 2, **resnet),
        "site": zoo.dnn((3,), 2, units=(4,)),
        "weather": zoo.tempcnn((5, 2), 2, filters=(4,), units=(5,), dropout=0.0),
    }


def fusion_model(**arguments):
    return zoo.fusion(backbones(), 3, width=6, **arguments)


def test_images_tables_and_time_series_are_joined_before_one_head():
    model = fusion_model(units=(7,), dropout=0.1)
    assert model.output_shape == (None, 3)
    assert model.get_layer("joined").output.shape == (None, 24)
    assert_close(np.sum(model(INPUTS), axis=1), 1)
    model.compile("sgd", "sparse_categorical_crossentropy")
    before = {w.path: np.array(w) for w in model.get_layer("site_backbone").weights}
    model.fit(INPUTS, np.arange(6) % 3, verbose=0)
    assert not any(np.array_equal(before[w.path], w) for w in model.get_layer("site_backbone").weights)


def test_backbones_are_copied_with_their_weights():
    originals = backbones()
    model = zoo.fusion(originals, 3)
    feature = keras.Model(originals["site"].input, originals["site"].get_layer("hidden0").output)
    assert_close(model.get_layer("site_backbone")(INPUTS["site"]), feature(INPUTS["site"]))


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("value", [1e9, np.nan])
def test_values_of_missing_inputs_are_ignored(training, value):
    model = fusion_model(maskable=True)
    spoiled = {k: v.copy() for k, v in INPUTS.items()}
    for i, key in enumerate(spoiled):
        spoiled[key][PRESENT[:, i] == 0] = value
    expected, outputs = (np.asarray(model({**x, "present": PRESENT}, training=training)) for x in (INPUTS, spoiled))
    assert np.isfinite(outputs).all()
    assert_close(outputs, expected)
    complete = np.asarray(model({**INPUTS, "present": np.ones_like(PRESENT)}, training=False))
    partial = np.asarray(model({**INPUTS, "present": PRESENT}, training=False))
    assert (np.abs(complete - partial).max(axis=1) > 1e-6).tolist() == [False, True, True, True, True, True]


@pytest.mark.slow
def test_nan_in_missing_inputs_keeps_gradients_finite_and_trains_the_vectors():
    model = fusion_model(maskable=True)
    spoiled = {k: v.copy() for k, v in INPUTS.items()}
    spoiled["optical"][PRESENT[:, 0] == 0] = np.nan
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit({**spoiled, "present": PRESENT}, np.arange(6) % 3, verbose=0)
    assert all(np.isfinite(w).all() for w in model.get_weights())
    assert all(np.any(model.get_layer(f"head_{key}_absent").get_weights()[0]) for key in INPUTS)


@pytest.mark.slow
def test_a_fusion_saves_loads_and_exports(tmp_path):
    model = fusion_model(maskable=True)
    inputs = {**INPUTS, "present": PRESENT}
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(inputs), model(inputs))
    assert savedmodel_difference(loaded, inputs, tmp_path / "served") <= 1e-5


def test_the_top_stages_of_all_backbones_thaw_together():
    model = zoo.thaw(fusion_model(), 1)
    names = {w.path.split("/")[0] for w in model.trainable_weights}
    assert "stage1_block0_conv0" in names
    assert "stage0_block0_conv0" not in names
    assert "head_optical" in names
    assert model.get_layer("site_backbone").trainable_weights
    zoo.thaw(model, 0)
    assert {w.path.split("/")[0].split("_")[0] for w in model.trainable_weights} == {"head"}


def test_the_range_of_each_backbone_is_verified():
    model = zoo.fusion({"photo": small_mobilenet(), "site": zoo.dnn((3,), 2, units=(4,))}, 3)
    site = np.zeros((8, 3))
    zoo.verify_range(model, {"photo": images(), "site": site})
    with pytest.raises(ValueError, match="photo_backbone: the backbone was trained on images from 0 to 255"):
        zoo.verify_range(model, {"photo": images() / 255, "site": site})


def test_invalid_backbones_are_refused():
    with pytest.raises(ValueError, match="`backbones` must be at least two"):
        zoo.fusion({"site": zoo.dnn((3,), 2)}, 3)
    with pytest.raises(ValueError, match="a name must be a plain word and none of present"):
        zoo.fusion({"present": zoo.dnn((3,), 2), "b": zoo.dnn((3,), 2)}, 3)
    with pytest.raises(ValueError, match="photo must have one input, got 4"):
        zoo.fusion({"photo": fusion_model(), "b": zoo.dnn((3,), 2)}, 3)
