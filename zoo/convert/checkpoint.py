"""Reads weight files of other libraries to arrays: `.safetensors`, and PyTorch files without PyTorch."""

import json
import math
from pathlib import Path

import numpy as np

from zoo.arguments import FilePath, checked
from zoo.convert.torch_pickle import Tensor, array_from_bytes, read_torch_file

# keys of the weights in the checkpoints of training scripts, averaged weights last
STATE_KEYS = (
    "state_dict",
    "model",
    "model_state_dict",
    "module",
    "net",
    "params",
    "model_ema",
    "state_dict_ema",
    "ema",
)
SAFETENSORS_DTYPES = {"BF16": "bfloat16", "BOOL": "b1"} | {
    f"{k}{8 * n}": f"{k.lower()}{n}" for k in "FIU" for n in (1, 2, 4, 8)
}
del SAFETENSORS_DTYPES["F8"]  # NumPy has no float of 8 bits


@checked
def read_checkpoint(path: FilePath) -> dict[str, np.ndarray]:
    """Returns the weights in a file by name.

    No code in the file is run: of the names in a pickle, only those that tensors need are allowed. The format is
    recognized by the content, not by the file extension.

    Args:
        path: a `.safetensors` file, or a PyTorch file (`.pth`, `.pt`, `.bin`, `.ckpt`) of either format, with named
            tensors, or with a dict that has them under a key such as `state_dict` or `model`.
    Returns:
        {name: array} in the file's order. Arrays may be read-only views; bfloat16 becomes float32. Numbers and texts
        are left out.
    Raises:
        ValueError: if there is no such file, it is truncated or of another format, its pickle needs anything but
            tensors, or it has no named tensors.

    Source: https://huggingface.co/docs/safetensors, https://docs.pytorch.org/docs/stable/notes/serialization.html
    Differs: `torch.load` allows more than tensors; the `safetensors` package has no bfloat16 in NumPy.
    """
    file = Path(path)
    if not file.is_file():
        raise ValueError(f"read_checkpoint: `path` must be a file of weights, and {path} is not a file.")
    return parse_checkpoint(file.read_bytes(), path)


def parse_checkpoint(data, path):
    """Returns what `read_checkpoint` returns, for the bytes of a file; `path` is its name in error messages."""
    try:
        if data[8:9] == b"{":
            return _read_safetensors(data)
        if data[:2] == b"PK" or data[:1] == b"\x80":
            tree, to_array = read_torch_file(data)
            return {name: to_array(tensor) for name, tensor in _named_tensors(tree).items()}
    except ValueError as error:
        raise ValueError(f"read_checkpoint: {path} cannot be read: {error}.") from error
    except Exception as error:  # unpickling invalid data may raise anything
        raise ValueError(f"read_checkpoint: {path} is truncated or no file of weights: {error!r}.") from error
    raise ValueError(f"read_checkpoint: {path} is neither safetensors nor a PyTorch file.")


def _named_tensors(tree):
    """Returns the tensors by name, from the top level of the tree or one level below."""

    def tensors(branch):
        return {k: v for k, v in branch.items() if isinstance(v, Tensor)} if isinstance(branch, dict) else {}

    if not isinstance(tree, dict):
        raise ValueError(f"it holds a {type(tree).__name__}, not named tensors")
    nested = {k: tensors(v) for k, v in tree.items() if tensors(v)}
    state_key = next((k for k in STATE_KEYS if k in nested), None)
    state = nested[state_key] if state_key else tensors(tree)
    if not state and len(nested) == 1:
        (state,) = nested.values()
    if not state:
        keys = f" at {', '.join(map(repr, STATE_KEYS))}; it has {', '.join(map(repr, tree)) or 'nothing'}"
        raise ValueError(f"it holds no named tensors, neither at the top nor{keys}")
    if not all(isinstance(k, str) for k in state):
        raise ValueError("its tensors are numbered, not named")
    return state


def _read_safetensors(data):
    """Reads the length of the header (8 bytes), the header (JSON) and the arrays."""
    start = 8 + int.from_bytes(data[:8], "little")
    if start > len(data):
        raise ValueError(f"it is truncated: its index ends at byte {start} of {len(data)}")
    header = json.loads(data[8:start])
    arrays, read = {}, 0
    for name, spec in header.items():
        if name == "__metadata__":
            continue
        dtype, shape, (begin, end) = spec["dtype"], tuple(spec["shape"]), spec["data_offsets"]
        if dtype not in SAFETENSORS_DTYPES:
            raise ValueError(f"{name} is of {dtype}, which NumPy has no number for")
        if not 0 <= begin <= end <= len(data) - start:
            raise ValueError(f"it is truncated: {name} ends at byte {end} of {len(data) - start}")
        read += end - begin
        if read > len(data) - start:
            raise ValueError(f"its tensors state {read} bytes and more, and it stores {len(data) - start}")
        flat = array_from_bytes(data[start + begin : start + end], SAFETENSORS_DTYPES[dtype])
        if min(shape, default=0) < 0 or len(flat) != math.prod(shape):
            raise ValueError(f"{name} has {len(flat)} numbers for the shape {shape}")
        arrays[name] = flat.reshape(shape)
    if not arrays:
        raise ValueError("it holds no tensors")
    return arrays
