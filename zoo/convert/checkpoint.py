"""A file of weights -> a dictionary of arrays: `.safetensors`, and PyTorch's files without PyTorch."""

import json
import math
from pathlib import Path

import numpy as np

from zoo.arguments import FilePath, checked
from zoo.convert.pickled import Tensor, from_bytes, read_pickled

# where training scripts keep the weights among their other records, the averaged ones last
NESTS = ("state_dict", "model", "model_state_dict", "module", "net", "params", "model_ema", "state_dict_ema", "ema")
_SAFE = {"BF16": "bfloat16", "BOOL": "b1"} | {f"{k}{8 * n}": f"{k.lower()}{n}" for k in "FIU" for n in (1, 2, 4, 8)}
del _SAFE["F8"]  # NumPy has no float of 8 bits


@checked
def read_checkpoint(path: FilePath) -> dict[str, np.ndarray]:
    """The weights in a file, by the names that it gives them.

    Nothing in the file is run or trusted: of a pickle's names only those that tensors need are admitted. The layout is
    told from the content, not from the name's ending.

    Args:
        path: a `.safetensors` file, or a PyTorch file (`.pth`, `.pt`, `.bin`, `.ckpt`) of either layout, holding named
            tensors, or a dict in which `state_dict`, `model` or the like holds them.
    Returns:
        Name -> array, in the file's order. Arrays may be read-only views; bfloat16 comes as float32. Numbers and texts
        beside the tensors are left out.
    Raises:
        ValueError: if there is no such file, it is truncated or of another kind, its pickle asks for anything but
            tensors (which is named), or it has no named tensors.

    Source: https://huggingface.co/docs/safetensors, https://docs.pytorch.org/docs/stable/notes/serialization.html
    Differs: from `torch.load` in what it refuses; from the `safetensors` package in that NumPy gets bfloat16 too.
    """
    file = Path(path)
    if not file.is_file():
        raise ValueError(f"read_checkpoint: `path` must be a file of weights, and {path} is not a file.")
    return parse_checkpoint(file.read_bytes(), path)


def parse_checkpoint(data, path):
    """What `read_checkpoint` says, of the bytes of a file; `path` is what an error calls it."""
    try:
        if data[8:9] == b"{":
            return _read_safetensors(data)
        if data[:2] == b"PK" or data[:1] == b"\x80":
            tree, fetch = read_pickled(data)
            return {name: fetch(tensor) for name, tensor in _named(tree).items()}
    except ValueError as error:
        raise ValueError(f"read_checkpoint: {path} cannot be read: {error}.") from error
    except Exception as error:  # unpickling what is no pickle raises anything
        raise ValueError(f"read_checkpoint: {path} is truncated or no file of weights: {error!r}.") from error
    raise ValueError(f"read_checkpoint: {path} is neither safetensors nor a PyTorch file.")


def _named(tree):
    """The tensors by name, at the top of the tree or one step below it."""

    def tensors(branch):
        return {k: v for k, v in branch.items() if isinstance(v, Tensor)} if isinstance(branch, dict) else {}

    if not isinstance(tree, dict):
        raise ValueError(f"it holds a {type(tree).__name__}, not named tensors")
    nested = {k: tensors(v) for k, v in tree.items() if tensors(v)}
    nest = next((k for k in NESTS if k in nested), None)
    found = nested[nest] if nest else tensors(tree)
    if not found and len(nested) == 1:
        (found,) = nested.values()
    if not found:
        at = f" at {', '.join(map(repr, NESTS))}; it has {', '.join(map(repr, tree)) or 'nothing'}"
        raise ValueError(f"it holds no named tensors, neither at the top nor{at}")
    if not all(isinstance(k, str) for k in found):
        raise ValueError("its tensors are numbered, not named")
    return found


def _read_safetensors(data):
    """Eight bytes that say how long the JSON is, the JSON that says what lies where, and the numbers."""
    start = 8 + int.from_bytes(data[:8], "little")
    if start > len(data):
        raise ValueError(f"it is truncated: its index ends at byte {start} of {len(data)}")
    index = json.loads(data[8:start])
    found = {}
    for name, told in index.items():
        if name == "__metadata__":
            continue
        kind, shape, (low, high) = told["dtype"], tuple(told["shape"]), told["data_offsets"]
        if kind not in _SAFE:
            raise ValueError(f"{name} is of {kind}, which NumPy has no number for")
        if not 0 <= low <= high <= len(data) - start:
            raise ValueError(f"it is truncated: {name} ends at byte {high} of {len(data) - start}")
        flat = from_bytes(data[start + low : start + high], _SAFE[kind])
        if min(shape, default=0) < 0 or len(flat) != math.prod(shape):
            raise ValueError(f"{name} has {len(flat)} numbers for the shape {shape}")
        found[name] = flat.reshape(shape)
    if not found:
        raise ValueError("it holds no tensors")
    return found
