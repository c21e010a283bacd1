"""Saved runs read back from their folders."""

import functools
import json
import math
import warnings
from pathlib import Path

import keras

from recipes.data import as_source_spec, load, reopen
from recipes.data.fingerprint import fingerprints
from recipes.tasks import TASKS
from recipes.training.run import Run
from recipes.training.run_record import FORMAT
from zoo.arguments import FilePath, checked, suggestion
from zoo.inputs import InputSchema
from zoo.layers.preset_tokens import find_preset_tokens

FILES = ("model.keras", "preprocessing.keras", "run.json")


@checked
def load_run(path: FilePath, data=None) -> Run:
    """Reads a run that was saved: the same as `fit` returned.

    Predictions need no data. `evaluate`, `report`, `plots`, `data_frame` and `export` read the data again that the run
    was trained on.

    Args:
        path: the run's folder.
        data: the data that it was trained on, as `recipes.load` takes them, for a run on arrays, which a run does not
            save; None for the source that the run saved.
    Returns:
        `Run`.
    Raises:
        ValueError: if there is no run of this version of the format in that folder, or its model is broken or has code.
    """
    path = Path(path)
    missing = [name for name in FILES if not (path / name).is_file()]
    if missing:
        runs = [folder.name for folder in path.parent.glob("*") if (folder / "run.json").is_file()]
        raise ValueError(
            f"`run` must be the folder of a run, got {path} without {', '.join(missing)}.{suggestion(path.name, runs)}"
        )
    info = read_info(path)
    model, preprocessing = (_load_model(path / name) for name in FILES[:2])
    task = _task(info, preprocessing)
    history = json.loads((path / "history.json").read_text()) if (path / "history.json").is_file() else {}
    history = {name: [math.nan if v is None else v for v in values] for name, values in history.items()}
    return Run(
        task, model, functools.partial(_open_data, task, path, info, data), preprocessing, history, info["record"],
        schema=InputSchema.from_json(info["input_schema"]), data_record=info["data"],
    )  # fmt: skip


def read_info(path):
    """Returns the content of a run's run.json.

    Raises:
        ValueError: if it has another version of the format.
    """
    info = json.loads((Path(path) / "run.json").read_text())
    version = info.get("format", 1)
    if version != FORMAT:
        advice = (
            "train it again with `zoo train`, or load it with the fieldzoo release that wrote it"
            if version < FORMAT
            else "update fieldzoo"
        )
        raise ValueError(f"`run` must have format version {FORMAT}, got version {version} in {path}; {advice}.")
    return info


def _load_model(path):
    """Returns a saved model; Keras' safe mode runs no code in it.

    Raises:
        ValueError: in one line, if it is broken, or has code or classes that are not Keras' or the zoo's.
    """
    try:
        return keras.models.load_model(path, compile=False)
    except (ValueError, TypeError, OSError, KeyError) as error:
        reason = " ".join(str(error).split("Exception encountered:")[-1].split())
        raise ValueError(f"{path} cannot be loaded: {reason[:400]}") from error


def _task(info, preprocessing):
    """Returns the task of a run with its hyperparameters."""
    settings = {k: tuple(v) if isinstance(v, list) else v for k, v in info["hyperparameters"].items()}
    if isinstance(settings.get("tokenizer"), dict):
        settings["tokenizer"] = find_preset_tokens(preprocessing).tokenizer
    names = {cls.__name__: cls for cls in TASKS.values()}
    return names[info["task"]](**settings)


def _open_data(task, path, info, data):
    """Returns the `Data` of a run: those passed, or those of the source that it saved."""
    if data is None:
        source = as_source_spec(info["record"]["data"])
        if source is None:
            raise ValueError(
                f"{path} was trained on arrays, which a run does not save; pass them: load_run(path, data)."
            )
        reread = task.open_data(reopen(source))
        saved = info["record"].get("data_fingerprints")  # runs of older releases have none
        if saved and saved != fingerprints(reread):
            warnings.warn(
                f"{source} has changed since the training: its splits are drawn anew, so that the test split may hold "
                "examples that the model was trained on; pass new data by `data`, as in zoo evaluate --data",
                stacklevel=2,
            )
        return reread
    return task.open_data(load(data, seed=task.seed) if isinstance(data, str) else data)
