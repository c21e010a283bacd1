"""Compile options, their recorded reason, and mixed precision."""

import keras
import pytest
from keras import layers

import zoo
from recipes.training import accelerate


def test_dense_networks_are_compiled_with_xla_and_convolutions_are_not():
    if accelerate.gpus():
        pytest.skip("tests the options for a CPU; this machine has a GPU")
    dense = accelerate.choose_acceleration(zoo.dnn((4,), 2), steps=100)
    assert dense.settings == {"jit_compile": True, "steps_per_execution": 32}
    assert "dense" in dense.record["reason"]
    conv = accelerate.choose_acceleration(zoo.lenet5((28, 28, 1), 10), steps=10)
    assert conv.settings == {"jit_compile": False, "steps_per_execution": 10}
    assert "convolutions" in conv.record["reason"]
    recurrent = keras.Sequential([layers.Input((5, 2)), layers.LSTM(3)])
    assert accelerate.choose_acceleration(recurrent, steps=10).settings["jit_compile"] is False


def test_mode_off_uses_keras_defaults_and_mode_xla_uses_xla():
    model = zoo.lenet5((28, 28, 1), 10)
    assert accelerate.choose_acceleration(model, 10, "off").settings == {
        "jit_compile": "auto",
        "steps_per_execution": 1,
    }
    assert accelerate.choose_acceleration(model, 10, "xla").settings["jit_compile"] is True


def test_mixed_precision_requires_hardware_support(monkeypatch):
    monkeypatch.setattr(accelerate, "mixed_precision", lambda: ("float32", "no hardware support"))
    with (
        pytest.raises(ValueError, match="`accelerate` must be auto, off or xla.*no hardware support"),
        accelerate.dtype_policy("mixed"),
    ):
        pass
    monkeypatch.setattr(accelerate, "mixed_precision", lambda: ("mixed_bfloat16", "hardware support"))
    with accelerate.dtype_policy("mixed") as name:
        assert name == "mixed_bfloat16"
        assert zoo.dnn((4,), 2).get_layer("hidden0").compute_dtype == "bfloat16"
    assert keras.config.dtype_policy().name == "float32"
