"""What a run found, as data frames and pictures in files."""

import re
from pathlib import Path

import numpy as np


def history(run):
    """A row an epoch: its number from 1, and each metric."""
    import pandas as pd

    frame = pd.DataFrame(run.history)
    frame.insert(0, "epoch", np.arange(1.0, len(frame) + 1))
    return frame


def metrics(run):
    """A row a held-out part and metric, with the trivial answer's value where it has one."""
    import pandas as pd

    rows = []
    for part in ("validation", "test"):
        found = run.evaluate(part) if len(getattr(run.data, part)) else {}
        trivial = found.get("baseline", {})
        for name, value in found.items():
            if isinstance(value, int | float):
                rows.append({"part": part, "metric": name, "value": float(value), "trivial": trivial.get(name, np.nan)})
    return pd.DataFrame(rows, columns=["part", "metric", "value", "trivial"])


def examples(run, part):
    """A row an example: its name, the truth and the answer, and where there are classes each one's probability."""
    import pandas as pd

    data = run.data
    examples = getattr(data, part, None)
    if part not in ("train", "validation", "test") or not len(examples):
        raise ValueError(f"table: `part` must be a part of {data.name} with examples, got {part!r}.")
    single = hasattr(examples.targets, "dtype") and np.ndim(examples.targets) <= 2 and data.task != "language_model"
    if data.task == "multilabel" or not single:
        raise ValueError(f"table: `what` must be history or metrics for {data.task}, got 'examples'.")
    answers = run.answers(part)
    names = np.arange(len(answers)) if examples.names is None else examples.names
    frame = pd.DataFrame({"example": [str(name) for name in names]})
    if data.classes:
        for column, index in (("truth", examples.targets), ("answer", answers.argmax(-1))):
            frame[column] = pd.Categorical.from_codes(index, categories=list(data.classes))
        return frame.assign(**{name: answers[:, i].astype(float) for i, name in enumerate(data.classes)})
    middle = run.recipe.middle(answers) if hasattr(run.recipe, "middle") else answers
    for i, name in enumerate(data.outputs):
        frame[f"{name} truth"] = examples.targets[:, i].astype(float)
        frame[f"{name} answer"] = middle[:, i].astype(float)
    return frame


def plots(run, folder, part):
    """Writes the learning curves and the recipe's figures; name -> path, both as text."""
    from recipes.reports.report import curves

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    drawn = {"learning_curves": curves(run.history)}
    for title, _, figure in run.recipe.figures(run, part):
        if figure is not None:
            drawn[re.sub(r"\W+", "_", title).strip("_").lower()] = figure
    paths = {name: str(folder / f"{name}.png") for name in drawn}
    for name, figure in drawn.items():
        figure.savefig(paths[name], dpi=110, bbox_inches="tight")
    return paths
