"""The words that spoke for an answer: each made unknown in turn, and coloured by what the answer loses without it."""

import numpy as np

from recipes.tasks.preset_tokens import preset_tokens

PADDING, UNKNOWN = 0, 1  # the first two tokens of every vocabulary that is made of the training texts


def words(run, part, shown=3, first=60):
    """A matplotlib figure of a few texts whose words are coloured by what the answer loses without each.

    The tokens of a KerasHub backbone are shown as its tokenizer has them, parts of words too ("fea", "##ther"), and one
    is hidden as the backbone learnt it, by its mask.

    Args:
        run: a `Run`.
        part: whose texts.
        shown: how many right answers and how many mistakes.
        first: words of a text that are shown.
    """
    from recipes.reports.report import new_figure

    examples, answers = getattr(run.data, part), run.answers(part)
    chosen, truth = answers.argmax(-1), examples.targets
    right = [i for c in range(len(run.data.classes)) for i in np.flatnonzero((truth == c) & (chosen == c))[:1]][:shown]
    wrong = np.flatnonzero(truth != chosen)
    kept = [*right, *wrong[np.argsort(-answers[wrong, chosen[wrong]])][:shown]]
    figure = new_figure(9, 1.7 * len(kept))
    name, hidden, silent = _tokens(run)
    for ax, i in zip(np.ravel(figure.subplots(len(kept), 1, squeeze=False)), kept, strict=True):
        inputs = run.preprocessing.predict(examples.take([i]).inputs, verbose=0)
        ids = (inputs["token_ids"] if isinstance(inputs, dict) else inputs)[0]
        places = np.flatnonzero(~np.isin(ids, silent))[:first]
        lost = np.zeros(0)
        if len(places):  # an empty text has none
            without = np.repeat(ids[None], len(places), axis=0)
            without[np.arange(len(places)), places] = hidden
            batch = without
            if isinstance(inputs, dict):
                batch = {**{k: np.repeat(v, len(places), axis=0) for k, v in inputs.items()}, "token_ids": without}
            lost = answers[i, chosen[i]] - run.model.predict(batch, verbose=0)[:, chosen[i]]
        title = f"{run.data.classes[chosen[i]]} {answers[i, chosen[i]]:.0%}"
        title += f", is {run.data.classes[truth[i]]}" if truth[i] != chosen[i] else ""
        coloured(ax, [name(t) for t in ids[places]], lost, title)
    return figure


def _tokens(run):
    """A function from a token's number to its name, the number that hides one, and those that no text says."""
    preset = preset_tokens(run.preprocessing)
    if preset is not None:
        return lambda number: preset.tokenizer.id_to_token(int(number)), preset.mask_id, sorted(preset.special_ids)
    known = ["", "[unknown]", *run.recipe.known_tokens(run.data)]
    return known.__getitem__, UNKNOWN, [PADDING]


def coloured(ax, words, weights, title, width=150):
    """Writes words in lines of `width` characters, each on red (above 0) or blue."""
    import matplotlib

    reach = max(np.abs(weights).max(initial=0), 1e-9)
    ax.set_axis_off()
    ax.set_title(title, fontsize=9, loc="left")
    column, line = 0, 0
    for word, weight in zip(words, weights, strict=True):
        if column + len(word) > width:
            column, line = 0, line + 1
        colour = matplotlib.colormaps["bwr"](0.5 + 0.4 * weight / reach)
        ax.text(
            column / width, 0.95 - 0.2 * line, word, fontsize=6, family="monospace", va="top", transform=ax.transAxes,
            bbox={"facecolor": colour, "edgecolor": "none", "pad": 0.8},
        )  # fmt: skip
        column += len(word) + 1
