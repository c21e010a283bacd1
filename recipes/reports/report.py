"""A run on one self-contained HTML page: what it reached, how it got there, what it looked at, what it cost."""

import base64
import dataclasses
import io
import os
from pathlib import Path

import numpy as np

SHOWN = 5  # examples whose pixels are explained, and mistakes that are shown


def write(run, path):
    """Writes the page and returns its path.

    Args:
        run: a `Run`.
        path: the HTML file.
    """
    from jinja2 import Environment, FileSystemLoader, select_autoescape

    pages = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=select_autoescape())
    part = "test" if len(run.data.test) else "validation"
    found = run.evaluate(part)
    page = pages.get_template("report.html").render(
        run=run,
        part=part,
        verdict=run.recipe.verdict(found, part),
        metrics=flat(found),
        baseline=flat(found["baseline"]),
        curves=picture(curves(run.history)),
        figures=[(title, told, drawn and picture(drawn)) for title, told, drawn in run.recipe.figures(run, part)],
        numbers=numbers(run),
    )
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_suffix(".part")
    beside.write_text(page)
    os.replace(beside, path)
    return path


def flat(metrics):
    """The plain numbers among `metrics`, rounded for reading."""
    return {k: f"{v:.4g}" for k, v in metrics.items() if isinstance(v, int | float)}


def numbers(run):
    """The recipe's numbers and the run's record as rows of a table."""
    rows = {f.name: getattr(run.recipe, f.name) for f in dataclasses.fields(run.recipe)}
    return {**rows, **{k: v for k, v in run.record.items() if not isinstance(v, dict)}, **run.record["machine"]}


def picture(figure):
    """A matplotlib figure as a data URI."""
    kept = io.BytesIO()
    figure.savefig(kept, format="png", dpi=110, bbox_inches="tight")
    return "data:image/png;base64," + base64.b64encode(kept.getvalue()).decode()


def new_figure(width, height):
    """A matplotlib figure that belongs to nobody's pyplot."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def curves(history):
    """Learning curves: every metric with its validation twin, one panel a metric."""
    kept = [k for k in history if not k.startswith("val_") and k != "learning_rate"]
    figure = new_figure(4.5 * len(kept), 3.2)
    for ax, key in zip(np.ravel(figure.subplots(1, len(kept), squeeze=False)), kept, strict=True):
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
    """The confusion matrix, rows being the truth."""
    from sklearn.metrics import ConfusionMatrixDisplay

    side = min(12, 2.5 + 0.45 * len(classes))
    figure = new_figure(side, side)
    ax = figure.subplots()
    few = len(classes) <= 25
    ConfusionMatrixDisplay(np.array(matrix), display_labels=classes if few else None).plot(
        ax=ax, cmap="Blues", colorbar=False, include_values=few, xticks_rotation=45 if few else "horizontal"
    )
    return figure


def scatter(targets, answers, names):
    """Predicted against observed, one panel a target."""
    figure = new_figure(4 * len(names), 4)
    for i, ax in enumerate(np.ravel(figure.subplots(1, len(names), squeeze=False))):
        both = np.concatenate([targets[:, i], answers[:, i]])
        ax.plot([both.min(), both.max()], [both.min(), both.max()], color="grey", lw=1)
        ax.scatter(targets[:, i], answers[:, i], s=10, alpha=0.6)
        ax.set(xlabel=f"observed {names[i]}", ylabel="predicted")
        ax.grid(alpha=0.3)
    return figure


def errors_by_lead(found):
    """The mean error of a forecast and of the trivial ones, lead by lead."""
    figure = new_figure(6.5, 3.6)
    ax = figure.subplots()
    leads = list(found["by_lead"])
    for key in found["by_lead"][leads[0]]:
        if key == "mae" or key.endswith(" mae"):
            label = "this model" if key == "mae" else key.removesuffix(" mae")
            style = {"color": "black", "lw": 2.5} if key == "mae" else {"lw": 1.2, "ls": "--"}
            ax.plot(
                range(len(leads)), [found["by_lead"][lead][key] for lead in leads], marker="o", label=label, **style
            )
    ax.set_xticks(range(len(leads)), leads, rotation=30, ha="right")
    ax.set(ylabel="mean absolute error", ylim=(0, None))
    ax.grid(alpha=0.3)
    ax.legend()
    return figure


def forecasts(data, part, answers, quantiles, middle, shown=120):
    """The first and the last lead's forecasts over the last `shown` windows of a part, beside what came."""
    targets, often = getattr(data, part).targets[-shown:], max(1, len(quantiles))
    answers, middle = answers[-shown:], middle[-shown:]
    leads = sorted({0, len(data.outputs) - 1})
    figure = new_figure(9, 2.8 * len(leads))
    for ax, i in zip(np.ravel(figure.subplots(len(leads), 1, squeeze=False)), leads, strict=True):
        steps = np.arange(len(targets))
        ax.plot(steps, targets[:, i], color="black", lw=1, label="what came")
        ax.plot(steps, middle[:, i], color="C0", label="forecast")
        if often > 1:
            low, high = answers[:, i * often], answers[:, i * often + often - 1]
            ax.fill_between(steps, low, high, color="C0", alpha=0.2, label=f"{quantiles[0]:g} to {quantiles[-1]:g}")
        ax.set(title=data.outputs[i], xlabel=f"the last {len(targets)} windows of the {part} part")
        ax.grid(alpha=0.3)
        ax.legend(fontsize="small")
    return figure


