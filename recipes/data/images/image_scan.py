"""Looks at image files before training: sizes, bands, depths, broken files and identical ones.

Of few files every one is decoded. Of a large folder headers are read, and only what could be identical is hashed. The
result is saved, and read again for files that are unchanged.
"""

import collections
import concurrent.futures
import dataclasses
import hashlib
import os

import numpy as np

from recipes.data.images.decoded_image import UnreadableImageError
from recipes.data.images.file_facts import FileFacts, ImageKind
from recipes.data.images.image_decoding import read_header, read_image
from recipes.data.images.saved_scan import read_scan, write_scan

DECODED_BYTES = 64 * 2**20  # of files, up to which all are decoded
SAVED_FILES = 200  # from which a scan is saved
NO_KIND = -1


@dataclasses.dataclass(frozen=True, eq=False)
class ImageScan:
    """The facts of N image files, before they are read.

    Args:
        kinds: list of `ImageKind`.
        kind: (N,) index into `kinds`, -1 for a file that cannot be read.
        height, width: (N,) upright [pixels].
        keys: (N,) uint64, equal where files are identical.
        brightest: (N,) largest value of a 16-bit image, -1 for others.
        reasons: (N,) why a file cannot be read, "" for others.
    """

    kinds: list
    kind: np.ndarray
    height: np.ndarray
    width: np.ndarray
    keys: np.ndarray
    brightest: np.ndarray
    reasons: np.ndarray

    def take(self, indices):
        """Returns the scan of the files at `indices`."""
        arrays = {f.name: getattr(self, f.name)[indices] for f in dataclasses.fields(self) if f.name != "kinds"}
        return ImageScan(self.kinds, **arrays)

    def of_kinds(self, condition):
        """Returns (N,) bool: whether `condition(kind)` holds for the kind of each readable file."""
        holds = np.array([bool(condition(kind)) for kind in self.kinds] + [False])
        return holds[self.kind]

    def counts(self, value):
        """Returns a Counter of `value(kind)` over all readable files."""
        counts = collections.Counter()
        for kind, number in zip(
            self.kinds, np.bincount(self.kind[self.kind >= 0], minlength=len(self.kinds)), strict=True
        ):
            if number:
                counts[value(kind)] += int(number)
        return counts


def scan_images(paths, root, decode_all=False):
    """Returns the `ImageScan` of image files.

    Files of up to 64 MiB in all are decoded to their end; identical are then equal pixels. Of more files, JPEG and
    8-bit PNG in gray or RGB are not decoded: their header and end are read, and identical are equal bytes.

    Args:
        paths: N paths below `root`.
        root: folder that the result is saved for.
        decode_all: whether to decode all files whatever their size.
    """
    names = [os.path.relpath(path, root) for path in paths]
    status = [_status(path) for path in paths]
    sizes, times = (np.array([s[i] for s in status], np.int64) for i in range(2))
    decode_all = decode_all or int(np.maximum(sizes, 0).sum()) <= DECODED_BYTES
    saved = read_scan(root) if len(paths) >= SAVED_FILES else {}
    facts, missing = [None] * len(paths), []
    for i, name in enumerate(names):
        entry = saved.get(name)
        if entry and entry.size == sizes[i] and entry.time == times[i] and (entry.decoded or not decode_all):
            facts[i] = entry
        else:
            missing.append(i)

    def look_at(i):
        return _look_at(paths[i], int(sizes[i]), int(times[i]), decode_all)

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as executor:
        for i, entry in zip(missing, executor.map(look_at, missing), strict=True):
            facts[i] = entry
        hashed = _hash_candidates(paths, facts, executor)
    if len(paths) >= SAVED_FILES and (missing or hashed or len(saved) > len(paths)):
        write_scan(root, dict(zip(names, facts, strict=True)))
    return _as_arrays(names, facts)


def _status(path):
    try:
        status = os.stat(path)
    except OSError:  # a broken link
        return -1, 0
    return status.st_size, status.st_mtime_ns


def _look_at(path, size, time, decode):
    """Returns the `FileFacts` of a file, from its header where that suffices."""
    header = None if decode else read_header(path)
    if header is not None:
        (height, width), image = header
        return FileFacts(size, time, False, _kind(image), height, width, -1, "", None)
    try:
        image = read_image(path)
    except UnreadableImageError as error:
        return FileFacts(size, time, True, None, 0, 0, -1, error.reason, 0)
    pixels = image.pixels
    digest = hashlib.blake2b(repr(pixels.shape).encode(), digest_size=8)
    digest.update(pixels)
    brightest = int(pixels.max()) if pixels.dtype == np.uint16 else -1
    key = int.from_bytes(digest.digest(), "little")
    return FileFacts(size, time, True, _kind(image), *pixels.shape[:2], brightest, "", key)


def _kind(image):
    return ImageKind(
        image.pixels.shape[2], image.conversions, image.depth, image.bands, image.orientation, image.is_photo,
        image.has_gaps,
    )  # fmt: skip


def _hash_candidates(paths, facts, executor):
    """Hashes the files that have the size of another and no key yet; returns how many these are."""
    counts = collections.Counter(f.size for f in facts if not f.decoded)
    candidates = [i for i, f in enumerate(facts) if not f.decoded and f.key is None and counts[f.size] > 1]

    def digest(i):
        with open(paths[i], "rb") as file:
            content = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=8))
        return int.from_bytes(content.digest(), "little")

    for i, key in zip(candidates, executor.map(digest, candidates), strict=True):
        facts[i] = facts[i]._replace(key=key)
    return len(candidates)


def _as_arrays(names, facts):
    kinds = {}
    kind = np.array([NO_KIND if f.kind is None else kinds.setdefault(f.kind, len(kinds)) for f in facts], np.int32)
    return ImageScan(
        list(kinds),
        kind,
        np.array([f.height for f in facts], np.int32),
        np.array([f.width for f in facts], np.int32),
        np.array([_name_key(n) if f.key is None else f.key for n, f in zip(names, facts, strict=True)], np.uint64),
        np.array([f.brightest for f in facts], np.int32),
        np.array([f.reason for f in facts], dtype=object),
    )


def _name_key(name):
    """Returns the key of a file that no other can be identical to, as none has its size."""
    return int.from_bytes(hashlib.blake2b(name.encode("utf-8", "surrogateescape"), digest_size=8).digest(), "little")
