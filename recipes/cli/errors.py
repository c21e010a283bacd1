"""Errors of the commands: one line on stderr and an exit code; checks of the folders that a command writes to."""

import contextlib
import errno
import tempfile
from pathlib import Path

DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


def describe_error(error):
    """Returns the sentence and the exit code of an error: 2 for wrong use, 1 for any other.

    Args:
        error: exception.
    """
    usage = getattr(error, "format_message", None)  # of the parser's errors
    if usage:
        return one_line(usage()), 2
    if is_disk_full(error):
        path = getattr(error, "filename", None)
        return f"the disk{f' of {path}' if path else ''} is full; free some space, then run the same command", 1
    if isinstance(error, UnicodeEncodeError):
        return f"the terminal cannot show {error.object[error.start : error.end]!r}; set PYTHONIOENCODING=utf-8", 1
    wrong_use = isinstance(error, ValueError | FileNotFoundError | IsADirectoryError | NotADirectoryError)
    return one_line(error), 2 if wrong_use else 1


def one_line(error):
    """Returns an error's message without line breaks."""
    return " ".join(str(error).split()) or type(error).__name__


def is_disk_full(error):
    """Returns whether an error, or one that caused it, is of a full disk or an exhausted quota."""
    while error is not None:
        text = str(error)
        if getattr(error, "errno", None) in DISK_FULL or "No space left on device" in text or "errno = 28" in text:
            return True
        error = error.__cause__ or error.__context__
    return False


@contextlib.contextmanager
def naming_full_disk(path):
    """Adds `path` to errors of a full disk within the block that name no path, such as those of HDF5."""
    try:
        yield
    except Exception as error:
        if is_disk_full(error) and not getattr(error, "filename", None):
            raise OSError(errno.ENOSPC, "No space left on device", str(path)) from error
        raise


def check_folder(option, path):
    """Raises ValueError unless `path` is a folder that can be written to, or can be created.

    Args:
        option: name of the option, for the message.
        path: `pathlib.Path`.
    """
    path = Path(path).expanduser().absolute()
    existing = next(p for p in (path, *path.parents) if p.exists() or p.is_symlink())
    if not existing.is_dir():
        raise ValueError(f"{option} must be a folder, and {existing} is a file.")
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        if is_disk_full(error):
            raise OSError(errno.ENOSPC, "No space left on device", str(existing)) from error
        raise ValueError(f"{option} must be a folder that can be written to, and {existing} cannot: {error}.") from None
