"""The recordings of a data set: where they lie, what their headers state, and which cannot be read."""

import concurrent.futures
import hashlib
import os
import typing
from pathlib import Path

import numpy as np

from recipes.data.images.image_folder import is_system_folder
from recipes.data.sound.sample_checks import SampleChecks
from recipes.data.sound.sound_files import (
    SoundInfo,
    UnreadableSoundError,
    is_sound_name,
    open_sound,
    sound_info,
)

DECODED_BYTES = 64 * 2**20  # of files in all, up to which they are decoded to their end
SAMPLE = 16 * 2**10  # bytes in the middle of a file by which it is compared, where there are more
BLOCK = 1 << 20  # samples that are decoded together


class Recording(typing.NamedTuple):
    """A recording, as a scan of its file shows it.

    Args:
        path: of the file.
        info: `SoundInfo`.
        key: hash of its content, equal for equal files.
        is_silent, is_clipped: None where the file was not decoded.
    """

    path: Path
    info: SoundInfo
    key: bytes
    is_silent: bool | None
    is_clipped: bool | None


def sounds_below(folder):
    """Returns the sound files of a folder and of those in it, in the order of their names; links are followed."""
    paths = []
    for place, folders, names in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if not is_system_folder(name)]
        paths += [Path(place, name) for name in names if is_sound_name(name)]
    return sorted(paths)


def scan_recordings(paths):
    """Reads the header of every file; files of up to 64 MiB in all are decoded to their end.

    Args:
        paths: of sound files.
    Returns:
        (dict from path to `Recording`, dict from the path of an unreadable file to the reason).
    """
    sizes = {path: path.stat().st_size if path.exists() else 0 for path in paths}
    decode = sum(sizes.values()) <= DECODED_BYTES
    recordings, failures = {}, {}

    def scan(path):
        try:
            return _scan(path, sizes[path], decode)
        except UnreadableSoundError as error:
            return error.reason

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as executor:
        for path, result in zip(paths, executor.map(scan, paths), strict=True):
            (failures if isinstance(result, str) else recordings)[path] = result
    return recordings, failures


def _scan(path, size, decode):
    info = sound_info(path)
    content = hashlib.blake2b(str(size).encode(), digest_size=16)
    with open(path, "rb") as file:
        if not decode:
            file.seek(max(0, (size - SAMPLE) // 2))
        content.update(file.read(-1 if decode else SAMPLE))
    if not decode:
        return Recording(path, info, content.digest(), None, None)
    checks = SampleChecks()
    with open_sound(path) as file:
        for block in file.blocks(BLOCK // file.channels, dtype="float32", always_2d=True):
            if not np.isfinite(block).all():
                raise UnreadableSoundError(path, "it has NaN or infinite samples")
            checks.add(block, block.mean(axis=1))
        count = checks.count
        if count < info.frames and info.subtype != "MPEG_LAYER_III":  # whose header has the length only roughly
            stated = info.frames / info.sample_rate
            raise UnreadableSoundError(path, f"it ends after {count / file.samplerate:.2f} of {stated:.2f} s")
    return Recording(path, info, content.digest(), checks.is_silent, checks.is_clipped)
