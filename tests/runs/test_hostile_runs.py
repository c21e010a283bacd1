"""Runs from others: code in a saved model is refused, and does not run."""

import json
import zipfile

import keras
import numpy as np
import pytest

import recipes


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 2)).astype("float32")
    data = recipes.read_arrays((x, (x[:, 0] > 0).astype(int)))
    out = tmp_path_factory.mktemp("runs") / "run"
    recipes.Classification(epochs=1, baselines=False).fit("dnn", data, units=(2,), out=out, verbose=False)
    return out


def replace_model(folder, copy, change):
    """Copies a run, and changes the configuration of its model."""
    import shutil

    shutil.copytree(folder, copy)
    with zipfile.ZipFile(folder / "model.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    change(config)
    members["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(copy / "model.keras", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return copy


def test_a_lambda_in_a_saved_model_does_not_run(run_folder, tmp_path):
    marker = tmp_path / "ran"

    path, inputs = str(marker), keras.Input((2,))
    hostile = keras.layers.Lambda(lambda x: (open(path, "w").close(), x)[1], output_shape=(2,))
    keras.Model(inputs, hostile(inputs)).save(tmp_path / "hostile.keras")
    marker.unlink(missing_ok=True)
    copy = replace_model(run_folder, tmp_path / "copy", lambda config: None)
    (copy / "model.keras").write_bytes((tmp_path / "hostile.keras").read_bytes())
    with pytest.raises(ValueError, match=r"model.keras cannot be loaded: .*[lL]ambda"):
        recipes.load_run(copy)
    assert not marker.exists()


def test_a_class_of_another_module_is_not_imported(run_folder, tmp_path):
    def name_another_module(config):
        layer = config["config"]["layers"][-1]
        layer |= {"module": "subprocess", "class_name": "Popen", "registered_name": "Popen"}
        layer["config"] = {"args": ["touch", str(tmp_path / "ran")]}

    copy = replace_model(run_folder, tmp_path / "copy", name_another_module)
    with pytest.raises(ValueError, match=r"model.keras cannot be loaded: "):
        recipes.load_run(copy)
    assert not (tmp_path / "ran").exists()
