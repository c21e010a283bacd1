"""Writes files so that a reader finds either the old content or the new one, never half of it."""

import contextlib
import os
import uuid
from pathlib import Path

UNFINISHED = ".*" + "[0-9a-f]" * 32  # pattern of the names of temporary files and exports, which a kill leaves behind


def write_text(path, text):
    """Writes `text` as UTF-8 to a temporary file beside `path`, then renames it to `path`.

    Args:
        path: file to create or replace; its folder exists.
        text: str.
    """
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path, content):
    """Writes `content` to a temporary file beside `path`, then renames it to `path`.

    Args:
        path: file to create or replace; its folder exists.
        content: bytes.
    Raises:
        OSError: if the file cannot be written, as on a full disk; it names `path`.
    """
    with replaced(path) as temporary:
        temporary.write_bytes(content)


@contextlib.contextmanager
def replaced(path):
    """Yields the path of a temporary file to write, which at the end of the block under `with` becomes `path`.

    Args:
        path: file to create or replace; its folder exists.
    Raises:
        OSError: if the file cannot be written, as on a full disk; it names `path`.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        if error.errno is not None:  # of a file that was open, the system names none
            error.filename, error.filename2 = str(path), None
        raise
    finally:
        temporary.unlink(missing_ok=True)
