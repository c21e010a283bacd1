"""Training: from a task, a model and data to a trained run, in one function."""

import contextlib
import time
from pathlib import Path

from recipes.training import accelerate as acceleration
from recipes.training.callbacks import callbacks, check_finite, join_sessions
from recipes.training.energy import energy
from recipes.training.run import Run
from zoo.arguments import FilePath, checked


@checked
def fit(task, model, data, *, out: FilePath | None = None, verbose: bool = True, **arguments):
    """Trains a model on data and returns the trained run.

    >>> run = recipes.fit(recipes.Classification(epochs=10), "lenet5", "bundled:mnist-5k")

    Args:
        task: a task with its hyperparameters, such as `recipes.Classification(epochs=10)`.
        model: one of `zoo.names()`, or a `keras.Model`; for `FineTuning` what `zoo.transfer` takes as `backbone`.
        data: anything that `recipes.load` takes: "bundled:mnist-5k", "folder:photos", (x, y), ...
        out: folder for the run's files; a run that was killed resumes there. None writes nothing.
        verbose: whether to show progress (on stderr).
        **arguments: arguments of the model's builder, where `model` is a name.
    Returns:
        `Run`.
    Raises:
        ValueError: if model and data do not fit together.
        ArithmeticError: if the loss became NaN or infinite.
    """
    start, out = time.perf_counter(), Path(out).expanduser() if out else None
    if task.deterministic:
        acceleration.enable_determinism()

    # Data and model
    data = task.open_data(data)
    task.check_data(data)
    task = task.with_batch_size(data)
    name = model if isinstance(model, str) else model.name
    model = task.build_model(model, data, **arguments)
    task.check_model(model, data)
    preprocessing = task.preprocessing(data, model)
    model = task.wrap_model(model, data)

    # Input pipelines
    classes, validation = len(data.classes), None
    training = task.map_batches(task.pipeline(data.train, True, preprocessing, classes), model)
    if len(data.validation) and task.has_validation_loss(model):
        validation = task.map_batches(task.pipeline(data.validation, False, preprocessing, classes), model)

    # Training
    steps = max(1, len(data.train) // task.batch_size)
    choice = acceleration.choose_acceleration(model, steps, task.accelerate)
    with energy(task.country) as consumption:
        callback_list = callbacks(task, out, validation is not None, verbose, consumption)
        callback_list += task.callbacks(model, out, data)
        fit_arguments = {
            "validation_data": validation,
            "callbacks": callback_list,
            "verbose": 0,
            "shuffle": False,  # the pipeline shuffles; Keras warns otherwise
            "class_weight": task.class_weights(data),
        }
        history = task.train(model, training, steps, choice.settings, fit_arguments, data)

    # Result
    record = {
        "model": name,
        "arguments": arguments,
        "data": data.source_spec and data.source_spec.to_json(),
        "seed": task.seed,
        "steps_per_epoch": steps,
        "acceleration": choice.record,
        "energy": dict(consumption),
        "seconds": time.perf_counter() - start,
        "machine": acceleration.machine_info(),
    }
    history, record = join_sessions(callback_list, history, record)
    check_finite(history, task)
    epochs = max(map(len, history.values()))
    record |= {"epochs_trained": epochs, "steps_trained": epochs * steps}
    history = {metric: [float(v) for v in values] for metric, values in history.items()}
    run = task.finish_run(Run(task, model, data, preprocessing, history, record))
    if out:
        run.save(out)
    return run


def adversarial_steps(model, epsilon):
    """Returns a context in which `model.fit` also trains on FGSM examples; it does nothing where `epsilon` is 0."""
    from zoo.explain import adversarial_training

    return adversarial_training(model, epsilon=epsilon) if epsilon else contextlib.nullcontext()
