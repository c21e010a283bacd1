"""How predictions respond to each variable of a table, and how much they depend on it."""

import numpy as np

from recipes.reports.report import new_figure

BACKGROUND_ROWS = 200  # training rows whose other columns are averaged over
STEPS = 41  # of a number, between the 1st and the 99th percentile
MAX_COLUMNS = 24
CAPTION = (
    "The mean prediction for training rows in which one variable has the value below, and the others stay as they are "
    "(partial dependence). Marks below are deciles of the training split; bars are categories."
)


def response_figure(data, predict):
    """Returns the response curves of a table as `Task.figures` does, at most 24 variables.

    Args:
        data: `Data` of a table with two classes.
        predict: function from a dict of columns to (N,) probabilities of the second class.
    """
    examples = data.train
    rows = np.random.default_rng(0).permutation(len(examples))[:BACKGROUND_ROWS]
    sample = examples.take(np.sort(rows)).inputs
    columns = list(data.columns.items())[:MAX_COLUMNS]
    width = min(4, len(columns))
    figure = new_figure(3.1 * width, 2.4 * -(-len(columns) // width))
    axes = np.ravel(figure.subplots(-(-len(columns) // width), width, squeeze=False))
    for ax, (column, kind) in zip(axes, columns, strict=False):
        values = examples.inputs[column]
        grid = _grid(values, kind)
        mean = [_mean_prediction(predict, sample, column, value) for value in grid]
        if kind == "category":
            ax.bar([level or "missing" for level in grid], mean, color="C0")
            ax.tick_params(axis="x", labelrotation=45 if max(map(len, grid)) > 3 else 0)
        else:
            ax.plot(grid, mean)
            deciles = np.nanpercentile(values, range(10, 100, 10))
            ax.plot(deciles, np.zeros(len(deciles)), "|", color="gray", transform=ax.get_xaxis_transform())
        ax.set(xlabel=data.column_names.get(column, column), ylim=(0, None))
        ax.grid(alpha=0.3)
    for ax in axes[len(columns) :]:
        ax.axis("off")
    return [(f"Response of the probability of {data.classes[1]}", CAPTION, figure)]


def _grid(values, kind):
    if kind == "category":
        return np.unique(values).tolist()
    low, high = np.nanpercentile(values, [1, 99])
    return np.linspace(low, high, STEPS).astype(np.float32)


def _mean_prediction(predict, sample, column, value):
    filled = {**sample, column: np.full(len(sample[column]), value, sample[column].dtype)}
    return float(predict(filled).mean())


def importance_figure(importance, data, split):
    """Returns the bar chart of `importance`, column -> fall of the area under the ROC curve, as `Task.figures` does."""
    names = sorted(importance, key=importance.get)
    figure = new_figure(6, 0.8 + 0.26 * len(names))
    ax = figure.subplots()
    ax.barh([data.column_names.get(name, name) for name in names], [importance[name] for name in names], color="C0")
    ax.set(xlabel="fall of the ROC AUC")
    ax.grid(alpha=0.3, axis="x")
    caption = (
        f"How much the ROC AUC on the {split} split falls when the values of one variable are shuffled. Variables that "
        "are alike share their importance."
    )
    return [("Importance of the variables", caption, figure)]
