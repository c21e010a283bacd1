"""The tokens that a model uses of texts, and notes on texts of which it uses few or none."""

import functools
import json
from pathlib import Path

import keras
import numpy as np

from zoo.layers.normalize_text import NormalizeText
from zoo.layers.preset_tokens import find_preset_tokens

UNKNOWN = 1  # TextVectorization's id of all tokens that are not in its vocabulary; 0 is padding
FEW_KNOWN = 0.25  # fraction of the words of a text below which it is noted that training had few of them
BATCH = 1024  # texts in a call of the layer
FILE = "text_tokens.json"  # beside an exported SavedModel, in its folder assets.extra


class TextTokens:
    """Tokenizes texts as a model does, without its limit of tokens.

    Args:
        unit: what a token is: word, character or token.
        length: number of tokens of a text that the model uses; None for all.
        count: function from a list of texts to two (N,) arrays: the tokens of each text, and how many of those that
            the model uses are in its vocabulary.
        config: dict of JSON values from which `from_config` makes the same object; None where there is none.
    """

    def __init__(self, unit, length, count, config=None):
        self.unit, self.length, self._count, self.config = unit, length, count, config

    @classmethod
    def from_config(cls, config):
        """Returns the tokens of `TextVectorization`.

        Args:
            config: dict of standardize, split, length and vocabulary as the layer has them, and `normalize`, whether
                `NormalizeText` is before it.
        """
        layer = keras.layers.TextVectorization(
            standardize=config["standardize"], split=config["split"], vocabulary=config["vocabulary"], ragged=True
        )
        length = config["length"]

        def count(texts):
            import tensorflow as tf

            with tf.device("CPU:0"):
                texts = tf.constant(texts)
                ids = layer(NormalizeText()(texts) if config["normalize"] else texts)
                is_known = tf.cast(ids > UNKNOWN, "int32")
                counts = tf.reduce_sum(is_known if length is None else is_known[:, :length], axis=1)
            return ids.row_lengths().numpy(), counts.numpy()

        return cls("word" if config["split"] == "whitespace" else "character", length, count, config)

    def notes(self, texts, row_name=None):
        """Returns sentences on the texts that are cut, and on those without any token of the vocabulary.

        Args:
            texts: list or array of strings.
            row_name: function from a text's index to its name; None for "row 1", ...
        """
        row_name = row_name or (lambda row: f"row {row + 1}")
        texts = list(texts)
        counts = [self._count(texts[i : i + BATCH]) for i in range(0, len(texts), BATCH)]
        tokens, in_vocabulary = (np.concatenate(arrays) for arrays in zip(*counts, strict=True))
        notes, unit = [], self.unit
        if self.length is not None and (tokens > self.length).any():
            is_cut = tokens > self.length
            notes.append(
                f"texts that are longer than the model's {self.length} {unit}s: {is_cut.sum():,} of {len(texts):,} are "
                f"cut after {self.length} {unit}s, as in training, the first in {row_name(int(np.argmax(is_cut)))}"
            )
        if not in_vocabulary.all():
            notes.append(
                f"texts without a {unit} that training had: {(in_vocabulary == 0).sum():,} of {len(texts):,}, whose "
                f"predictions mean nothing, the first in {row_name(int(np.argmax(in_vocabulary == 0)))}"
            )
        used = tokens if self.length is None else np.minimum(tokens, self.length)
        few = (in_vocabulary > 0) & (in_vocabulary < FEW_KNOWN * used)
        if few.any():
            row = int(np.argmax(few))
            notes.append(
                f"texts of which training had few {unit}s: {few.sum():,} of {len(texts):,}, whose predictions rest on "
                f"those alone, the first in {row_name(row)} with {in_vocabulary[row]} of {used[row]} {unit}s"
            )
        return notes


@functools.lru_cache(maxsize=2)
def text_tokens(preprocessing):
    """Returns the `TextTokens` of a preprocessing model, or None where it has no tokens of texts.

    Args:
        preprocessing: model from texts, with a layer `TextVectorization` of words or characters or `PresetTokens`.
    """
    layers = preprocessing.layers
    preset = find_preset_tokens(preprocessing)
    if preset is not None:
        return _preset_tokens(preset, any(isinstance(layer, NormalizeText) for layer in layers))
    vectorizers = [layer for layer in layers if isinstance(layer, keras.layers.TextVectorization)]
    if len(vectorizers) != 1:
        return None
    config = vectorizers[0].get_config()
    if config["split"] not in ("whitespace", "character") or callable(config["standardize"]):
        return None
    return TextTokens.from_config(
        {
            "standardize": config["standardize"],
            "split": config["split"],
            "length": config["output_sequence_length"],
            "normalize": any(isinstance(layer, NormalizeText) for layer in layers),
            "vocabulary": vectorizers[0].get_vocabulary(include_special_tokens=False),
        }
    )


def read_text_tokens(folder):
    """Returns the `TextTokens` beside an exported SavedModel, or None where the export has none.

    Args:
        folder: PATH/VERSION of an export.
    """
    file = Path(folder) / "assets.extra" / FILE
    return TextTokens.from_config(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else None


def _preset_tokens(preset, normalizes):
    """Returns the `TextTokens` of a KerasHub tokenizer; its start and end tokens count among the model's."""
    import tensorflow as tf

    special = np.array(sorted(preset.special_ids))
    unknown = preset.tokenizer.token_to_id(getattr(preset.tokenizer, "oov_token", None) or preset.tokenizer.pad_token)

    # In a graph, as `PresetTokens`, not in KerasHub's Python implementation
    token_counts = tf.function(lambda texts: preset.tokenizer(texts).row_lengths(), autograph=False)

    def count(texts):
        texts = tf.constant(texts)
        texts = NormalizeText()(texts) if normalizes else texts
        used, tokens = preset(texts)["token_ids"].numpy(), token_counts(texts).numpy()
        framing = np.isin(used, special).sum(axis=1) - (used == preset.tokenizer.pad_token_id).sum(axis=1)
        return tokens + framing, (~np.isin(used, [*special, unknown])).sum(axis=1)

    return TextTokens("token", preset.length, count)
