"""The folder of a run: complete runs stay, each training resumes its own backup, and one process trains at a time."""

import json
import os
import socket
import subprocess
import sys
from types import SimpleNamespace

import keras
import numpy as np
import pytest

import recipes
import zoo
from recipes.data import Examples
from recipes.data.fingerprint import fingerprint
from recipes.training.backup import Backup, read_progress
from recipes.training.fit import train_run
from recipes.training.folder_lock import LOCK, lock_folder
from recipes.training.identity import architecture_hash, describe_training, differences
from recipes.training.run_folder import RunFolder
from recipes.training.run_record import write_json

TASK = recipes.Classification(epochs=3, batch_size=8, learning_rate=0.01, accelerate="off")


LOCK_UNTIL_INPUT = """
import os, pathlib, sys
from recipes.training.folder_lock import lock_folder
with lock_folder(pathlib.Path(sys.argv[1])):
    print("locked", flush=True)
    input()
    os._exit(1)
"""


def arrays(seed=0):
    return np.random.default_rng(seed).normal(size=(40, 4)).astype("float32"), np.arange(40) % 2


def description(task=TASK, model="dnn", data=None, **arguments):
    data = task.open_data(arrays() if data is None else data)
    built = task.build_model(model, data, **arguments)
    return describe_training(task, model if isinstance(model, str) else model.name, built, arguments, data)


@pytest.fixture(scope="module")
def saved():
    return description(units=(4,))


def begun(path, saved, epochs=1):
    """Makes a folder with the backup of a training that was killed after some epochs."""
    RunFolder(path).begin(saved)
    progress = {"history": {"loss": [0.5] * epochs}, "state": "state_000001.npz", "phase": 0, "epoch": epochs}
    (path / "backup" / "progress.json").write_text(json.dumps(progress))
    (path / "backup" / "state_000001.npz").write_bytes(b"")


# What a training is


def test_the_same_training_has_the_same_description(saved):
    assert description(units=(4,)) == saved
    assert differences(saved, description(units=(4,))) == []


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"task": TASK.replace(seed=5)}, "`seed` was 0 and is now 5"),
        ({"task": TASK.replace(learning_rate=1e-6)}, "`learning_rate` was 0.01 and is now 1e-06"),
        ({"task": TASK.replace(epochs=30)}, "`epochs` was 3 and is now 30"),
        ({"task": TASK.replace(optimizer="sgd")}, "`optimizer` was adam and is now sgd"),
        ({"units": (5,)}, r"`units of the model` was \[4\] and is now \[5\]"),
        ({"dropout": 0.1}, "`dropout of the model` was unset and is now 0.1"),
        ({"data": arrays(1)}, "the train content differs"),
        ({"data": (arrays()[0], 1 - arrays()[1])}, "the train content differs"),
        ({"data": tuple(x[:36] for x in arrays())}, "`train examples` was 28 and is now"),
    ],
)
def test_another_training_is_described_by_what_differs(saved, changes, sentence, tmp_path):
    other = description(**{"units": (4,), **changes})
    assert "; ".join(differences(saved, other)) != ""
    begun(tmp_path, saved)
    with pytest.raises(
        ValueError, match=f"the backup of another training.*{sentence}.*Repeat the command.*--overwrite"
    ):
        RunFolder(tmp_path).begin(other)
    assert (tmp_path / "backup" / "state_000001.npz").exists()
    RunFolder(tmp_path, overwrite=True).begin(other)
    assert read_progress(tmp_path / "backup") is None


def test_other_versions_are_another_training(saved, tmp_path):
    begun(tmp_path, {**saved, "versions": {**saved["versions"], "fieldzoo": "0.0.1"}})
    with pytest.raises(ValueError, match="`fieldzoo` was 0.0.1 and is now"):
        RunFolder(tmp_path).begin(saved)


def test_a_backup_without_a_whole_epoch_is_replaced_by_any_training(saved, tmp_path):
    RunFolder(tmp_path).begin({**saved, "task": "Regression"})
    RunFolder(tmp_path).check()
    RunFolder(tmp_path).begin(saved)
    assert json.loads((tmp_path / "backup" / "recipe.json").read_text())["training"] == saved


def test_overwrite_resumes_the_backup_of_the_same_training(saved, tmp_path):
    begun(tmp_path, saved, epochs=2)
    RunFolder(tmp_path, overwrite=True).begin(saved)
    assert read_progress(tmp_path / "backup")["epoch"] == 2


