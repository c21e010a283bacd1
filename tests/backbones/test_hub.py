"""TF Hub modules in Keras 3: training, freezing, saving with the module, loading and export."""

import http.server
import io
import shutil
import tarfile
import threading

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import zoo
from tests.tolerance import assert_close

X = np.random.default_rng(5).random((8, 6, 6, 2), "float32")
Y = np.arange(8) % 2


@pytest.fixture
def module(tmp_path):
    """A model with a regularized convolution and batch normalization, and the folder of its reusable SavedModel."""
    inputs = layers.Input((6, 6, 2))
    x = layers.Conv2D(3, 3, kernel_regularizer=keras.regularizers.L2(0.1), name="conv")(inputs)
    x = layers.BatchNormalization(name="norm", momentum=0.5)(x)
    backbone = keras.Model(inputs, layers.GlobalAveragePooling2D()(x))
    backbone.get_layer("norm").set_weights([np.full(3, v, "float32") for v in (1, 0, 0.2, 2)])
    zoo.save_reusable(backbone, str(tmp_path / "module"))
    return backbone, tmp_path / "module"


def model_with_hub_layer(path, **arguments):
    inputs = layers.Input((6, 6, 2))
    hub = zoo.HubLayer(path, name="hub", **arguments)
    model = keras.Model(inputs, layers.Dense(2, activation="softmax", name="head")(hub(inputs)))
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    return model, hub


def weight_copies(layer):
    return [np.array(w) for w in layer.weights]


def test_outputs_and_weights_are_those_of_the_module(module):
    backbone, path = module
    model, hub = model_with_hub_layer(path)
    assert_close(hub(X), backbone(X, training=False))
    assert len(hub.trainable_weights) == 4
    assert len(hub.weights) == 6
    assert model.count_params() == backbone.count_params() + 3 * 2 + 2
    assert hub(X[:1]).shape == (1, 3)


def test_training_changes_the_variables_of_the_module(module):
    model, hub = model_with_hub_layer(module[1])
    before = weight_copies(hub)
    model.fit(X, Y, verbose=0)
    changed = [not np.array_equal(a, b) for a, b in zip(before, weight_copies(hub), strict=True)]
    assert changed == [w.trainable for w in hub.weights]  # statistics do not change, as batch_norm is frozen
    variables = {v.name: v.numpy() for v in hub._module.variables}
    assert sorted(map(np.sum, variables.values())) == sorted(map(np.sum, weight_copies(hub)))


def test_a_frozen_module_does_not_change_until_it_is_thawed(module):
    model, hub = model_with_hub_layer(module[1], trainable=False)
    before = weight_copies(hub)
    model.fit(X, Y, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(before, weight_copies(hub), strict=True))
    assert hub.trainable_weights == []
    assert model.losses == []
    hub.trainable = True
    assert len(hub.trainable_weights) == 4
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(X, Y, verbose=0)
    assert not np.array_equal(before[0], weight_copies(hub)[0])


def test_regularization_losses_of_the_module_are_added(module):
    backbone, path = module
    model, _ = model_with_hub_layer(path)
    model(X)
    penalty = 0.1 * float(np.sum(np.square(backbone.get_layer("conv").get_weights()[0])))
    assert [float(x) for x in model.losses] == pytest.approx([penalty], rel=1e-5)
    compiled = model.evaluate(X, Y, verbose=0)
    outputs = np.asarray(model(X))
    assert compiled == pytest.approx(-np.log(outputs[np.arange(8), Y]).mean() + penalty, rel=1e-4)


def test_batch_normalization_trains_only_with_batch_norm_train(module):
    model, hub = model_with_hub_layer(module[1], batch_norm="train")
    before = weight_copies(hub)
    model.fit(X, Y, verbose=0)
    assert not any(np.array_equal(a, b) for a, b in zip(before, weight_copies(hub), strict=True))
    assert_close(hub(X, training=False), hub._module(tf.constant(X), training=False))
    with pytest.raises(ValueError, match="`batch_norm` train needs a module"):
        zoo.HubLayer(module[1], signature="serving_default", batch_norm="train")


def test_a_saved_model_loads_without_the_folder_and_continues_training(module, tmp_path):
    model, _ = model_with_hub_layer(module[1])
    model.fit(X, Y, verbose=0)
    model.save(tmp_path / "model.keras")
    shutil.rmtree(module[1])
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(X), model(X))
    for m in (model, loaded):
        m.fit(X, Y, verbose=0, shuffle=False, epochs=2)
    for a, b in zip(model.get_weights(), loaded.get_weights(), strict=True):
        assert_close(a, b)
    loaded.save(tmp_path / "twice.keras")  # from its own copy of the module
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "twice.keras")(X), loaded(X))
    with pytest.raises(ValueError, match="cannot be saved, as its folder .* does not exist anymore"):
        model.save(tmp_path / "lost.keras")
    assert len(loaded.get_layer("hub").trainable_weights) == 4


