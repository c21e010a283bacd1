"""What watches a training: progress on stderr, stops, backup, TensorBoard."""

import math
import shutil
import time

import keras

from zoo.reader import embedded


class Progress(keras.callbacks.Callback):
    """One bar for the training on stderr, with the last losses; in R or without a terminal a line each tenth."""

    def on_train_begin(self, logs=None):
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        console = Console(stderr=True)
        # A live bar is drawn from a thread of its own, and where R catches what is written, that ends R
        self.live = (console.is_terminal or console.is_jupyter) and not embedded()
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


def callbacks(recipe, out, validated, verbose):
    """The Keras callbacks of a run.

    Args:
        recipe: its `patience` decides on early stopping.
        out: folder for backup and TensorBoard's files, or None for neither.
        validated: whether there is a validation part.
        verbose: whether to show progress.
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
        chosen.append(keras.callbacks.BackupAndRestore(str(out / "backup")))
        chosen.append(keras.callbacks.TensorBoard(str(out / "tensorboard")))
    if verbose:
        chosen.append(Progress())
    return chosen


def verify_finite(history, recipe):
    """An ArithmeticError where training ended in NaN, with what to try."""
    for epoch, loss in enumerate(history["loss"], 1):
        if not math.isfinite(loss):
            raise ArithmeticError(
                f"training diverged: the loss became {loss} in epoch {epoch}. Lower `rate` (now {recipe.rate:g}), set "
                f"`clip` (now {recipe.clip}), or look for values out of range in the data."
            )
