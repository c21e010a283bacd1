"""How a run is made fast, and that the reason is on record."""

import keras
import pytest
from keras import layers

import zoo
from recipes.training import accelerate
from zoo.devices import gpus


def test_dense_networks_take_xla_and_convolutions_do_not():
    if gpus():
        pytest.skip("the choice for a CPU; this machine has a GPU")
    dense = accelerate.choose(zoo.dnn((4,), 2), steps=100)
    assert dense.settings == {"jit_compile": True, "steps_per_execution": 32}
    assert "dense" in dense.record["reason"]
    conv = accelerate.choose(zoo.lenet5((28, 28, 1), 10), steps=10)
    assert conv.settings == {"jit_compile": False, "steps_per_execution": 10}
    assert "convolutions" in conv.record["reason"]
    recurrent = keras.Sequential([layers.Input((5, 2)), layers.LSTM(3)])
    assert accelerate.choose(recurrent, steps=10).settings["jit_compile"] is False


def test_off_is_keras_defaults_and_xla_is_xla():
    model = zoo.lenet5((28, 28, 1), 10)
    assert accelerate.choose(model, 10, "off").settings == {"jit_compile": "auto", "steps_per_execution": 1}
    assert accelerate.choose(model, 10, "xla").settings["jit_compile"] is True


def test_mixed_precision_only_where_the_machine_has_it(monkeypatch):
    monkeypatch.setattr(accelerate, "low_precision", lambda: ("float32", "no hardware for it"))
    with (
        pytest.raises(ValueError, match="`accelerate` must be auto, off or xla.*no hardware for it"),
        accelerate.policy("mixed"),
    ):
        pass
    monkeypatch.setattr(accelerate, "low_precision", lambda: ("mixed_bfloat16", "it has"))
    with accelerate.policy("mixed") as chosen:
        assert chosen == "mixed_bfloat16"
        assert zoo.dnn((4,), 2).get_layer("hidden0").compute_dtype == "bfloat16"
    assert keras.config.dtype_policy().name == "float32"
