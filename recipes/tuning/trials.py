"""The trials of a search: each trains with other values and is scored on the validation split; an Optuna study."""

import dataclasses
import datetime
import gc
import time

import keras

from recipes.training.fit import fit
from recipes.training.task import Task
from recipes.tuning.space import Choice, Range, with_values

LOSS = "validation loss"  # the score where the task has no verdict
STARTUP_TRIALS = 5  # before others are stopped early
SAMPLERS = ("tpe", "random", "grid")


@dataclasses.dataclass(frozen=True)
class Subject:
    """What a search varies: a task, an architecture and data.

    Args:
        task: `Task`, with the defaults.
        model: name of the architecture.
        data: `Data`.
        arguments: arguments of the architecture that are not searched.
        space: name -> `Range` or `Choice`.
    """

    task: Task
    model: str
    data: object
    arguments: dict
    space: dict[str, Range | Choice]

    def train(self, values, *, seed=None, callbacks=()):
        """Returns the run with `values` in place of the defaults, and the task's seed or another one."""
        keras.backend.clear_session()
        gc.collect()
        task, arguments = with_values(self.task, self.arguments, values)
        task = task.replace(
            **({} if seed is None else {"seed": seed}),
            **({"baselines": False} if hasattr(task, "baselines") else {}),
        )
        return fit(task, self.model, self.data, verbose=False, callbacks=callbacks, **arguments)


@dataclasses.dataclass(frozen=True)
class Score:
    """The number that trials are compared by."""

    metric: str
    value: float
    higher_is_better: bool

    @property
    def direction(self):
        """As Optuna has it."""
        return "maximize" if self.higher_is_better else "minimize"


def score_of(run, split):
    """Returns the `Score` of a run: the metric of its verdict, or the loss where it has none.

    Args:
        run: `Run`.
        split: validation or test.
    """
    verdict = run.evaluate(split).get("verdict")
    if verdict:
        return Score(verdict["metric"], verdict["value"], verdict["higher_is_better"])
    if split != "validation" or "val_loss" not in run.history:
        raise ValueError(f"search: {type(run.task).__name__} has no metric on the {split} split to compare trials by.")
    return Score(LOSS, min(run.history["val_loss"]), False)


def import_optuna():
    """Returns the package Optuna, which does not print.

    Raises:
        ImportError: if it is not installed, with what to do.
    """
    try:
        import optuna
    except ImportError:
        raise ImportError("search needs Optuna: pip install 'fieldzoo[search]', or pip install optuna.") from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


def open_study(journal, direction, sampler, space, seed):
    """Returns the Optuna study of a journal file, which is made where it does not exist.

    Args:
        journal: path of the file, or None for a study in memory.
        direction: minimize or maximize.
        sampler: tpe, random or grid.
        space: name -> `Range` or `Choice`.
        seed: of the sampler.
    """
    optuna = import_optuna()
    storage = None
    if journal is not None:
        backend = optuna.storages.journal.JournalFileBackend(str(journal))
        storage = optuna.storages.JournalStorage(backend)
    pruner = optuna.pruners.MedianPruner(n_startup_trials=STARTUP_TRIALS, n_warmup_steps=2)
    optuna_sampler = make_sampler(sampler, space, seed)
    return optuna.create_study(
        study_name="search",
        storage=storage,
        sampler=optuna_sampler,
        pruner=pruner,
        direction=direction,
        load_if_exists=True,
    )


def make_sampler(name, space, seed):
    """Returns the Optuna sampler called tpe, random or grid."""
    samplers = import_optuna().samplers
    if name == "tpe":
        return samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True)
    if name == "random":
        return samplers.RandomSampler(seed=seed)
    return samplers.GridSampler({name: d.points() for name, d in space.items()}, seed=0)


def fail_interrupted_trials(study):
    """Marks the trials of killed processes as failed; a point of a grid stays open, and is tried again at its end."""
    optuna = import_optuna()
    if isinstance(study.sampler, optuna.samplers.GridSampler):
        return
    for trial in study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.RUNNING,)):
        study.tell(trial.number, state=optuna.trial.TrialState.FAIL)


