"""Files of predictions: an interrupted one is continued with each input once, by the same command only."""

import contextlib
import errno
import os
import shutil

import numpy as np
import pandas as pd
import pytest

from recipes.prediction import prediction_file
from recipes.prediction.prediction_file import PredictionFile

SUFFIXES = [".csv", ".tsv", ".jsonl", ".parquet"]
DESCRIPTION = {"run": "a", "options": {"top_k": None}, "inputs": {"files": 40}}


@pytest.fixture(autouse=True)
def commit_always(monkeypatch):
    monkeypatch.setattr(prediction_file, "COMMIT_SECONDS", 0)


def batch(start, stop):
    names = [f'a,"{i}\n' if i == 7 else f"photo {i}" for i in range(start, stop)]
    errors = [None if i % 5 else "it is broken" for i in range(start, stop)]
    return pd.DataFrame({"input": names, "oak": np.float32(np.arange(start, stop)) / 7, "error": errors})


def read(path):
    readers = {".csv": pd.read_csv, ".parquet": pd.read_parquet}
    readers |= {".tsv": lambda p: pd.read_csv(p, sep="\t"), ".jsonl": lambda p: pd.read_json(p, lines=True)}
    return readers[path.suffix](path)


def write(file, count=40, step=8):
    """Writes what is missing, in batches; yields after each."""
    with contextlib.closing(file):
        for start in range(file.inputs, count, step):
            file.write(batch(start, start + step), step)
            yield start
        file.finish()


def write_one_batch(out, description=DESCRIPTION):
    """Leaves a file with one batch, as an interrupted process does."""
    with contextlib.closing(PredictionFile(out, description)) as file:
        file.write(batch(0, 8), 8)


def continued_after(out, description=DESCRIPTION, **options):
    """The number of inputs after which a file is continued."""
    with contextlib.closing(PredictionFile(out, description, **options)) as file:
        return file.inputs


def assert_complete(path):
    frame = read(path)
    assert frame["input"].tolist() == batch(0, 40)["input"].tolist()
    np.testing.assert_array_equal(frame["oak"].to_numpy("float32"), batch(0, 40)["oak"])
    assert frame["error"].isna().tolist() == batch(0, 40)["error"].isna().tolist()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_a_killed_process_leaves_is_continued_with_each_input_once(tmp_path, suffix):
    (tmp_path / "now").mkdir()
    out = tmp_path / "now" / f"out{suffix}"
    left = []
    for i, _ in enumerate(write(PredictionFile(out, DESCRIPTION))):  # what is on the disk now is what a kill leaves
        left.append(shutil.copytree(out.parent, tmp_path / f"killed{i}"))
    assert_complete(out)
    assert [path.name for path in out.parent.iterdir()] == [out.name]
    for i, folder in enumerate(left):
        with (folder / f"{out.name}.part").open("ab") as part:
            part.write(b"half a row")
        file = PredictionFile(folder / out.name, DESCRIPTION)
        assert file.inputs == 8 * (i + 1)
        list(write(file))
        assert_complete(folder / out.name)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_before_the_first_row_leaves_no_file_and_a_later_one_the_rows(tmp_path, error):
    for rows in (0, 8):
        file = PredictionFile(tmp_path / "out.csv", DESCRIPTION)
        try:
            if rows:
                file.write(batch(0, 8), 8)
            raise error
        except error:
            file.close()
        assert len(list(tmp_path.iterdir())) == (2 if rows else 0)
    list(write(PredictionFile(tmp_path / "out.csv", DESCRIPTION)))
    assert_complete(tmp_path / "out.csv")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"run": "b"}, "was begun with another run"),
        ({"options": {"top_k": 3}}, r"was begun with other options \(top_k None, now 3\)"),
        ({"inputs": {"files": 41}}, r"was begun with other inputs \(files 40, now 41\)"),
        ({"inputs": {"files": 40, "content hash": "x"}}, "was begun with other inputs; choose"),
    ],
)
def test_another_run_option_or_input_is_refused_and_keeps_the_rows(tmp_path, change, message):
    out = tmp_path / "out.csv"
    write_one_batch(out)
    rows = (tmp_path / "out.csv.part").read_bytes()
    with pytest.raises(ValueError, match=message):
        PredictionFile(out, {**DESCRIPTION, **change})
    assert (tmp_path / "out.csv.part").read_bytes() == rows and len(rows) > 100
    assert continued_after(out, {**DESCRIPTION, **change}, overwrite=True) == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "has no manifest out.csv.part.json"),
        ("{", "cannot be read"),
        ('{"version": 0, "description": {}}', "version"),
    ],
)
def test_a_manifest_that_is_absent_broken_or_of_another_version_is_refused(tmp_path, content, message):
    (tmp_path / "out.csv.part").write_text("mine\n")
    if content:
        (tmp_path / "out.csv.part.json").write_text(content)
    with pytest.raises(ValueError, match=message):
        PredictionFile(tmp_path / "out.csv", DESCRIPTION)
    assert (tmp_path / "out.csv.part").read_text() == "mine\n"


