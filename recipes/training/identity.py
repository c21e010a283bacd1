"""What a training is: task, model, data and versions, by which a backup is resumed by its own command only."""

import dataclasses
import hashlib
import importlib.metadata
import json
import os

import keras
import numpy as np

from recipes.data.fingerprint import fingerprints

BACKUP_FORMAT = 2  # raised with every change of the backup's files or of the order of the data


def describe_training(task, model_name, model, arguments, data):
    """Returns a dict of JSON values that is equal for two trainings of the same task, model, data and versions.

    Args:
        task: with its hyperparameters, the seed included.
        model_name: the name that was passed, or that of the `keras.Model`.
        model: the `keras.Model` to train.
        arguments: of the model's builder.
        data: `Data`.
    """
    hyperparameters = {field.name: getattr(task, field.name) for field in dataclasses.fields(task)}
    description = {
        "backup format": BACKUP_FORMAT,
        "versions": versions(),
        "task": type(task).__name__,
        "hyperparameters": hyperparameters,
        "model": model_name,
        "arguments": arguments,
        "dtype policy": model.dtype_policy.name,
        "architecture": architecture_hash(model),
        "data": str(data.source_spec) if data.source_spec else f"{data.name} ({data.task}, in memory)",
        "examples": {split: len(getattr(data, split)) for split in ("train", "validation", "test")},
        "split": data.split_description,
        "content": fingerprints(data),
    }
    return json.loads(json.dumps(_with_text_keys(description), default=_jsonable))


def versions():
    """Returns the versions on which the result of a training depends: package -> version."""
    installed = {name: importlib.metadata.version(name) for name in ("keras", "numpy")}
    return installed | {"fieldzoo": _fieldzoo_version(), "tensorflow": _tensorflow_version()}


def _with_text_keys(value):
    if isinstance(value, dict):
        return {str(key): _with_text_keys(v) for key, v in value.items()}
    return [_with_text_keys(v) for v in value] if isinstance(value, list | tuple) else value


def same_training(saved, current):
    """Whether two descriptions are equal; NaN equals NaN."""
    return json.dumps(saved, sort_keys=True) == json.dumps(current, sort_keys=True)


def differences(saved, current, sentence="`{name}` was {saved} and is now {current}"):
    """Returns sentences on what differs between two descriptions, such as "`seed` was 0 and is now 5".

    Args:
        saved, current: what `describe_training` returns.
        sentence: on a value that differs, with its name and both values in braces.
    """
    sentences = []
    before, after = _flat(saved), _flat(current)
    for name in dict.fromkeys([*before, *after]):
        old, new = (json.dumps(values.get(name), sort_keys=True) for values in (before, after))
        if old == new:
            continue
        if name in ("architecture", "train content", "validation content", "test content"):
            sentences.append(f"the {name} differs ({old.strip(chr(34))[:8]}, now {new.strip(chr(34))[:8]})")
        else:
            sentences.append(sentence.format(name=name, saved=_short(old), current=_short(new)))
    # Other data, seeds and models have other content too
    named = [s for s in sentences if not s.startswith("the ")]
    return named or sentences


def architecture_hash(model):
    """Returns a hash of a model's configuration without the names that Keras counts up."""
    try:
        config = model.get_config()
        text = json.dumps(config, default=_jsonable)
        config, names = json.loads(text), {}
        _collect_names(config, names)
        text = json.dumps(_rename(config, names), sort_keys=True)
    except (NotImplementedError, TypeError):
        text = ""
    shapes = [tuple(v.shape) for v in model.weights]
    return hashlib.blake2b(f"{type(model).__name__} {shapes} {text}".encode(), digest_size=16).hexdigest()


def _collect_names(config, names):
    if isinstance(config, dict):
        inner = config.get("config")
        for owner in (config, inner if isinstance(inner, dict) else {}):
            if isinstance(owner.get("name"), str):
                names.setdefault(owner["name"], f"#{len(names)}")
        for value in config.values():
            _collect_names(value, names)
    elif isinstance(config, list):
        for value in config:
            _collect_names(value, names)


def _rename(config, names):
    if isinstance(config, dict):
        return {key: _rename(value, names) for key, value in config.items()}
    if isinstance(config, list):
        return [_rename(value, names) for value in config]
    return names.get(config, config) if isinstance(config, str) else config


def _jsonable(value):
    """A value that JSON lacks: NumPy's as Python's, Keras' objects as their class and configuration."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return {"array": hashlib.blake2b(np.ascontiguousarray(value).tobytes(), digest_size=16).hexdigest()}
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, keras.Model):
        return {"class": type(value).__name__, "architecture": architecture_hash(value)}
    if hasattr(value, "get_config"):
        config = {name: v for name, v in value.get_config().items() if name != "name"}
        return {"class": type(value).__name__, "config": json.loads(json.dumps(config, default=_jsonable))}
    return getattr(value, "__qualname__", type(value).__name__)


def _flat(description):
    """One level of names: `seed`, "units of the model", "train examples"."""
    values = {}
    for name, value in description.items():
        if name in ("hyperparameters", "versions"):
            values |= value
        elif isinstance(value, dict):
            values |= {f"{key} {'of the model' if name == 'arguments' else name}": v for key, v in value.items()}
        else:
            values[name] = value
    return values


def _short(text):
    text = "unset" if text == "null" else text.replace('"', "")
    return text if len(text) <= 120 else f"{text[:117]}..."


def _fieldzoo_version():
    try:
        return importlib.metadata.version("fieldzoo")
    except importlib.metadata.PackageNotFoundError:
        return "source"


def _tensorflow_version():
    import tensorflow as tf

    return tf.__version__
