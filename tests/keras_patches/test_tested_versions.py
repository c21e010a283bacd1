"""Keras versions outside of the tested range: patches are off, and LayerRates is refused."""

import keras
import pytest
from keras import layers

from zoo.keras_patches import LayerRates, keras_is_tested, patch_adam, patch_batch_norm, patch_distributed_fit


def test_the_installed_keras_is_tested():
    assert keras_is_tested()


@pytest.mark.parametrize(
    ("version", "tested"),
    [
        ("3.14.1", False),
        ("3.15.0", True),
        ("3.15.1", True),
        ("3.16.0.dev1", False),
        ("3.16.0", False),
        ("4.0.0", False),
    ],
)
def test_the_lowest_version_is_included_and_the_highest_excluded(monkeypatch, version, tested):
    monkeypatch.setattr(keras, "__version__", version)
    assert keras_is_tested() is tested


def test_an_untested_keras_is_left_as_it_is(monkeypatch):
    monkeypatch.setattr(keras, "__version__", "3.16.0")
    model = keras.Sequential([keras.Input((8, 8, 2)), layers.BatchNormalization()])
    assert patch_batch_norm(model) is model
    assert "call" not in vars(model.layers[0])
    adam = keras.optimizers.Adam()
    assert patch_adam(adam) is adam
    assert "update_step" not in vars(adam)


def test_layer_rates_names_the_tested_versions_and_the_way_out(monkeypatch):
    monkeypatch.setattr(keras, "__version__", "3.16.0")
    with pytest.raises(RuntimeError, match=r"tested with Keras from 3.15 to below 3.16, got Keras 3.16.0"):
        LayerRates("adam", {"head": 0.1})
    with pytest.raises(RuntimeError, match=r"pip install 'keras>=3.15,<3.16', or use a Keras optimizer"):
        LayerRates.from_config({"inner": "adam", "factors": {}, "name": "layer_rates"})


def test_distributed_training_is_refused_too(monkeypatch):
    monkeypatch.setattr(keras, "__version__", "3.16.0")
    with pytest.raises(RuntimeError, match=r"got Keras 3.16.0. .*, or train without `distribute`"):
        patch_distributed_fit()
