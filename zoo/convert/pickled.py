"""PyTorch's files, read without PyTorch and without trusting them.

A pickle is a program that may call whatever it names. This reader admits the few names that a dictionary of tensors
needs and refuses every other one, and what it admits can only describe: numbers are read after the program has ended.
Two layouts exist: a zip of `data.pkl` and one file a storage (since PyTorch 1.6), and one stream of five pickles
followed by the storages (before).

Source: https://docs.pytorch.org/docs/stable/notes/serialization.html and the files themselves.
"""

import io
import pickle
import struct
import typing
import zipfile

import numpy as np

_MAGIC = 0x1950A86A20F9469CFC6C  # the first pickle of the older layout
_PROTOCOL = 1001  # the second


class _Element(typing.NamedTuple):
    """What a storage is made of: NumPy's code without the byte order."""

    code: str


class _Storage(typing.NamedTuple):
    key: str
    code: str
    length: int  # elements
    start: int  # of a view into a larger storage, in elements


class Tensor(typing.NamedTuple):
    """A tensor that the pickle describes: a window with strides onto a storage."""

    storage: _Storage
    offset: int
    shape: tuple
    strides: tuple  # in elements


class _Dict(dict):
    """An OrderedDict; the attributes that PyTorch hangs on one (its `_metadata`) are not kept."""

    def __setstate__(self, state):
        pass


class _Call:
    """A function that a pickle may call, closed so that the pickle cannot set anything on it."""

    __slots__ = ("_function",)

    def __init__(self, function):
        self._function = function

    def __call__(self, *args):
        return self._function(*args)

    def __setstate__(self, state):
        raise ValueError("it changes what it calls")


def _tensor(storage, offset, shape, strides, *_):
    """What `_rebuild_tensor_v2` is told; gradients and hooks are not kept."""
    numbers = (offset, *shape, *strides)
    if not isinstance(storage, _Storage) or any(type(n) is not int or n < 0 for n in numbers):
        raise ValueError(f"it has a tensor of no storage, or of shape {shape}, strides {strides}, offset {offset}")
    last = offset + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
    if 0 not in shape and last >= storage.length:
        raise ValueError(f"it has a tensor of shape {tuple(shape)} that ends beyond its storage of {storage.length}")
    return Tensor(storage, offset, tuple(shape), tuple(strides))


_STORAGES = {
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
_ADMITTED = {f"torch.{name}Storage": _Element(code) for name, code in _STORAGES.items()} | {
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
    """Runs a pickle that can name nothing but `_ADMITTED`."""

    def __init__(self, file):
        super().__init__(file, encoding="utf-8")

    def find_class(self, module, name):
        asked = f"{module}.{name}"
        if asked not in _ADMITTED:
            raise ValueError(
                f"it asks for `{asked}`, which no tensor needs, so it is refused. Where you trust the file, open it"
                " with PyTorch and save `model.state_dict()` alone"
            )
        return _ADMITTED[asked]

    def persistent_load(self, pid):
        _, element, key, _, length, *view = pid
        start = 0
        if view and view[0] is not None:  # (key, start, length) of a storage inside another one
            _, start, length = view[0]
        if not isinstance(element, _Element) or any(type(n) is not int or n < 0 for n in (length, start)):
            raise ValueError(f"it has a storage of {element}, length {length}, start {start}")
        return _Storage(str(key), element.code, length, start)


def read_pickled(data):
    """What a PyTorch file holds, and what turns its tensors into arrays.

    Args:
        data: the file, as bytes.
    Returns:
        (tree, fetch): the unpickled object with a `Tensor` in the place of every tensor, and the function that makes a
        read-only array of one; bfloat16 comes as float32.
    Raises:
        ValueError: if the pickle asks for anything but tensors, or a tensor lies outside its storage.
        Exception: of any kind, as unpickling goes, if the file is truncated or no PyTorch file.
    """
    return _zipped(data) if data.startswith(b"PK") else _stream(data)


def _zipped(data):
    archive = zipfile.ZipFile(io.BytesIO(data))
    names = archive.namelist()
    root = next((n.removesuffix("data.pkl") for n in names if n.count("/") == 1 and n.endswith("/data.pkl")), None)
    if root is None:
        raise ValueError("it is a zip without PyTorch's data.pkl")
    big = f"{root}byteorder" in names and archive.read(f"{root}byteorder").strip() == b"big"
    tree = _Unpickler(io.BytesIO(archive.read(f"{root}data.pkl"))).load()
    return tree, _fetch(lambda key: archive.read(f"{root}data/{key}"), big)


def _stream(data):
    file = io.BytesIO(data)
    if _Unpickler(file).load() != _MAGIC or _Unpickler(file).load() != _PROTOCOL:
        raise ValueError("it is a pickle, but not of PyTorch")
    big = not _Unpickler(file).load()["little_endian"]
    tree = _Unpickler(file).load()
    described = {s.key: s for s in _storages(tree)}
    held = {}
    for key in _Unpickler(file).load():
        (length,) = struct.unpack(">q" if big else "<q", file.read(8))
        # a storage that no tensor uses has no known element: nothing after it could be found
        if key not in described or length < 0:
            raise ValueError(f"it has a storage {key} of {length} elements that no tensor uses")
        held[key] = file.read(length * _dtype(described[key].code, big).itemsize)
    return tree, _fetch(held.__getitem__, big)


def _storages(tree):
    """Every storage in nested dicts, lists and tuples, each container visited once."""
    seen, left = set(), [tree]
    while left:
        item = left.pop()
        if isinstance(item, Tensor):
            yield item.storage
        elif isinstance(item, dict | list | tuple) and id(item) not in seen:
            seen.add(id(item))
            left.extend(item.values() if isinstance(item, dict) else item)


def _dtype(code, big):
    return np.dtype((">" if big else "<") + ("u2" if code == "bfloat16" else code))


def _fetch(raw, big):
    storages = {}  # tensors may share one

    def flat(key, code):
        if (key, code) not in storages:
            storages[key, code] = from_bytes(raw(key), code, big)
        return storages[key, code]

    def fetch(tensor):
        key, code, length, start = tensor.storage
        window = flat(key, code)[start : start + length]
        if len(window) != length:
            raise ValueError(f"it is truncated: storage {key} has {len(window)} of {length} elements")
        strides = [s * window.itemsize for s in tensor.strides]
        return np.lib.stride_tricks.as_strided(window[tensor.offset :], tensor.shape, strides, writeable=False)

    return fetch


def from_bytes(data, code, big=False):
    """A flat array of `data`; code is NumPy's, or bfloat16, which is the upper half of a float32."""
    flat = np.frombuffer(data, _dtype(code, big))
    if code == "bfloat16":
        return (flat.astype("u4") << 16).view("f4")
    return flat.astype(flat.dtype.newbyteorder("="), copy=False)
