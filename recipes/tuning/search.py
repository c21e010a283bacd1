"""Search for hyperparameters: trials on the validation split, and the winner beside the defaults on the test split."""

import contextlib
import dataclasses
import json
import re
import sys
import time
import typing
from pathlib import Path

from recipes.data.fingerprint import fingerprints
from recipes.reference.recipes import train_and_export
from recipes.training.folder_lock import lock_folder
from recipes.training.identity import differences
from recipes.tuning.comparison import compare_scores
from recipes.tuning.results import save_figure, trial_table
from recipes.tuning.space import default_space, default_values, read_space, with_values
from recipes.tuning.trials import (
    LOSS,
    SAMPLERS,
    Score,
    Subject,
    count_of,
    fail_interrupted_trials,
    import_optuna,
    open_study,
    run_trials,
    score_of,
    values_of,
)
from recipes.tuning.worker import started_workers
from zoo.arguments import Count, FilePath, checked
from zoo.atomic_write import write_text
from zoo.strict_json import json_text

FORMAT = 1  # of search.json
JOURNAL, RESULT, TABLE, FIGURE, BEST = "search.journal", "search.json", "trials.csv", "search.png", "best"
UNITS = {"s": 1, "min": 60, "h": 3600}
DEFAULT_BUDGET = "30min"


@dataclasses.dataclass(frozen=True)
class Search:
    """The result of a search.

    Attributes:
        task, arguments: the task and the arguments of the architecture with the best values.
        values: name -> best value; {} where no trial was better than the defaults.
        score, default_score: of the best trial and of the defaults on the validation split.
        metric: name of the score.
        trials: data frame with a row per trial: trial, state, score, seconds, reason, and the values.
        comparison: the winner beside the defaults on the test split, as `search.json` has it; None where no trial won.
        sentence: the result in words.
        path: folder of the search, or None.
    """

    task: object
    arguments: dict
    values: dict
    score: float
    default_score: float
    metric: str
    trials: object = dataclasses.field(repr=False)
    comparison: dict | None = dataclasses.field(repr=False)
    sentence: str = ""
    path: Path | None = None


@checked
def search(
    task,
    model: str,
    data,
    *,
    space: dict | None = None,
    budget: str | None = None,
    trials: Count | None = None,
    sampler: typing.Literal[SAMPLERS] = "tpe",
    seeds: Count = 3,
    workers: Count = 1,
    out: FilePath | None = None,
    overwrite: bool = False,
    verbose: bool = True,
    **arguments,
):
    """Searches for hyperparameters that score better on the validation split than those of the task.

    The defaults are scored first. Then each trial trains with other values; trials that are worse than the median of
    the earlier ones at the same epoch are stopped. At the end the defaults and the winner are trained with other seeds
    and compared on the test split, which no trial saw: that is the gain, and whether it is larger than the noise.

    >>> result = recipes.search(recipes.Regression(), "dnn", "table:plots.csv?target=biomass", budget="10min")

    Args:
        task: a task with its hyperparameters, which are the defaults.
        model: one of `zoo.names()`.
        data: anything that `recipes.load` takes, with a validation and a test split.
        space: dict from a hyperparameter of the task, or an argument of the architecture, to LOW:HIGH, LOW:HIGH:log, or
            choices: {"learning_rate": "1e-4:1e-2:log", "units": [(32,), (64, 64)]}. None searches the learning rate,
            the batch size, and dropout where the architecture has it.
        budget: time for the trials, such as 90s, 30min or 2h; a trial that has begun is completed. 30min where
            neither `budget` nor `trials` is set.
        trials: number of trials.
        sampler: tpe (learns from earlier trials), random or grid (five points of each range).
        seeds: trainings of the defaults and of the winner each, for the comparison.
        workers: processes that run trials at the same time; `budget` is the time of each.
        out: folder for the journal, search.json, trials.csv, search.png and the run of the winner, best/. The same call
            resumes a search that was stopped. None writes nothing.
        overwrite: whether to replace another search in `out`.
        verbose: whether to print a line per trial (on stderr).
        **arguments: arguments of the architecture that are not searched.
    Returns:
        `Search`.
    Raises:
        ValueError: if the space names what does not exist, the data have no validation or test split, or `out` has
            another search.
        ImportError: if Optuna is not installed.

    Source: Bergstra et al. 2011 (TPE); Golovin et al. 2017, https://doi.org/10.1145/3097983.3098043, for stopping
        by the median.
    """
    optuna = import_optuna()
    seconds = parse_budget(budget or (None if trials else DEFAULT_BUDGET))
    data = task.open_data(data)
    task.check_data(data)
    for split in ("validation", "test"):
        if not len(getattr(data, split)):
            raise ValueError(f"search: the data must have a {split} split, got none; set `{split}` above 0.")
    count = len(data.train)
    dimensions = read_space(space, task, model) if space else default_space(task, model, count)
    both = [name for name in dimensions if name in arguments]
    if both:
        raise ValueError(f"search: {both[0]} must be searched or set, got both.")
    subject = Subject(task, model, data, arguments, dimensions)
    description = _description(subject, sampler)
    with _folder(out, overwrite, description) as folder:
        journal = folder and folder / JOURNAL
        default, study = _scored_default(subject, journal, sampler, description, verbose)
        _print(verbose, f"defaults  validation {default.metric} {default.value:.4g}")
        if count_of(study):
            _print(verbose, f"resumes after {count_of(study)} trials")
        usual = default_values(dimensions, task, model, arguments, count)
        _add_default(study, dimensions, usual, default)
        budget_of_trials = {"budget": seconds, "trials": trials, "workers": workers}
        with started_workers(workers, journal, subject, sampler, budget_of_trials, folder):
            run_trials(
                study,
                subject,
                sampler=sampler,
                seed=task.seed,
                **budget_of_trials,
                report=_reporter(study, default, dimensions, verbose),
            )
        done = [t for t in study.trials if t.state == optuna.trial.TrialState.COMPLETE]
        better = [t for t in done if "default" not in t.user_attrs and _is_better(t.value, default)]
        best = (max if default.higher_is_better else min)(better, key=lambda t: t.value) if better else None
        values = values_of(best, dimensions) if best else {}
        comparison = _compare(study, subject, best, values, seeds, verbose) if best else None
        best_task, best_arguments = with_values(task, arguments, values)
        result = Search(
            best_task,
            best_arguments,
            values,
            best.value if best else default.value,
            default.value,
            default.metric,
            trial_table(study, dimensions),
            comparison,
            _sentence(comparison, default, len(done), count_of(study), seconds),
            folder,
        )
        if folder:
            _save(folder, study, result, description, best, default, data, verbose)
    return result


