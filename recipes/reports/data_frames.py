"""A run's history, metrics and predictions as data frames, and its figures as PNG files."""

import re
from pathlib import Path

import numpy as np


def history(run):
    """Returns a data frame with one row per epoch: `epoch` from 1, and each metric."""
    import pandas as pd

    frame = pd.DataFrame(run.history)
    frame.insert(0, "epoch", np.arange(1.0, len(frame) + 1))
    return frame


def metrics(run):
    """Returns a data frame with one row per held-out split and metric; `baseline` is NaN if the baseline lacks it."""
    import pandas as pd

    rows = []
    for split in ("validation", "test"):
        values = run.evaluate(split) if len(getattr(run.data, split)) else {}
        baseline = values.get("baseline", {})
        for name, value in values.items():
            if isinstance(value, int | float):
                row = {"split": split, "metric": name, "value": float(value), "baseline": baseline.get(name, np.nan)}
                rows.append(row)
    return pd.DataFrame(rows, columns=["split", "metric", "value", "baseline"])


def examples(run, split):
    """Returns a data frame with one row per example: name, target, prediction, and the probability of each class."""
    import pandas as pd

    data = run.data
    examples = getattr(data, split, None)
    if split not in ("train", "validation", "test") or not len(examples):
        raise ValueError(f"data_frame: `split` must be a split of {data.name} that has examples, got {split!r}.")
    tabular = hasattr(examples.targets, "dtype") and np.ndim(examples.targets) <= 2 and data.task != "language_model"
    if data.task == "multilabel" or not tabular:
        raise ValueError(f"data_frame: `content` must be history or metrics for {data.task}, got 'examples'.")
    predictions = run.predict_split(split)
    names = np.arange(len(predictions)) if examples.names is None else examples.names
    frame = pd.DataFrame({"example": [str(name) for name in names]})
    if data.classes:
        for column, indices in (("target", examples.targets), ("prediction", predictions.argmax(-1))):
            frame[column] = pd.Categorical.from_codes(indices, categories=list(data.classes))
        return frame.assign(**{name: predictions[:, i].astype(float) for i, name in enumerate(data.classes)})
    predictions = run.task.point_predictions(predictions)
    for i, name in enumerate(data.outputs):
        frame[f"{name} target"] = examples.targets[:, i].astype(float)
        frame[f"{name} prediction"] = predictions[:, i].astype(float)
    return frame


def plots(run, folder, split):
    """Writes the learning curves and the task's figures as PNG files; returns a dict of name -> path."""
    from recipes.reports.report import learning_curves

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    figures = {"learning_curves": learning_curves(run.history)} if run.history else {}  # committed runs have none
    for title, _, figure in run.task.figures(run, split):
        if hasattr(figure, "savefig"):  # sounds are for the page alone
            figures[re.sub(r"\W+", "_", title).strip("_").lower()] = figure
    paths = {name: str(folder / f"{name}.png") for name in figures}
    for name, figure in figures.items():
        figure.savefig(paths[name], dpi=110, bbox_inches="tight")
    return paths
