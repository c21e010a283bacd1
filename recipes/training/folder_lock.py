"""A lock file by which one process at a time trains into a folder."""

import contextlib
import json
import os
import socket
import uuid

import psutil

LOCK = ".training.lock"


@contextlib.contextmanager
def lock_folder(folder):
    """Locks a folder for the block under `with`.

    The lock is the file .training.lock with the process' number, its start and the computer's name. A lock whose
    process has ended is replaced.

    Args:
        folder: `pathlib.Path`; it is created, and removed again where it stays empty.
    Raises:
        ValueError: if another training has the lock.
        OSError: if the folder cannot be written.
    """
    new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LOCK
    try:
        _acquire(path)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
    finally:
        if new:
            with contextlib.suppress(OSError):
                folder.rmdir()  # only an empty one


def _acquire(path):
    owner = {"pid": os.getpid(), "started": psutil.Process().create_time(), "host": socket.gethostname()}
    # Written beside and then linked, so that no process reads half of it
    complete = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
    complete.write_text(json.dumps(owner))
    try:
        for _ in range(3):
            try:
                return _create(complete, path)
            except FileExistsError:
                _remove_stale(path)
        raise ValueError(f"`out` must be used by one training at a time, and others begin in {path.parent}; wait.")
    finally:
        complete.unlink(missing_ok=True)


def _create(complete, path):
    try:
        os.link(complete, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without links
        with open(path, "x") as file:
            file.write(complete.read_text())


def _remove_stale(path):
    """Removes the lock of a process that has ended.

    Raises:
        ValueError: if that process is running, or may be: on another computer.
    """
    try:
        text = path.read_text()
    except FileNotFoundError:
        return
    if not _is_stale(text):
        owner = _parse(text)
        process = f"process {owner.get('pid', '?')} on {owner.get('host', '?')}"
        advice = "wait until it ends, or choose another folder"
        if owner.get("host") != socket.gethostname():
            advice += f"; if it has ended, delete {path}"
        raise ValueError(
            f"`out` must be used by one training at a time, got {path.parent}, where {process} trains; {advice}."
        )
    # Renamed first: of two processes that find the same stale lock, the second must not remove the lock of the first
    removed = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
    try:
        os.rename(path, removed)
    except FileNotFoundError:
        return
    if removed.read_text() != text:
        with contextlib.suppress(FileExistsError):
            os.link(removed, path)
    removed.unlink()


def _parse(text):
    try:
        owner = json.loads(text)
    except json.JSONDecodeError:
        return {}
    return owner if isinstance(owner, dict) else {}


def _is_stale(text):
    owner = _parse(text)
    if "pid" not in owner or "host" not in owner:
        return True  # half a file, of a kill during its writing
    if owner["host"] != socket.gethostname():
        return False
    try:
        started = psutil.Process(owner["pid"]).create_time()
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False
    return abs(started - owner.get("started", started)) > 1  # else another process with the same number
