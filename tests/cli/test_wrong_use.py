"""Wrong use, a full disk and ctrl-c: one line on stderr and the exit code, before any training."""

import errno
import json
import os

import numpy as np
import pytest

from recipes.cli import errors
from recipes.cli import main as command_line
from recipes.cli.output import print_json
from recipes.data.readers import READERS
from recipes.tasks import TASKS

PENGUINS = "bundled:penguins"


@pytest.fixture(autouse=True)
def no_training(monkeypatch):
    """Nothing here may come as far as a training."""
    monkeypatch.setattr("recipes.reference.recipes.train_and_export", lambda *a, **k: pytest.fail("it trained"))


def run(capsys, *arguments):
    """Returns (exit code, stdout, stderr) of `zoo ARGUMENTS`."""
    with pytest.raises(SystemExit) as error:
        command_line.main([str(a) for a in arguments])
    captured = capsys.readouterr()
    return error.value.code or 0, captured.out, captured.err


def train(*options, task="classification", model="dnn", data=PENGUINS):
    return ["train", task, "--model", model, "--data", data, *map(str, options)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (train("--size", "8x8"), "--size is for images, and penguins is table data"),
        (train("--size", "8", data="bundled:seattle-weather"), "--size is for images"),
        (train("--size", "0x8", data="bundled:mnist-5k"), "--size must be HEIGHTxWIDTH"),
        (train("--size", "8x8x3", data="bundled:mnist-5k"), "--size must be HEIGHTxWIDTH"),
        (train(task="clasification"), "Did you mean `classification`?"),
        (train(task="fine-tuning"), "Did you mean `fine_tuning`?"),
        (train(model="dn"), "Did you mean `dnn`?"),
        (train(data="tabel:a.csv?target=b"), "Did you mean `table`?"),
        (train(data="table:a.csv?taget=b"), "Did you mean `target`?"),
        (train(data="bundled:pengins"), "Did you mean `penguins`?"),
        (train(data="photos"), "use folder:PATH"),
        (train("--set", "epoch=3"), "Did you mean `epochs`?"),
        (train("--epoks", "3"), "--epochs"),
        (train("--no-baseline"), "--no-baselines"),
        (train("--no-baselines", "--set", "baselines=true"), "got --no-baselines and --set baselines"),
        (
            train("--no-baselines", task="segmentation", model="unet", data="bundled:nuclei"),
            "--no-baselines is for classification and regression, and Segmentation fits no baselines",
        ),
        (train("--epochs", "many"), "Invalid value for '--epochs'"),
        (["predct", "a", "b"], "there is no command 'predct'. Did you mean `predict`?"),
        (["serv"], "Did you mean `serve`?"),
        (["predict"], "RUN"),
        (["evaluate", "nowhere"], "`run` must be the folder of a run"),
        (["export", "nowhere", "served"], "`run` must be the folder of a run"),
        (["serve", "nowhere"], "`folder` must hold NAME/VERSION/saved_model.pb"),
        (["describe"], "MODEL"),
        (["serve", ".", "--port", "99999"], "Invalid value for '--port'"),
        (["serve", ".", "--workers", "0"], "--workers"),
        (train("--size", "\u00b2", data="bundled:mnist-5k"), "--size must be HEIGHTxWIDTH"),
        (train("--distribute", "multi_worker"), "TF_CONFIG must be set on each worker, got none; for example"),
        (train("--distribute", "mirrored"), "needs two GPUs or more on this machine, got CPU:0; leave it out"),
        (train("--distribute", "everywhere"), "'everywhere' is not one of 'mirrored', 'multi_worker'"),
        (train("--epochs", "3", "--set", "epochs=4"), "epochs must be set once, got --epochs and --set epochs="),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(arguments, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, *arguments)
    lines = [line for line in err.splitlines() if not line.startswith("note: ")]
    assert (code, out, len(lines)) == (2, "", 1), err
    assert message in err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", ["file", "file/run", "link/run", "broken_link"])
def test_an_out_that_is_no_folder_is_refused_before_the_data_are_read(path, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("recipes.data.load", lambda *a, **k: pytest.fail("it read the data"))
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    (tmp_path / "broken_link").symlink_to(tmp_path / "nothing")
    code, _, err = run(capsys, *train("--out", tmp_path / path))
    assert code == 2
    assert "--out must be a folder, and" in err and "is a file" in err
    assert (tmp_path / "file").read_text() == "mine"
    code, _, err = run(capsys, "export", "nowhere", tmp_path / "file")
    assert code == 2 and "OUT must be a folder" in err


@pytest.mark.parametrize(
    ("number", "code", "message"),
    [
        (errno.EROFS, 2, "--out must be a folder that can be written to, and"),
        (errno.EACCES, 2, "--out must be a folder that can be written to, and"),
        (errno.ENOSPC, 1, "is full; free some space, then run the same command"),
        (errno.EDQUOT, 1, "is full; free some space, then run the same command"),
    ],
)
def test_an_out_that_cannot_be_written_to_is_refused(number, code, message, tmp_path, monkeypatch, capsys):
    def fail(dir):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(errors.tempfile, "TemporaryFile", fail)
    result, _, err = run(capsys, *train("--out", tmp_path / "new" / "run"))
    assert (result, len(err.splitlines())) == (code, 1)
    assert message in err and str(tmp_path) in err
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError("Can't write data (file write failed: errno = 28, error message = 'No space left on device')"),
        RuntimeError("RESOURCE_EXHAUSTED: a/variables; No space left on device"),
    ],
)
def test_a_disk_that_is_full_while_training_is_named(error, tmp_path, monkeypatch, capsys):
    def fail(*arguments):
        raise error

    monkeypatch.setattr("recipes.reference.recipes.train_and_export", fail)
    code, out, err = run(capsys, *train("--out", tmp_path / "run"))
    assert (code, out) == (1, "")
    assert err.splitlines()[-1] == (
        f"zoo: the disk of {tmp_path / 'run'} is full; free some space, then run the same command"
    )


