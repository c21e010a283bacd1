"""Training: from a task, a model and data to a trained run, in one function."""

import contextlib
import sys
import time
import warnings

import keras

from recipes.data.augment.first_epoch import begin_at_epoch
from recipes.training import accelerate as acceleration
from recipes.training.adapt_embeddings import adapt_embeddings
from recipes.training.backup import Backup, epochs_trained, join_sessions, read_progress
from recipes.training.callbacks import callbacks
from recipes.training.distribute import Distribute, distribution
from recipes.training.divergence import diverged_epoch, explain_divergence
from recipes.training.energy import energy
from recipes.training.example_store import stores_below
from recipes.training.identity import describe_training
from recipes.training.pretrained_encoder import describe_pretrained
from recipes.training.run import Run
from recipes.training.run_folder import RunFolder
from recipes.training.tracking import Tracker, Tracking
from zoo.arguments import FilePath, checked


@checked
def fit(
    task,
    model,
    data,
    *,
    out: FilePath | None = None,
    verbose: bool = True,
    overwrite: bool = False,
    distribute: Distribute | None = None,
    callbacks: tuple = (),
    track: Tracker | None = None,
    **arguments,
):
    """Trains a model on data and returns the trained run.

    >>> run = recipes.fit(recipes.Classification(epochs=10), "lenet5", "bundled:mnist-5k")

    Args:
        task: a task with its hyperparameters, such as `recipes.Classification(epochs=10)`.
        model: one of `zoo.names()`, or a `keras.Model`; for `FineTuning` what `zoo.transfer` takes as `backbone`.
        data: anything that `recipes.load` takes: "bundled:mnist-5k", "folder:photos", (x, y), ...
        out: folder for the run's files. A run that was killed resumes there after its last whole epoch, by the same
            task, model and data, and equals an uninterrupted one. None writes nothing.
        verbose: whether to show progress (on stderr).
        overwrite: whether to replace the files of another run in `out`; files that no run wrote stay.
        distribute: mirrored (all GPUs of this machine), multi_worker (the machines of the environment variable
            TF_CONFIG, on each of which the same command runs), or None for one device. `batch_size` is the number of
            examples per step over all devices. Of several workers the first one writes `out`, and all return a run.
        callbacks: further Keras callbacks. They run before the backup of each epoch.
        track: wandb, mlflow, trackio or tensorboard, which get hyperparameters, metrics, figures and the model; or
            None.
        **arguments: arguments of the model's builder, where `model` is a name.
    Returns:
        `Run`.
    Raises:
        ValueError: if model and data do not fit together; if `out` has a complete run, the backup of another training,
            or another training at work; if the task cannot be distributed, TF_CONFIG is wrong, or the workers differ.
        OSError: if another worker cannot be reached in time, or ended.
        ArithmeticError: if the loss became NaN or infinite.
    """
    observers = observed(callbacks, track, out)
    return train_run(task, model, data, out, verbose, overwrite, arguments, RunFolder.save, distribute, observers)


def observed(callbacks, track, out):
    """Returns the callbacks with that of a tracker, where `track` names one."""
    return (*callbacks, Tracking(track, out)) if track else tuple(callbacks)


def train_run(task, model, data, out, verbose, overwrite, arguments, save, distribute=None, further_callbacks=()):
    """Trains a model and saves the run; arguments and errors as `fit` has them.

    The backup stays until `save` has returned: a kill before that repeats only what follows the last epoch.

    Args:
        save: function of the `RunFolder` and the `Run` that writes all files of the run.
        further_callbacks: Keras callbacks; a `Tracking` among them gets the result, too.
    """
    distributed = distribution(distribute)
    if not distributed.is_chief:
        with distributed.worker_folder() as folder:
            return _train(task, model, data, folder, False, arguments, distributed, ())
    trackings = [callback for callback in further_callbacks if isinstance(callback, Tracking)]
    if out is None:
        with _tracked(trackings) as results:
            run = _train(task, model, data, None, verbose, arguments, distributed, further_callbacks)
            results.append(run)
        return run
    with (
        RunFolder(out, overwrite).locked() as folder,
        _report_interrupt(folder, verbose),
        _tracked(trackings) as results,
    ):
        try:
            with stores_below(folder.backup):
                run = _train(task, model, data, folder, verbose, arguments, distributed, further_callbacks)
        except ArithmeticError:  # diverged: resuming would diverge again
            folder.discard()
            raise
        save(folder, run)
        results.append(run)
        folder.finish()
    return run


@contextlib.contextmanager
def _tracked(trackings):
    """Yields a list for the trained run, which the trackers get at the end; after an error they end as failed."""
    results = []
    try:
        yield results
    except BaseException:
        for tracking in trackings:
            tracking.abandon()
        raise
    for tracking in trackings:
        tracking.finish(*results)


