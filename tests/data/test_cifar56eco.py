"""The ecology lecture's classes of CIFAR-100, with the libraries' loaders replaced: the images are a download."""

import keras
import numpy as np
import pytest
import tensorflow_datasets as tfds

from recipes.data import load, reopen
from recipes.data.bundled import cifar56eco as reader


@pytest.fixture
def online(monkeypatch):
    monkeypatch.setattr(reader, "is_reachable", lambda host: True)


def fake(count=400):
    """Images whose first pixel is their fine label, 0 to 99 in turn."""
    y = np.arange(count) % 100
    x = np.random.default_rng(count).integers(0, 256, (count, 32, 32, 3)).astype("uint8")
    x[:, 0, 0, 0] = y
    return x, y[:, None]


def test_the_56_classes_are_in_the_order_of_their_labels():
    assert len(reader.CLASSES) == 56 and list(reader.CLASSES) == sorted(reader.CLASSES)
    assert list(reader.CLASSES.values()) == sorted(reader.CLASSES.values())
    assert {"bear", "forest", "willow_tree", "worm"} <= set(reader.CLASSES.values())
    indices, labels = reader.select_classes(np.repeat(np.arange(100), 500))
    assert len(indices) == 28_000 and np.bincount(labels).tolist() == [500] * 56


def test_download_through_keras(monkeypatch, online):
    monkeypatch.setattr(keras.datasets.cifar100, "load_data", lambda: (fake(1000), fake(200)))
    data = load("cifar56eco:keras?validation=0.2")
    assert (data.name, data.shape, data.dtype, len(data.classes)) == ("cifar56eco:keras", (32, 32, 3), "uint8", 56)
    assert [len(p) for p in (data.train, data.validation, data.test)] == [448, 112, 112]
    labels = np.array(list(reader.CLASSES))
    for split in (data.train, data.validation, data.test):
        np.testing.assert_array_equal(split.inputs[:, 0, 0, 0], labels[split.targets])
    assert data.classes[0] == "bear" and data.classes[-1] == "worm"
    assert str(data.source_spec) == "cifar56eco:keras?validation=0.2"
    np.testing.assert_array_equal(reopen(data.source_spec.to_json()).train.inputs, data.train.inputs)


def test_download_through_tensorflow_datasets(online):
    # The mock draws the same images for every split, which is a warning
    message = "are also in the (train|validation) split"
    with tfds.testing.mock_data(num_examples=1200), pytest.warns(UserWarning, match=message):
        data = load("cifar56eco:tfds")
        first = next(
            (x, int(y))
            for x, y in tfds.load("cifar100", split="test", as_supervised=True).as_numpy_iterator()
            if int(y) in reader.CLASSES
        )
    assert data.classes == tuple(reader.CLASSES.values()) and len(data.test) > 500
    np.testing.assert_array_equal(data.test.inputs[0], first[0])
    assert data.classes[data.test.targets[0]] == reader.CLASSES[first[1]]


def test_without_a_network_the_error_names_the_download_and_an_alternative(monkeypatch, tmp_path):
    monkeypatch.setattr(reader, "is_reachable", lambda host: False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    build = tfds.builder
    monkeypatch.setattr(tfds, "builder", lambda name: build(name, data_dir=tmp_path))
    for library, host in (("keras", "toronto"), ("tfds", "googleapis")):
        with pytest.raises(ValueError, match=f"needs CIFAR-100, .*{host}.* `bundled:animal-silhouettes` needs no"):
            load(f"cifar56eco:{library}")


def test_failed_downloads_and_unknown_sources_are_errors(monkeypatch, online):
    def fail():
        raise OSError("the archive is gone")

    monkeypatch.setattr(keras.datasets.cifar100, "load_data", fail)
    with pytest.raises(ValueError, match="could not be downloaded: the archive is gone; `bundled:animal"):
        load("cifar56eco:keras")
    with pytest.raises(ValueError, match="`source` must be one of 'keras', 'tfds', got 'kears'"):
        load("cifar56eco:kears")
    with pytest.raises(ValueError, match="unknown argument `drop_columns`"):
        load("cifar56eco:keras", drop_columns=("bear",))