def steps(run, part, shown=6):
    """One series of each class and how much each step spoke for its answer; None where none was right."""
    from zoo import explain

    examples, answers = getattr(run.data, part), run.answers(part)
    chosen, truth = answers.argmax(-1), examples.targets
    kept = [i for c in range(len(run.data.classes)) for i in np.flatnonzero((truth == c) & (chosen == c))[:1]][:shown]
    if not kept:
        return None
    raw = examples.take(kept).head(len(kept))
    maps = explain.gradient_input(run.model, prepared(run, examples.take(kept)), target=chosen[kept])
    maps = maps.reshape(len(kept), raw.shape[1], -1).sum(-1)
    figure = new_figure(4 * min(3, len(kept)), 2.6 * -(-len(kept) // 3))
    axes = np.ravel(figure.subplots(-(-len(kept) // 3), min(3, len(kept)), squeeze=False))
    for ax, i, series, weights in zip(axes, kept, raw, maps, strict=False):
        ax.plot(series, lw=1)
        low, high = ax.get_ylim()
        reach, strip = np.abs(weights).max() or 1.0, low - 0.25 * (high - low)
        where = (-0.5, len(weights) - 0.5, strip, low)
        ax.imshow(weights[None], aspect="auto", cmap="bwr", vmin=-reach, vmax=reach, zorder=0, extent=where)
        ax.set(title=run.data.classes[truth[i]], ylim=(strip, high), xlabel="step")
    for ax in axes[len(kept) :]:
        ax.axis("off")
    return figure


def pixels(run, part):
    """The pixels that mattered for right answers and for the most confident mistakes, as `Recipe.figures` has them."""
    from zoo import explain

    examples = getattr(run.data, part)
    answers = run.answers(part)
    chosen, truth = answers.argmax(-1), examples.targets if examples.targets.ndim == 1 else examples.targets.argmax(-1)
    right = [i for c in range(len(run.data.classes)) for i in np.flatnonzero((truth == c) & (chosen == c))[:1]][:SHOWN]
    wrong = np.flatnonzero(truth != chosen)
    wrong = wrong[np.argsort(-answers[wrong, chosen[wrong]])][:SHOWN]
    told = (
        "Integrated gradients (Sundararajan et al. 2017): red pixels spoke for the answer above the picture, blue ones "
        "against it."
    )
    drawn = []
    for title, kept in (("The pixels that mattered", right), ("Its most confident mistakes", wrong)):
        if len(kept) == 0:
            continue
        inputs = prepared(run, examples.take(kept))
        maps = explain.integrated_gradients(run.model, inputs, target=chosen[kept])
        titles = [
            f"{run.data.classes[chosen[i]]} {answers[i, chosen[i]]:.0%}"
            + (f"\nis {run.data.classes[truth[i]]}" if chosen[i] != truth[i] else "")
            for i in kept
        ]
        drawn.append((title, told, explain.show(inputs, maps, titles=titles)))
    return drawn


def prepared(run, examples):
    """The model's inputs for a few examples."""
    raw = examples.head(len(examples))
    if isinstance(raw, list):
        return np.concatenate([np.asarray(run.preprocessing(image[None], training=False)) for image in raw])
    return np.asarray(run.preprocessing(raw, training=False))
