"""Classification of texts: one class, or several labels, for what somebody wrote."""

import functools
from typing import ClassVar, Literal

import keras
import numpy as np
from keras import layers, ops

from recipes.classification import Classification
from recipes.recipe import recipe
from zoo.arguments import Count

PADDING, UNKNOWN = 0, 1  # the first two tokens of every vocabulary
STRENGTHS = (1.0, 10.0, 100.0)  # of the rival's fit, of which the validation part chooses one


@recipe
class TextClassification(Classification):
    """One class of two or more for each text, or several labels at once.

    It needs texts with labels, such as "bundled:reuters-r8" or "table:FILE?text=COLUMN&target=COLUMN", and a model of
    tokens: `lstm`, `gru`, `rnn`, `transformer_encoder`, or a KerasHub backbone under a new head, as `zoo.transfer`
    makes it of BERT. What makes tokens of a text is a layer before the model, so the export takes strings. Beside the
    commonest class stands a logistic regression on the words' counts (TF-IDF), which is hard to beat with few texts.

    Args:
        length: tokens of a text that are read, from its beginning; shorter ones are padded, which the model skips.
        vocabulary: tokens that are told apart, the training part's commonest; one of them stands for all others, and
            one for padding.
        tokens: words (without punctuation, a to z in lower case) or characters.
        **kwargs: as `Classification` has them; augmentation is for images.

    Source: of the rival, Sparck Jones 1972, https://doi.org/10.1108/eb026526.
    """

    length: Count = 128
    vocabulary: Count = 10_000
    tokens: Literal["words", "characters"] = "words"

    headline: ClassVar[str] = "accuracy"

    def __post_init__(self):
        if self.augment:
            raise ValueError(f"`augment` must be () for texts, as its steps are for images, got {self.augment}.")
        if self.adversarial:
            raise ValueError(
                f"`adversarial` must be 0 for texts, whose tokens cannot change a little, got {self.adversarial}."
            )
        if self.vocabulary < 3:
            raise ValueError(f"`vocabulary` must be 3 or more, with padding and unknown words, got {self.vocabulary}.")

    def verify_task(self, data):
        """A ValueError where the data are no labelled texts."""
        super().verify_task(data)
        if data.kind != "text":
            raise ValueError(
                f"{type(self).__name__}: `data` must be texts, got {data.name} of kind {data.kind}; of a table, "
                "`text=COLUMN` names the column that holds them."
            )

    def answers(self, name, data):
        """What a builder is told: how many classes, tokens and steps there are."""
        from inspect import signature

        from zoo.registry import entry

        if "vocabulary" not in signature(entry(name).build).parameters:
            raise ValueError(f"`model` must be an architecture that reads tokens, such as lstm, got {name}.")
        size = len(self.known_tokens(data)) + 2
        return {**super().answers(name, data), "input_shape": (self.length,), "vocabulary": size}

    def verify_answer(self, model, data):
        """A ValueError where the model does not read these tokens, or does not answer these classes."""
        super().verify_answer(model, data)
        tables = [layer.input_dim for layer in model._flatten_layers() if isinstance(layer, layers.Embedding)]
        wanted = len(self.known_tokens(data)) + 2
        if not tables or max(tables) < wanted:
            told = f"for {max(tables):,} tokens" if tables else "without an embedding"
            raise ValueError(
                f"`model` must have a vector for each of the {wanted:,} tokens of {data.name}, got {model.name} {told};"
                " build it for as many, or lower `vocabulary`."
            )

    def known_tokens(self, data):
        """The tokens that are told apart, the commonest of the training part first, without the two special ones."""
        return _commonest(data, self.tokens, self.vocabulary)

    def prepare(self, data, model):
        """From texts to the model's tokens: (B,) strings  ->  (B, T) whole numbers, 0 after the end.

        A KerasHub backbone also gets which of them are real, and that all belong to one segment.
        """
        length = self.length if isinstance(model.input, dict) else model.input_shape[1] or self.length
        text = layers.Input((), dtype="string", name="text")
        found = vectorizer(self.tokens, length, self.known_tokens(data))(text)
        # A text without any known character would be all padding, of which no mean can be taken
        tokens = ops.concatenate([ops.maximum(found[:, :1], UNKNOWN), found[:, 1:]], axis=1)
        if not isinstance(model.input, dict):
            return keras.Model(text, tokens, name="preprocessing")
        known = {"token_ids": tokens, "padding_mask": ops.cast(ops.not_equal(tokens, PADDING), "int32")}
        known["segment_ids"] = ops.zeros_like(tokens)
        lacking = sorted(set(model.input) - set(known))
        if lacking:
            raise ValueError(f"`model` must take {', '.join(known)}, got {model.name} that takes {', '.join(lacking)}.")
        return keras.Model(text, {name: known[name] for name in model.input}, name="preprocessing")

    def examine(self, run, part):
        """As `Classification`, and `rivals` holds the accuracy of a logistic regression on TF-IDF."""
        found = super().examine(run, part)
        if run.data.task == "classification":
            answers = _regression(run.data)(getattr(run.data, part).inputs)
            right = float((answers == getattr(run.data, part).targets).mean())
            found["rivals"] = {"logistic regression on TF-IDF": {"accuracy": right}}
        return found

    def verdict(self, found, part):
        """The share of right answers beside the commonest class's and the rival's."""
        said = super().verdict(found, part)
        for name, rival in found.get("rivals", {}).items():
            better = "more than this model" if rival["accuracy"] > found["accuracy"] else "no more than this model"
            said.append(f"A {name} gets {100 * rival['accuracy']:.1f} % right, {better}.")
        return said

    def figures(self, run, part):
        """The confusion matrix, and the words that spoke for an answer."""
        from recipes.report import confusion

        if run.data.task != "classification":
            return []
        told = "Rows are the truth, columns the answers; a perfect model fills only the diagonal."
        shown = [("What it confuses", told, confusion(run.evaluate(part)["confusion"], run.data.classes))]
        told = (
            "Each word was made unknown in turn; red where the answer became less likely without it, blue where more. "
            "One text of each class that was answered right, then the most confident mistakes."
        )
        return [*shown, ("The words that mattered", told, words(run, part))]