def test_a_saved_model_loads_its_own_copy_of_the_module(module, tmp_path):
    path = module[1]
    model, _ = model_with_hub_layer(path)
    model.save(tmp_path / "model.keras")
    expected = np.asarray(model(X))
    shutil.rmtree(path)
    other = keras.Sequential([layers.Input((6, 6, 2)), layers.Flatten(), layers.Dense(3, name="other")])
    zoo.save_reusable(other, str(path))
    loaded = keras.models.load_model(tmp_path / "model.keras", compile=False)
    np.testing.assert_array_equal(loaded(X), expected)


def test_an_export_of_the_model_is_a_module(module, tmp_path):
    model, _ = model_with_hub_layer(module[1])
    model.fit(X, Y, verbose=0)
    assert zoo.export(model, str(tmp_path / "served"), inputs=X).difference <= 1e-5
    hub = zoo.HubLayer(tmp_path / "served")  # the largest version is used
    assert_close(hub(X), model(X))
    assert len(hub.trainable_weights) == len(model.trainable_weights)


def test_a_module_with_several_outputs_needs_the_name_of_one(tmp_path):
    class TwoOutputs(tf.Module):
        def __init__(self):
            super().__init__()
            self.scale = tf.Variable(2.0)

        @tf.function(input_signature=[tf.TensorSpec((None, 3), tf.float32)])
        def __call__(self, x):
            return {"twice": x * self.scale, "same": x}

    tf.saved_model.save(TwoOutputs(), str(tmp_path / "two"))
    x = layers.Input((3,))
    hub = zoo.HubLayer(tmp_path / "two", output="twice")
    hub(x)
    np.testing.assert_array_equal(hub(np.ones((2, 3))), np.full((2, 3), 2))
    assert len(hub.trainable_weights) == 1
    with pytest.raises(ValueError, match="`output` must be one of .*twice.*, got 'twise'. Did you mean `twice`"):
        zoo.HubLayer(tmp_path / "two", output="twise")(np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"takes .*None, 3.*, got float32 \(2, 4\)"):
        hub(np.ones((2, 4)))


def test_a_module_is_a_backbone_with_one_stage(module):
    model = zoo.transfer(str(module[1]), 4, input_shape=(6, 6, 2))
    assert len(zoo.stages(model)) == 1
    assert [w.path for w in model.trainable_weights] == ["head/kernel", "head/bias"]
    zoo.thaw(model, 1)
    assert len(model.trainable_weights) == 6
    assert_close(zoo.extract_features(str(module[1]), X), zoo.HubLayer(module[1])(X))


def test_text_modules_take_strings(tmp_path):
    class Lengths(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None,), tf.string)])
        def __call__(self, text):
            return tf.cast(tf.strings.length(text), "float32")[:, None] * [[1.0, 2.0]]

    tf.saved_model.save(Lengths(), str(tmp_path / "lengths"))
    model = zoo.transfer(str(tmp_path / "lengths"), 2, input_shape=())
    lengths = keras.Model(model.input, model.get_layer("hub").output)(tf.constant(["a", "abc"]))
    np.testing.assert_array_equal(lengths, [[1, 2], [3, 6]])


def test_errors_for_invalid_handles_say_what_to_do(tmp_path):
    with pytest.raises(ValueError, match="must be a folder with a SavedModel, and .* has no saved_model.pb"):
        zoo.HubLayer(tmp_path)
    with pytest.raises(ValueError, match="`handle` must be a folder, a URL, or a name"):
        zoo.HubLayer("there_is_no_such_folder")
    with pytest.raises(ValueError, match="could not be fetched .*Without a network: download .* give the folder"):
        zoo.HubLayer("https://there.is.none.invalid/module/1")
    with pytest.raises(ValueError, match="must be new"):
        zoo.save_reusable(zoo.dnn((3,), 2, units=()), str(tmp_path))


def test_a_url_is_downloaded_once_and_cached(module, tmp_path, monkeypatch):
    """A local server responds as TF Hub does: with the module as an archive where `tf-hub-format` requests one."""
    backbone, path = module
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as file:
        file.add(path, arcname=".")
    requested = []

    class Hub(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            requested.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(archive.getvalue())

        def log_message(self, *_):
            pass

    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "cache"))
    with http.server.HTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/module/1"
        for _ in range(2):
            assert_close(zoo.HubLayer(url)(X), backbone(X, training=False))
        server.shutdown()
    assert requested == ["/module/1?tf-hub-format=compressed"]


def test_names_become_urls():
    from zoo.backbones.hub_handles import handle_url

    assert handle_url("google/nnlm-en-dim50/2") == "https://tfhub.dev/google/nnlm-en-dim50/2"
    kaggle = "google/yamnet/tensorFlow2/yamnet/1"
    assert handle_url(kaggle) == f"https://www.kaggle.com/models/{kaggle}"
    assert handle_url("../module") is None
