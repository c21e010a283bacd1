"""The folder of a served model: a new version appears in it whole or not at all."""

import contextlib
import os
import shutil
import uuid


class ExportError(ValueError):
    """A model was not exported, and nothing was left behind; `form` is which of `forms` it failed for, or None."""

    form = None


@contextlib.contextmanager
def beside(folder):
    """A new folder within `folder`, hidden from servers; neither is left behind where something fails.

    Args:
        folder: `pathlib.Path` of the served model.
    Yields:
        The new folder.
    Raises:
        ExportError: if it cannot be written.
    """
    absent = [p for p in (folder, *folder.parents) if not p.exists()]
    hidden = folder / f".{uuid.uuid4().hex}"
    try:
        hidden.mkdir(parents=True)
    except OSError as error:
        raise ExportError(f"export: `path` must be a folder that can be written, got {folder}: {error}") from None
    try:
        yield hidden
    except BaseException:
        shutil.rmtree(hidden, ignore_errors=True)
        for made in absent:
            with contextlib.suppress(OSError):  # someone else has put something there
                made.rmdir()
        raise


def publish(hidden, folder, version):
    """Renames the finished export to its version.

    Args:
        hidden: the folder that `beside` gave.
        folder: the served model's.
        version: its number; None for the one after the largest.
    Returns:
        The number.
    Raises:
        ExportError: if it cannot be written.
    """
    while True:
        number = version or max(numbers(folder), default=0) + 1
        target = folder / str(number)
        try:
            os.replace(hidden, target)
            return number
        except OSError as error:  # another export took the number meanwhile
            if version or not target.exists():
                raise ExportError(f"export: {target} cannot be written: {error}") from error


def numbers(folder):
    """The versions in a served model's folder, in ascending order."""
    return sorted(int(p.name) for p in folder.iterdir() if p.name.isdecimal() and p.is_dir())


def write(path, text):
    """Writes a text file beside, then renames, so that nobody reads half of it."""
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        part.write_text(text, encoding="utf-8")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
