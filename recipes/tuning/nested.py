"""Nested cross-validation: settings are chosen inside of each fold, by inner folds of its training examples alone."""

import dataclasses
import sys
import typing

import numpy as np

from recipes.tasks.cross_validation import CrossValidation, cross_validate_with, fold_splits
from recipes.tuning.space import default_space, default_values, read_space, with_values
from recipes.tuning.trials import Subject, import_optuna, open_study, score_of, values_of
from zoo.arguments import Count, FilePath, checked

DEFAULTS = "network, defaults"


@checked
def nested_cross_validate(
    task,
    model: str,
    data,
    *,
    space: dict | None = None,
    trials: Count = 10,
    sampler: typing.Literal["tpe", "random", "grid"] = "tpe",
    folds: Count = 5,
    inner_folds: Count = 3,
    out: FilePath | None = None,
    verbose: bool = True,
    overwrite: bool = False,
    **arguments,
) -> CrossValidation:
    """Cross-validates a model whose settings are chosen in each fold, without its test examples.

    The examples of a fold that are not tested are divided into inner folds, in which units stay whole, too. The
    defaults and each trial are trained on all inner folds but one, and scored on that one, in turn. Those with the best
    mean score are trained on the fold and tested, beside the defaults and the fitted baselines. The result is an
    estimate for the whole procedure, search included, which a search and a test on one split is not. It trains
    `folds` x ((`trials` + 1) x `inner_folds` + 2) networks.

    >>> recipes.nested_cross_validate(recipes.Regression(), "dnn", "table:plots.csv?target=biomass", trials=5).summary()

    Args:
        task: a task for tables, vectors or images, with its hyperparameters, which are the defaults.
        model: one of `zoo.names()`.
        data: anything that `recipes.load` takes.
        space: as `recipes.search` has it.
        trials: number of settings that are tried in each fold, beside the defaults.
        sampler: tpe (learns from earlier trials), random or grid (five points of each range).
        folds, inner_folds: numbers of folds, at least 2.
        out: folder for a run per fold and for cross_validation.csv and cross_validation.json; None writes nothing.
        verbose: whether to print a line per fold (on stderr).
        overwrite: whether to replace the files of other runs in `out`.
        **arguments: of the model's builder, which are not searched.
    Returns:
        `CrossValidation`, whose `values` are the settings that each fold chose; {} are the defaults.
    Raises:
        ValueError: if the data have fewer units than folds, or the space names what does not exist.
        ImportError: if Optuna is not installed.

    Source: Varma, Simon 2006, https://doi.org/10.1186/1471-2105-7-91.
    """
    import_optuna()
    data = task.open_data(data)
    task.check_data(data)
    dimensions = read_space(space, task, model) if space else default_space(task, model, len(data.train))
    both = [name for name in dimensions if name in arguments]
    if both:
        raise ValueError(f"nested_cross_validate: {both[0]} must be searched or set, got both.")

    def choose(fold, number):
        inner = dataclasses.replace(fold, test=fold.test.take(slice(0, 0)))
        inner_data = [part for part, _ in fold_splits(inner, inner_folds, task.seed)]
        values, score, default = _best_values(task, model, inner_data, arguments, dimensions, trials, sampler)
        if verbose:
            settings = "  ".join(f"{name} {value}" for name, value in values.items()) or "the defaults"
            line = f"fold {number}  inner {default.metric} {score:.4g}, defaults {default.value:.4g}  {settings}"
            print(line, file=sys.stderr, flush=True)
        return (*with_values(task, arguments, values), values)

    return cross_validate_with(
        choose, task, model, data, folds, out, overwrite, further={DEFAULTS: (task, arguments)}, description="nested"
    )


def _best_values(task, model, inner_data, arguments, space, trials, sampler):
    """Returns (values of the best settings, {} for the defaults; their mean score; `Score` of the defaults)."""
    optuna = import_optuna()
    subjects = [Subject(task, model, data, arguments, space) for data in inner_data]

    def mean_score(values):
        scores = [score_of(subject.train(values), "test") for subject in subjects]
        return dataclasses.replace(scores[0], value=float(np.mean([score.value for score in scores])))

    default = mean_score({})
    study = open_study(None, default.direction, sampler, space, task.seed)
    usual = default_values(space, task, model, arguments, len(inner_data[0].train))
    stored = {name: space[name].encode(value) for name, value in usual.items()}
    if None not in stored.values():
        distributions = {name: dimension.distribution() for name, dimension in space.items()}
        study.add_trial(optuna.trial.create_trial(params=stored, distributions=distributions, value=default.value))

    def objective(trial):
        values = {name: dimension.suggest(trial, name) for name, dimension in space.items()}
        try:
            return mean_score(values).value
        except ArithmeticError as error:  # diverged
            raise optuna.TrialPruned(str(error)) from error

    study.optimize(objective, n_trials=trials, catch=(ValueError,))
    done = [trial for trial in study.trials if trial.state == optuna.trial.TrialState.COMPLETE]
    best = (max if default.higher_is_better else min)(done, key=lambda trial: trial.value, default=None)
    is_better = best is not None and (best.value > default.value) == default.higher_is_better
    if not is_better or best.value == default.value:
        return {}, default.value, default
    return values_of(best, space), best.value, default
