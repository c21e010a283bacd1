"""The version folders of a served model: PATH/1, PATH/2, ...; a new one appears complete or not at all."""

import contextlib
import os
import shutil
import uuid


class ExportError(ValueError):
    """An export failed, and nothing was left on the disk.

    Attributes:
        format: the one of `formats` that failed, or None where the export as a whole did.
    """

    format = None


@contextlib.contextmanager
def temporary_version(folder):
    """Makes a hidden folder within `folder`, where an export is written before it is published.

    Where the body raises, the hidden folder is removed, and so are the parent folders that were made for it.

    Args:
        folder: `pathlib.Path` of the served model.
    Yields:
        `pathlib.Path` of the hidden folder. Servers ignore it, since its name is no number.
    Raises:
        ExportError: if `folder` cannot be written.
    """
    new_parents = [p for p in (folder, *folder.parents) if not p.exists()]
    hidden = folder / f".{uuid.uuid4().hex}"
    try:
        hidden.mkdir(parents=True)
    except OSError as error:
        raise ExportError(f"export: `path` must be a folder that can be written, got {folder}: {error}") from None
    try:
        yield hidden
    except BaseException:
        shutil.rmtree(hidden, ignore_errors=True)
        for parent in new_parents:
            with contextlib.suppress(OSError):  # another process has written into it
                parent.rmdir()
        raise


def publish(hidden, folder, version):
    """Renames a finished export to its version number.

    Args:
        hidden: the folder that `temporary_version` yielded.
        folder: `pathlib.Path` of the served model.
        version: the number; None for the largest existing one plus 1.
    Returns:
        The version number.
    Raises:
        ExportError: if the folder cannot be renamed.
    """
    while True:
        number = version or max(version_numbers(folder), default=0) + 1
        target = folder / str(number)
        try:
            os.replace(hidden, target)
            return number
        except OSError as error:  # another export took the number meanwhile
            if version or not target.exists():
                raise ExportError(f"export: {target} cannot be written: {error}") from error


def version_numbers(folder):
    """Returns the version numbers in a served model's folder in ascending order; none where there is no such folder."""
    entries = folder.iterdir() if folder.is_dir() else ()
    return sorted(int(p.name) for p in entries if p.name.isdecimal() and p.is_dir())
