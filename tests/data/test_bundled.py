"""Bundled data: counts, splits, options and checksums."""

import concurrent.futures
import os
import pickle
import platform
import sys
import zipfile

import numpy as np
import pytest

from recipes.data import load, sources
from recipes.data.bundled import packages

SHAPES = {
    "mnist-5k": ((28, 28, 1), 5000, tuple("0123456789")),
    "animal-silhouettes": (
        (28, 28, 1),
        9716,
        ("bear", "bird", "cat", "cow", "dog", "elephant", "giraffe", "horse", "sheep", "zebra"),
    ),
    "digits": ((8, 8, 1), 1797, tuple("0123456789")),
    "satimage": (
        (3, 3, 4),
        6435,
        ("red soil", "cotton crop", "grey soil", "damp grey soil", "vegetation stubble", "very damp grey soil"),
    ),
}


def whole(data):
    """Targets of all splits together."""
    return np.concatenate([p.targets for p in (data.train, data.validation, data.test)])


@pytest.mark.parametrize("name", SHAPES)
def test_images_are_as_counted(name):
    shape, count, classes = SHAPES[name]
    data = load(f"bundled:{name}")
    assert (data.name, data.task, data.kind, data.shape, data.dtype) == (
        name,
        "classification",
        "image",
        shape,
        "uint8",
    )
    assert data.classes == classes
    assert data.train.inputs.dtype == np.uint8 and data.train.targets.dtype == np.int32
    assert data.train.inputs.shape == (len(data.train), *shape)
    assert len(whole(data)) == count
    assert data.train.inputs.max() > 150 and data.license and data.source.startswith("http")


def test_mnist_has_500_of_every_digit():
    data = load("bundled:mnist-5k")
    assert np.bincount(whole(data)).tolist() == [500] * 10
    assert [len(p) for p in (data.train, data.validation, data.test)] == [3500, 750, 750]
    seven = data.train.inputs[data.train.targets == 7].mean(0)[..., 0]
    assert seven[6:10].mean() > 2 * seven[16:20, :12].mean()  # a seven has its bar on top


def test_satimage_has_its_official_test_split():
    data = load("bundled:satimage")
    assert len(data.test) == 2000 and len(data.train) + len(data.validation) == 4435
    counts = dict(zip(data.classes, np.bincount(whole(data)).tolist(), strict=True))
    assert counts == {
        "red soil": 1533, "cotton crop": 703, "grey soil": 1358, "damp grey soil": 626, "vegetation stubble": 707,
        "very damp grey soil": 1508,
    }  # fmt: skip
    assert "the test split as given" in data.split_description
    cotton = data.train.inputs[data.train.targets == 1, 1, 1].mean(0)  # bands green, red, two infra-red
    assert cotton[2] > 1.5 * cotton[1]  # plants are bright in the near infra-red


def test_animal_silhouettes_are_distinct():
    data = load("bundled:animal-silhouettes")
    inputs = np.concatenate([p.inputs for p in (data.train, data.validation, data.test)])
    assert len(np.unique(inputs.reshape(len(inputs), -1), axis=0)) == len(inputs) == 9716
    assert data.notes == ("left out 284 of 10,000 images that repeat another",)


def test_digits_use_the_whole_gray_scale():
    inputs = load("bundled:digits").train.inputs
    assert inputs.max() == 255 and len(np.unique(inputs)) == 17


def test_penguins_drop_rows_with_gaps_unless_missing_is_set():
    data = load("bundled:penguins")
    assert data.columns == {
        "island": "category", "bill_length_mm": "number", "bill_depth_mm": "number", "flipper_length_mm": "number",
        "body_mass_g": "number", "sex": "category",
    }  # fmt: skip
    assert data.classes == ("Adelie", "Chinstrap", "Gentoo") and len(whole(data)) == 333
    assert data.notes == ("left out 11 of 344 rows with gaps",)
    assert data.shape is None and data.kind == "table"
    imputed = load("bundled:penguins", missing="impute")
    assert np.bincount(whole(imputed)).tolist() == [152, 68, 124] and imputed.missing == "impute"
    with pytest.raises(ValueError, match="the table has gaps in `bill_length_mm` \\(2\\).*`sex` \\(11\\)"):
        load("bundled:penguins?missing=error")


