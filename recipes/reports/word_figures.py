"""Figures of texts whose words are colored by their importance for the prediction (occlusion)."""

import keras
import numpy as np

from recipes.reports.report import confident_mistakes, correct_examples, new_figure
from zoo.layers.preset_tokens import find_preset_tokens

PADDING, UNKNOWN = 0, 1  # the first two tokens of a vocabulary built from the training texts
WIDTH = 150  # characters in a line
COUNT = 3  # correct predictions, and mistakes, of a report
MAX_WORDS = 60  # of a text in a report


def word_attributions(run, split):
    """Plots three correct predictions and three mistakes with the importance of each word as its color.

    The importance is the decrease of the predicted probability when the word is masked.

    For a KerasHub backbone the tokens are those of its tokenizer, parts of words included ("fea", "##ther"), and a
    token is replaced by the tokenizer's mask token.

    Args:
        run: a `Run`.
        split: train, validation or test.
    """
    examples, probabilities = getattr(run.data, split), run.predict_split(split)
    predicted, targets = probabilities.argmax(-1), examples.targets
    classes = run.data.classes
    indices = [
        *correct_examples(targets, predicted, len(classes), COUNT),
        *confident_mistakes(targets, probabilities, COUNT),
    ]
    figure = new_figure(9, 1.7 * len(indices))
    token_name, mask, special = _vocabulary(run)
    for ax, i in zip(np.ravel(figure.subplots(len(indices), 1, squeeze=False)), indices, strict=True):
        inputs = run.preprocessing.predict(examples.take([i]).inputs, verbose=0)
        ids = (inputs["token_ids"] if isinstance(inputs, dict) else inputs)[0]
        positions = np.flatnonzero(~np.isin(ids, special))[:MAX_WORDS]
        decrease = np.zeros(0)
        if len(positions):  # a text can be empty
            masked = np.repeat(ids[None], len(positions), axis=0)
            masked[np.arange(len(positions)), positions] = mask
            batch = masked
            if isinstance(inputs, dict):
                batch = {**{k: np.repeat(v, len(positions), axis=0) for k, v in inputs.items()}, "token_ids": masked}
            decrease = probabilities[i, predicted[i]] - run.model.predict(batch, verbose=0)[:, predicted[i]]
        title = f"{classes[predicted[i]]} {probabilities[i, predicted[i]]:.0%}"
        title += f", true: {classes[targets[i]]}" if targets[i] != predicted[i] else ""
        write_words(ax, [token_name(t) for t in ids[positions]], decrease, title)
    return figure


def _vocabulary(run):
    """Returns a function from a token id to its text, the mask token's id, and the ids of tokens that are no text."""
    preset = find_preset_tokens(run.preprocessing)
    if preset is not None:
        return lambda token_id: preset.tokenizer.id_to_token(int(token_id)), preset.mask_id, sorted(preset.special_ids)
    (vectorizer,) = (layer for layer in run.preprocessing.layers if isinstance(layer, keras.layers.TextVectorization))
    tokens = ["", "[unknown]", *vectorizer.get_vocabulary(include_special_tokens=False)]
    return tokens.__getitem__, UNKNOWN, [PADDING]


def word_figure(run, ids, weights, titles):
    """Plots the first 300 words of texts with each word colored by its weight.

    Args:
        run: a `Run` on texts.
        ids: (N, T) ids of the tokens; padding, start and end are left out.
        weights: (N, T) numbers: red above 0, blue below.
        titles: one for each text.
    """
    token_name, _, special = _vocabulary(run)
    positions = [np.flatnonzero(~np.isin(row, special))[:300] for row in ids]
    words = [[token_name(t) for t in row[p]] for row, p in zip(ids, positions, strict=True)]
    line_counts = [1 + sum(len(w) + 1 for w in of_text) // (WIDTH - 20) for of_text in words]
    heights = [0.6 + 0.25 * lines for lines in line_counts]  # [inches]
    figure = new_figure(9, sum(heights))
    axes = figure.subplots(len(ids), 1, squeeze=False, height_ratios=heights)[:, 0]
    for ax, of_text, row, p, title, lines in zip(axes, words, weights, positions, titles, line_counts, strict=True):
        write_words(ax, of_text, row[p], title, line_height=0.95 / lines)
    return figure


def write_words(ax, words, weights, title, line_height=0.2):
    """Writes words in lines of 150 characters on red (weight above 0) or blue (below 0) background.

    Args:
        ax: Matplotlib's axes.
        words: list of str.
        weights: (words,) numbers.
        title: of the axes.
        line_height: distance of lines, a fraction of the axes' height.
    """
    import matplotlib

    limit = max(np.abs(weights).max(initial=0), 1e-9)
    ax.set_axis_off()
    ax.set_title(title, fontsize=9, loc="left")
    column, line = 0, 0
    for word, weight in zip(words, weights, strict=True):
        if column + len(word) > WIDTH:
            column, line = 0, line + 1
        color = matplotlib.colormaps["bwr"](0.5 + 0.4 * weight / limit)
        ax.text(
            column / WIDTH, 0.95 - line_height * line, word, fontsize=6, family="monospace", va="top",
            transform=ax.transAxes, bbox={"facecolor": color, "edgecolor": "none", "pad": 0.8},
        )  # fmt: skip
        column += len(word) + 1
