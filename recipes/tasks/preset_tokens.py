"""The tokens that a KerasHub backbone was trained on, for `TextClassification`."""

import functools
import math
from pathlib import Path

import keras
from keras import layers

from zoo.layers.preset_tokens import PresetTokens, import_keras_hub

ROUNDED = 1.001  # some families have a few more rows than tokens: DeBERTa v3 128,100 for 128,001


def opened(tokenizer):
    """The KerasHub tokenizer.

    Args:
        tokenizer: itself, a preset's name, or a folder that `save_to_preset` wrote.
    Raises:
        ValueError: if it is none of them, or KerasHub is not installed.
    """
    kind = import_keras_hub().models.Tokenizer
    if isinstance(tokenizer, kind):
        return tokenizer
    if not isinstance(tokenizer, str | Path):
        raise ValueError(
            "`tokenizer` must be a keras_hub.models.Tokenizer, a preset's name or its folder, got "
            f"{type(tokenizer).__name__}."
        )
    place = Path(tokenizer).expanduser()
    return _of_preset(str(place) if place.is_dir() else str(tokenizer))


@functools.lru_cache(maxsize=2)
def _of_preset(preset):
    try:
        return import_keras_hub().models.Tokenizer.from_preset(preset)
    except Exception as error:  # of a name, a download, a file: each door of KerasHub has its own
        raise ValueError(f"`tokenizer` must be a preset's name or its folder, got {preset!r}: {error}") from None


def rows(model):
    """How many tokens a model has a vector for; 0 where it reads none."""
    tables = [layer.input_dim for layer in model._flatten_layers() if isinstance(layer, layers.Embedding)]
    return max(tables, default=0)


def verify_tokens(tokenizer, model, length):
    """A ValueError where a model is no KerasHub backbone, or one of other tokens or of shorter texts.

    Args:
        tokenizer: of KerasHub.
        model: a `keras.Model`.
        length: tokens of a text, with start and end.
    """
    if not isinstance(model.input, dict) or "token_ids" not in model.input:
        raise ValueError(
            f"`tokenizer` is for a KerasHub backbone under `zoo.transfer`, got {model.name}, whose tokens are those of "
            "the training texts; leave it out."
        )
    size, known = tokenizer.vocabulary_size(), rows(model)
    if not size <= known <= size * ROUNDED:
        raise ValueError(
            f"`tokenizer` must be the model's own: it has {size:,} tokens, and {model.name} has vectors for {known:,}."
        )
    # The positions that a backbone has learnt
    places = [getattr(layer, "sequence_length", None) for layer in model._flatten_layers()]
    most = min((p for p in places if p), default=math.inf)
    if not 3 <= length <= most:
        told = "at least 3" if most == math.inf else f"from 3 to {most}"
        raise ValueError(f"`length` must be {told} for {model.name}, with the tokens for start and end, got {length}.")


def preset_preparation(tokenizer, model, length):
    """The preprocessing before a KerasHub backbone: (B,) strings  ->  what it takes, (B, length) each."""
    text = layers.Input((), dtype="string", name="text")
    found = PresetTokens(tokenizer, length, names=tuple(model.input), name="tokens")(text)
    return keras.Model(text, found, name="preprocessing")


def preset_tokens(preprocessing):
    """The layer `PresetTokens` of a preprocessing, or None."""
    return next((layer for layer in preprocessing.layers if isinstance(layer, PresetTokens)), None)
