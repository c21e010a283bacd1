"""Writes a run as one self-contained HTML page, and draws the figures that several tasks share."""

import base64
import dataclasses
import io
from pathlib import Path

import numpy as np

from recipes.reports.baseline_text import describe_baselines
from recipes.reports.effort import choose_effort, describe_reduction
from zoo.atomic_write import write_text

WINDOWS = 120  # windows of a split whose forecasts are plotted
PATH_ERROR = 0.05  # largest error of integrated gradients, as a fraction of the logit's change


def write_report(run, path):
    """Writes the HTML page of a run and returns its path.

    Args:
        run: a `Run`.
        path: of the HTML file.
    """
    from jinja2 import Environment, FileSystemLoader, select_autoescape

    from zoo.explain.function_cache import cache_compiled_functions

    templates = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=select_autoescape())
    split = "test" if len(run.data.test) else "validation"
    metrics = run.evaluate(split)
    with cache_compiled_functions():
        figures = run.task.figures(run, split)
    verdict = metrics.get("verdict")
    page = templates.get_template("report.html").render(
        run=run,
        split=split,
        verdict=verdict and verdict["sentence"],
        summary=run.task.summarize(metrics, split),
        steps=describe_steps(run),
        metrics=format_numbers(metrics),
        baseline=format_numbers(metrics["baseline"]),
        baseline_name=metrics["baseline"].get("name"),
        fitted=describe_baselines(run.record.get("baselines")),
        curves=data_uri(learning_curves(run.history)) if run.history else None,
        figures=[(title, caption, figure and media(figure)) for title, caption, figure in figures],
        settings=settings(run),
    )
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, page)
    return path


def describe_steps(run):
    """Returns the training's length, as "40 epochs x 2 steps of 16 examples = 80 steps"; None for older runs.

    Args:
        run: a `Run`, whose record has the steps.
    """
    record = run.record
    if "steps_trained" not in record:
        return None
    epochs, per_epoch = record["epochs_trained"], record["steps_per_epoch"]
    counts = ((epochs, "epoch"), (per_epoch, "step"), (record["steps_trained"], "step"))
    first, second, third = (f"{count:,} {noun}{'s' * (count != 1)}" for count, noun in counts)
    return f"{first} x {second} of {run.task.batch_size:,} examples = {third}"


def format_numbers(metrics):
    """Returns the scalar metrics with four significant digits."""
    return {k: f"{v:.4g}" for k, v in metrics.items() if isinstance(v, int | float)}


def settings(run):
    """Returns the task's hyperparameters, the run's record and the machine as one dict."""
    hyperparameters = {f.name: getattr(run.task, f.name) for f in dataclasses.fields(run.task)}
    return {
        **hyperparameters,
        **{k: v for k, v in run.record.items() if not isinstance(v, dict)},
        **run.record["machine"],
    }


def data_uri(figure):
    """Returns a matplotlib figure as the data URI of a PNG."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110, bbox_inches="tight")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def media(figure):
    """Returns what the page shows: the data URI of a matplotlib figure, or the list of sounds of `Players`."""
    return data_uri(figure) if hasattr(figure, "savefig") else figure.sounds


def new_figure(width, height):
    """Returns a matplotlib figure of width x height [inches] that pyplot does not manage."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def learning_curves(history):
    """Plots the training and validation values of every metric, one panel per metric."""
    metrics = [k for k in history if not k.startswith("val_") and k != "learning_rate"]
    figure = new_figure(4.5 * len(metrics), 3.2)
    for ax, key in zip(np.ravel(figure.subplots(1, len(metrics), squeeze=False)), metrics, strict=True):
        epochs = range(1, len(history[key]) + 1)
        ax.plot(epochs, history[key], label="training")
        if f"val_{key}" in history:
            ax.plot(epochs, history[f"val_{key}"], label="validation")
        if key == "loss" and min(history[key]) > 0:
            ax.set_yscale("log")
        ax.set(xlabel="epoch", title=key)
        ax.grid(alpha=0.3)
        ax.legend()
    return figure


