"""Files of predictions that grow batch by batch; an interrupted one is continued where it stopped."""

import contextlib
import errno
import json
import os
import time
from pathlib import Path

from recipes.prediction.row_formats import ROW_FORMATS
from zoo.atomic_write import write_text
from zoo.strict_json import json_text

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

MANIFEST_VERSION = 1  # of FILE.part.json; raised with every change of it or of the order of the rows
COMMIT_SECONDS = 1.0  # time between two records of the position; what comes after the last one is predicted again


class FileInUseError(ValueError):
    """Another process writes the file."""


class PredictionFile:
    """FILE.part with the rows so far, and FILE.part.json, the manifest: what is predicted, and how far.

    The rows are on the disk before the manifest counts them, and what FILE.part has beyond its manifest is cut off, so
    that a process that was killed at any moment is continued with every input exactly once. One process at a time
    writes a file. With `is_shard`, the manifest of the complete file stays, as FILE.json.

    Args:
        out: path of the file.
        description: dict of JSON values: what the rows depend on. An interrupted file is continued only where it is
            equal.
        overwrite: whether an interrupted file of another description, or the complete file of a shard, is replaced.
        is_shard: whether the file is one of several to be joined.
        formats: suffix -> maker of the format of the rows.

    Attributes:
        inputs: number of inputs in the file.
        rows: number of rows.
        failures: number of rows of inputs that could not be read.
        units: list of [number of a unit, its rows, their bytes], in the file's order; by them shards are joined.
        is_complete: whether the file was complete before.
    Raises:
        ValueError: if `out` cannot be such a file, or an interrupted one has another description.
    """

    def __init__(self, out, description, *, overwrite=False, is_shard=False, formats=ROW_FORMATS):
        self.out, self.is_shard = verify_out(out, formats), is_shard
        self.description = json.loads(json_text(description))
        self.part, self.manifest = (self.out.with_name(f"{self.out.name}{s}") for s in (".part", ".part.json"))
        self.shard_manifest = self.out.with_name(f"{self.out.name}.json")
        self.format = formats[self.out.suffix.lower()]()
        self.inputs = self.rows = self.failures = self._bytes = 0
        self.units, self.is_complete, self._file, self._committed = [], False, None, 0.0
        with self._naming_file():
            if is_shard and self.out.is_file() and not overwrite:
                self._restore(self._read(self.shard_manifest, self.out))
                self.is_complete = True
            else:
                self._open(overwrite)

    def _open(self, overwrite):
        self._file = self.part.open("r+b" if self.part.exists() else "x+b")
        try:
            self._lock()
            if self.is_shard:
                self.out.unlink(missing_ok=True)
            if self.part.stat().st_size and not overwrite:
                self._restore(self._read(self.manifest, self.part))
                if self.part.stat().st_size < self._bytes:
                    raise _not_continued(self.part, "is shorter than the rows that its manifest counts")
                if self._bytes:
                    self.format.read_header(self._file)
            self._file.seek(self._bytes)
            self._file.truncate()
            self.commit()
        except BaseException:
            self._file.close()
            raise

    def _lock(self):
        try:
            if fcntl is not None:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                raise FileInUseError(
                    f"`out` must be written by one process at a time, and another one writes {self.part}; wait, or "
                    "choose another file."
                ) from None  # other file systems have no locks

    def _read(self, path, rows_path):
        """Returns the content of a manifest with this description."""
        try:
            manifest = json.loads(path.read_text("utf-8"))
            saved, version = manifest["description"], manifest["version"]
        except FileNotFoundError:
            raise _not_continued(rows_path, f"has no manifest {path.name}") from None
        except (ValueError, KeyError, TypeError):
            raise _not_continued(rows_path, f"has a manifest, {path.name}, that cannot be read") from None
        if version != MANIFEST_VERSION:
            raise _not_continued(rows_path, "was begun by another version of fieldzoo")
        changes = [name for name in {**saved, **self.description} if saved.get(name) != self.description.get(name)]
        if changes:
            differences = " and ".join(_difference(c, saved.get(c), self.description.get(c)) for c in changes)
            raise _not_continued(rows_path, f"was begun with {differences}")
        return manifest

    def _restore(self, manifest):
        self.inputs, self.rows, self.failures = (manifest[name] for name in ("inputs", "rows", "failures"))
        self.units, self._bytes = manifest["units"], manifest["bytes"]

    def write_header(self, frame):
        """Writes the names of the columns of a data frame, once."""
        if not self._bytes:
            self._bytes += self._file.write(self.format.header(frame))

    def write(self, frame, inputs, unit=0, failures=0):
        """Appends the rows of a batch.

        Args:
            frame: data frame; all have the same columns.
            inputs: number of inputs that it predicts.
            unit: number of the unit that they belong to.
            failures: number of inputs that could not be read.
        """
        with self._naming_file():
            self.write_header(frame)
            size = self._file.write(self.format.rows(frame)) if len(frame) else 0
            self._bytes += size
            self.inputs, self.rows, self.failures = (
                self.inputs + inputs,
                self.rows + len(frame),
                self.failures + failures,
            )
            if not self.units or self.units[-1][0] != unit:
                self.units.append([unit, 0, 0])
            self.units[-1] = [unit, self.units[-1][1] + len(frame), self.units[-1][2] + size]
            if time.monotonic() - self._committed >= COMMIT_SECONDS:
                self.commit()

    def commit(self):
        """Records the position: rows until here are not predicted again."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._write_manifest(self.manifest)
        self._committed = time.monotonic()

    def _write_manifest(self, path):
        fields = ("inputs", "rows", "failures", "units", "description")
        values = {"version": MANIFEST_VERSION, "bytes": self._bytes} | {name: getattr(self, name) for name in fields}
        write_text(path, json_text(values) + "\n")

    def finish(self):
        """Makes FILE of FILE.part."""
        if self.is_complete:
            return
        with self._naming_file():
            self.commit()
            self._file.close()
            if self.is_shard:  # first, so that a complete shard always has it
                self._write_manifest(self.shard_manifest)
            self.format.finish(self.part, self.out)
            self.part.unlink(missing_ok=True)
            self.manifest.unlink(missing_ok=True)

    def close(self):
        """Closes FILE.part, which stays with the rows that are in it; without any rows it is removed."""
        if self._file is None or self._file.closed:
            return
        with contextlib.suppress(OSError):  # of a full disk; the last record of the position holds
            if self.rows and self.part.exists():
                self.commit()
        with contextlib.suppress(OSError):
            self._file.close()
        if not self.rows:
            self.part.unlink(missing_ok=True)
            self.manifest.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _naming_file(self):
        try:
            yield
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise OSError(error.errno, error.strerror, str(self.part)) from error
            raise ValueError(f"`out` must be a file that can be written, got {self.out}: {error}.") from error


def verify_out(out, formats=ROW_FORMATS):
    """Returns the `Path` of a file of predictions.

    Args:
        out: path.
        formats: the suffixes that are written.
    Raises:
        ValueError: if its suffix is another one, or it is no file in a folder that exists.
    """
    path = Path(out).expanduser()
    if path.suffix.lower() not in formats:
        raise ValueError(f"`out` must end in {', '.join(formats)}, got {path}.")
    if path.is_dir() or not path.parent.is_dir():
        raise ValueError(f"`out` must be a file in a folder that exists, got {path}.")
    return path


def _not_continued(path, problem):
    return ValueError(
        f"`out` must be continued by the command that began it, and {path} {problem}; choose another file, or start "
        "anew with --overwrite (overwrite=True)."
    )


def _difference(name, before, after):
    if not isinstance(before, dict) or not isinstance(after, dict):
        return f"another {name}"
    changes = {
        key: (before.get(key), after.get(key)) for key in {**before, **after} if before.get(key) != after.get(key)
    }
    shown = [f"{key} {old}, now {new}" for key, (old, new) in changes.items() if not key.endswith("hash")]
    return f"other {name}" + f" ({'; '.join(shown)})" * bool(shown)