def vectorizer(tokens, length, known=None, most=None):
    """The layer that makes tokens of texts: (B,) strings  ->  (B, length), or (B, longest) where `length` is None.

    Args:
        tokens: words or characters.
        length: tokens that are kept.
        known: tokens in the order of their numbers, which begin with 2; None where `adapt` is to find them.
        most: how many there may be, with padding and the unknown one.
    """
    return layers.TextVectorization(
        max_tokens=most,
        standardize="lower_and_strip_punctuation" if tokens == "words" else None,
        split="whitespace" if tokens == "words" else "character",
        output_sequence_length=length,
        vocabulary=known,
        name="tokens",
    )


@functools.lru_cache(maxsize=2)
def _commonest(data, tokens, most):
    layer = vectorizer(tokens, None, most=most)
    texts = data.train.inputs
    if not isinstance(texts, np.ndarray):
        raise ValueError(f"`data` must hold its texts in memory, got {data.name}, which is a stream.")
    layer.adapt(texts.tolist(), batch_size=256)
    return layer.get_vocabulary(include_special_tokens=False)


@functools.lru_cache(maxsize=2)
def _regression(data):
    """A function of texts to class indices: logistic regression on TF-IDF, learnt from the training part."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    counts = TfidfVectorizer(sublinear_tf=True)
    features = counts.fit_transform(data.train.inputs)
    watched = data.validation if len(data.validation) else data.train
    asked, best, most = counts.transform(watched.inputs), None, -1.0
    for strength in STRENGTHS:
        fitted = LogisticRegression(C=strength, max_iter=1000).fit(features, data.train.targets)
        right = (fitted.predict(asked) == watched.targets).mean()
        if right > most:
            best, most = fitted, right
    return lambda texts: best.predict(counts.transform(texts))


def words(run, part, shown=3, first=60):
    """A matplotlib figure of a few texts whose words are coloured by what the answer loses without each.

    Args:
        run: a `Run`.
        part: whose texts.
        shown: how many right answers and how many mistakes.
        first: words of a text that are shown.
    """
    from recipes.report import new_figure

    examples, answers = getattr(run.data, part), run.answers(part)
    chosen, truth = answers.argmax(-1), examples.targets
    right = [i for c in range(len(run.data.classes)) for i in np.flatnonzero((truth == c) & (chosen == c))[:1]][:shown]
    wrong = np.flatnonzero(truth != chosen)
    kept = [*right, *wrong[np.argsort(-answers[wrong, chosen[wrong]])][:shown]]
    figure = new_figure(9, 1.7 * len(kept))
    known = ["", "[unknown]", *run.recipe.known_tokens(run.data)]
    for ax, i in zip(np.ravel(figure.subplots(len(kept), 1, squeeze=False)), kept, strict=True):
        inputs = run.preprocessing.predict(examples.take([i]).inputs, verbose=0)
        ids = (inputs["token_ids"] if isinstance(inputs, dict) else inputs)[0]
        count = min(first, int((ids != PADDING).sum()))
        without = np.repeat(ids[None], count, axis=0)
        without[np.arange(count), np.arange(count)] = UNKNOWN
        batch = without
        if isinstance(inputs, dict):
            batch = {**{k: np.repeat(v, count, axis=0) for k, v in inputs.items()}, "token_ids": without}
        lost = answers[i, chosen[i]] - run.model.predict(batch, verbose=0)[:, chosen[i]]
        title = f"{run.data.classes[chosen[i]]} {answers[i, chosen[i]]:.0%}"
        title += f", is {run.data.classes[truth[i]]}" if truth[i] != chosen[i] else ""
        coloured(ax, [known[t] for t in ids[:count]], lost, title)
    return figure


def coloured(ax, words, weights, title, width=150):
    """Writes words in lines of `width` characters, each on red (above 0) or blue."""
    import matplotlib

    reach = max(np.abs(weights).max(), 1e-9)
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