def confusion(matrix, classes):
    """Plots a confusion matrix: rows are true classes, columns are predicted classes."""
    from sklearn.metrics import ConfusionMatrixDisplay

    side = min(12, 2.5 + 0.45 * len(classes))
    figure = new_figure(side, side)
    ax = figure.subplots()
    labeled = len(classes) <= 25
    ConfusionMatrixDisplay(np.array(matrix), display_labels=classes if labeled else None).plot(
        ax=ax, cmap="Blues", colorbar=False, include_values=labeled, xticks_rotation=45 if labeled else "horizontal"
    )
    return figure


def scatter(targets, predictions, names):
    """Plots predicted against observed values, one panel per target."""
    figure = new_figure(4 * len(names), 4)
    for i, ax in enumerate(np.ravel(figure.subplots(1, len(names), squeeze=False))):
        values = np.concatenate([targets[:, i], predictions[:, i]])
        ax.plot([values.min(), values.max()], [values.min(), values.max()], color="gray", lw=1)
        ax.scatter(targets[:, i], predictions[:, i], s=10, alpha=0.6)
        ax.set(xlabel=f"observed {names[i]}", ylabel="predicted")
        ax.grid(alpha=0.3)
    return figure


def errors_by_lead(metrics):
    """Plots the mean absolute error of a forecast and of its baselines against the lead time."""
    figure = new_figure(6.5, 3.6)
    ax = figure.subplots()
    leads = list(metrics["by_lead"])
    for key in metrics["by_lead"][leads[0]]:
        if key == "mae" or key.endswith(" mae"):
            label = "this model" if key == "mae" else key.removesuffix(" mae")
            style = {"color": "black", "lw": 2.5} if key == "mae" else {"lw": 1.2, "ls": "--"}
            errors = [metrics["by_lead"][lead][key] for lead in leads]
            ax.plot(range(len(leads)), errors, marker="o", label=label, **style)
    ax.set_xticks(range(len(leads)), leads, rotation=30, ha="right")
    ax.set(ylabel="mean absolute error", ylim=(0, None))
    ax.grid(alpha=0.3)
    ax.legend()
    return figure


def forecasts(data, split, predictions, quantiles, medians):
    """Plots the forecasts of the first and the last lead time with the observed values, for the last 120 windows.

    Args:
        data: a `Data` of a series.
        split: train, validation or test.
        predictions: (N, leads * quantiles) of the split.
        quantiles: from 0 to 1, empty for a point forecast.
        medians: (N, leads) of the split.
    """
    targets, columns = getattr(data, split).targets[-WINDOWS:], max(1, len(quantiles))
    predictions, medians = predictions[-WINDOWS:], medians[-WINDOWS:]
    leads = sorted({0, len(data.outputs) - 1})
    figure = new_figure(9, 2.8 * len(leads))
    for ax, i in zip(np.ravel(figure.subplots(len(leads), 1, squeeze=False)), leads, strict=True):
        steps = np.arange(len(targets))
        ax.plot(steps, targets[:, i], color="black", lw=1, label="observed")
        ax.plot(steps, medians[:, i], color="C0", label="forecast")
        if columns > 1:
            low, high = predictions[:, i * columns], predictions[:, i * columns + columns - 1]
            interval = f"{quantiles[0]:g} to {quantiles[-1]:g} quantile"
            ax.fill_between(steps, low, high, color="C0", alpha=0.2, label=interval)
        ax.set(title=data.outputs[i], xlabel=f"last {len(targets)} windows of the {split} split")
        ax.grid(alpha=0.3)
        ax.legend(fontsize="small")
    return figure


def correct_examples(targets, predicted, classes, count):
    """Returns the indices of the first correct example of each class, at most `count`."""
    firsts = [i for c in range(classes) for i in np.flatnonzero((targets == c) & (predicted == c))[:1]]
    return firsts[:count]


