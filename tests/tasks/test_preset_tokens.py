"""A KerasHub backbone with released weights: its own tokenizer in training, in the run's folder and in the export."""

import dataclasses
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import recipes
import zoo
from recipes.reports.word_figures import words
from tests.tolerance import assert_close
from zoo.export import isolated_inference
from zoo.layers import PresetTokens
from zoo.layers.preset_tokens import find_preset_tokens

REASON = "KerasHub is an extra: pip install fieldzoo[kerashub]"
hub = pytest.importorskip("keras_hub", reason=REASON)
pytest.importorskip("tensorflow_text", reason=REASON)

KINDS = {"bird": "heron feathers nests", "fish": "trout gills rivers", "tree": "oak leaves barks"}
# [PAD] is not 0 here, so that a test fails where 0 is taken for it
VOCABULARY = ["the", "a", "we", "saw", ",", ".", "?", "##s", "##ther", "fea", "nest", "river", "bark", "heron", "trout"]
VOCABULARY += ["gill", "oak", "lea", "##ves", "é", "[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"]
ASKED = ["We saw feathers, a heron", " ", "oak " * 30, "Ünknown zebra?", "  trout\tgills. "]


def notes(count=90):
    """Made-up notes: words of one kind among words that say nothing."""
    rng, x, y = np.random.default_rng(0), [], []
    for i in range(count):
        y.append(list(KINDS)[i % 3])
        said = [*rng.choice(KINDS[y[-1]].split(), 2), *rng.choice(["the", "a", "we", "saw"], rng.integers(1, 4))]
        x.append(f"{' '.join(rng.permutation(said))}.")
    return x, y


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    """A folder as a released preset has it: a tiny BERT and its tokenizer."""
    keras.utils.set_random_seed(1)
    place = tmp_path_factory.mktemp("preset")
    settings = {"num_layers": 1, "num_heads": 2, "hidden_dim": 16, "intermediate_dim": 32, "dropout": 0.0}
    hub.models.BertBackbone(vocabulary_size=len(VOCABULARY), max_sequence_length=12, **settings).save_to_preset(place)
    hub.models.BertTokenizer(vocabulary=VOCABULARY, lowercase=True).save_to_preset(place)
    return str(place)


@pytest.fixture(scope="module")
def data():
    return recipes.load(notes())


def fine_tuned(preset):
    return zoo.transfer(hub.models.Backbone.from_preset(preset), 3, mode="finetune", stages=None)


@pytest.fixture(scope="module")
def run(preset, data):
    recipe = recipes.TextClassification(epochs=20, batch_size=8, learning_rate=3e-3, length=12, tokenizer=preset)
    return recipe.fit(fine_tuned(preset), data, verbose=False)


def test_a_preset_is_fine_tuned_on_its_own_tokens(run):
    assert run.evaluate()["accuracy"] > 0.9 > run.evaluate()["baseline"]["accuracy"] + 0.3
    assert run.predict(["A heron!", "oak, oak", "the trout"], labels=True).tolist() == ["bird", "tree", "fish"]
    assert run.task.known_tokens(run.data) == VOCABULARY


def test_the_tokens_are_those_of_kerashubs_own_preprocessing(run, preset):
    own = hub.models.TextClassifierPreprocessor.from_preset(preset, sequence_length=12)
    assert type(own) is hub.models.BertTextClassifierPreprocessor
    wanted = own(ASKED)
    eager = run.preprocessing(np.array(ASKED, object), training=False)
    graph = run.preprocessing.predict(np.array(ASKED, object), verbose=0)
    for name in ("token_ids", "padding_mask", "segment_ids"):
        for found in (eager, graph):
            assert np.asarray(found[name]).dtype == "int32"
            np.testing.assert_array_equal(found[name], np.asarray(wanted[name]), err_msg=name)
    said = [VOCABULARY[i] for i in graph["token_ids"][0]]
    assert said[:9] == ["[CLS]", "we", "saw", "fea", "##ther", "##s", ",", "a", "heron"] and said[9:11] == [
        "[SEP]",
        "[PAD]",
    ]


