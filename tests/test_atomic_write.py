"""Atomic writes: complete content under the final name, and nothing else in the folder."""

import errno
import os
from pathlib import Path

import pytest

from zoo.atomic_write import write_bytes, write_text


def test_text_is_written_as_utf_8_and_replaces_the_old_content(tmp_path):
    for text in ("Höhe\n", "Breite\n"):
        write_text(tmp_path / "table.csv", text)
        assert (tmp_path / "table.csv").read_bytes() == text.encode("utf-8")
    write_bytes(str(tmp_path / "content"), b"\0\1")
    assert sorted(os.listdir(tmp_path)) == ["content", "table.csv"]


def test_a_failed_write_keeps_the_old_content_and_leaves_no_temporary_file(tmp_path, monkeypatch):
    write_text(tmp_path / "table.csv", "old")

    def fail(source, target):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        write_text(tmp_path / "table.csv", "new")
    assert os.listdir(tmp_path) == ["table.csv"]
    assert (tmp_path / "table.csv").read_text() == "old"


def test_a_full_disk_is_an_error_with_the_path(tmp_path, monkeypatch):
    def fail(self, content):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(OSError, match="No space left on device: .*table.csv'"):
        write_text(tmp_path / "table.csv", "new")
    assert not os.listdir(tmp_path)