def test_other_errors_keep_their_message():
    assert errors.describe_error(ValueError("a\nb")) == ("a b", 2)
    assert errors.describe_error(RuntimeError("")) == ("RuntimeError", 1)
    with pytest.raises(ZeroDivisionError), errors.naming_full_disk("here"):
        raise ZeroDivisionError
    assert errors.describe_error(OSError(errno.ENOSPC, "x", "there/a")) == (
        "the disk of there/a is full; free some space, then run the same command",
        1,
    )


@pytest.mark.parametrize(
    ("command", "target", "message"),
    [
        (train(), "recipes.reference.recipes.train_and_export", ""),
        (["predict", "run", "a.jpg"], "recipes.runs.load.load_run", ""),
        (["evaluate", "run"], "recipes.runs.load.load_run", ""),
    ],
)
def test_ctrl_c_is_one_line_and_exit_code_1(command, target, message, tmp_path, monkeypatch, capsys):
    def interrupt(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(target, interrupt)
    code, out, err = run(capsys, *command)
    assert (code, out) == (1, "")
    assert err.splitlines()[-1] == f"zoo: stopped{message}"


def test_json_output_has_no_nan(capsys):
    print_json({"r2": float("nan"), "loss": np.float32("inf"), "accuracy": np.float32(0.5), "n": np.int64(3)})
    text = capsys.readouterr().out
    assert json.loads(text) == {"r2": None, "loss": None, "accuracy": 0.5, "n": 3}
    assert "NaN" not in text and "Infinity" not in text


def test_the_help_of_train_lists_all_tasks_and_readers_and_fine_tuning_first(capsys):
    code, out, _ = run(capsys, "train", "--help")
    examples = [line.strip() for line in out.splitlines() if line.strip().startswith("zoo train ")]
    assert code == 0
    assert examples[0].startswith("zoo train fine_tuning --model efficientnet_lite0 --data folder:photos")
    words = out.split()
    assert set(TASKS) <= set(words)
    assert {f"{name}:" for name in READERS} <= set(words)
    assert "Needs labels=." in " ".join(words) and "Needs options=" not in out
    assert "fine_tuning" in run(capsys, "--help")[1]


def test_the_shell_completes_commands(capsys, monkeypatch):
    monkeypatch.setenv("_ZOO_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "zoo pred")
    monkeypatch.setenv("COMP_CWORD", "1")
    assert run(capsys)[:2] == (0, "predict\npredict-raster\npredict-species-map\n")