@contextlib.contextmanager
def _report_interrupt(folder, verbose):
    """Says on stderr, when the block under `with` is interrupted, what the same command does next."""
    try:
        yield
    except KeyboardInterrupt:
        epochs = epochs_trained(read_progress(folder.backup))
        place = (
            f"after {epochs} whole epochs; the same command resumes there"
            if epochs
            else ("before the end of the first epoch; the same command begins again")
        )
        if verbose:
            print(f"stopped {place} ({folder.path})", file=sys.stderr, flush=True)
        raise


def _train(task, model, data, folder, verbose, arguments, distributed, further_callbacks):
    """Returns the trained `Run`; with a `RunFolder` or `WorkerFolder` it resumes from the folder's backup."""
    start = time.perf_counter()
    if task.deterministic:
        acceleration.enable_determinism()

    # Data and model
    data = task.open_data(data)
    task.check_data(data)
    if data.train.unlabelled is not None and not task.uses_unlabelled:
        count, name = len(data.train.unlabelled), type(task).__name__
        warnings.warn(
            f"{name} does not use the {count:,} unlabelled images; FewLabels and Contrastive do", stacklevel=4
        )
    task = task.with_batch_size(data)
    name = model if isinstance(model, str) else model.name
    pretrained = describe_pretrained(task, model)
    model = task.build_model(model, data, **arguments)
    task.check_model(model, data)
    preprocessing = task.preprocessing(data, model)
    adapt_embeddings(model, preprocessing, data, task.seed)
    model = task.wrap_model(model, data)
    distributed.check(task, model, data)
    trackings = [callback for callback in further_callbacks if isinstance(callback, Tracking)]
    if folder or distributed.channel or trackings:
        description = describe_training(task, name, model, arguments, data)
    if folder or distributed.channel:
        distributed.begin(folder, description)
    for tracking in trackings:
        tracking.begin(description, folder and folder.backup)
    first_epoch = epochs_trained(read_progress(folder.backup)) if folder else 0

    # Input pipelines
    classes, validation = len(data.classes), None
    keras.utils.set_random_seed(task.seed)  # the order of the data depends on it

    def training_batches(epoch):
        with begin_at_epoch(epoch):
            return task.map_batches(task.pipeline(data.train, True, preprocessing, classes), model)

    training = training_batches(first_epoch)
    if len(data.validation) and task.has_validation_loss(model):
        validation = task.map_batches(task.pipeline(data.validation, False, preprocessing, classes), model)

    # Training
    steps = task.count_steps(data)
    replica = distributed.replicate(model)
    choice = acceleration.choose_acceleration(replica, steps, task.accelerate, distributed.devices)
    with energy(task.country) as consumption, distributed.train():
        task_callbacks = [*task.callbacks(replica, folder and folder.path, data), *further_callbacks]
        callback_list = callbacks(task, task_callbacks, folder, validation is not None, verbose, consumption)
        callback_list += distributed.callbacks()
        fit_arguments = {
            "validation_data": validation,
            "callbacks": callback_list,
            "verbose": 0,
            "shuffle": False,  # the pipeline shuffles; Keras warns otherwise
            "class_weight": task.class_weights(data),
        }
        history = task.train(replica, training, steps, choice.settings, fit_arguments, data)
    if replica is not model:
        model.set_weights(replica.get_weights())

    # Result
    record = {
        "model": name,
        "arguments": arguments,
        **({"pretrained_weights": pretrained} if pretrained else {}),
        "data": data.source_spec and data.source_spec.to_json(),
        "seed": task.seed,
        "steps_per_epoch": steps,
        "acceleration": choice.record,
        **distributed.record,
        "energy": dict(consumption),
        "seconds": time.perf_counter() - start,
        "machine": acceleration.machine_info(),
    }
    backup = next((c for c in callback_list if isinstance(c, Backup)), None)
    history, record = join_sessions(backup, history, record)
    epochs = max(map(len, history.values()), default=0)
    record |= {"epochs_trained": epochs, "steps_trained": epochs * steps}
    history = {metric: [float(v) for v in values] for metric, values in history.items()}
    run = Run(task, model, data, preprocessing, history, record)
    if diverged_epoch(history):
        examined = folder is not None and folder.path is not None and replica is model
        raise ArithmeticError(explain_divergence(run, folder if examined else None, backup, training_batches))
    return task.finish_run(run)


def adversarial_steps(model, epsilon):
    """Returns a context in which `model.fit` also trains on FGSM examples; it does nothing where `epsilon` is 0."""
    from zoo.explain import adversarial_training

    return adversarial_training(model, epsilon=epsilon) if epsilon else contextlib.nullcontext()
