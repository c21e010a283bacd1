"""Where a TF Hub module lies: a folder, an address, or a name of Kaggle's or TF Hub's."""

import re
import warnings
from pathlib import Path

SAVED = "saved_model.pb"


def folder(handle):
    """The folder of the SavedModel that a handle means; fetched, or found in the cache, where it is not local.

    Args:
        handle: a folder with a SavedModel, or with versions of one (1, 2, ...: the largest is taken); an address; a TF
            Hub name (google/nnlm-en-dim50/2); or a Kaggle one (google/yamnet/tensorFlow2/yamnet/1).
    Raises:
        ValueError: if there is nothing, or it cannot be fetched; it says what helps without a network.
    """
    path = Path(handle).expanduser()
    if path.is_dir():
        versions = sorted((p for p in path.iterdir() if p.name.isdecimal() and (p / SAVED).is_file()), key=_number)
        if (path / SAVED).is_file():
            return path
        if versions:
            return versions[-1]
        raise ValueError(f"HubLayer: `handle` must be a folder with a SavedModel, and {path} has no {SAVED}.")
    address = _address(str(handle))
    if address is None:
        raise ValueError(
            f"HubLayer: `handle` must be a folder, an address, or a name as in google/nnlm-en-dim50/2, got {handle!r}."
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it imports pkg_resources, which says that it will go
            import tensorflow_hub

            return Path(tensorflow_hub.resolve(address))
    except Exception as error:  # urllib, kagglehub and requests each have their own
        raise ValueError(
            f"HubLayer: {address} could not be fetched ({type(error).__name__}: {str(error)[:200]}). Without a "
            "network: download the module's archive where there is one, unpack it, and give the folder as `handle`; or "
            "copy the cache of a machine that has it and set TFHUB_CACHE_DIR."
        ) from error


def _number(path):
    return int(path.name)


def _address(handle):
    """The address of what is no folder, or None where the handle can mean none."""
    if re.match(r"(https?|gs)://", handle):
        return handle
    parts = handle.split("/")
    if len(parts) < 2 or not all(re.fullmatch(r"[\w-][\w.-]*", part) for part in parts):
        return None
    if any(part.lower() in ("tensorflow1", "tensorflow2") for part in parts):
        return f"https://www.kaggle.com/models/{handle}"
    return f"https://tfhub.dev/{handle}"
