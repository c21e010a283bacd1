"""Classification of texts: one class or several labels per text."""

import functools
import typing
from inspect import signature
from typing import ClassVar, Literal

import keras
import numpy as np
from keras import layers, ops

from recipes.reports.word_figures import PADDING, UNKNOWN, word_attributions
from recipes.tasks.classification import Classification
from recipes.tasks.preset_tokens import check_tokenizer, embedding_rows, open_tokenizer, tokenizer_preprocessing
from recipes.training.task import task
from zoo.arguments import Count
from zoo.layers import NormalizeText
from zoo.registry import entry

INVERSE_REGULARIZATION = (1.0, 10.0, 100.0)  # of the baseline; the validation split chooses one


@task
class TextClassification(Classification):
    """One class of two or more for each text, or several labels per text.

    The data are texts with labels, such as "bundled:reuters-r8" or "table:FILE?text=COLUMN&target=COLUMN". The model
    takes tokens: `lstm`, `gru`, `rnn`, `transformer_encoder`, or a KerasHub backbone under a new head, as
    `zoo.transfer` makes it of BERT. Tokenization is a layer before the model, so the export takes strings. Besides the
    most frequent class there is a second baseline, logistic regression on TF-IDF word counts, which is hard to beat
    with few texts.

    A KerasHub backbone with pretrained weights needs the tokenizer that it was trained with: pass the preset's as
    `tokenizer`. A backbone does not record that it came from a preset, so without a tokenizer a backbone is refused
    only where its embeddings are not exactly as many as the tokens of the training texts. The export then contains
    operations of TensorFlow Text. TensorFlow Serving has them, and `zoo.predictor` and `zoo serve` load them; other
    programs must load them first, in Python by `import tensorflow_text`.

    Args:
        length: tokens of a text that are used, from its beginning; shorter texts are padded, and padding is masked.
        vocabulary: number of tokens, the most frequent ones of the training split; one of them stands for all others,
            and one for padding.
        tokens: words (without punctuation, a to z in lower case) or characters.
        tokenizer: the KerasHub backbone's own tokenizer, instead of tokens of the training texts: a preset's name, a
            folder that `save_to_preset` wrote, or a `keras_hub.models.Tokenizer`, which is saved with the
            preprocessing.
        **kwargs: as `Classification` has them; augmentation is for images.

    Source: of TF-IDF, Sparck Jones 1972, https://doi.org/10.1108/eb026526.
    """

    length: Count = 128
    vocabulary: Count = 10_000
    tokens: Literal["words", "characters"] = "words"
    tokenizer: typing.Any = None

    main_metric: ClassVar[str] = "accuracy"

    def __post_init__(self):
        if self.augment:
            raise ValueError(f"`augment` must be () for texts, as its steps are for images, got {self.augment}.")
        if self.adversarial:
            raise ValueError(
                f"`adversarial` must be 0 for texts, whose tokens cannot change a little, got {self.adversarial}."
            )
        if self.vocabulary < 3:
            raise ValueError(
                f"`vocabulary` must be 3 or more, including padding and unknown words, got {self.vocabulary}."
            )
        unused = [name for name in ("vocabulary", "tokens") if getattr(self, name) != getattr(type(self), name)]
        if unused and self.tokenizer is not None:
            raise ValueError(
                f"`{unused[0]}` is for tokens of the training texts; leave it out, as `tokenizer` has its own."
            )

    def check_data(self, data):
        """Raises a ValueError if the data are no labelled texts."""
        super().check_data(data)
        if data.kind != "text":
            raise ValueError(
                f"{type(self).__name__}: `data` must be texts, got {data.name} of kind {data.kind}; for a table, "
                "`text=COLUMN` names the column of texts."
            )

    def head_arguments(self, name, data):
        """Returns the number of classes, tokens and steps."""
        if self.tokenizer is not None:
            raise ValueError(f"`tokenizer` is for a KerasHub backbone under `zoo.transfer`, got {name}; leave it out.")
        if "vocabulary" not in signature(entry(name).build).parameters:
            raise ValueError(f"`model` must be an architecture that takes tokens, such as lstm, got {name}.")
        size = len(self.vocabulary_of(data)) + 2
        return {**super().head_arguments(name, data), "input_shape": (self.length,), "vocabulary": size}

    def check_model(self, model, data):
        """Raises a ValueError if the model does not take these tokens or does not predict these classes."""
        super().check_model(model, data)
        if self.tokenizer is not None:
            return check_tokenizer(open_tokenizer(self.tokenizer), model, self.length)
        rows, size = embedding_rows(model), len(self.vocabulary_of(data)) + 2
        if rows < size:
            received = f"for {rows:,} tokens" if rows else "without an embedding"
            raise ValueError(
                f"`model` must have an embedding for each of the {size:,} tokens of {data.name}, got {model.name} "
                f"{received}; build it for as many, or lower `vocabulary`."
            )
        if isinstance(model.input, dict) and rows != size:
            raise ValueError(
                f"`tokenizer` must be given for {model.name}, which has embeddings for {rows:,} tokens, not for the "
                f"{size:,} of {data.name}: pretrained weights of a KerasHub preset fit the preset's own tokens only. A "
                f"new backbone for these texts has vocabulary_size={size}."
            )

    def vocabulary_of(self, data):
        """Returns the tokens of the training split, the most frequent first, without padding and the unknown token.

        With a `tokenizer`, returns all of its tokens in the order of their ids, from 0.
        """
        if self.tokenizer is not None:
            return open_tokenizer(self.tokenizer).get_vocabulary()
        return _vocabulary(data, self.tokens, self.vocabulary)

    def preprocessing(self, data, model):
        """Returns the model from texts to token ids: (B,) strings  ->  (B, T) whole numbers, 0 after the end.

        A KerasHub backbone also gets a padding mask and segment ids of 0; with its own `tokenizer` also the start and
        end tokens of its family.
        """
        if self.tokenizer is not None:
            return tokenizer_preprocessing(open_tokenizer(self.tokenizer), model, self.length)
        length = self.length if isinstance(model.input, dict) else model.input_shape[1] or self.length
        text = layers.Input((), dtype="string", name="text")
        ids = token_ids(text, self.tokens, length, self.vocabulary_of(data))
        if not isinstance(model.input, dict):
            return keras.Model(text, ids, name="preprocessing")
        tensors = {
            "token_ids": ids,
            "padding_mask": ops.cast(ops.not_equal(ids, PADDING), "int32"),
            "segment_ids": ops.zeros_like(ids),
        }
        missing = sorted(set(model.input) - set(tensors))
        if missing:
            raise ValueError(
                f"`model` must take {', '.join(tensors)}, got {model.name} that takes {', '.join(missing)}."
            )
        return keras.Model(text, {name: tensors[name] for name in model.input}, name="preprocessing")

    def evaluate(self, run, split):
        """Computes the metrics of `Classification`; `baselines` has the accuracy of logistic regression on TF-IDF."""
        metrics = super().evaluate(run, split)
        regression = _tfidf_regression(run.data) if run.data.task == "classification" else None
        if regression is not None:
            examples = getattr(run.data, split)
            accuracy = float((regression(examples.inputs) == examples.targets).mean())
            metrics["baselines"] = {"logistic regression on TF-IDF": {"accuracy": accuracy}}
        return metrics

    def summarize(self, metrics, split):
        """Returns the accuracy, beside those of the baselines."""
        sentences = super().summarize(metrics, split)
        for name, baseline in metrics.get("baselines", {}).items():
            relation = (
                "more than this model" if baseline["accuracy"] > metrics["accuracy"] else "no more than this model"
            )
            sentences.append(f"A {name} has an accuracy of {100 * baseline['accuracy']:.1f} %, {relation}.")
        return sentences

    def figures(self, run, split):
        """Returns the confusion matrix, and the words that support a prediction."""
        from recipes.reports.report import confusion

        if run.data.task != "classification":
            return []
        matrix = confusion(run.evaluate(split)["confusion"], run.data.classes)
        caption = (
            "Each word was replaced by the unknown token in turn: red where the prediction became less likely without "
            "it, blue where it became more likely. One correctly predicted text of each class, then the most confident "
            "mistakes."
        )
        return [
            (
                "Confusion matrix",
                "Rows are targets, columns are predictions; a perfect model fills only the diagonal.",
                matrix,
            ),
            ("The words that mattered", caption, word_attributions(run, split)),
        ]


