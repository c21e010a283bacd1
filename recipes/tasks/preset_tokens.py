"""The tokenizer that a KerasHub backbone was trained with, for `TextClassification`."""

import functools
import math
from pathlib import Path

import keras
from keras import layers

from zoo.layers.normalize_text import NormalizeText
from zoo.layers.preset_tokens import PresetTokens, import_keras_hub

MAX_EXTRA_ROWS = 1.001  # embedding rows per token: some families have a few more rows, DeBERTa v3 128,100 for 128,001


def open_tokenizer(tokenizer):
    """Returns the KerasHub tokenizer.

    Args:
        tokenizer: the tokenizer itself, a preset's name, or a folder that `save_to_preset` wrote.
    Raises:
        ValueError: if it is none of them, or KerasHub is not installed.
    """
    cls = import_keras_hub().models.Tokenizer
    if isinstance(tokenizer, cls):
        return tokenizer
    if not isinstance(tokenizer, str | Path):
        raise ValueError(
            "`tokenizer` must be a keras_hub.models.Tokenizer, a preset's name or its folder, got "
            f"{type(tokenizer).__name__}."
        )
    folder = Path(tokenizer).expanduser()
    return _from_preset(str(folder) if folder.is_dir() else str(tokenizer))


@functools.lru_cache(maxsize=2)
def _from_preset(preset):
    try:
        return import_keras_hub().models.Tokenizer.from_preset(preset)
    except Exception as error:  # a wrong name, a failed download, a broken file: KerasHub has an exception for each
        raise ValueError(f"`tokenizer` must be a preset's name or its folder, got {preset!r}: {error}") from None


def embedding_rows(model):
    """Returns the number of rows of a model's largest token embedding; 0 where it has none."""
    rows = [layer.input_dim for layer in model._flatten_layers() if isinstance(layer, layers.Embedding)]
    return max(rows, default=0)


def check_tokenizer(tokenizer, model, length):
    """Raises a ValueError if a model is no KerasHub backbone, or one for other tokens or shorter texts.

    Args:
        tokenizer: a KerasHub tokenizer.
        model: a `keras.Model`.
        length: tokens per text, including start and end.
    """
    if not isinstance(model.input, dict) or "token_ids" not in model.input:
        raise ValueError(
            f"`tokenizer` is for a KerasHub backbone under `zoo.transfer`, got {model.name}, whose tokens are those of "
            "the training texts; leave it out."
        )
    tokens, rows = tokenizer.vocabulary_size(), embedding_rows(model)
    if not tokens <= rows <= tokens * MAX_EXTRA_ROWS:
        raise ValueError(
            f"`tokenizer` must be the model's own: it has {tokens:,} tokens, and {model.name} has embeddings for "
            f"{rows:,}."
        )
    positions = [getattr(layer, "sequence_length", None) for layer in model._flatten_layers()]
    max_length = min((p for p in positions if p), default=math.inf)
    if not 3 <= length <= max_length:
        limits = "at least 3" if max_length == math.inf else f"from 3 to {max_length}"
        raise ValueError(
            f"`length` must be {limits} for {model.name}, including the tokens for start and end, got {length}."
        )


def tokenizer_preprocessing(tokenizer, model, length):
    """Returns the preprocessing before a KerasHub backbone: (B,) strings  ->  its inputs, (B, length) each."""
    text = layers.Input((), dtype="string", name="text")
    normalized = NormalizeText(name="normalize")(text)
    tokens = PresetTokens(tokenizer, length, names=tuple(model.input), name="tokens")(normalized)
    return keras.Model(text, tokens, name="preprocessing")
