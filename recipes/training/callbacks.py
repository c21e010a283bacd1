"""Keras callbacks of a training: progress on stderr, early stopping, backup, TensorBoard."""

import time

import keras

from recipes.training.backup import Backup
from zoo.r_interop import called_from_r


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


def callbacks(task, task_callbacks, folder, has_validation, verbose, consumption):
    """Returns the Keras callbacks of a training.

    Args:
        task: its `patience` sets early stopping.
        task_callbacks: the task's own callbacks.
        folder: `RunFolder` for the backup and TensorBoard's files, `WorkerFolder` to resume only, or None for neither.
        has_validation: whether there is a validation split with a loss.
        verbose: whether to show progress.
        consumption: what `recipes.training.energy.energy` yields.
    Raises:
        ValueError: if `patience` is set without a validation split.
    """
    if task.patience and not has_validation:
        raise ValueError("`patience` needs a validation split, got data without one; set `validation` above 0.")
    callback_list, early_stopping = [keras.callbacks.TerminateOnNaN()], None
    if task.patience:
        early_stopping = keras.callbacks.EarlyStopping(patience=task.patience, restore_best_weights=True)
        callback_list.append(early_stopping)
    if folder and folder.path:
        callback_list.append(keras.callbacks.TensorBoard(str(folder.path / "tensorboard")))
    callback_list += task_callbacks
    if folder:  # after all that change what it saves
        layers = [step for step in task.augment if isinstance(step, keras.Layer)]
        backup = Backup(folder.backup, consumption, early_stopping, layers, verbose, writes=folder.path is not None)
        callback_list.append(backup)
    if verbose:
        callback_list.append(Progress())
    return callback_list