def vectorizer(tokens, length, vocabulary=None, max_tokens=None):
    """Returns the layer that makes token ids of texts: (B,) strings  ->  (B, length), or (B, longest) without `length`.

    Args:
        tokens: words or characters.
        length: number of tokens that are kept, or None.
        vocabulary: tokens in the order of their ids, which start at 2; None where `adapt` is to find them.
        max_tokens: largest number of tokens, including padding and the unknown one.
    """
    return layers.TextVectorization(
        max_tokens=max_tokens,
        standardize="lower_and_strip_punctuation" if tokens == "words" else None,
        split="whitespace" if tokens == "words" else "character",
        output_sequence_length=length,
        vocabulary=vocabulary,
        name="tokens",
    )


def token_ids(text, tokens, length, vocabulary):
    """Returns the token ids (B, length) of a tensor of texts (B,), 0 after the end; the first one is never padding.

    A text without any token would be all padding, over which no mean can be taken.

    Args:
        text: tensor of strings.
        tokens, length, vocabulary: as `vectorizer` takes them.
    """
    ids = vectorizer(tokens, length, vocabulary)(NormalizeText(name="normalize")(text))
    return ops.concatenate([ops.maximum(ids[:, :1], UNKNOWN), ids[:, 1:]], axis=1)


@functools.lru_cache(maxsize=2)
def _vocabulary(data, tokens, max_tokens):
    layer = vectorizer(tokens, None, max_tokens=max_tokens)
    texts = data.train.inputs
    if not isinstance(texts, np.ndarray):
        raise ValueError(f"`data` must have its texts in memory, got {data.name}, which is a stream.")
    layer.adapt(texts.tolist(), batch_size=256)
    return layer.get_vocabulary(include_special_tokens=False)


@functools.lru_cache(maxsize=2)
def _tfidf_regression(data):
    """A function of texts to class indices: logistic regression on TF-IDF, fitted to the training split.

    None where that cannot be fitted: other data of a run may have examples of one class only, or no words.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    counts = TfidfVectorizer(sublinear_tf=True)
    words = counts.build_analyzer()
    if len(np.unique(data.train.targets)) < 2 or not any(map(words, data.train.inputs)):
        return None
    features = counts.fit_transform(data.train.inputs)
    validation = data.validation if len(data.validation) else data.train
    validation_features, best, best_accuracy = counts.transform(validation.inputs), None, -1.0
    for strength in INVERSE_REGULARIZATION:
        model = LogisticRegression(C=strength, max_iter=1000).fit(features, data.train.targets)
        accuracy = (model.predict(validation_features) == validation.targets).mean()
        if accuracy > best_accuracy:
            best, best_accuracy = model, accuracy
    return lambda texts: best.predict(counts.transform(texts))