@pytest.fixture(scope="module")
def elsewhere(run, tmp_path_factory):
    """The folder of a run and its export, and what both answer in a process that has not imported KerasHub."""
    place = tmp_path_factory.mktemp("elsewhere")
    run.save(place / "run")
    done = run.export(place / "served")
    script = (
        "import sys, numpy as np, zoo\n"
        "place, asked = sys.argv[1], sys.argv[2:]\n"
        "exported = zoo.predictor(f'{place}/served', 'tensorflow')(asked)['probabilities']\n"
        "assert not {'keras_hub', 'tensorflow_text', 'recipes'} & set(sys.modules)\n"
        "from recipes import load_run\n"
        "saved = load_run(f'{place}/run')\n"
        "prepared = saved.preprocessing.predict(np.array(asked, object), verbose=0)\n"
        "answers = saved.model.predict(prepared, verbose=0)\n"
        "np.savez(f'{place}/answers.npz', exported=exported, saved=answers)\n"
    )
    ended = subprocess.run([sys.executable, "-c", script, str(place), *ASKED], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    return place, done, np.load(place / "answers.npz")


def test_a_saved_run_answers_as_before_in_another_process(run, elsewhere, preset):
    place, _, answers = elsewhere
    assert json.loads((place / "run/run.json").read_text())["hyperparameters"]["tokenizer"] == preset
    assert_close(answers["saved"], run.predict(ASKED))


def test_the_export_takes_strings_and_says_what_it_needs(run, elsewhere):
    from zoo.serving.model_store import LoadedModel

    place, done, answers = elsewhere
    assert done.difference < 1e-5
    (note,) = json.loads((place / "served/1/assets.extra/parity.json").read_text())["notes"]
    assert "FastWordpieceTokenizeWithOffsets" in note and "import tensorflow_text" in note
    assert_close(answers["exported"], run.predict(ASKED))
    served = LoadedModel(place / "served/1").predict("serving_default", {"text": np.array(ASKED, object)})
    assert_close(served["probabilities"], run.predict(ASKED))


def test_a_tokenizer_itself_is_kept_with_the_run_and_told_in_its_record(run, tmp_path):
    from recipes.runs.load import reopen_run

    own = hub.models.BertTokenizer(vocabulary=VOCABULARY, lowercase=True)
    recipe = run.task.replace(tokenizer=own, length=8)
    recipe.check_model(run.model, run.data)
    done = dataclasses.replace(run, task=recipe, preprocessing=recipe.preprocessing(run.data, run.model), evaluated={})
    done.save(tmp_path / "run")
    told = json.loads((tmp_path / "run/run.json").read_text())["hyperparameters"]["tokenizer"]
    assert told == {"class": "BertTokenizer", "tokens": len(VOCABULARY)}
    again = reopen_run(tmp_path / "run", run.data)
    assert again.task.tokenizer.get_vocabulary() == VOCABULARY and again.task.tokenizer.lowercase
    assert_close(again.predict(ASKED), done.predict(ASKED))


def test_only_a_graph_with_other_operations_needs_tensorflow_text(elsewhere, monkeypatch):
    plain = Path(__file__).parents[2] / "saved_models" / "lenet5_mnist" / "1"
    assert isolated_inference.custom_operations(
        plain
    ) == [] and "RegexSplitWithOffsets" in isolated_inference.custom_operations(elsewhere[0] / "served/1")
    monkeypatch.setattr(
        isolated_inference, "custom_operations", lambda folder: ["RegexSplitWithOffsets", "NobodyHasThis"]
    )
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="TensorFlow lacks: NobodyHasThis; .* pip install tensorflow-text"):
        isolated_inference.load_custom_operations(plain)


def test_the_picture_shows_parts_of_words_and_hides_one_by_the_mask(run, monkeypatch):
    asked, predict = [], run.model.predict
    monkeypatch.setattr(run.model, "predict", lambda x, **kw: asked.append(x) or predict(x, **kw))
    figure = words(run, "test")
    shown = {text.get_text() for ax in figure.axes for text in ax.texts}
    assert {"##s", "."} <= shown <= set(VOCABULARY) - {"[CLS]", "[SEP]", "[PAD]"}
    batch = next(x for x in asked if isinstance(x, dict))["token_ids"]
    mask = VOCABULARY.index("[MASK]")
    assert ((batch == mask).sum(1) == 1).all() and (batch[:, 0] == VOCABULARY.index("[CLS]")).all()