def parse_budget(text):
    """Returns the seconds of a time such as 90s, 30min, 2h or 600 (seconds), or None."""
    if text is None:
        return None
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(s|min|h)?\s*", str(text))
    if not match or not float(match[1]):
        raise ValueError(f"`budget` must be a time such as 90s, 30min or 2h, got {text!r}.")
    return float(match[1]) * UNITS[match[2] or "s"]


def _description(subject, sampler):
    """Returns what must be equal for a search to be resumed, in JSON values."""
    data = subject.data
    return json.loads(
        json_text(
            {
                "task": type(subject.task).__name__,
                "hyperparameters": dataclasses.asdict(subject.task),
                "model": subject.model,
                "arguments": subject.arguments,
                "data": str(data.source_spec) if data.source_spec else f"{data.name} ({data.task}, in memory)",
                "examples": {split: len(getattr(data, split)) for split in ("train", "validation", "test")},
                "space": {name: str(dimension) for name, dimension in subject.space.items()},
                "sampler": sampler,
                "content": fingerprints(data),
            }
        )
    )


@contextlib.contextmanager
def _folder(out, overwrite, description):
    """Yields the folder of a search, locked; a ValueError where it has another search."""
    if out is None:
        yield None
        return
    folder = Path(out).expanduser()
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"`out` must be a folder, got the file {folder}; choose another name.")
    with lock_folder(folder):
        journal = folder / JOURNAL
        if overwrite:
            for name in (JOURNAL, RESULT, TABLE, FIGURE):
                (folder / name).unlink(missing_ok=True)
        if journal.exists():
            saved = _saved_description(journal)
            if saved and saved != description:
                changes = "; ".join(differences(saved, description))
                raise ValueError(
                    f"`out` must be without another search, got {folder}: {changes}. "
                    "Choose another folder, or replace it with overwrite=True (zoo search --overwrite)."
                )
        elif any((folder / name).exists() for name in ("run.json", RESULT)):
            raise ValueError(f"`out` must be without a run, got {folder} with one; choose another folder.")
        yield folder


def _saved_description(journal):
    """Returns the description of the search in a journal, or None where it has none yet."""
    optuna = import_optuna()
    try:
        storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(journal)))
        return optuna.load_study(study_name="search", storage=storage).user_attrs.get("description")
    except KeyError:  # killed before the study was made
        return None
    except (ValueError, OSError) as error:
        raise ValueError(f"{journal} must be the journal of a search, and cannot be read: {error}") from error