def test_a_models_hash_does_not_depend_on_names_that_keras_counts_up():
    def build(units=3, activation="relu"):
        inner = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(units, activation=activation)])
        return keras.Sequential([keras.layers.Input((4,)), inner, keras.layers.Dropout(0.5), keras.layers.Dense(2)])

    assert architecture_hash(build()) == architecture_hash(build())
    assert architecture_hash(build(5)) != architecture_hash(build())
    assert architecture_hash(build(activation="tanh")) != architecture_hash(build())
    first, second = (zoo.vae((8, 8, 1), 2, units=(4,)) for _ in range(2))
    assert architecture_hash(first) == architecture_hash(second)
    assert architecture_hash(zoo.vae((8, 8, 1), 3, units=(4,))) != architecture_hash(first)


def test_layers_of_an_augmentation_are_described_by_their_configuration():
    one, same, other = (
        description(TASK.replace(augment=(keras.layers.RandomRotation(factor, seed=1),))) for factor in (0.1, 0.1, 0.2)
    )
    assert one == same != other


@pytest.mark.parametrize("kind", ["table", "texts", "dates", "files", "images of several sizes", "tf.data"])
def test_a_fingerprint_follows_the_content(kind, tmp_path):
    import tensorflow as tf
    from PIL import Image

    def inputs(value):
        if kind == "table":
            return {"a": np.array([1.0, np.nan, value]), "b": np.array(["x", "é", str(value)], object)}
        if kind == "texts":
            return np.array(["one", "two", f"three {value}"], object)
        if kind == "dates":
            return np.array(["2020-01-01", "2020-01-02", f"2020-01-0{value}"], "datetime64[s]")
        if kind == "tf.data":
            return tf.data.Dataset.from_tensor_slices(np.array([1, 2, value]))
        from recipes.data.images.image_patches import ImageList

        return ImageList((np.zeros((2, 2, 1)), np.full((3, 2, 1), value)))

    if kind == "files":
        for label in ("a", "b"):
            (tmp_path / label).mkdir()
            for i in range(8):
                Image.fromarray(np.full((8, 8), 9 * i + (label == "b"), "uint8")).save(tmp_path / label / f"{i}.png")
        before = fingerprint(recipes.load(f"folder:{tmp_path}", validation=0, test=0).train)
        assert before == fingerprint(recipes.load(f"folder:{tmp_path}", validation=0, test=0).train)
        path = tmp_path / "a" / "0.png"
        path.write_bytes(path.read_bytes())  # the same content at another time
        assert before == fingerprint(recipes.load(f"folder:{tmp_path}", validation=0, test=0).train)
        Image.fromarray(np.full((8, 8), 200, "uint8")).save(path)
        assert before != fingerprint(recipes.load(f"folder:{tmp_path}", validation=0, test=0).train)
        return
    hashes = [fingerprint(Examples(inputs(value), np.arange(3))) for value in (3, 3, 4)]
    assert hashes[0] == hashes[1] != hashes[2]
    assert fingerprint(Examples(inputs(3), np.arange(3) + 1)) != hashes[0]


# What is in the folder already


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["run.json", "model.keras"], "`out` must be without a run, got .* with a complete one; choose another folder"),
        (["report.html"], "`out` must be without files that a run writes, got .* with report.html; .*--overwrite"),
        (["saved_model/1/saved_model.pb", "card.md"], "with card.md, saved_model/1"),
        (["backup/latest.weights.h5", "backup/progress.json"], "the backup of an older fieldzoo, which is not resumed"),
    ],
)
def test_files_of_a_run_are_refused_before_anything_is_computed(files, message, tmp_path):
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}")
    before = sorted(p for p in tmp_path.rglob("*"))
    with pytest.raises(ValueError, match=message):
        TASK.fit("no model", "no:data", out=tmp_path, verbose=False)
    with pytest.raises(ValueError, match=message):
        recipes.train("lenet5_mnist", data="no:data", out=tmp_path, verbose=False)
    assert sorted(p for p in tmp_path.rglob("*")) == before
    with pytest.raises(ValueError, match="no architecture|no:data|`source`|must"):
        TASK.fit("no model", arrays(), out=tmp_path, verbose=False, overwrite=True)
    assert sorted(p for p in tmp_path.rglob("*")) == before  # an error before the training replaces nothing


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="`out` must be a folder, got the file"):
        TASK.fit("dnn", arrays(), out=tmp_path / "file", verbose=False)


