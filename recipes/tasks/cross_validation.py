"""Cross-validation: a model trained and tested on each fold, beside the fitted baselines, with the spread."""

import dataclasses
from pathlib import Path

import numpy as np

from recipes.data.examples import Examples
from recipes.data.images.image_files import ImageFiles
from recipes.data.split import content_keys, linked_units, split, strata
from recipes.training.fit import fit
from recipes.training.run_record import write_json
from recipes.training.task import Task
from zoo.arguments import Count, FilePath, checked

FILE = "cross_validation"  # .csv and .json in the output folder
NETWORK = "network"


@dataclasses.dataclass(frozen=True)
class CrossValidation:
    """The metrics of each fold; `cross_validate` returns it.

    Args:
        folds: a dict for each fold: fold (from 1), method (network, or the name of a baseline), examples, and metrics.
        main_metric: name of the metric that the task is judged by.
        description: how the folds were made.
        runs: the `Run` of each fold.
        values: of a nested cross-validation, the settings that each fold chose, dicts; () without.
    """

    folds: list
    main_metric: str
    description: str
    runs: list = dataclasses.field(repr=False)
    values: tuple = ()

    def data_frame(self):
        """Returns a data frame with a row for each fold and method."""
        import pandas as pd

        return pd.DataFrame(self.folds)

    def summary(self):
        """Returns mean and standard deviation over the folds: method -> metric -> (mean, deviation).

        A metric that a fold lacks, such as the ROC AUC where it has one class, is left out of both.
        """
        frame = self.data_frame().drop(columns=["fold", "examples"])
        return {
            method: {
                name: (float(values.mean()), float(values.std(ddof=1)) if values.count() > 1 else 0.0)
                for name, values in part.drop(columns="method").items()
                if values.count()
            }
            for method, part in frame.groupby("method", sort=False)
        }

    def save(self, folder):
        """Writes cross_validation.csv and cross_validation.json to a folder."""
        folder = Path(folder)
        self.data_frame().to_csv(folder / f"{FILE}.csv", index=False, lineterminator="\n")
        summary = {
            method: {name: {"mean": mean, "deviation": deviation} for name, (mean, deviation) in metrics.items()}
            for method, metrics in self.summary().items()
        }
        content = {"description": self.description, "summary": summary, "folds": self.folds}
        write_json(folder / f"{FILE}.json", content | ({"values": list(self.values)} if self.values else {}))


@checked
def cross_validate(
    task: Task,
    model: str,
    data,
    *,
    folds: Count = 5,
    out: FilePath | None = None,
    verbose: bool = True,
    overwrite: bool = False,
    **arguments,
) -> CrossValidation:
    """Trains a model once per fold, and tests it, and the fitted baselines, on the examples of that fold.

    Examples that must stay in one split, of one spatial block or group or identical ones, are in one fold. Classes have
    about the same fraction in each. Of the other folds a part is the validation split, as large a fraction as in the
    data.

    >>> task = recipes.SpeciesDistribution()
    >>> recipes.cross_validate(task, "maxent_features", "bundled:ariolimax").summary()["network"]["roc_auc"]

    Args:
        task: a task for tables, vectors or images, with its hyperparameters.
        model: one of `zoo.names()`.
        data: anything that `recipes.load` takes.
        folds: number of folds, at least 2.
        out: folder for a run per fold and for cross_validation.csv and cross_validation.json; None writes nothing. The
            runs can be mapped together, by `recipes.predict_species_map`.
        verbose: whether to show progress (on stderr).
        overwrite: whether to replace the files of other runs in `out`.
        **arguments: of the model's builder.
    Returns:
        `CrossValidation`.
    Raises:
        ValueError: if the data are no table, vectors or images, or have fewer units than folds.
    """
    data = task.open_data(data)
    return cross_validate_with(
        lambda fold, number: (task, arguments, {}), task, model, data, folds, out, overwrite, verbose=verbose
    )


