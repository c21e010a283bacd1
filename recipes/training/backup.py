"""The state of a training after each epoch, from which it resumes bit for bit."""

import json
import math
import sys
from pathlib import Path

import keras
import numpy as np

from recipes.training.run_record import write_json
from zoo.atomic_write import UNFINISHED, replaced

PROGRESS = "progress.json"
SPENT = ("seconds", "kWh", "kg_CO2eq")
EARLY_STOPPING = ("wait", "best", "best_epoch", "stopped_epoch")


def read_progress(folder):
    """Returns what progress.json of a backup holds, or None where no epoch was saved.

    Args:
        folder: the backup's folder.
    """
    path = Path(folder) / PROGRESS
    if not path.is_file():
        return None
    progress = json.loads(path.read_text())
    history = {name: [math.nan if v is None else v for v in values] for name, values in progress["history"].items()}
    return {**progress, "history": history}


def epochs_trained(progress):
    """Returns the number of whole epochs of a progress.json, over all phases; 0 for None."""
    return len(progress["history"]["loss"]) if progress else 0


class Backup(keras.callbacks.Callback):
    """Saves weights, optimizers, random states and early stopping after each epoch, and restores them.

    All arrays of an epoch are one file; progress.json, which is replaced in one step, names it. A kill at any time
    leaves the state of a whole epoch. The state stays after the last epoch, until the run is saved.

    A task may call `fit` several times (phases of fine-tuning, levels of a deep belief network). Phases before the
    saved one are skipped.

    Args:
        folder: of the backup.
        consumption: what `recipes.training.energy.energy` yields.
        early_stopping: the `keras.callbacks.EarlyStopping` of the training, or None.
        random_layers: Keras layers outside of the model with random states: those of the augmentation.
        verbose: whether to say on stderr that the training resumes.
        writes: whether to save; a worker that is not the chief only restores.

    Attributes:
        history: metric name -> one number for each epoch before this session; empty for a new training.
        spent: seconds, kWh and kg_CO2eq of those epochs; None where not measured.
        sessions: number of interrupted sessions before this one.
        epochs: number of whole epochs that are saved.
        first_state: values of `variables` before the first epoch, until it is whole; else None.
        best: object with `loss`, `epoch` and `weights` of the best epoch so far, which a task may set; or None.
    """

    def __init__(self, folder, consumption, early_stopping=None, random_layers=(), verbose=True, writes=True):
        super().__init__()
        self.folder, self.consumption, self.verbose, self.writes = Path(folder), consumption, verbose, writes
        self.early_stopping, self.random_layers = early_stopping, tuple(random_layers)
        self.saved, self.phase = read_progress(folder), -1
        saved = self.saved or {"history": {}, "spent": dict.fromkeys(SPENT, 0.0), "sessions": 0}
        self.history, self.spent, self.sessions = saved["history"], saved["spent"], saved["sessions"]
        self.metrics = {name: list(values) for name, values in self.history.items()}
        self.epochs, self.best, self.first_state = epochs_trained(self.saved), None, None

    def on_train_begin(self, logs=None):
        self.phase += 1
        last = self.params["epochs"]
        if self.saved is None or self.phase > self.saved["phase"]:
            if self.writes and not self.epochs:
                self._keep_first_state()
            return
        if self.phase < self.saved["phase"]:
            self.model._initial_epoch = last
            return
        self.restore()
        # Keras begins at this epoch; after early stopping there is none left
        self.model._initial_epoch = last if self.saved["stopped"] else self.saved["epoch"]
        if self.verbose:
            phase = f", phase {self.phase + 1}" if self.phase else ""
            end = "; the training is complete" if self.model._initial_epoch >= last else ""
            print(f"resumes after epoch {self.saved['epoch']} of {last}{phase}{end}", file=sys.stderr, flush=True)

    def on_epoch_end(self, epoch, logs=None):
        if not math.isfinite((logs or {}).get("loss", 0.0)):
            return  # a diverged training is not resumed
        for name, value in (logs or {}).items():
            self.metrics.setdefault(name, []).append(float(value))
        self.epochs += 1
        self.first_state = None
        if self.writes:
            self.save(epoch + 1)

    def on_train_end(self, logs=None):
        self.model._initial_epoch = None  # Keras keeps it for the next `fit`

    def _keep_first_state(self):
        optimizer = self.model.optimizer
        if optimizer is not None and not optimizer.built:
            optimizer.build(self.model.trainable_variables)
        self.first_state = [keras.ops.convert_to_numpy(v) for v in self.variables()]

    def variables(self):
        """Returns the variables of the training in a fixed order: model, optimizers, layers of the augmentation."""
        optimizers = [v for v in vars(self.model).values() if isinstance(v, keras.optimizers.Optimizer)]
        owners = [self.model, *optimizers, *self.random_layers]
        return list({id(v): v for owner in owners for v in owner.variables}.values())

    def save(self, epoch):
        """Writes the state after `epoch` epochs of this phase."""
        self.folder.mkdir(parents=True, exist_ok=True)
        arrays = {f"variable_{i}": keras.ops.convert_to_numpy(v) for i, v in enumerate(self.variables())}
        stopping = None
        if self.early_stopping is not None:
            stopping = {name: getattr(self.early_stopping, name) for name in EARLY_STOPPING}
            stopping["best"] = None if stopping["best"] is None else float(stopping["best"])
            arrays |= {f"stopping_{i}": w for i, w in enumerate(self.early_stopping.best_weights or ())}
        if self.best is not None:
            arrays |= {f"best_{i}": w for i, w in enumerate(self.best.weights)}
        path = self.folder / f"state_{self.epochs:06d}.npz"
        with replaced(path) as temporary, open(temporary, "wb") as file:
            np.savez(file, **arrays)
        progress = {
            "state": path.name,
            "phase": self.phase,
            "epoch": epoch,
            "stopped": bool(self.model.stop_training),
            "early_stopping": stopping,
            "best": None if self.best is None else {"loss": float(self.best.loss), "epoch": self.best.epoch},
            "history": self.metrics,
            "spent": self.add_earlier_sessions(self.consumption.so_far()),
            "sessions": self.sessions + 1,
        }
        write_json(self.folder / PROGRESS, progress)
        for old in [*self.folder.glob("state_*.npz"), *self.folder.glob(UNFINISHED)]:
            if old != path:
                old.unlink()

    def restore(self):
        """Assigns the saved state to model, optimizers, augmentation and early stopping.

        Raises:
            ValueError: if the state is of another model.
        """
        optimizer = self.model.optimizer
        if optimizer is not None and not optimizer.built:
            optimizer.build(self.model.trainable_variables)
        variables = self.variables()
        with np.load(self.folder / self.saved["state"]) as state:
            values, stopping_weights, best_weights = (
                [state[f"{kind}_{i}"] for i in range(sum(name.startswith(f"{kind}_") for name in state))]
                for kind in ("variable", "stopping", "best")
            )
        if [v.shape for v in values] != [tuple(v.shape) for v in variables]:
            raise ValueError(f"the backup in {self.folder} must be of this model, got other variables.")
        for variable, value in zip(variables, values, strict=True):
            # NumPy's files have bfloat16 as two bytes without a type
            variable.assign(
                value.view(keras.backend.standardize_dtype(variable.dtype)) if value.dtype.kind == "V" else value
            )
        if self.early_stopping is not None:
            for name, value in self.saved["early_stopping"].items():
                setattr(self.early_stopping, name, value)
            self.early_stopping.best_weights = stopping_weights or None
        if self.best is not None and self.saved["best"]:
            self.best.weights = best_weights
            self.best.loss, self.best.epoch = self.saved["best"]["loss"], self.saved["best"]["epoch"]

    def add_earlier_sessions(self, spent):
        """Returns the cost of this session plus that of earlier ones; None where either was not measured."""
        pairs = {name: (self.spent[name], spent[name]) for name in SPENT}
        return {name: None if None in pair else sum(pair) for name, pair in pairs.items()}


def join_sessions(backup, history, record):
    """Returns (history, record) of a whole training, including the sessions that were interrupted.

    Args:
        backup: the `Backup` of the last session, or None.
        history: metrics of the last session: name -> one number per epoch.
        record: with `energy` and `seconds` of the last session; it is not changed.
    """
    if backup is None or not backup.sessions:
        return history, record
    names = dict.fromkeys([*backup.history, *history])
    history = {name: [*backup.history.get(name, ()), *history.get(name, ())] for name in names}
    energy = {**record["energy"], **backup.add_earlier_sessions(record["energy"])}
    energy["source"] += f"; {backup.sessions + 1} sessions, without what each spent after its last whole epoch"
    return history, {**record, "energy": energy, "seconds": record["seconds"] + backup.spent["seconds"]}