class StopPoorTrials(keras.callbacks.Callback):
    """Stops a trial whose validation loss is worse than the median of earlier trials at the same epoch.

    Args:
        trial: Optuna trial.
        sign: -1 where the study maximizes its score, else 1.
    """

    def __init__(self, trial, sign):
        super().__init__()
        self.trial, self.sign, self.least = trial, sign, float("inf")

    def on_epoch_end(self, epoch, logs=None):
        """Reports the least validation loss so far; raises Optuna's `TrialPruned`."""
        optuna = import_optuna()
        if logs and "val_loss" in logs:
            self.least = min(self.least, float(logs["val_loss"]))
            self.trial.report(self.sign * self.least, epoch)
            if self.trial.should_prune():
                raise optuna.TrialPruned(f"stopped in epoch {epoch + 1}")


def objective(subject, direction):
    """Returns the function of an Optuna trial that trains and returns the score on the validation split.

    A training that diverges, or does not fit into memory, counts as stopped. Arguments that do not fit together fail
    the trial, with the reason.
    """
    import tensorflow as tf

    optuna = import_optuna()
    sign = -1 if direction == "maximize" else 1

    def run_trial(trial):
        values = {name: dimension.suggest(trial, name) for name, dimension in subject.space.items()}
        try:
            run = subject.train(values, callbacks=(StopPoorTrials(trial, sign),))
        except (ArithmeticError, MemoryError, tf.errors.ResourceExhaustedError) as error:
            trial.set_user_attr("reason", str(error).splitlines()[0])
            raise optuna.TrialPruned(str(error)) from error
        except ValueError as error:
            trial.set_user_attr("reason", str(error).splitlines()[0])
            raise
        return score_of(run, "validation").value

    return run_trial


def run_trials(study, subject, *, sampler, seed, budget, trials, workers=1, report=None):
    """Runs trials until the budget is spent, or `trials` are done, by this and other processes together.

    What a trial tries depends on the seed and the finished trials alone, so that one process that was killed and
    started again tries the same values as one that was not.

    Args:
        study: Optuna study.
        subject: `Subject`.
        sampler: tpe, random or grid.
        seed: of the sampler; another one in each process.
        budget: seconds of all trials, those of earlier sessions included, or None.
        trials: number of trials, those of earlier sessions included, or None.
        workers: processes at work on the same study, which share the budget.
        report: function of a finished trial, or None.
    """
    optuna = import_optuna()
    start, before = time.monotonic(), seconds_of(study) / workers
    run_trial = objective(subject, study.direction.name.lower())
    while True:
        if trials is not None and count_of(study) >= trials:
            return
        if budget is not None and before + time.monotonic() - start >= budget:
            return
        if isinstance(study.sampler, optuna.samplers.GridSampler) and study.sampler.is_exhausted(study):
            return
        study.sampler = make_sampler(sampler, subject.space, seed + 1000 * count_of(study))
        study.optimize(
            run_trial, n_trials=1, catch=(ValueError,), callbacks=[lambda s, trial: report and report(trial)]
        )


def seconds_of(study):
    """Returns the seconds of all finished trials."""
    durations = (trial.duration for trial in study.trials if trial.duration and "default" not in trial.user_attrs)
    return sum(durations, datetime.timedelta()).total_seconds()


def count_of(study):
    """Returns the number of finished trials, the one of the defaults left out."""
    return sum("default" not in trial.user_attrs for trial in finished_trials(study))


def finished_trials(study):
    """Returns the trials that ended by themselves, the one of the defaults included."""
    failed = import_optuna().trial.TrialState.FAIL
    # those that were killed have no reason
    return [t for t in study.trials if t.state.is_finished() and (t.state != failed or "reason" in t.user_attrs)]


def values_of(trial, space):
    """Returns name -> value of a trial."""
    return {name: space[name].decode(stored) for name, stored in trial.params.items()}
