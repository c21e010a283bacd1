"""Lists of the files to predict: typed paths, folders, lists of paths, and what identifies them."""

import hashlib
import os
import sys
import typing
from pathlib import Path

from recipes.data.images.image_decoding import is_image_content
from recipes.data.images.image_folder import (
    AVIF_SUFFIXES,
    HEIF_SUFFIXES,
    RAW_SUFFIXES,
    file_identity,
    is_image_name,
    is_system_folder,
)
from recipes.data.new_inputs import shard_of
from recipes.data.sound.recordings import sounds_below
from recipes.prediction.predict import warn
from zoo.arguments import suggestion


def input_files(run, paths, files_from=None):
    """Returns the files to predict, each once, in the order of the paths.

    Args:
        run: `Run`.
        paths: files; for images and sound also folders, whose files at any depth are taken in the order of their names.
        files_from: path of a text file with a path per line, or - for stdin; None for none. Paths may also end in NUL,
            as `find -print0` writes them.
    Returns:
        List of str.
    Raises:
        ValueError: if there is no file, or one of `paths` does not exist.
    """
    listed = [] if files_from is None else read_list(files_from)
    if not paths and not listed:
        received = "none" if files_from is None else f"an empty list in {_name(files_from)}"
        raise ValueError(f"predict: `files` must have at least one file, got {received}.")
    files = [str(Path(path).expanduser()) for path in paths]
    for path in files:
        if not os.path.exists(path):
            parent, name = os.path.split(path)
            nearest = suggestion(name, os.listdir(parent or ".")) if os.path.isdir(parent or ".") else ""
            raise ValueError(f"predict: `files` must exist, got {path}.{nearest}")
    files += listed
    if run.schema.kind in FILES_BELOW:
        files = [file for path in files for file in _files_of(path, run.schema.kind)]
    different = list(dict.fromkeys(files))
    if len(different) < len(files):
        warn([f"{len(files) - len(different):,} files are named twice, and are predicted once"])
    return different


def read_list(path):
    """Returns the paths in a text file, one per line, or in stdin for -."""
    if str(path) == "-":
        content = sys.stdin.buffer.read()
    else:
        try:
            content = Path(path).expanduser().read_bytes()
        except OSError as error:
            raise ValueError(
                f"`files_from` must be a text file of paths, got {path}: {error.strerror.lower()}."
            ) from None
    lines = content.split(b"\0") if b"\0" in content else content.removeprefix(b"\xef\xbb\xbf").splitlines()
    return [os.path.expanduser(os.fsdecode(line)) for line in lines if line.strip()]


def _name(path):
    return "stdin" if str(path) == "-" else path


def _files_of(path, kind):
    if not os.path.isdir(path):
        return [path]
    files, plural = sorted(FILES_BELOW[kind](path)), {"image": "images", "sound": "recordings"}[kind]
    if not files:
        raise ValueError(f"predict: `files` must be {plural} or folders of {plural}, got {path} without any.")
    return map(str, files)


def _images_below(folder):
    """Yields the images of a folder and of those in it; links are followed, and no folder is read twice."""
    visited = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        identity = file_identity(place)
        if identity in visited:
            folders.clear()
            continue
        visited.add(identity)
        folders[:] = [name for name in folders if not is_system_folder(name)]
        paths = [Path(place, name) for name in names]
        yield from (p for p in paths if not p.name.startswith(".") and _may_be_image(p))


def _may_be_image(path):
    """Whether a file is an image by its ending or content; kinds that are not read are listed with the reason."""
    suffix = path.suffix.lower()
    if not suffix:
        return is_image_content(path)
    return is_image_name(path) or suffix in (".npy", *HEIF_SUFFIXES, *AVIF_SUFFIXES, *RAW_SUFFIXES)


FILES_BELOW = {"image": _images_below, "sound": sounds_below}  # kind of run -> function of a folder


class ShardFiles(typing.NamedTuple):
    """The files of one shard of a prediction, of which 1/1 is all.

    Args:
        files: list of paths; of a prediction that is split by chunks of rows, all files.
        shard: (i, n), from 1.
        count: number of all files.
        names_hash: hash of the names of all files.
    """

    files: list
    shard: tuple
    count: int
    names_hash: str

    def description(self):
        """Returns a dict that is equal for the same files with the same sizes and times of change."""
        content = hashlib.blake2b(digest_size=16)
        for file in self.files:
            try:
                status = os.stat(file)
                content.update(f"{status.st_size} {status.st_mtime_ns} ".encode())
            except OSError:
                content.update(b"- ")
        return {"files": self.count, "names hash": self.names_hash, "content hash": content.hexdigest()}


def shard_files(files, shard, is_split, hash_of_names=None):
    """Returns the `ShardFiles` of a shard.

    Args:
        files: list of the paths of all files to predict.
        shard: (i, n), from 1.
        is_split: whether a shard has some of the files, and not some rows of all.
        hash_of_names: `names_hash(files)`; None to compute it.
    """
    part = shard_of(files, shard) if is_split else files
    return ShardFiles(part, shard, len(files), hash_of_names or names_hash(files))


def names_hash(files):
    """Returns a hash of the names of files, in their order."""
    names = hashlib.blake2b(digest_size=16)
    for file in files:
        names.update(os.fsencode(file) + b"\0")
    return names.hexdigest()
