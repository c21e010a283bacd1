"""Figures of questions about images: accuracy of each type, examples, and the pixels that mattered."""

import textwrap

import numpy as np

from recipes.reports.batch_figures import to_pictures
from recipes.reports.effort import choose_effort
from recipes.reports.report import new_figure
from recipes.reports.verdict import CONFIDENCE

SHOWN = 3  # right and wrong examples of each type
TYPES = 5  # of questions, in a figure of examples
EXPLAINED = 3  # right and wrong examples whose pixels are explained
COLUMNS = 30  # characters in a line of a question
SUM_ERROR = 0.05  # of attributions, as a fraction of the change of the logit


def question_figures(run, split, rows, correct):
    """Returns (title, caption, figure): the accuracy of each type, examples of answers, and the pixels that mattered.

    Args:
        run: `Run` of question answering.
        split: train, validation or test.
        rows: by_type of its metrics.
        correct: (N,) whether each answer is right.
    """
    interval = f"Bars have the {CONFIDENCE:.0%} interval, of which the images are drawn with all their questions."
    figures = [("Accuracy by type of question", interval, accuracy_bars(rows))]
    inputs = getattr(run.data, split).inputs
    types = list(np.unique(inputs.types.astype(str)))[:TYPES]
    caption = "Of each type of question, the first answers about different images, with their probability."
    for title, mask in (("Right answers", correct), ("Wrong answers", ~correct)):
        indices = [i for name in types for i in _of_different_images(inputs, mask & (inputs.types == name), SHOWN)]
        if indices:
            figures.append((title, caption, answers_figure(run, split, indices)))
    return figures + attribution_figures(run, split, correct)


def accuracy_bars(rows):
    """Plots the accuracy of each type of question beside the baselines'."""
    names = list(rows)
    series = [
        ("this model", "accuracy"),
        ("without the image", "question_only"),
        ("commonest answer", "commonest_answer"),
    ]
    series = [(label, key) for label, key in series if all(key in row for row in rows.values())]
    figure = new_figure(7, 1.2 + 0.3 * len(series) * len(names))
    ax, height = figure.subplots(), 0.8 / len(series)
    for k, (label, key) in enumerate(series):
        values = np.array([rows[name][key] for name in names])
        positions = np.arange(len(names)) + (k - (len(series) - 1) / 2) * height
        errors = None
        if key == "accuracy" and all(row["interval"] for row in rows.values()):
            limits = np.array([rows[name]["interval"] for name in names])
            errors = np.abs(limits.T - values)
        bars = ax.barh(positions, values, height * 0.9, xerr=errors, label=label)
        ax.bar_label(bars, fmt="%.2f", padding=12 if errors is not None else 3, fontsize=8)
    ax.set_yticks(np.arange(len(names)), names)
    ax.set(xlim=(0, 1.15), xlabel="accuracy")
    ax.invert_yaxis()
    ax.legend(fontsize="small", loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(series))
    return figure


def answers_figure(run, split, indices):
    """Plots images with their question, the predicted answer and the right one.

    Args:
        run, split: as `question_figures` has them.
        indices: of the questions.
    """
    inputs = getattr(run.data, split).inputs
    pictures, _ = to_pictures([inputs.read_image(inputs.image_index[i]) for i in indices])
    columns = min(len(indices), SHOWN)
    count = -(-len(indices) // columns)
    figure = new_figure(3.2 * columns, 3.6 * count)
    axes = np.ravel(figure.subplots(count, columns, squeeze=False))
    for ax, i, picture in zip(axes, indices, pictures, strict=False):
        ax.imshow(picture, cmap="gray", interpolation="nearest")
        ax.set_title(answer_title(run, split, i), fontsize=8)
    for ax in axes:
        ax.axis("off")
    return figure


def answer_title(run, split, index):
    """Returns the question, the predicted answer with its probability, and the right one where that differs."""
    examples, probabilities = getattr(run.data, split), run.predict_split(split)[index]
    predicted, target = int(probabilities.argmax()), examples.targets[index]
    lines = textwrap.wrap(str(examples.inputs.questions[index]), COLUMNS)
    lines.append(f"{run.classes[predicted]} {probabilities[predicted]:.0%}")
    if predicted != target:
        lines.append(f"right: {run.classes[target] if target >= 0 else 'another answer'}")
    return "\n".join(lines)


def attribution_figures(run, split, correct):
    """Returns the figure of the pixels that mattered in some right and wrong answers; [] for a very large model."""
    from zoo import explain
    from zoo.introspect import macs

    effort = choose_effort(macs(run.model))
    examples = getattr(run.data, split)
    indices = [i for mask in (correct, ~correct) for i in _of_different_images(examples.inputs, mask, EXPLAINED)]
    if effort is None or not indices:
        return []
    predicted = run.predict_split(split)[indices].argmax(-1)
    batches = [run.preprocessing(examples.take([i]).head(1), training=False) for i in indices]
    inputs = {name: np.concatenate([np.asarray(batch[name]) for batch in batches]) for name in batches[0]}
    title = "The pixels that mattered"
    try:
        values = explain.attribution(run.model, inputs, target=predicted.tolist(), tolerance=SUM_ERROR).values["image"]
    except ValueError as error:  # the gradients vary too strongly along the path
        return [(title, f"Not computed: {error}", None)]
    caption = (
        "Integrated gradients (Sundararajan et al. 2017) of the answer above each image, for a black image with the "
        f"same question: red pixels are evidence for it, blue ones against it. They sum to the change of the logit "
        f"within {SUM_ERROR:.0%}."
    )
    titles = [answer_title(run, split, i) for i in indices]
    return [(title, caption, explain.show(inputs["image"], values.sum(-1), titles=titles))]


def _of_different_images(inputs, mask, count):
    """Returns the indices of the first questions of a mask that are about different images."""
    indices = np.flatnonzero(mask)
    _, first = np.unique(inputs.image_index[indices], return_index=True)
    return indices[np.sort(first)][:count].tolist()
