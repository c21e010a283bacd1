"""A hash of the content of a split, by which a training that is resumed recognizes its data."""

import dataclasses
import hashlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from recipes.data.examples import SPLITS

DATASET_EXAMPLES = 64  # examples of a tf.data.Dataset that are hashed, as it may be larger than the memory
HASHED_BYTES = 64 * 2**20  # of files, up to which all of their content is hashed
SAMPLE = 16 * 2**10  # bytes in the middle of each file that are hashed where there are more
PATH_FIELDS = ("path", "paths")  # of readers: the content of the files counts, not their names


def fingerprints(data):
    """Returns a hash of inputs and targets of each split, in their order: split -> hexadecimal digits.

    Args:
        data: `Data`. Of files the bytes are hashed; of more than 64 MiB names, sizes and 16 KiB in the middle of each.
    """
    digests = {}  # file -> digest, as rasters are in several splits
    return {split: fingerprint(getattr(data, split), digests) for split in SPLITS}


def fingerprint(examples, digests=None):
    """Returns a hash of inputs, targets and weights of one split, and of the examples without labels beside it.

    Args:
        examples: `Examples`.
        digests: dict from a file's path to its digest, which is extended; None hashes each file.
    """
    content = hashlib.blake2b(digest_size=16)
    optional = (examples.weights, None if examples.unlabelled is None else examples.unlabelled.inputs)
    for values in (examples.inputs, examples.targets, *(values for values in optional if values is not None)):
        _update(content, values, {} if digests is None else digests)
    return content.hexdigest()


def _update(content, values, digests):
    """Adds values to a hash: arrays, nested dicts and sequences, data classes of readers, or a tf.data.Dataset."""
    content.update(type(values).__name__.encode() + b"\0")
    if isinstance(values, np.ndarray):
        _update_array(content, values)
    elif isinstance(values, dict):
        for name in values:
            content.update(str(name).encode("utf-8", "surrogatepass") + b"\0")
            _update(content, values[name], digests)
    elif isinstance(values, list | tuple):
        for value in values:
            _update(content, value, digests)
    elif dataclasses.is_dataclass(values):
        for field in dataclasses.fields(values):
            value = getattr(values, field.name)
            if field.name == "notes":  # what was decided; a source with the resolved options decides nothing anew
                _update(content, (), digests)
            elif field.name in PATH_FIELDS:
                _update_files(content, np.ravel(np.asarray(value, dtype=object)), digests)
            else:
                _update(content, value, digests)
    elif hasattr(values, "read") and hasattr(values, "__len__"):
        for i in range(len(values)):
            _update(content, np.asarray(values.read(i)), digests)
    elif hasattr(values, "element_spec"):
        for element in values.take(DATASET_EXAMPLES).as_numpy_iterator():
            _update(content, list(element.values()) if isinstance(element, dict) else element, digests)
    elif isinstance(values, str | bytes | int | float | bool | np.generic) or values is None:
        content.update(repr(values).encode("utf-8", "surrogatepass"))


def _update_array(content, array):
    content.update(f"{array.dtype}{array.shape}".encode())
    if array.dtype.hasobject:
        for value in array.ravel():
            content.update(str(value).encode("utf-8", "surrogatepass") + b"\0")
    elif array.size:
        content.update(np.ascontiguousarray(array).reshape(-1).view("uint8"))


def _update_files(content, paths, digests):
    new = [path for path in dict.fromkeys(map(str, paths)) if path not in digests]
    is_large = sum(os.path.getsize(path) for path in new if os.path.isfile(path)) > HASHED_BYTES
    with ThreadPoolExecutor() as executor:
        digests.update(zip(new, executor.map(_sample_digest if is_large else _file_digest, new), strict=True))
    for path in map(str, paths):
        content.update(digests[path])


def _file_digest(path):
    if not Path(path).is_file():
        return b"no file"
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).digest()


def _sample_digest(path):
    if not Path(path).is_file():
        return b"no file"
    size = os.path.getsize(path)
    content = hashlib.blake2b(f"{os.path.basename(path)} {size}".encode("utf-8", "surrogateescape"), digest_size=16)
    with open(path, "rb") as file:
        file.seek(max(0, (size - SAMPLE) // 2))
        content.update(file.read(SAMPLE))
    return content.digest()
