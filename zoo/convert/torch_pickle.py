"""Reads PyTorch files without PyTorch, and without running code from them.

A pickle is a program that may call anything it names. This reader allows the few names that a dictionary of tensors
needs, and refuses all others. The allowed names only describe tensors: numbers are read after the pickle has ended.
There are two formats: a zip file with `data.pkl` and one file per storage (since PyTorch 1.6), and a stream of five
pickles followed by the storages (before).

Source: https://docs.pytorch.org/docs/stable/notes/serialization.html and the files themselves.
"""

import io
import math
import pickle
import struct
import typing
import zipfile

import numpy as np

from zoo.convert.stated_sizes import check_expansion, check_zip

_MAGIC = 0x1950A86A20F9469CFC6C  # the first pickle of the older format
_PROTOCOL = 1001  # the second pickle


class _Element(typing.NamedTuple):
    """Type of a storage's elements, as NumPy's code without the byte order."""

    code: str


class _Storage(typing.NamedTuple):
    key: str
    code: str
    length: int  # number of elements
    start: int  # first element, where it is a view of a larger storage


class Tensor(typing.NamedTuple):
    """A tensor as the pickle describes it: a strided view of a storage."""

    storage: _Storage
    offset: int
    shape: tuple
    strides: tuple  # in elements


class _Dict(dict):
    """An OrderedDict, without the attributes that PyTorch sets on it (`_metadata`)."""

    def __setstate__(self, state):
        pass


class _Call:
    """A function that a pickle may call. The pickle cannot set attributes on it."""

    __slots__ = ("_function",)

    def __init__(self, function):
        self._function = function

    def __call__(self, *args):
        return self._function(*args)

    def __setstate__(self, state):
        raise ValueError("it changes what it calls")


def _tensor(storage, offset, shape, strides, *_):
    """Returns a `Tensor` from the arguments of `_rebuild_tensor_v2`, without gradients and hooks."""
    numbers = (offset, *shape, *strides)
    if not isinstance(storage, _Storage) or any(type(n) is not int or n < 0 for n in numbers):
        raise ValueError(f"it has a tensor of no storage, or of shape {shape}, strides {strides}, offset {offset}")
    last = offset + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
    if 0 not in shape and last >= storage.length:
        raise ValueError(f"it has a tensor of shape {tuple(shape)} that ends beyond its storage of {storage.length}")
    # Strides of 0 repeat numbers; each counts as 8 bytes.
    check_expansion(f"its tensor of shape {tuple(shape)}", 8 * math.prod(shape), 8 * storage.length)
    return Tensor(storage, offset, tuple(shape), tuple(strides))


_STORAGE_DTYPES = {
    "Float": "f4",
    "Double": "f8",
    "Half": "f2",
    "BFloat16": "bfloat16",
    "Long": "i8",
    "Int": "i4",
    "Short": "i2",
    "Char": "i1",
    "Byte": "u1",
    "Bool": "b1",
    "ComplexFloat": "c8",
    "ComplexDouble": "c16",
}
_ALLOWED = {f"torch.{name}Storage": _Element(code) for name, code in _STORAGE_DTYPES.items()} | {
    "collections.OrderedDict": _Call(_Dict),
    "torch.Size": _Call(tuple),
    "torch.Tensor": _Element(""),
    "torch.nn.parameter.Parameter": _Element(""),
    "torch._utils._rebuild_tensor": _Call(_tensor),
    "torch._utils._rebuild_tensor_v2": _Call(_tensor),
    "torch._utils._rebuild_parameter": _Call(lambda tensor, *_: tensor),
    "torch._utils._rebuild_parameter_with_state": _Call(lambda tensor, *_: tensor),
    "torch._tensor._rebuild_from_type_v2": _Call(lambda make, kind, arguments, state: make(*arguments)),
}


class _Unpickler(pickle.Unpickler):
    """Loads a pickle that names nothing but `_ALLOWED`."""

    def __init__(self, file):
        super().__init__(file, encoding="utf-8")

    def find_class(self, module, name):
        qualified_name = f"{module}.{name}"
        if qualified_name not in _ALLOWED:
            raise ValueError(
                f"its pickle names `{qualified_name}`, which no tensor needs, so it is refused. If you trust the file, "
                "open it with PyTorch and save `model.state_dict()` alone"
            )
        return _ALLOWED[qualified_name]

    def persistent_load(self, pid):
        _, element, key, _, length, *view = pid
        start = 0
        if view and view[0] is not None:  # (key, start, length) of a storage inside another one
            _, start, length = view[0]
        if not isinstance(element, _Element) or any(type(n) is not int or n < 0 for n in (length, start)):
            raise ValueError(f"it has a storage of {element}, length {length}, start {start}")
        return _Storage(str(key), element.code, length, start)


