"""Saved runs read back from their folders."""

import json
import typing
from pathlib import Path

import keras

from recipes.tasks import TASKS
from recipes.training.run import FORMAT, Run
from zoo.arguments import FilePath, checked, suggestion
from zoo.layers.preset_tokens import find_preset_tokens

FILES = ("model.keras", "preprocessing.keras", "run.json")


class SavedRun(typing.NamedTuple):
    """A run read back from its folder: what is needed to predict and to explain, without the data.

    Attributes:
        model: the trained `keras.Model`.
        preprocessing: `keras.Model` from raw inputs to the model's inputs.
        info: the content of run.json.
    """

    model: keras.Model
    preprocessing: keras.Model
    info: dict

    @property
    def classes(self):
        """Names of the classes in the order of their index; () for other tasks."""
        return tuple(self.info["data"]["classes"])


@checked
def load_run(path: FilePath):
    """Reads what `Run.save` wrote.

    Args:
        path: the run's folder.
    Returns:
        `SavedRun`: model, preprocessing, and the content of run.json.
    Raises:
        ValueError: if there is no run in that folder, or another version of the format.
    """
    path = Path(path)
    missing = [name for name in FILES if not (path / name).is_file()]
    if missing:
        runs = [folder.name for folder in path.parent.glob("*") if (folder / "run.json").is_file()]
        raise ValueError(
            f"`run` must be the folder of a run, got {path} without {', '.join(missing)}.{suggestion(path.name, runs)}"
        )
    info = read_info(path)
    model, preprocessing = (keras.models.load_model(path / name, compile=False) for name in FILES[:2])
    return SavedRun(model, preprocessing, info)


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


def reopen_run(path, data):
    """Returns a saved run on data: those that it was trained on, or others with the same classes.

    Args:
        path: the run's folder.
        data: a `Data`.
    Returns:
        `Run`.
    """
    saved = load_run(path)
    settings = {k: tuple(v) if isinstance(v, list) else v for k, v in saved.info["hyperparameters"].items()}
    if isinstance(settings.get("tokenizer"), dict):
        settings["tokenizer"] = find_preset_tokens(saved.preprocessing).tokenizer
    names = {cls.__name__: cls for cls in TASKS.values()}
    task = names[saved.info["task"]](**settings)
    history = json.loads((Path(path) / "history.json").read_text())
    return Run(task, saved.model, task.open_data(data), saved.preprocessing, history, saved.info["record"])