def test_a_folder_with_other_files_is_used_and_they_stay(saved, tmp_path):
    names = ["notes.txt", "photos/a.jpg", "tensorboard/notes.txt", "tensorboard/train/events.out.tfevents.1.theirs"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("theirs")
    folder = RunFolder(tmp_path)
    folder.check()
    folder.begin(saved)
    ours = ["tensorboard/train/events.out.tfevents.2.ours", "samples/epoch_0001.png", "saved_model/1/saved_model.pb"]
    for name in ours:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("ours")
    assert set(folder.written()) == {*ours[:2], "saved_model/1"}
    (tmp_path / "run.json").write_text(json.dumps({"record": {"files": folder.written()}}))
    folder.finish()
    assert not folder.backup.exists()
    (tmp_path / "saved_model" / "7").mkdir()  # a later export
    again = RunFolder(tmp_path, overwrite=True)
    again.begin({**saved, "task": "another"})
    assert not any((tmp_path / name).exists() for name in (*ours, "run.json"))
    assert all((tmp_path / name).read_text() == "theirs" for name in names)
    assert (tmp_path / "saved_model" / "7").exists()


# One training at a time


def test_a_second_training_is_refused_while_the_first_runs(tmp_path):
    with (
        lock_folder(tmp_path / "run"),
        pytest.raises(ValueError, match=f"one training at a time, got .*process {os.getpid()} on .* trains; wait"),
    ):
        TASK.fit("dnn", arrays(), out=tmp_path / "run", verbose=False)
    assert not (tmp_path / "run").exists()  # it was new, and is empty


def test_a_second_process_is_refused_and_the_lock_of_a_dead_one_is_replaced(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", LOCK_UNTIL_INPUT, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "locked\n"
        with (
            pytest.raises(ValueError, match=f"process {process.pid} on {socket.gethostname()} trains"),
            lock_folder(tmp_path),
        ):
            pass
        process.communicate("\n")
    assert (tmp_path / LOCK).exists()  # it was killed
    with lock_folder(tmp_path):
        assert json.loads((tmp_path / LOCK).read_text())["pid"] == os.getpid()
    assert not (tmp_path / LOCK).exists()


@pytest.mark.parametrize("text", ["", "{", '{"pid": 1}', '{"pid": 999999999, "host": "HOST", "started": 1.0}'])
def test_unreadable_and_stale_locks_are_replaced(text, tmp_path):
    (tmp_path / LOCK).write_text(text.replace("HOST", socket.gethostname()))
    with lock_folder(tmp_path):
        pass


def test_a_process_number_that_is_used_again_is_no_lock(tmp_path):
    owner = {"pid": os.getpid(), "host": socket.gethostname(), "started": 1.0}
    (tmp_path / LOCK).write_text(json.dumps(owner))
    with lock_folder(tmp_path):
        pass


def test_the_lock_of_another_computer_is_kept(tmp_path):
    (tmp_path / LOCK).write_text(json.dumps({"pid": 1, "host": "elsewhere", "started": 1.0}))
    with (
        pytest.raises(ValueError, match=f"process 1 on elsewhere trains; .*if it has ended, delete .*{LOCK}"),
        lock_folder(tmp_path),
    ):
        pass
    assert [p.name for p in tmp_path.iterdir()] == [LOCK]


# From the first epoch to the complete run


def test_a_kill_after_the_last_epoch_repeats_only_what_follows(tmp_path, capsys, monkeypatch):
    whole = TASK.fit("dnn", arrays(), out=tmp_path / "whole", verbose=False, units=(4,))

    def fail(folder, run):
        run.save(folder.path)  # complete but for what follows
        raise OSError("no space")

    with pytest.raises(OSError, match="no space"):
        train_run(TASK, "dnn", arrays(), tmp_path / "run", False, False, {"units": (4,)}, fail)
    (tmp_path / "run" / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="`seed` was 0 and is now 5; .*Repeat the command"):
        TASK.replace(seed=5).fit("dnn", arrays(), out=tmp_path / "run", verbose=False, units=(4,))
    monkeypatch.setattr(Backup, "on_epoch_end", lambda *_, **__: pytest.fail("trained again"))
    run = TASK.fit("dnn", arrays(), out=tmp_path / "run", units=(4,))
    assert "resumes after epoch 3 of 3; the training is complete" in capsys.readouterr().err
    assert run.history == whole.history
    assert run.metrics["test"] == whole.metrics["test"]
    assert run.record["energy"]["source"].endswith("2 sessions, without what each spent after its last whole epoch")
    for one, other in zip(run.model.variables, whole.model.variables, strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))
    assert not (tmp_path / "run" / "backup").exists()
    assert (tmp_path / "run" / "notes.txt").read_text() == "mine"
    names = json.loads((tmp_path / "run" / "run.json").read_text())["record"]["files"]
    assert names and all(name.startswith("tensorboard/") for name in names)
    with pytest.raises(ValueError, match="with a complete one"):
        TASK.fit("dnn", arrays(), out=tmp_path / "run", verbose=False, units=(4,))


@pytest.mark.parametrize(
    ("epoch", "message"),
    [(0, "stopped before the end of the first epoch"), (1, "after 1 whole epochs; the same command resumes")],
)
def test_an_interrupt_says_what_the_same_command_does(epoch, message, tmp_path, capsys):
    class Interrupted(recipes.Classification):
        def callbacks(self, model, out, data):
            def interrupt(number, logs=None):
                if number == epoch:
                    raise KeyboardInterrupt

            return [keras.callbacks.LambdaCallback(on_epoch_begin=interrupt)]

    settings = {"epochs": 3, "batch_size": 8, "accelerate": "off"}
    with pytest.raises(KeyboardInterrupt):
        Interrupted(**settings).fit("dnn", arrays(), out=tmp_path / "run", units=(4,))
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run" / LOCK).exists()
    assert bool(read_progress(tmp_path / "run" / "backup")) == bool(epoch)


def test_a_diverged_training_leaves_no_backup(tmp_path):
    task = recipes.Regression(learning_rate=1e30, optimizer="sgd", schedule="constant", accelerate="off")
    x, y = arrays()
    with pytest.raises(ArithmeticError):
        task.fit("dnn", (x, y * 1.0), out=tmp_path / "run", verbose=False)
    assert not (tmp_path / "run" / "backup").exists()


def test_a_kill_between_state_and_progress_leaves_the_epoch_before(tmp_path, monkeypatch):
    written = []

    def write_once(path, value):
        if written:
            raise RuntimeError("killed")
        written.append(write_json(path, value))

    monkeypatch.setattr("recipes.training.backup.write_json", write_once)
    with pytest.raises(RuntimeError, match="killed"):
        TASK.fit("dnn", arrays(), out=tmp_path / "run", verbose=False, units=(4,))
    progress = read_progress(tmp_path / "run" / "backup")
    assert progress["epoch"] == len(progress["history"]["loss"]) == 1
    assert (tmp_path / "run" / "backup" / progress["state"]).exists()


def test_variables_of_16_bits_and_random_states_are_restored(tmp_path):
    def build():
        model = keras.Sequential(
            [keras.layers.Input((4,)), keras.layers.Dropout(0.5, seed=1), keras.layers.Dense(2, dtype="bfloat16")]
        )
        model.compile("adam", "mse")
        consumption = SimpleNamespace(so_far=lambda: dict.fromkeys(("seconds", "kWh", "kg_CO2eq"), 0.0))
        backup = Backup(tmp_path, consumption, verbose=False)
        backup.set_model(model)
        backup.set_params({"epochs": 2})
        return model, backup

    model, backup = build()
    backup.on_train_begin()
    model.optimizer.build(model.trainable_variables)
    for i, variable in enumerate(backup.variables()):
        variable.assign(np.full(variable.shape, i + 1))
    backup.on_epoch_end(0, {"loss": 1.0})
    other, again = build()
    again.on_train_begin()
    assert other._initial_epoch == again.epochs == 1
    assert [v.dtype for v in again.variables()].count("bfloat16") >= 2
    for i, variable in enumerate(again.variables()):
        assert (np.asarray(variable, "float32") == i + 1).all()
    assert len(again.variables()) == len(other.weights) + 1 + len(other.optimizer.variables)


def test_what_killed_processes_left_half_written_is_removed(tmp_path):
    folder = RunFolder(tmp_path)
    folder.begin({"task": "a"})
    unfinished = "0123456789abcdef" * 2
    left = [tmp_path / f".run.json.{unfinished}", tmp_path / "backup" / f".state_000001.npz.{unfinished}"]
    left.append(tmp_path / "saved_model" / f".{unfinished}" / "saved_model.pb")
    mine = [tmp_path / ".notes", tmp_path / "saved_model" / ".notes"]
    for path in (*left, *mine):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    folder.remove_exports()
    folder.finish()
    assert not any(path.exists() for path in left) and all(path.exists() for path in mine)
    assert not (tmp_path / "backup").exists() and not left[-1].parent.exists()
