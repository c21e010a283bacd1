"""The list of GPUs and their memory setting, tested with a simulated TensorFlow configuration."""

import pytest
import tensorflow as tf

from zoo.devices import gpus


@pytest.fixture
def simulated_gpus(monkeypatch):
    """Simulates two GPUs, the second in use; the result is the list of GPUs with memory growth."""
    growing = []

    def set_memory_growth(device, enable):
        if device == "GPU:1":
            raise RuntimeError("Physical devices cannot be modified after being initialized")
        growing.append(device)

    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: ["GPU:0", "GPU:1"])
    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", set_memory_growth)
    gpus.cache_clear()
    yield growing
    gpus.cache_clear()


def test_gpus_allocate_memory_as_needed_unless_they_are_in_use(simulated_gpus):
    assert gpus() == ["GPU:0", "GPU:1"]
    assert simulated_gpus == ["GPU:0"]
    gpus()
    assert simulated_gpus == ["GPU:0"]  # set once