def test_other_families_have_their_own_frame():
    pieces = ["<s>", "<pad>", "</s>", "<mask>", "a", "Ġox", "Ġ", "o", "x", "ox"]
    known = {piece: number for number, piece in enumerate(pieces)}
    own = hub.models.RobertaTokenizer(vocabulary=known, merges=["o x", "Ġ ox"])
    layer = PresetTokens(own, 6, names=("token_ids", "padding_mask"))
    found = layer(np.array(["a ox ox", "a"], object))
    assert np.asarray(found["token_ids"]).tolist() == [[0, 4, 5, 5, 2, 1], [0, 4, 2, 1, 1, 1]]
    assert set(found) == {"token_ids", "padding_mask"} and layer.mask_id == 3 and layer.special_ids == {0, 1, 2}
    layer.preprocessor = lambda texts: {"token_ids": texts}
    with pytest.raises(ValueError, match="does not return padding_mask"):
        layer._tokenize(np.array(["a"], object))


def small(vocabulary, **kwargs):
    backbone = hub.models.BertBackbone(
        vocabulary_size=vocabulary, num_layers=1, num_heads=2, hidden_dim=8, intermediate_dim=8, max_sequence_length=12
    )
    return zoo.transfer(backbone, 3, **kwargs)


@pytest.mark.parametrize(
    ("numbers", "model", "message"),
    [
        ({}, fine_tuned, r"`tokenizer` must be given for transfer, which has vectors for 25 tokens, and not for the 1"),
        ({"tokenizer": "PRESET"}, lambda p: small(40), "it has 25 tokens, and transfer has vectors for 40"),
        ({"tokenizer": "PRESET"}, lambda p: small(9), "it has 25 tokens, and transfer has vectors for 9"),
        ({"tokenizer": "PRESET", "length": 13}, fine_tuned, "`length` must be from 3 to 12 for transfer"),
        ({"tokenizer": "PRESET", "length": 2}, fine_tuned, "`length` must be from 3 to 12 for transfer"),
        ({"tokenizer": "PRESET"}, lambda p: "lstm", "`tokenizer` is for a KerasHub backbone .* got lstm"),
        (
            {"tokenizer": "PRESET"},
            lambda p: zoo.lstm((12,), 3, vocabulary=25, activation="softmax"),
            "`tokenizer` is for a KerasHub backbone .* got lstm",
        ),
        ({"tokenizer": "PRESET", "vocabulary": 9}, fine_tuned, "`vocabulary` is for tokens of the training texts"),
        ({"tokenizer": "PRESET", "tokens": "characters"}, fine_tuned, "`tokens` is for tokens of the training texts"),
        (
            {"tokenizer": "no/such/folder"},
            fine_tuned,
            "`tokenizer` must be a preset's name or its folder, got 'no/such",
        ),
        ({"tokenizer": 3}, fine_tuned, "`tokenizer` must be a keras_hub.models.Tokenizer, .* got int"),
        (
            {"tokenizer": hub.tokenizers.WordPieceTokenizer(vocabulary=VOCABULARY)},
            fine_tuned,
            "`tokenizer` must be one of KerasHub's .*BertTokenizer.*, got WordPieceTokenizer",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(data, preset, numbers, model, message):
    numbers = {k: preset if v == "PRESET" else v for k, v in numbers.items()}
    with pytest.raises(ValueError, match=message):
        recipes.TextClassification(**{"epochs": 1, "length": 8, **numbers}).fit(model(preset), data, verbose=False)


def test_only_such_a_preprocessing_has_such_a_layer(run, data):
    own = recipes.TextClassification(length=5)
    model = own.build_model("lstm", data, units=(4,))
    assert (
        find_preset_tokens(own.preprocessing(data, model)) is None
        and find_preset_tokens(run.preprocessing).length == 12
    )
