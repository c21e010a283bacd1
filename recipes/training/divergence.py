"""A training whose loss became NaN or infinite: the step and the batch that did it, and the last good weights."""

import math

import keras
import numpy as np

from recipes.training.backup import epochs_trained, read_progress
from recipes.training.run_folder import DIVERGED, DIVERGED_BATCH

SHOWN = 3  # losses before the bad step


def diverged_epoch(history):
    """Returns (number of the first epoch whose loss is not finite, that loss), or None."""
    for epoch, loss in enumerate(history.get("loss", ()), 1):
        if not math.isfinite(loss):
            return epoch, loss
    return None


def explain_divergence(run, folder, backup, training_batches):
    """Returns what happened and what to do, in sentences; saves the last good weights and the batch that did it.

    The weights after the last whole epoch become a run of their own in the folder `diverged`, with the arrays of the
    batch in batch.npz. The epoch that diverged is repeated, one step at a time, to find the batch.

    Args:
        run: the `Run` that diverged; its model gets other weights.
        folder: its `RunFolder`, or None to save nothing.
        backup: the `Backup` of the training.
        training_batches: function of an epoch (from 0) that returns the training's batches as tf.data.Dataset.
    """
    epoch, loss = diverged_epoch(run.history)
    sentences = [f"training diverged: the loss became {loss} in epoch {epoch}."]
    progress = folder and read_progress(folder.backup)
    if folder is not None and (not progress or progress["phase"] == backup.phase):  # else of another optimizer
        out = folder.path / DIVERGED
        epochs = restore_last_epoch(run.model, folder, backup)
        if epochs:
            history = {name: values[:epochs] for name, values in run.history.items()}
            steps = epochs * run.record["steps_per_epoch"]
            record = {**run.record, "epochs_trained": epochs, "steps_trained": steps, "diverged": sentences[0]}
            run.task.finish_run(type(run)(run.task, run.model, run.data, run.preprocessing, history, record)).save(out)
        bad = find_bad_step(run, training_batches(epochs))
        if bad:
            out.mkdir(parents=True, exist_ok=True)
            np.savez_compressed(out / DIVERGED_BATCH, **bad["arrays"])
            sentences.append(describe_bad_step(bad, out / DIVERGED_BATCH))
        if epochs:
            sentences.append(f"The weights after epoch {epochs} are the run {out}.")
    sentences.append(
        f"Lower `learning_rate` (now {run.task.learning_rate}), set `global_clipnorm` (now "
        f"{run.task.global_clipnorm}), or look for values out of range in the data."
    )
    return " ".join(sentences)


def restore_last_epoch(model, folder, backup):
    """Assigns to the model the state after its last whole epoch, or the initial one where there is none.

    Args:
        model: the `keras.Model` that diverged.
        folder: the `RunFolder`.
        backup: the `Backup` of the training.
    Returns:
        Number of whole epochs.
    """
    progress = read_progress(folder.backup)
    if progress:
        backup.saved = progress
        backup.restore()
        return epochs_trained(progress)
    for variable, value in zip(backup.variables(), backup.first_state, strict=True):
        variable.assign(value)
    return 0


def find_bad_step(run, batches):
    """Trains on the batches of an epoch, one step at a time, until the loss is not finite.

    Args:
        run: `Run` whose model is compiled, with the state after the last whole epoch; its weights are changed.
        batches: tf.data.Dataset of the epoch that diverged.
    Returns:
        Dict of step (from 1), steps, losses (those of up to three steps before), arrays (name -> array of the batch)
        and ranges (array -> (least, largest) of the steps before); None if no step of the repeated epoch diverges.
    """
    model, steps = run.model, run.record["steps_per_epoch"]
    class_weight = run.task.class_weights(run.data)
    model.steps_per_execution, model.train_function = 1, None
    losses, ranges = [], {}
    for step, batch in enumerate(batches.take(steps), 1):
        arrays = batch_arrays(batch)
        x, y, weight = keras.utils.unpack_x_y_sample_weight(batch)
        weights = {"class_weight": class_weight} if weight is None else {"sample_weight": weight}
        model.reset_metrics()
        loss = float(model.train_on_batch(x, y, **weights, return_dict=True).get("loss", math.nan))
        if not math.isfinite(loss):
            return {"step": step, "steps": steps, "losses": losses[-SHOWN:], "arrays": arrays, "ranges": ranges}
        losses.append(loss)
        for name, values in arrays.items():
            low, high = ranges.get(name, (math.inf, -math.inf))
            ranges[name] = (min(low, float(values.min())), max(high, float(values.max())))
    return None


def batch_arrays(batch):
    """Returns name -> numeric array of a batch: inputs, targets and weights, with the names of dictionaries."""
    names, arrays = ("inputs", "targets", "weights"), {}
    parts = batch if isinstance(batch, tuple | list) else (batch,)
    for name, part in zip(names, parts, strict=False):
        if isinstance(part, dict):
            entries = {f"{name}_{key}": value for key, value in part.items()}
        elif isinstance(part, tuple | list):
            entries = {f"{name}_{i}": value for i, value in enumerate(part)}
        else:
            entries = {} if part is None else {name: part}
        for key, value in entries.items():
            value = np.asarray(value)
            if value.dtype.kind in "biuf" and value.size:
                arrays[key] = value
    return arrays


def describe_bad_step(bad, path):
    """Returns sentences on what `find_bad_step` found, whose batch is saved in `path`."""
    sentences = [f"It was step {bad['step']} of {bad['steps']} of that epoch, whose batch is saved in {path}."]
    if bad["losses"]:
        shown = ", ".join(f"{loss:.3g}" for loss in bad["losses"])
        sentences.append(f"The losses of the steps before it: {shown}.")
    for name, values in bad["arrays"].items():
        finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
        if finite.size < values.size:
            sentences.append(f"Its {name} have {values.size - finite.size:,} values that are NaN or infinite.")
        elif not bad["ranges"]:
            sentences.append(f"Its {name} go from {finite.min():.4g} to {finite.max():.4g}.")
        else:
            low, high = bad["ranges"][name]
            width = max(high - low, 1e-9)
            if finite.min() < low - width or finite.max() > high + width:
                sentences.append(
                    f"Its {name} go from {finite.min():.4g} to {finite.max():.4g}, those of the steps before it from "
                    f"{low:.4g} to {high:.4g}."
                )
    return " ".join(sentences)
