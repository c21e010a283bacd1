"""Notes on texts of which a model uses few or no tokens."""

import json

import keras

from zoo.introspect.text_tokens import TextTokens, text_tokens
from zoo.layers import NormalizeText

WORDS = ["heron", "trout", "oak"]


def preprocessing(split="whitespace", length=4, normalize=True):
    texts = keras.Input((), dtype="string")
    standardize = "lower_and_strip_punctuation" if split == "whitespace" else None
    vocabulary = WORDS if split == "whitespace" else sorted(set("".join(WORDS)))
    layer = keras.layers.TextVectorization(
        standardize=standardize, split=split, output_sequence_length=length, vocabulary=vocabulary
    )
    return keras.Model(texts, layer(NormalizeText()(texts) if normalize else texts))


def test_texts_that_are_cut_are_counted():
    tokens = text_tokens(preprocessing())
    assert tokens.notes(["Heron, trout", "oak oak oak oak"]) == []
    (note,) = tokens.notes(["oak", "oak " * 5, "oak\u00a0" * 9], lambda row: f"line {row + 2}")
    assert note == (
        "texts that are longer than the model's 4 words: 2 of 3 are cut after 4 words, as in training, the first in "
        "line 3"
    )


def test_texts_without_a_word_of_the_vocabulary_among_those_used_are_counted():
    notes = text_tokens(preprocessing()).notes(["oak", "???", "дуб ель", "a b c d oak"])
    assert notes[1] == (
        "texts without a word that training had: 3 of 4, whose predictions mean nothing, the first in row 2"
    )
    assert notes[0].startswith("texts that are longer")
    assert len(notes) == 2


def test_the_tokens_are_those_of_the_layers_also_from_json():
    tokens = text_tokens(preprocessing(normalize=False))
    assert len(tokens.notes(["oak\u00a0heron"])) == 1  # one word, which training did not have
    tokens = TextTokens.from_config(json.loads(json.dumps(text_tokens(preprocessing("character", 3)).config)))
    cut, unseen = tokens.notes(["oak", "heron", "zz"])
    assert "longer than the model's 3 characters: 1 of 3" in cut
    assert "without a character that training had: 1 of 3" in unseen


def test_other_layers_give_no_notes():
    texts = keras.Input((), dtype="string")
    layer = keras.layers.TextVectorization(standardize=lambda x: x, vocabulary=WORDS)
    for output in (NormalizeText()(texts), layer(texts)):
        assert text_tokens(keras.Model(texts, output)) is None


def test_texts_of_which_training_had_few_words_are_counted():
    notes = text_tokens(preprocessing(length=None)).notes(["the oak", "der Fuchs bellt laut im oak", "a b c oak"])
    assert notes == [
        "texts of which training had few words: 1 of 3, whose predictions rest on those alone, the first in row 2 with "
        "1 of 6 words"
    ]
