"""Writes files so that a reader finds either the old content or the new one, never half of it."""

import os
import uuid
from pathlib import Path


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
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    except OSError as error:
        if error.errno is not None:  # of a file that was open, the system names none
            error.filename, error.filename2 = str(path), None
        raise
    finally:
        temporary.unlink(missing_ok=True)
