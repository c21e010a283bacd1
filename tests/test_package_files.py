"""Wheels with data files: downloaded once, verified at every access, never incomplete."""

import hashlib
import io
import subprocess
import types
import zipfile

import pytest

from zoo.package_files import Wheel, cache_folder


def zip_bytes(**files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return buffer.getvalue()


DATA = zip_bytes(answer="42")
WHEEL = Wheel("thing==1.0", "thing-1.0-py3-none-any.whl", hashlib.sha256(DATA).hexdigest())


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A package index that returns `data`, and counts the downloads."""
    monkeypatch.setenv("FIELDZOO_CACHE", str(tmp_path))
    state = types.SimpleNamespace(data=DATA, downloads=0)

    def run(command, **options):
        state.downloads += 1
        assert command[1:4] == ["-m", "pip", "download"] and "--no-deps" in command and "thing==1.0" in command
        if state.data is None:
            return subprocess.CompletedProcess(command, 1, "", "WARNING: x\nERROR: no matching distribution")
        with open(f"{command[command.index('--dest') + 1]}/{WHEEL.file}", "wb") as file:
            file.write(state.data)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    return state


def test_a_wheel_is_downloaded_once_and_read(index, tmp_path):
    assert WHEEL.read("answer") == b"42"
    assert WHEEL.read("answer") == b"42"
    assert index.downloads == 1
    assert [p.name for p in (tmp_path / "wheels").iterdir()] == [WHEEL.file]
    assert WHEEL.path() == cache_folder() / "wheels" / WHEEL.file
    with pytest.raises(ValueError, match="thing==1.0 must contain question, and does not"):
        WHEEL.read("question")


def test_a_wheel_with_another_checksum_is_refused(index, tmp_path):
    index.data = zip_bytes(answer="43")
    with pytest.raises(ValueError, match="must have the sha256 .* Nothing is read from it"):
        WHEEL.path()
    assert list((tmp_path / "wheels").iterdir()) == []  # nothing remains for the next call
    index.data = DATA
    WHEEL.path().write_bytes(zip_bytes(answer="43"))
    with pytest.raises(ValueError, match=r"must have the sha256 .*pip download --no-deps .* thing==1.0"):
        WHEEL.read("answer")


def test_a_failed_download_is_an_error_with_the_command_to_run(index):
    index.data = None
    with pytest.raises(
        ValueError, match=r"could not be fetched .*no matching distribution.*run: python -m pip download"
    ):
        WHEEL.path()
