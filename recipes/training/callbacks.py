"""Keras callbacks of a training: progress on stderr, early stopping, backup, TensorBoard."""

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
    """Keras' backup of weights and optimizer after each epoch, with the metrics and the cost of the epochs so far.

    Args:
        folder: where the backup lies until the training ends.
        consumption: what `recipes.training.energy.energy` yields.

    Attributes:
        history: metric name -> one number for each epoch before this session; empty for a new training.
        spent: seconds, kWh and kg_CO2eq of those epochs; None where not measured.
        sessions: number of interrupted sessions before this one.
    """

    def __init__(self, folder, consumption):
        super().__init__(str(folder), double_checkpoint=True)  # a kill during one write leaves the other
        self.progress_file, self.consumption = Path(folder) / "progress.json", consumption
        self.history, self.spent, self.sessions = {}, dict.fromkeys(SPENT, 0.0), 0

    def on_train_begin(self, logs=None):
        super().on_train_begin(logs)
        if self.progress_file.exists():
            progress = json.loads(self.progress_file.read_text())
            epochs = self.model._initial_epoch or 0
            self.history = {name: values[:epochs] for name, values in progress["history"].items()}
            self.spent, self.sessions = progress["spent"], progress["sessions"]
        self.metrics = {name: list(values) for name, values in self.history.items()}

    def on_epoch_end(self, epoch, logs=None):
        for name, value in (logs or {}).items():
            self.metrics.setdefault(name, []).append(float(value))
        spent = self.add_earlier_sessions(self.consumption.so_far())
        self.progress_file.parent.mkdir(parents=True, exist_ok=True)
        # Before the weights, so that it never has fewer epochs than they
        write_json(self.progress_file, {"history": self.metrics, "spent": spent, "sessions": self.sessions + 1})
        super().on_epoch_end(epoch, logs)

    def add_earlier_sessions(self, spent):
        """Returns the cost of this session plus that of earlier ones; None where either was not measured."""
        pairs = {name: (self.spent[name], spent[name]) for name in SPENT}
        return {name: None if None in pair else sum(pair) for name, pair in pairs.items()}


def join_sessions(callback_list, history, record):
    """Returns (history, record) of a whole training, including the sessions that were interrupted.

    Args:
        callback_list: the callbacks of the last session.
        history: metrics of the last session: name -> one number per epoch.
        record: with `energy` and `seconds` of the last session; it is not changed.
    """
    backup = next((c for c in callback_list if isinstance(c, Backup) and c.sessions), None)
    if backup is None:
        return history, record
    names = dict.fromkeys([*backup.history, *history])
    history = {name: [*backup.history.get(name, ()), *history.get(name, ())] for name in names}
    energy = {**record["energy"], **backup.add_earlier_sessions(record["energy"])}
    energy["source"] += f"; {backup.sessions + 1} sessions, without what each spent after its last whole epoch"
    return history, {**record, "energy": energy, "seconds": record["seconds"] + backup.spent["seconds"]}


class Progress(keras.callbacks.Callback):
    """Shows one progress bar with the latest losses on stderr; in R or without a terminal a line every tenth."""

    def on_train_begin(self, logs=None):
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self.console = Console(stderr=True)
        # A live bar is drawn from its own thread, and where R captures the output, that crashes R
        self.live = (self.console.is_terminal or self.console.is_jupyter) and not called_from_r()
        self.epochs, self.start = self.params["epochs"], time.perf_counter()
        if self.live:
            columns = (
                "epoch",
                MofNCompleteColumn(),
                BarColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[metrics]}"),
            )
            self.bar = Progress(*columns, console=self.console)
            self.bar_task = self.bar.add_task("train", total=self.epochs, metrics="")
            self.bar.start()

    def on_epoch_end(self, epoch, logs=None):
        metrics = "  ".join(f"{k} {v:.4f}" for k, v in (logs or {}).items() if k != "learning_rate")
        if self.live:
            self.bar.update(self.bar_task, completed=epoch + 1, metrics=metrics)
        elif (epoch + 1) * 10 // self.epochs > epoch * 10 // self.epochs:
            seconds = time.perf_counter() - self.start
            self.console.print(
                f"epoch {epoch + 1}/{self.epochs}  {seconds:.0f} s  {metrics}", highlight=False, soft_wrap=True
            )

    def on_train_end(self, logs=None):
        if self.live:
            self.bar.stop()


def callbacks(task, out, has_validation, verbose, consumption):
    """Returns the Keras callbacks of a training.

    Args:
        task: its `patience` sets early stopping.
        out: folder for the backup and TensorBoard's files, or None for neither.
        has_validation: whether there is a validation split with a loss.
        verbose: whether to show progress.
        consumption: what `recipes.training.energy.energy` yields.
    Raises:
        ValueError: if `patience` is set without a validation split.
    """
    if task.patience and not has_validation:
        raise ValueError("`patience` needs a validation split, got data without one; set `validation` above 0.")
    callback_list = [keras.callbacks.TerminateOnNaN()]
    if task.patience:
        callback_list.append(keras.callbacks.EarlyStopping(patience=task.patience, restore_best_weights=True))
    if out:
        if not (out / "backup").exists():  # a new run: curves of an older one in this folder would mix with its own
            shutil.rmtree(out / "tensorboard", ignore_errors=True)
        callback_list.append(Backup(out / "backup", consumption))
        callback_list.append(keras.callbacks.TensorBoard(str(out / "tensorboard")))
    if verbose:
        callback_list.append(Progress())
    return callback_list


def check_finite(history, task):
    """Raises an ArithmeticError with advice if the loss became NaN or infinite."""
    for epoch, loss in enumerate(history["loss"], 1):
        if not math.isfinite(loss):
            raise ArithmeticError(
                f"training diverged: the loss became {loss} in epoch {epoch}. Lower `learning_rate` (now "
                f"{task.learning_rate}), set `global_clipnorm` (now {task.global_clipnorm}), or look for values out "
                "of range in the data."
            )
