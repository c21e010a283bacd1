"""What watches a training: progress on stderr, stops, backup, TensorBoard."""

import json
import math
import shutil
import time
from pathlib import Path

import keras

from recipes.training.run import write_json
from zoo.r_interop import called_from_r

SPENT = ("seconds", "kWh", "kg_CO2eq")


class Backup(keras.callbacks.BackupAndRestore):
    """Keras' backup of weights and optimizers each epoch, with what the epochs have told and cost until then.

    Args:
        folder: where it lies until the training ends.
        used: what `recipes.training.energy` yields.

    Attributes:
        history: metric name -> one number for each epoch before this session; empty where nothing was broken off.
        spent: seconds, kWh and kg_CO2eq of those epochs, None where not measured.
        sessions: trainings that were broken off before this one.
    """

    def __init__(self, folder, used):
        super().__init__(str(folder), double_checkpoint=True)  # a kill while one is written leaves the other
        self.told, self.used = Path(folder) / "told.json", used
        self.history, self.spent, self.sessions = {}, dict.fromkeys(SPENT, 0.0), 0

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        if self.told.exists():
            found = json.loads(self.told.read_text())
            done = self.model._initial_epoch or 0
            self.history = {name: values[:done] for name, values in found["history"].items()}
            self.spent, self.sessions = found["spent"], found["sessions"]
        self.now = {name: list(values) for name, values in self.history.items()}

    def on_epoch_end(self, epoch, logs=None):
        for name, value in (logs or {}).items():
            self.now.setdefault(name, []).append(float(value))
        told = {"history": self.now, "spent": self.with_earlier(self.used.so_far()), "sessions": self.sessions + 1}
        self.told.parent.mkdir(parents=True, exist_ok=True)
        write_json(self.told, told)  # first, so that it never has less than the weights
        super().on_epoch_end(epoch, logs)

    def with_earlier(self, spent):
        """`spent` of this session, with what was spent before; what is not known in one is not known of both."""
        both = {name: (self.spent[name], spent[name]) for name in SPENT}
        return {name: None if None in pair else sum(pair) for name, pair in both.items()}


def whole(watchers, history, record):
    """(history, record) of a training that was broken off and went on: all its epochs, and all it cost.

    Args:
        watchers: the callbacks of the last session.
        history: its metrics: name -> one number per epoch.
        record: with `energy` and `seconds` of the last session; it is not changed.
    """
    backup = next((w for w in watchers if isinstance(w, Backup) and w.sessions), None)
    if backup is None:
        return history, record
    names = dict.fromkeys([*backup.history, *history])
    history = {name: [*backup.history.get(name, ()), *history.get(name, ())] for name in names}
    told = f"; {backup.sessions + 1} sessions, without what each spent after its last whole epoch"
    used = {**record["energy"], **backup.with_earlier(record["energy"])}
    used["source"] += told
    return history, {**record, "energy": used, "seconds": record["seconds"] + backup.spent["seconds"]}


class Progress(keras.callbacks.Callback):
    """One bar for the training on stderr, with the last losses; in R or without a terminal a line each tenth."""

    def on_train_begin(self, logs=None):
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        console = Console(stderr=True)
        # A live bar is drawn from a thread of its own, and where R catches what is written, that ends R
        self.live = (console.is_terminal or console.is_jupyter) and not called_from_r()
        self.epochs, self.began = self.params["epochs"], time.perf_counter()
        if self.live:
            columns = (
                "epoch",
                MofNCompleteColumn(),
                BarColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[told]}"),
            )
            self.bar = Progress(*columns, console=console)
            self.task = self.bar.add_task("train", total=self.epochs, told="")
            self.bar.start()
        self.console = console

    def on_epoch_end(self, epoch, logs=None):
        told = "  ".join(f"{k} {v:.4f}" for k, v in (logs or {}).items() if k != "learning_rate")
        if self.live:
            self.bar.update(self.task, completed=epoch + 1, told=told)
        elif (epoch + 1) * 10 // self.epochs > epoch * 10 // self.epochs:
            seconds = time.perf_counter() - self.began
            self.console.print(
                f"epoch {epoch + 1}/{self.epochs}  {seconds:.0f} s  {told}", highlight=False, soft_wrap=True
            )

    def on_train_end(self, logs=None):
        if self.live:
            self.bar.stop()


def callbacks(recipe, out, validated, verbose, used):
    """The Keras callbacks of a run.

    Args:
        recipe: its `patience` decides on early stopping.
        out: folder for backup and TensorBoard's files, or None for neither.
        validated: whether there is a validation part.
        verbose: whether to show progress.
        used: what `recipes.training.energy` yields.
    Raises:
        ValueError: if early stopping is asked for without a validation part.
    """
    if recipe.patience and not validated:
        raise ValueError("`patience` needs a validation part, got data without one: give `validation` a share above 0.")
    chosen = [keras.callbacks.TerminateOnNaN()]
    if recipe.patience:
        chosen.append(keras.callbacks.EarlyStopping(patience=recipe.patience, restore_best_weights=True))
    if out:
        if not (out / "backup").exists():  # a new run, not one that goes on: old curves would mix with its own
            shutil.rmtree(out / "tensorboard", ignore_errors=True)
        chosen.append(Backup(out / "backup", used))
        chosen.append(keras.callbacks.TensorBoard(str(out / "tensorboard")))
    if verbose:
        chosen.append(Progress())
    return chosen


def verify_finite(history, recipe):
    """An ArithmeticError where training ended in NaN, with what to try."""
    for epoch, loss in enumerate(history["loss"], 1):
        if not math.isfinite(loss):
            raise ArithmeticError(
                f"training diverged: the loss became {loss} in epoch {epoch}. Lower `rate` (now {recipe.learning_rate:g}), set "
                f"`clip` (now {recipe.global_clipnorm}), or look for values out of range in the data."
            )