def test_the_tables_of_scikit_learn():
    cancer = load("bundled:breast-cancer")
    assert cancer.classes == ("benign", "malignant") and np.bincount(whole(cancer)).tolist() == [357, 212]
    assert len(cancer.columns) == 30 and set(cancer.columns.values()) == {"number"} and not cancer.notes
    diabetes = load("bundled:diabetes")
    assert (diabetes.task, diabetes.outputs, diabetes.classes) == ("regression", ("progression",), ())
    targets = whole(diabetes)
    assert targets.shape == (442, 1) and targets.dtype == np.float32 and (targets.min(), targets.max()) == (25, 346)
    assert 18 < diabetes.train.inputs["age"].min() < 90  # raw, in years


def test_sources_lists_what_loading_returns():
    for row in sources():
        data = load(f"bundled:{row['name']}")
        count = sum(len(p) for p in (data.train, data.validation, data.test))
        if row["name"] == "python-topics" and platform.python_version() != "3.11.7":
            count = row["examples"]  # every Python has its own texts
        assert (data.task, count, len(data.classes), data.license, data.source) == (
            row["task"], row["examples"], row["classes"], row["license"], row["source"],
        )  # fmt: skip


def test_mnist_is_downloaded_once(monkeypatch):
    load("bundled:mnist-5k")
    monkeypatch.setattr("subprocess.run", None)
    load("bundled:mnist-5k")


def test_an_unknown_name_offers_the_nearest():
    with pytest.raises(ValueError, match=r"no bundled set 'mnist'. Did you mean `mnist-5k`\? There are mnist-5k, "):
        load("bundled:mnist")


def test_options_of_other_kinds_are_refused():
    with pytest.raises(
        ValueError, match="`missing` is not an option of bundled:digits. It takes validation, test, seed"
    ):
        load("bundled:digits", missing="drop")
    with pytest.raises(ValueError, match="`strict` is not an option of bundled:digits"):
        load("bundled:digits", strict=True)


def test_a_wheel_that_was_changed_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setenv("FIELDZOO_CACHE", str(tmp_path))
    (tmp_path / "wheels").mkdir()
    path = tmp_path / "wheels" / packages.PENGUINS.file
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("palmerpenguins/data/penguins.csv", "species\nDodo\n")
    with pytest.raises(ValueError, match=f"{path} must have the sha256 5c3be9af.*, got .*. Nothing is read from it"):
        load("bundled:penguins")
    assert path.is_file()  # it is the user's to remove


def test_a_download_that_differs_never_reaches_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FIELDZOO_CACHE", str(tmp_path))
    monkeypatch.setattr(packages, "PENGUINS", packages.PENGUINS._replace(sha256="0" * 64))
    with pytest.raises(ValueError, match="must have the sha256 0000"):
        load("bundled:penguins")
    assert list((tmp_path / "wheels").iterdir()) == []


def test_without_a_network_the_line_to_run_is_given(tmp_path, monkeypatch):
    monkeypatch.setenv("FIELDZOO_CACHE", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    (tmp_path / "python").write_text("#!/bin/sh\necho 'no route to host' >&2\nexit 1\n")
    (tmp_path / "python").chmod(0o755)
    line = f"python -m pip download --no-deps --dest {tmp_path / 'wheels'} palmerpenguins==0.1.6"
    with pytest.raises(ValueError, match=rf"could not be fetched .*\(no route to host\).*run: {line}"):
        load("bundled:penguins")


def test_two_threads_may_download_one_wheel(tmp_path, monkeypatch):
    monkeypatch.setenv("FIELDZOO_CACHE", str(tmp_path))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        contents = list(pool.map(packages.PENGUINS.read, ["palmerpenguins/data/penguins.csv"] * 2))
    assert [len(text) for text in contents] == [15241, 15241]
    assert [p.name for p in (tmp_path / "wheels").iterdir()] == [packages.PENGUINS.file]


def test_the_unpickler_accepts_arrays_only():
    x = np.arange(6, dtype="uint8").reshape(2, 3)
    np.testing.assert_array_equal(packages.unpickle_array(pickle.dumps(x, protocol=4)), x)
    with pytest.raises(pickle.UnpicklingError, match="an array was expected, got a pickle that asks for .*system"):
        packages.unpickle_array(pickle.dumps(os.system))
