"""Resolves handles of TF Hub modules to folders: a path, a URL, or a name on Kaggle or TF Hub."""

import re
import warnings
from pathlib import Path

MODEL_FILE = "saved_model.pb"


def resolve_handle(handle):
    """Returns the folder of a SavedModel, which is downloaded, or found in the cache, if it is not local.

    Args:
        handle: a folder with a SavedModel, or with versions of one (1, 2, ...: the largest is used); a URL; a TF Hub
            name (google/nnlm-en-dim50/2); or a Kaggle name (google/yamnet/tensorFlow2/yamnet/1).
    Raises:
        ValueError: if there is no SavedModel, or it cannot be downloaded.
    """
    path = Path(handle).expanduser()
    if path.is_dir():
        versions = sorted(
            (p for p in path.iterdir() if p.name.isdecimal() and (p / MODEL_FILE).is_file()), key=lambda p: int(p.name)
        )
        if (path / MODEL_FILE).is_file():
            return path
        if versions:
            return versions[-1]
        raise ValueError(f"HubLayer: `handle` must be a folder with a SavedModel, and {path} has no {MODEL_FILE}.")
    url = handle_url(str(handle))
    if url is None:
        raise ValueError(
            f"HubLayer: `handle` must be a folder, a URL, or a name as in google/nnlm-en-dim50/2, got {handle!r}."
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it imports pkg_resources, which warns that it is deprecated
            import tensorflow_hub

            return Path(tensorflow_hub.resolve(url))
    except Exception as error:  # urllib, kagglehub and requests raise different errors
        raise ValueError(
            f"HubLayer: {url} could not be fetched ({type(error).__name__}: {str(error)[:200]}). Without a "
            "network: download the module's archive where there is one, unpack it, and give the folder as `handle`; or "
            "copy the cache of a machine that has it and set TFHUB_CACHE_DIR."
        ) from error


def handle_url(handle):
    """Returns the URL of a handle that is not a folder, or None where it cannot be one."""
    if re.match(r"(https?|gs)://", handle):
        return handle
    segments = handle.split("/")
    if len(segments) < 2 or not all(re.fullmatch(r"[\w-][\w.-]*", segment) for segment in segments):
        return None
    if any(segment.lower() in ("tensorflow1", "tensorflow2") for segment in segments):
        return f"https://www.kaggle.com/models/{handle}"
    return f"https://tfhub.dev/{handle}"
