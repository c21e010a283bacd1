"""The engines that answer an export in this process."""

import sys

import keras
import numpy as np
import pytest
from keras import layers

import zoo
from tests.serving.conftest import photos
from tests.tolerance import assert_close

pytest.importorskip("openvino", reason="OpenVINO is not installed")


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Folder of a model whose whole graph is float32."""
    from tests.serving.conftest import here
    from zoo.export import parity_check

    inputs = layers.Input((None, None, 2), name="bands")
    x = layers.Conv2D(5, 3, activation="relu")(inputs)
    model = keras.Model(inputs, layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D(name="pool")(x)))
    folder = tmp_path_factory.mktemp("plots")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parity_check, "replayed", here)
        zoo.export(model, folder, inputs=np.random.default_rng(1).random((3, 7, 9, 2)), classes=("a", "b", "c"))
    return folder, model


@pytest.mark.parametrize(("engine", "taken"), [("auto", "openvino"), ("openvino", "openvino"), ("tensorflow",) * 2])
def test_every_engine_answers_as_predict_does(exported, engine, taken):
    folder, model = exported
    found = zoo.predictor(str(folder), engine)
    assert found.engine == taken
    x = np.random.default_rng(2).random((2, 11, 5, 2))
    answer = found.predict(x)
    expected = model.predict(x, verbose=0)
    assert_close(answer["probabilities"], expected)
    assert answer["classes"][:, 0].tolist() == ["abc"[i] for i in expected.argmax(-1)]
    assert_close(found({"bands": x})["scores"], answer["scores"])


def test_photos_of_any_size_are_answered_through_their_preprocessing(shelf):
    found = zoo.predictor(str(shelf.folder / "trees"))
    assert found.engine == "openvino"
    assert_close(found(photos(4))["probabilities"], shelf.answers)


def test_auto_takes_tensorflow_where_openvino_cannot_read_or_differs_and_says_why(shelf, monkeypatch):
    texts = zoo.predictor(str(shelf.folder / "soil"))
    assert texts.engine == "tensorflow" and texts.why.startswith("OpenVINO cannot read it")
    assert texts({"height": [1.0], "soil": ["clay"]})["values"].shape == (1, 1)
    module = sys.modules["zoo.predictor"]  # `zoo.predictor` is the function
    monkeypatch.setattr(module, "CLOSE", -1.0)
    differs = zoo.predictor(str(shelf.folder / "trees"))
    assert (differs.engine, differs.why) == ("tensorflow", "OpenVINO answers another `probabilities` than was proved")


@pytest.mark.usefixtures("quick")
def test_auto_takes_tensorflow_for_a_recurrent_network(tmp_path):
    model = zoo.lstm((None, 2), 1, units=(3,))
    zoo.export(model, tmp_path, inputs=np.ones((1, 4, 2)))
    found = zoo.predictor(str(tmp_path))
    assert (found.engine, found.why) == ("tensorflow", "a network with loops is faster on TensorFlow")


def test_what_cannot_be_loaded_or_asked_is_named(exported, tmp_path):
    folder, _ = exported
    with pytest.raises(ValueError, match="predictor: `path` must be an export, got .*/plot. Did you mean `plots"):
        zoo.predictor(str(folder.parent / "plot"))
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "saved_model.pb").write_bytes(b"no model")
    for engine in ("auto", "tensorflow", "openvino"):
        with pytest.raises(ValueError, match="predictor: .* is no SavedModel, or a broken one"):
            zoo.predictor(str(tmp_path), engine)
    with pytest.raises(ValueError, match=r"has no LiteRT file int8: export it with forms=\('litert_int8',\)"):
        zoo.predictor(str(folder), "litert", format="int8")
    with pytest.raises(ValueError, match="`form` is for the engine litert, got 'auto'"):
        zoo.predictor(str(folder), format="int8")
    for engine in ("tensorflow", "openvino"):
        with pytest.raises(ValueError, match="predict: `inputs` are not what the export takes"):
            zoo.predictor(str(folder), engine)(np.ones((1, 7, 9, 5)))
