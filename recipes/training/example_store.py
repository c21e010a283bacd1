"""Keeps examples that were read and resized once, in memory or in a file beside the run, for the next epochs."""

import contextlib
import contextvars
import errno
import hashlib
import shutil
import threading
import zlib
from pathlib import Path

import numpy as np

MEMORY = 256 * 2**20  # bytes of examples read on demand that a pipeline keeps in memory
DISK_FRACTION = 0.25  # of the free space, up to which the file of a store may grow
EXAMPLES = "examples"

_FOLDER = contextvars.ContextVar("store_folder", default=None)


@contextlib.contextmanager
def stores_below(folder):
    """Sets the folder in which pipelines of the block under `with` may keep examples, in files.

    The files stay, so that a training that was killed uses them when it resumes.

    Args:
        folder: of the backup, which is removed when the run is complete; None for no files.
    """
    token = _FOLDER.set(folder and Path(folder) / EXAMPLES)
    try:
        yield
    finally:
        _FOLDER.reset(token)


def store_for(count, shape, dtype, identity):
    """Returns a `MemoryStore` or a `FileStore` for examples of one shape; None where neither has room for them.

    Args:
        count: number of examples.
        shape, dtype: of an example.
        identity: bytes that are equal where the examples are.
    """
    size = count * int(np.prod(shape)) * np.dtype(dtype).itemsize
    if size <= MEMORY:
        return MemoryStore(count, shape, dtype)
    folder = _FOLDER.get()
    if folder is None:
        return None
    content = hashlib.blake2b(identity + repr((count, tuple(shape), str(dtype))).encode(), digest_size=12)
    path = folder / content.hexdigest()
    if path.exists():
        return FileStore(path, count, shape, dtype)
    folder.mkdir(parents=True, exist_ok=True)
    if size > shutil.disk_usage(folder).free * DISK_FRACTION:
        return None
    return FileStore(path, count, shape, dtype)


class MemoryStore:
    """Examples of one shape in memory, each from its first reading on.

    Args:
        count, shape, dtype: as `store_for` has them.
    """

    def __init__(self, count, shape, dtype):
        self._examples, self._stored = np.empty((count, *shape), dtype), np.zeros(count, bool)

    def get(self, index):
        """Returns the example at `index`, or None where it was not stored."""
        return self._examples[index] if self._stored[index] else None

    def put(self, index, example):
        """Stores the example at `index`."""
        self._examples[index] = example
        self._stored[index] = True


class FileStore:
    """Examples of one shape in a file, each from its first reading on.

    Each has a checksum in a second file, so that after a kill those that were written whole are used. Where the disk is
    full, no more are stored.

    Args:
        path: of the file; the checksums are in a file of this name with .sums.
        count, shape, dtype: as `store_for` has them.
    """

    def __init__(self, path, count, shape, dtype):
        self._shape, self._dtype = shape, np.dtype(dtype)
        self._bytes = int(np.prod(shape)) * self._dtype.itemsize
        sums = path.with_name(f"{path.name}.sums")
        saved = np.fromfile(sums, np.uint32) if sums.exists() else np.zeros(0, np.uint32)
        self._sums = np.zeros(count, np.uint32)  # 0 for an example that is not stored
        self._sums[: len(saved)] = saved[:count]
        for file in (path, sums):
            file.touch()
        self._files = [open(file, "r+b", buffering=0) for file in (path, sums)]  # noqa: SIM115 of the object's life
        self._has_room, self._lock = True, threading.Lock()

    def __del__(self):
        for file in getattr(self, "_files", ()):
            file.close()

    def get(self, index):
        """Returns the example at `index`, or None where it was not stored whole."""
        if not self._sums[index]:
            return None
        with self._lock:
            self._files[0].seek(index * self._bytes)
            content = self._files[0].read(self._bytes)
        if len(content) < self._bytes or _checksum(content) != self._sums[index]:
            self._sums[index] = 0
            return None
        return np.frombuffer(content, self._dtype).reshape(self._shape)

    def put(self, index, example):
        """Stores the example at `index`, where the disk has room."""
        if not self._has_room:
            return
        content = np.ascontiguousarray(example, self._dtype).tobytes()
        checksum = np.uint32(_checksum(content))
        try:
            with self._lock:
                _write_at(self._files[0], index * self._bytes, content)
                _write_at(self._files[1], index * 4, checksum.tobytes())
        except OSError:
            self._has_room = False
        else:
            self._sums[index] = checksum


def _write_at(file, position, content):
    file.seek(position)
    if file.write(content) < len(content):  # the rest of the disk was shorter
        raise OSError(errno.ENOSPC, "no space left", file.name)


def _checksum(content):
    return zlib.crc32(content) or 1