def test_a_part_that_lost_rows_is_refused(tmp_path):
    write_one_batch(tmp_path / "out.csv")
    os.truncate(tmp_path / "out.csv.part", 20)
    with pytest.raises(ValueError, match="is shorter than the rows that its manifest counts"):
        PredictionFile(tmp_path / "out.csv", DESCRIPTION)


def test_two_processes_do_not_write_one_file(tmp_path):
    first = PredictionFile(tmp_path / "out.csv", DESCRIPTION)
    first.write(batch(0, 8), 8)
    with pytest.raises(ValueError, match="one process at a time"):
        PredictionFile(tmp_path / "out.csv", DESCRIPTION)
    with pytest.raises(ValueError, match="one process at a time"):
        PredictionFile(tmp_path / "out.csv", DESCRIPTION, overwrite=True)
    first.close()
    assert continued_after(tmp_path / "out.csv") == 8


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_full_disk_is_named_and_keeps_the_rows_before(tmp_path, monkeypatch, suffix):
    file = PredictionFile(tmp_path / f"out{suffix}", DESCRIPTION)
    file.write(batch(0, 8), 8)

    def fail(fd):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match=f"out{suffix}.part") as error:
        patch.setattr(os, "fsync", fail)
        try:
            file.write(batch(8, 16), 8)
        finally:
            file.close()
    assert error.value.errno == errno.ENOSPC
    file = PredictionFile(tmp_path / f"out{suffix}", DESCRIPTION)
    assert file.inputs == 8
    list(write(file))
    assert_complete(tmp_path / f"out{suffix}")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("is_shard", [True, False])
def test_a_process_that_is_killed_while_it_finishes_is_continued(tmp_path, monkeypatch, suffix, is_shard):
    out = tmp_path / f"out{suffix}"

    def fail(source, target, original=os.replace):
        if str(target) == str(out):
            raise KeyboardInterrupt
        original(source, target)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(os, "replace", fail)
        list(write(PredictionFile(out, DESCRIPTION, is_shard=is_shard)))
    file = PredictionFile(out, DESCRIPTION, is_shard=is_shard)
    assert file.inputs == 40
    list(write(file))
    assert_complete(out)
    assert len(list(tmp_path.iterdir())) == 1 + is_shard


@pytest.mark.parametrize("name", ["out.doc", "out", "absent/out.csv", "folder.csv"])
def test_what_cannot_be_a_file_of_predictions_is_refused(tmp_path, name):
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(ValueError, match="`out` must"):
        PredictionFile(tmp_path / name, DESCRIPTION)


def test_the_manifest_of_a_shard_stays_and_a_complete_shard_is_not_predicted_again(tmp_path):
    out = tmp_path / "out.csv"
    list(write(PredictionFile(out, DESCRIPTION, is_shard=True)))
    again = PredictionFile(out, DESCRIPTION, is_shard=True)
    assert (again.is_complete, again.inputs) == (True, 40)
    again.finish()
    again.close()
    assert_complete(out)
    with pytest.raises(ValueError, match="another run"):
        PredictionFile(out, {**DESCRIPTION, "run": "b"}, is_shard=True)
    assert continued_after(out, is_shard=True, overwrite=True) == 0
