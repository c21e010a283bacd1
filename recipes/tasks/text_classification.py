"""Classification of texts: one class, or several labels, for what somebody wrote."""

import functools
import typing
from typing import ClassVar, Literal

import keras
import numpy as np
from keras import layers, ops

from recipes.reports.word_figures import PADDING, UNKNOWN, word_attributions
from recipes.tasks.classification import Classification
from recipes.tasks.preset_tokens import opened, preset_preparation, rows, verify_tokens
from recipes.training.task import recipe
from zoo.arguments import Count

STRENGTHS = (1.0, 10.0, 100.0)  # of the rival's fit, of which the validation part chooses one


@recipe
class TextClassification(Classification):
    """One class of two or more for each text, or several labels at once.

    It needs texts with labels, such as "bundled:reuters-r8" or "table:FILE?text=COLUMN&target=COLUMN", and a model of
    tokens: `lstm`, `gru`, `rnn`, `transformer_encoder`, or a KerasHub backbone under a new head, as `zoo.transfer`
    makes it of BERT. What makes tokens of a text is a layer before the model, so the export takes strings. Beside the
    commonest class stands a logistic regression on the words' counts (TF-IDF), which is hard to beat with few texts.

    A KerasHub backbone with released weights knows the tokens that it was trained on, and no others: it needs its own
    `tokenizer`, the preset's. Nothing in a backbone says that it came from a preset, so what is refused without one is
    a backbone whose vectors are not exactly as many as the tokens of the training texts. The export then has operations
    of TensorFlow Text, which TensorFlow Serving has and `zoo.predictor` and `zoo serve` load; any other program has to
    load them first, in Python by `import tensorflow_text`.

    Args:
        length: tokens of a text that are read, from its beginning; shorter ones are padded, which the model skips.
        vocabulary: tokens that are told apart, the training part's commonest; one of them stands for all others, and
            one for padding.
        tokens: words (without punctuation, a to z in lower case) or characters.
        tokenizer: the KerasHub backbone's own, instead of tokens of the training texts: a preset's name, a folder that
            `save_to_preset` wrote, or a `keras_hub.models.Tokenizer`, which a run keeps with its preprocessing.
        **kwargs: as `Classification` has them; augmentation is for images.

    Source: of the rival, Sparck Jones 1972, https://doi.org/10.1108/eb026526.
    """

    length: Count = 128
    vocabulary: Count = 10_000
    tokens: Literal["words", "characters"] = "words"
    tokenizer: typing.Any = None

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
        made = [name for name in ("vocabulary", "tokens") if getattr(self, name) != getattr(type(self), name)]
        if made and self.tokenizer is not None:
            raise ValueError(
                f"`{made[0]}` is for tokens of the training texts; leave it out, as `tokenizer` has its own."
            )

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

        if self.tokenizer is not None:
            raise ValueError(f"`tokenizer` is for a KerasHub backbone under `zoo.transfer`, got {name}; leave it out.")
        if "vocabulary" not in signature(entry(name).build).parameters:
            raise ValueError(f"`model` must be an architecture that reads tokens, such as lstm, got {name}.")
        size = len(self.known_tokens(data)) + 2
        return {**super().answers(name, data), "input_shape": (self.length,), "vocabulary": size}

    def verify_answer(self, model, data):
        """A ValueError where the model does not read these tokens, or does not answer these classes."""
        super().verify_answer(model, data)
        if self.tokenizer is not None:
            return verify_tokens(opened(self.tokenizer), model, self.length)
        found, wanted = rows(model), len(self.known_tokens(data)) + 2
        if found < wanted:
            told = f"for {found:,} tokens" if found else "without an embedding"
            raise ValueError(
                f"`model` must have a vector for each of the {wanted:,} tokens of {data.name}, got {model.name} {told};"
                " build it for as many, or lower `vocabulary`."
            )
        if isinstance(model.input, dict) and found != wanted:
            raise ValueError(
                f"`tokenizer` must be given for {model.name}, which has vectors for {found:,} tokens, and not for the "
                f"{wanted:,} of {data.name}: a KerasHub preset's weights know the preset's own tokens only. A new "
                f"backbone for these texts has vocabulary_size={wanted}."
            )

    def known_tokens(self, data):
        """The tokens that are told apart, the commonest of the training part first, without the two special ones.

        Of a `tokenizer` all that it has, in the order of their numbers, from 0.
        """
        if self.tokenizer is not None:
            return opened(self.tokenizer).get_vocabulary()
        return _commonest(data, self.tokens, self.vocabulary)

    def prepare(self, data, model):
        """From texts to the model's tokens: (B,) strings  ->  (B, T) whole numbers, 0 after the end.

        A KerasHub backbone also gets which of them are real, and that all belong to one segment; with its `tokenizer`
        also the tokens for start and end, as its family has them.
        """
        if self.tokenizer is not None:
            return preset_preparation(opened(self.tokenizer), model, self.length)
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
        from recipes.reports.report import confusion

        if run.data.task != "classification":
            return []
        told = "Rows are the truth, columns the answers; a perfect model fills only the diagonal."
        shown = [("What it confuses", told, confusion(run.evaluate(part)["confusion"], run.data.classes))]
        told = (
            "Each word was made unknown in turn; red where the answer became less likely without it, blue where more. "
            "One text of each class that was answered right, then the most confident mistakes."
        )
        return [*shown, ("The words that mattered", told, word_attributions(run, part))]


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