def read_torch_file(data):
    """Returns the content of a PyTorch file, and a function from its tensors to arrays.

    Args:
        data: the file, as bytes.
    Returns:
        (tree, to_array): the unpickled object with a `Tensor` for every tensor, and the function that returns the
        read-only array of a `Tensor`, bfloat16 as float32.
    Raises:
        ValueError: if the pickle needs anything but tensors, or a tensor exceeds its storage.
        Exception: of any kind, from unpickling, if the file is truncated or not a PyTorch file.
    """
    return _read_zip(data) if data.startswith(b"PK") else _read_stream(data)


def _read_zip(data):
    archive = zipfile.ZipFile(io.BytesIO(data))
    check_zip(archive, len(data))
    names = archive.namelist()
    root = next((n.removesuffix("data.pkl") for n in names if n.count("/") == 1 and n.endswith("/data.pkl")), None)
    if root is None:
        raise ValueError("it is a zip without PyTorch's data.pkl")
    big_endian = f"{root}byteorder" in names and archive.read(f"{root}byteorder").strip() == b"big"
    tree = _Unpickler(io.BytesIO(archive.read(f"{root}data.pkl"))).load()
    return tree, _array_function(lambda key: archive.read(f"{root}data/{key}"), big_endian)


def _read_stream(data):
    file = io.BytesIO(data)
    if _Unpickler(file).load() != _MAGIC or _Unpickler(file).load() != _PROTOCOL:
        raise ValueError("it is a pickle, but not of PyTorch")
    big_endian = not _Unpickler(file).load()["little_endian"]
    tree = _Unpickler(file).load()
    descriptions = {s.key: s for s in _storages(tree)}
    storages = {}
    for key in _Unpickler(file).load():
        (length,) = struct.unpack(">q" if big_endian else "<q", file.read(8))
        # the element size of a storage that no tensor uses is unknown, so what follows it cannot be found
        if key not in descriptions or length < 0:
            raise ValueError(f"it has a storage {key} of {length} elements that no tensor uses")
        storages[key] = file.read(length * _dtype(descriptions[key].code, big_endian).itemsize)
    return tree, _array_function(storages.__getitem__, big_endian)


def _storages(tree):
    """Yields the storages in nested dicts, lists and tuples; each container is visited once."""
    visited, queue = set(), [tree]
    while queue:
        item = queue.pop()
        if isinstance(item, Tensor):
            yield item.storage
        elif isinstance(item, dict | list | tuple) and id(item) not in visited:
            visited.add(id(item))
            queue.extend(item.values() if isinstance(item, dict) else item)


def _dtype(code, big_endian):
    return np.dtype((">" if big_endian else "<") + ("u2" if code == "bfloat16" else code))


def _array_function(read_storage, big_endian):
    """Returns a function from a `Tensor` to its array; `read_storage` returns the bytes of a storage by key."""
    storages = {}  # tensors may share a storage

    def storage_array(key, code):
        if (key, code) not in storages:
            storages[key, code] = array_from_bytes(read_storage(key), code, big_endian)
        return storages[key, code]

    def to_array(tensor):
        key, code, length, start = tensor.storage
        window = storage_array(key, code)[start : start + length]
        if len(window) != length:
            raise ValueError(f"it is truncated: storage {key} has {len(window)} of {length} elements")
        strides = [s * window.itemsize for s in tensor.strides]
        return np.lib.stride_tricks.as_strided(window[tensor.offset :], tensor.shape, strides, writeable=False)

    return to_array


def array_from_bytes(data, code, big_endian=False):
    """Returns bytes as a flat array of a NumPy type code, or of bfloat16 as float32."""
    flat = np.frombuffer(data, _dtype(code, big_endian))
    if code == "bfloat16":  # the upper half of a float32
        return (flat.astype("u4") << 16).view("f4")
    return flat.astype(flat.dtype.newbyteorder("="), copy=False)