def cross_validate_with(
    choose, task, model, data, folds, out, overwrite, *, verbose=False, further=None, description=""
):
    """Trains and tests a model on each fold with the settings that a function chooses; returns a `CrossValidation`.

    Args:
        choose: function of the `Data` of a fold and its number, from 1, that returns (task, arguments of the model's
            builder, dict of the settings that were chosen).
        task, model, data, folds, out, overwrite, verbose: as `cross_validate` has them; `data` is `Data`.
        further: name of a method -> (task, arguments) that are trained and tested, too; None for none.
        description: words before the description of the folds.
    """
    rows, runs, hyperparameters, of_folds = [], [], [], ""
    for number, (fold_data, _) in enumerate(fold_splits(data, folds, task.seed), 1):
        folder = None if out is None else Path(out) / f"fold{number}"
        fold_task, arguments, values = choose(fold_data, number)
        run = fit(fold_task, model, fold_data, out=folder, verbose=verbose, overwrite=overwrite, **arguments)
        metrics = {NETWORK: run.evaluate("test")}
        for name, (other, other_arguments) in (further or {}).items():
            single = other.replace(baselines=False) if hasattr(other, "baselines") else other
            metrics[name] = fit(single, model, fold_data, verbose=False, **other_arguments).evaluate("test")
        metrics |= {name: of["metrics"] for name, of in run.record.get("baselines", {}).get("methods", {}).items()}
        for method, of_method in metrics.items():
            numbers = {k: float(v) for k, v in of_method.items() if isinstance(v, int | float) and k != "examples"}
            rows.append({"fold": number, "method": method, "examples": len(fold_data.test), **numbers})
        runs.append(run)
        hyperparameters.append(values)
        of_folds = fold_data.split_description
    values = tuple(hyperparameters) if any(hyperparameters) or further else ()
    result = CrossValidation(rows, task.main_metric, f"{description} {of_folds}".strip(), runs, values)
    if out is not None:
        result.save(out)
    return result


def fold_splits(data, folds, seed):
    """Yields the `Data` of each fold, which is their test split, and the indices of its examples in `joined(data)`.

    Args:
        data: `Data` of a table, of vectors or of images; arrays or files.
        folds: number of folds.
        seed: of the folds.
    Raises:
        ValueError: as `cross_validate` has it.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    if data.kind not in ("table", "vector", "image") or data.task not in ("classification", "multilabel", "regression"):
        raise ValueError(
            f"`data` must be a table, vectors or images with classes, labels or numbers for folds, got {data.name} of "
            f"kind {data.kind} for {data.task}."
        )
    examples, validation = joined(data), len(data.validation) / max(1, len(data.train) + len(data.validation))
    count = len(np.unique(examples.units))
    if folds < 2 or count < folds:
        raise ValueError(
            f"cross_validate: `folds` must be from 2 to the {count:,} units (blocks, groups or single examples) of the "
            f"data, got {folds}."
        )
    labels = strata(examples.targets)
    labels = labels if labels.ndim == 1 else labels.argmax(1)
    of_units = f", {count:,} units (blocks, groups, identical examples) kept whole" if count < len(examples) else ""
    description = f"{folds} folds of {len(examples):,} examples, seed {seed}{of_units}"
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    for others, test in splitter.split(labels, labels, examples.units):
        rest, held_out = examples.take(others), examples.take(test)
        train, valid = rest, rest.take(slice(0, 0))
        if validation:
            train, valid = (
                rest.take(indices) for indices in split(rest.targets, rest.units, (validation, 0.0), seed)[:2]
            )
        fold = dataclasses.replace(
            data, train=train, validation=valid, test=held_out, source_spec=None, split_description=description
        )
        yield fold, test


def joined(data):
    """Returns the `Examples` of all splits, with the units of their split."""
    parts = [split for split in (data.train, data.validation, data.test) if len(split)]
    inputs = join_inputs([part.inputs for part in parts])
    targets, names = (np.concatenate([getattr(part, field) for part in parts]) for field in ("targets", "names"))
    if all(part.units is not None for part in parts):
        units = np.concatenate([part.units for part in parts])
    elif isinstance(inputs, ImageFiles):
        units = linked_units(len(targets), (inputs.paths,))
    else:
        units = linked_units(len(targets), (content_keys(inputs),))
    weighted = all(part.weights is not None for part in parts)
    weights = np.concatenate([part.weights for part in parts]) if weighted else None
    return Examples(inputs, targets, names, weights=weights, units=units)


def join_inputs(inputs):
    """Returns the inputs of several splits of one data set, one after the other.

    Args:
        inputs: list of arrays, of dicts of arrays, or of `ImageFiles`.
    Raises:
        ValueError: if they are a tf.data.Dataset or others that cannot be joined.
    """
    if all(isinstance(part, dict) for part in inputs):
        return {column: np.concatenate([part[column] for part in inputs]) for column in inputs[0]}
    if all(isinstance(part, np.ndarray) for part in inputs):
        return np.concatenate(inputs)
    if all(isinstance(part, ImageFiles) for part in inputs):
        fields = {f: np.concatenate([getattr(part, f) for part in inputs]) for f in ("paths", "orientations")}
        sizes = None if inputs[0].sizes is None else np.concatenate([part.sizes for part in inputs])
        return dataclasses.replace(inputs[0], sizes=sizes, **fields)
    raise ValueError(f"`data` must be arrays, a table or image files for folds, got {type(inputs[0]).__name__}.")
