"""TensorFlow Datasets: its splits and names, and a quick answer without a network."""

import socket

import numpy as np
import pytest
import tensorflow_datasets as tfds

from recipes.data import load, reopen
from recipes.data import tfds as reader


@pytest.fixture
def online(monkeypatch):
    """The mocked TensorFlow Datasets prepares nothing, so whether there is a network does not matter."""
    monkeypatch.setattr(reader, "is_reachable", lambda: True)


def test_an_image_set_has_its_classes(online):
    with tfds.testing.mock_data(num_examples=80):
        data = load("tfds:mnist")
    assert (data.name, data.kind, data.shape, data.dtype) == ("tfds:mnist", "image", (28, 28, 1), "uint8")
    assert data.classes == tuple("0123456789") and data.task == "classification"
    assert len(data.train) + len(data.validation) + len(data.test) == 80
    assert isinstance(data.train.inputs, np.ndarray) and data.source.startswith("http")


def test_images_of_different_sizes_stay_a_dataset(online):
    with tfds.testing.mock_data(num_examples=60):
        data = load("tfds:imagenette")
        assert data.shape == (None, None, 3) and len(data.classes) == 10
        sizes = {x.shape for x, _ in data.train.dataset().take(4).as_numpy_iterator()}
    assert len(sizes) > 1


def test_a_table_has_its_columns(online):
    text = ("boat", "cabin", "home.dest", "ticket")
    with tfds.testing.mock_data(num_examples=30), pytest.warns(UserWarning, match="left out `name`: it is text"):
        data = load("tfds:titanic", drop_columns=text)
    assert data.kind == "table" and data.task == "classification" and len(data.classes) == 2
    assert data.columns["age"] == "number" and data.columns["sex"] == "category"
    assert set(data.train.inputs["sex"]) <= {"male", "female", "unknown"}
    assert not {"name", "home_dest", *text} & set(data.columns)


class Leaves(tfds.core.GeneratorBasedBuilder):
    """Vectors of two classes, with a test split whose labels are kept back in one configuration."""

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = tuple(tfds.core.BuilderConfig(name=name) for name in ("open", "blind"))

    def _info(self):
        features = {
            "x": tfds.features.Tensor(shape=(2,), dtype=np.float32),
            "y": tfds.features.ClassLabel(names=["oak", "elm"]),
        }
        return tfds.core.DatasetInfo(
            builder=self,
            description="Leaves. By hand.",
            features=tfds.features.FeaturesDict(features),
            supervised_keys=("x", "y"),
        )

    def _split_generators(self, manager):
        return {"train": self._generate_examples(0, 40), "test": self._generate_examples(100, 10)}

    def _generate_examples(self, first, n):
        for i in range(first, first + n):
            blind = self.builder_config.name == "blind" and first == 100
            yield i, {"x": np.array([i, -i], "float32"), "y": -1 if blind else i % 2}


@pytest.fixture
def prepared(tmp_path, monkeypatch):
    for config in ("open", "blind"):
        Leaves(config=config, data_dir=tmp_path).download_and_prepare()
    build = tfds.builder
    monkeypatch.setattr(tfds, "builder", lambda name: build(name, data_dir=tmp_path))


def test_prepared_data_need_no_network_and_keep_their_splits(prepared, monkeypatch):
    monkeypatch.setattr(reader, "is_reachable", lambda: pytest.fail("the network was used"))
    data = load("tfds:leaves/open", validation=0.25)
    assert [len(p) for p in (data.train, data.validation, data.test)] == [30, 10, 10]
    assert data.classes == ("oak", "elm") and data.kind == "vector" and data.description == "Leaves"
    np.testing.assert_array_equal(data.test.inputs[:, 0] % 2, data.test.targets)
    assert data.test.inputs.min() == -109 and data.train.inputs[:, 0].max() < 40
    assert str(data.source_spec) == "tfds:leaves/open?task=classification&missing=error&validation=0.25"
    np.testing.assert_array_equal(reopen(data.source_spec.to_json()).train.inputs, data.train.inputs)


def test_a_split_without_labels_is_left_out(prepared):
    data = load("tfds:leaves/blind", validation=0.25, test=0.25)
    assert [len(p) for p in (data.train, data.validation, data.test)] == [20, 10, 10]
    assert "the test split has no labels: left out" in data.notes


def test_without_a_network_the_error_comes_within_seconds(tmp_path, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "")
    build = tfds.builder
    monkeypatch.setattr(tfds, "builder", lambda name: build(name, data_dir=tmp_path))
    monkeypatch.setattr(reader, "TIMEOUT", 1)
    monkeypatch.setattr(
        reader, "is_reachable", lambda reachable=reader.is_reachable: reachable("https://host.invalid", 1)
    )
    with pytest.raises(
        ValueError, match="tfds:mnist is not in .* did not respond .*`bundled:mnist-5k` needs no download"
    ):
        load("tfds:mnist")
    with pytest.raises(ValueError, match="`bundled:penguins` needs no download"):
        load("tfds:titanic")


def test_a_host_that_never_responds_is_not_reachable():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        assert not reader.is_reachable(f"http://127.0.0.1:{silent.getsockname()[1]}", 0.5)  # it would wait for ever


def test_a_failed_download_is_in_the_error(tmp_path, monkeypatch, online):
    build = tfds.builder
    monkeypatch.setattr(tfds, "builder", lambda name: build(name, data_dir=tmp_path))

    def fail(self):
        raise ConnectionError("the mirror is gone")

    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", fail)
    with pytest.raises(ValueError, match="tfds:mnist could not be prepared: the mirror is gone; `bundled:mnist-5k`"):
        load("tfds:mnist")


def test_unsuitable_names_and_data_sets_are_errors(online):
    with pytest.raises(ValueError, match=r"TensorFlow Datasets has no 'mnst'. Did you mean `mnist`\?"):
        load("tfds:mnst")
    with pytest.raises(ValueError, match="must have an input and a target, got idx, label, sentence"):
        load("tfds:glue/sst2")