def confident_mistakes(targets, probabilities, count):
    """Returns the indices of the `count` wrong predictions of highest probability, in decreasing order."""
    predicted = probabilities.argmax(-1)
    wrong = np.flatnonzero(targets != predicted)
    return wrong[np.argsort(-probabilities[wrong, predicted[wrong]])][:count]


def step_attributions(run, split):
    """Plots a correct series of each of six classes over the attributions of its steps; None if none is correct."""
    from zoo import explain

    examples, probabilities = getattr(run.data, split), run.predict_split(split)
    predicted, targets = probabilities.argmax(-1), examples.targets
    indices = correct_examples(targets, predicted, len(run.data.classes), 6)
    if not indices:
        return None
    raw = examples.take(indices).head(len(indices))
    maps = explain.gradient_input(run.model, preprocess(run, examples.take(indices)), target=predicted[indices])
    maps = maps.reshape(len(indices), raw.shape[1], -1).sum(-1)
    figure = new_figure(4 * min(3, len(indices)), 2.6 * -(-len(indices) // 3))
    axes = np.ravel(figure.subplots(-(-len(indices) // 3), min(3, len(indices)), squeeze=False))
    for ax, i, series, weights in zip(axes, indices, raw, maps, strict=False):
        ax.plot(series, lw=1)
        low, high = ax.get_ylim()
        limit, strip = np.abs(weights).max() or 1.0, low - 0.25 * (high - low)
        extent = (-0.5, len(weights) - 0.5, strip, low)
        ax.imshow(weights[None], aspect="auto", cmap="bwr", vmin=-limit, vmax=limit, zorder=0, extent=extent)
        ax.set(title=run.data.classes[targets[i]], ylim=(strip, high), xlabel="step")
    for ax in axes[len(indices) :]:
        ax.axis("off")
    return figure


def pixel_attributions(run, split):
    """Returns (title, caption, figure) of the pixel attributions of correct predictions and of confident mistakes.

    For a large model there are fewer examples and steps; for the largest none.
    """
    from zoo import explain
    from zoo.introspect import macs

    cost = macs(run.model)
    effort = choose_effort(cost)
    if effort is None:
        return []
    examples = getattr(run.data, split)
    probabilities = run.predict_split(split)
    predicted = probabilities.argmax(-1)
    targets = examples.targets if examples.targets.ndim == 1 else examples.targets.argmax(-1)
    correct = correct_examples(targets, predicted, len(run.data.classes), effort.shown)
    mistakes = confident_mistakes(targets, probabilities, effort.shown)
    caption = (
        "Integrated gradients (Sundararajan et al. 2017): red pixels are evidence for the predicted class, which is "
        "above each image, blue pixels against it. "
    )
    if effort.completes_path:
        caption += f"They sum to the change of the logit within {PATH_ERROR:.0%}."
        options = {"tolerance": PATH_ERROR}
    else:
        caption += f"They are approximated by {effort.path_steps} steps. {describe_reduction(cost)}"
        options = {"tolerance": 1e9, "steps": effort.path_steps}
    figures = []
    for title, indices in (("Attributions of correct predictions", correct), ("Most confident mistakes", mistakes)):
        if len(indices) == 0:
            continue
        inputs = preprocess(run, examples.take(indices))
        try:
            maps = explain.integrated_gradients(run.model, inputs, target=predicted[indices], **options)
        except ValueError as error:  # the gradients vary too strongly along the path
            figures.append((title, f"Not computed: {error}", None))
            continue
        titles = [
            f"{run.data.classes[predicted[i]]} {probabilities[i, predicted[i]]:.0%}"
            + (f"\ntrue: {run.data.classes[targets[i]]}" if predicted[i] != targets[i] else "")
            for i in indices
        ]
        figures.append((title, caption, explain.show(inputs, maps, titles=titles)))
    return figures


def preprocess(run, examples):
    """Returns the model's inputs for a few examples."""
    raw = examples.head(len(examples))
    if isinstance(raw, list):
        return np.concatenate([np.asarray(run.preprocessing(image[None], training=False)) for image in raw])
    return np.asarray(run.preprocessing(raw, training=False))