def _scored_default(subject, journal, sampler, description, verbose):
    """Returns the score of the defaults, and the study, which has it from an earlier session."""
    seed = subject.task.seed
    if journal is not None and journal.exists() and _saved_description(journal):
        study = open_study(journal, "minimize", sampler, subject.space, seed)
        fail_interrupted_trials(study)
        return Score(**study.user_attrs["default"]), study
    _print(verbose, "trains with the defaults first")
    default = score_of(subject.train({}), "validation")
    study = open_study(journal, default.direction, sampler, subject.space, seed)
    study.set_user_attr("default", dataclasses.asdict(default))
    study.set_user_attr("description", description)
    return default, study


def _add_default(study, space, usual, default):
    """Adds the defaults as a trial, from which the sampler learns, unless they lie outside of the space."""
    optuna = import_optuna()
    if any("default" in trial.user_attrs for trial in study.trials):
        return
    stored = {name: space[name].encode(value) for name, value in usual.items()}
    if None in stored.values():
        return
    distributions = {name: dimension.distribution() for name, dimension in space.items()}
    study.add_trial(
        optuna.trial.create_trial(
            params=stored, distributions=distributions, value=default.value, user_attrs={"default": True}
        )
    )


def _is_better(value, default):
    return value > default.value if default.higher_is_better else value < default.value


def _reporter(study, default, space, verbose):
    """Returns the function that prints a finished trial beside the best one."""
    start = time.monotonic()

    def report(trial):
        values = "  ".join(f"{name} {_shown(value)}" for name, value in values_of(trial, space).items())
        state = f"{default.metric} {trial.value:.4g}" if trial.value is not None else trial.state.name.lower()
        reason = f"  ({trial.user_attrs['reason'][:100]})" if "reason" in trial.user_attrs else ""
        best = (max if default.higher_is_better else min)(
            [default.value, *(t.value for t in study.trials if t.state.name == "COMPLETE")]
        )
        _print(
            verbose,
            f"trial {trial.number}  {time.monotonic() - start:.0f} s  {state}, best {best:.4g}  {values}{reason}",
        )

    return report


def _shown(value):
    return f"{value:.3g}" if isinstance(value, float) else value


def _compare(study, subject, best, values, seeds, verbose):
    """Returns the comparison of the winner with the defaults; trainings of an earlier session are not repeated."""
    saved = study.user_attrs.get("test", {})
    rows = saved["scores"] if saved.get("trial") == best.number else []
    score, first = saved.get("score"), subject.task.seed + 1
    if score and score["metric"] == LOSS:
        return None
    for seed in range(first + len(rows), first + seeds):
        pair = [score_of(subject.train(changes, seed=seed), "test") for changes in ({}, values)]
        score = dataclasses.asdict(pair[0])
        rows = [*rows, [seed, pair[0].value, pair[1].value]]
        study.set_user_attr("test", {"trial": best.number, "scores": rows, "score": score})
        _print(verbose, f"test, seed {seed}  {score['metric']} {pair[1].value:.4g}, defaults {pair[0].value:.4g}")
    return compare_scores(rows[:seeds], score["metric"], score["higher_is_better"], len(subject.data.test))


def _sentence(comparison, default, complete, count, seconds):
    if comparison:
        return comparison["sentence"]
    if not count:
        return f"The budget of {seconds:g} s ended with the defaults; no trial was run. Set a longer `budget`."
    return (
        f"No trial was better than the defaults, with validation {default.metric} {default.value:.4g}: keep them "
        f"({count} trials, {complete - 1} of them complete)."
    )


def _save(folder, study, result, description, best, default, data, verbose):
    """Writes trials.csv, search.png, the run of the winner, and last search.json."""
    write_text(folder / TABLE, result.trials.to_csv(index=False))
    save_figure(folder / FIGURE, result.trials, default, list(result.values) or list(description["space"]))
    previous = json.loads((folder / RESULT).read_text()) if (folder / RESULT).is_file() else {}
    run = folder / BEST
    number = None if best is None else best.number
    if previous.get("best_trial", -1) != number or not (run / "run.json").is_file():
        is_complete = (run / "run.json").is_file() and not (run / "backup").exists()
        _print(verbose, f"trains the {'winner' if best else 'defaults'} into {run}")
        train_and_export(result.task, description["model"], data, run, verbose, result.arguments, is_complete)
    content = {
        "format": FORMAT,
        **description,
        "metric": result.metric,
        "default_score": result.default_score,
        "best_trial": number,
        "best_score": result.score,
        "best_values": result.values,
        "trials": count_of(study),
        "comparison": result.comparison,
        "sentence": result.sentence,
    }
    write_text(folder / RESULT, json_text(content, indent=1))


def _print(verbose, text):
    if verbose:
        print(text, file=sys.stderr, flush=True)
