"""A pretrained KerasHub backbone with its own tokenizer: training, saved run, export, figures, errors."""

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
from recipes.reports.word_figures import word_attributions
from recipes.runs.load import load_run
from tests.tolerance import assert_close
from zoo.export import isolated_inference
from zoo.layers import PresetTokens
from zoo.layers.preset_tokens import find_preset_tokens

REASON = "KerasHub is an extra: pip install fieldzoo[kerashub]"
hub = pytest.importorskip("keras_hub", reason=REASON)
pytest.importorskip("tensorflow_text", reason=REASON)

KINDS = {"bird": "heron feathers nests", "fish": "trout gills rivers", "tree": "oak leaves barks"}
# [PAD] is not 0 here, so that a test fails where 0 is used as padding
VOCABULARY = ["the", "a", "we", "saw", ",", ".", "?", "##s", "##ther", "fea", "nest", "river", "bark", "heron", "trout"]
VOCABULARY += ["gill", "oak", "lea", "##ves", "é", "[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"]
TEXTS = ["We saw feathers, a heron", "?", "oak " * 30, "Ünknown zebra?", "  trout\tgills. "]


pytestmark = pytest.mark.filterwarnings("ignore:texts that are longer|texts without:UserWarning")


def notes(count=90):
    """Returns generated notes, words of one class among uninformative words, and their classes."""
    rng, x, y = np.random.default_rng(0), [], []
    for i in range(count):
        y.append(list(KINDS)[i % 3])
        words = [*rng.choice(KINDS[y[-1]].split(), 2), *rng.choice(["the", "a", "we", "saw"], rng.integers(1, 4))]
        x.append(f"{' '.join(rng.permutation(words))}.")
    return x, y


@pytest.fixture(scope="module")
def preset(tmp_path_factory):
    """The folder of a preset: a tiny BERT and its tokenizer."""
    keras.utils.set_random_seed(1)
    folder = tmp_path_factory.mktemp("preset")
    settings = {"num_layers": 1, "num_heads": 2, "hidden_dim": 16, "intermediate_dim": 32, "dropout": 0.0}
    hub.models.BertBackbone(vocabulary_size=len(VOCABULARY), max_sequence_length=12, **settings).save_to_preset(folder)
    hub.models.BertTokenizer(vocabulary=VOCABULARY, lowercase=True).save_to_preset(folder)
    return str(folder)


@pytest.fixture(scope="module")
def data():
    return recipes.load(notes())


def transfer_model(preset):
    """Returns the preset's backbone under a new head of three classes, all of it trainable."""
    return zoo.transfer(hub.models.Backbone.from_preset(preset), 3, mode="finetune", stages=None)


@pytest.fixture(scope="module")
def run(preset, data):
    task = recipes.TextClassification(epochs=20, batch_size=8, learning_rate=3e-3, length=12, tokenizer=preset)
    return task.fit(transfer_model(preset), data, verbose=False)


@pytest.mark.slow
def test_a_preset_is_fine_tuned_with_its_own_tokens(run):
    assert run.evaluate()["accuracy"] > 0.9 > run.evaluate()["baseline"]["accuracy"] + 0.3
    assert run.predict(["A heron!", "oak, oak", "the trout"], labels=True).tolist() == ["bird", "tree", "fish"]
    assert run.task.vocabulary_of(run.data) == VOCABULARY


@pytest.mark.slow
def test_the_tokens_equal_those_of_kerashubs_preprocessor(run, preset):
    preprocessor = hub.models.TextClassifierPreprocessor.from_preset(preset, sequence_length=12)
    assert type(preprocessor) is hub.models.BertTextClassifierPreprocessor
    expected = preprocessor(TEXTS)
    eager = run.preprocessing(np.array(TEXTS, object), training=False)
    graph = run.preprocessing.predict(np.array(TEXTS, object), verbose=0)
    for name in ("token_ids", "padding_mask", "segment_ids"):
        for tensors in (eager, graph):
            assert np.asarray(tensors[name]).dtype == "int32"
            np.testing.assert_array_equal(tensors[name], np.asarray(expected[name]), err_msg=name)
    tokens = [VOCABULARY[i] for i in graph["token_ids"][0]]
    assert tokens[:9] == ["[CLS]", "we", "saw", "fea", "##ther", "##s", ",", "a", "heron"]
    assert tokens[9:11] == ["[SEP]", "[PAD]"]


@pytest.mark.slow
def test_texts_with_more_tokens_than_the_model_takes_are_noted(run):
    with pytest.warns(UserWarning, match="longer than the model's 12 tokens: 2 of 3 .* the first in row 2"):
        run.predict(["oak " * 10, "oak " * 11, "oak " * 30])  # with the tokens for start and end
    with pytest.warns(UserWarning, match="without a token that training had: 1 of 2, .* the first in row 1"):
        run.predict(["дуб", "oak"])


@pytest.fixture(scope="module")
def other_process(run, tmp_path_factory):
    """The folder of a saved run and its export, the export, and the predictions of both in another process.

    That process does not import KerasHub before it predicts with the export.
    """
    folder = tmp_path_factory.mktemp("other_process")
    run.save(folder / "run")
    export = run.export(folder / "served")
    script = (
        "import sys, numpy as np, zoo\n"
        "folder, texts = sys.argv[1], sys.argv[2:]\n"
        "exported = zoo.predictor(f'{folder}/served', 'tensorflow')(texts)['probabilities']\n"
        "assert not {'keras_hub', 'tensorflow_text', 'recipes'} & set(sys.modules)\n"
        "from recipes import load_run\n"
        "saved = load_run(f'{folder}/run')\n"
        "tokens = saved.preprocessing.predict(np.array(texts, object), verbose=0)\n"
        "predictions = saved.model.predict(tokens, verbose=0)\n"
        "np.savez(f'{folder}/predictions.npz', exported=exported, saved=predictions)\n"
    )
    process = subprocess.run([sys.executable, "-c", script, str(folder), *TEXTS], capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    return folder, export, np.load(folder / "predictions.npz")


@pytest.mark.slow
def test_a_saved_run_predicts_the_same_in_another_process(run, other_process, preset):
    folder, _, predictions = other_process
    assert json.loads((folder / "run/run.json").read_text())["hyperparameters"]["tokenizer"] == preset
    assert_close(predictions["saved"], run.predict(TEXTS))


@pytest.mark.slow
def test_the_export_takes_strings_and_its_notes_name_tensorflow_text(run, other_process):
    from zoo.serving.model_store import LoadedModel

    folder, export, predictions = other_process
    assert export.difference < 1e-5
    (note,) = json.loads((folder / "served/1/assets.extra/parity.json").read_text())["notes"]
    assert "FastWordpieceTokenizeWithOffsets" in note and "import tensorflow_text" in note
    assert_close(predictions["exported"], run.predict(TEXTS))
    served = LoadedModel(folder / "served/1").predict("serving_default", {"text": np.array(TEXTS, object)})
    assert_close(served["probabilities"], run.predict(TEXTS))


@pytest.mark.slow
def test_a_tokenizer_object_is_saved_with_the_preprocessing_and_summarized_in_run_json(run, tmp_path):
    tokenizer = hub.models.BertTokenizer(vocabulary=VOCABULARY, lowercase=True)
    task = run.task.replace(tokenizer=tokenizer, length=8)
    task.check_model(run.model, run.data)
    shorter = run.replace(task=task, preprocessing=task.preprocessing(run.data, run.model))
    shorter.save(tmp_path / "run")
    summary = json.loads((tmp_path / "run/run.json").read_text())["hyperparameters"]["tokenizer"]
    assert summary == {"class": "BertTokenizer", "tokens": len(VOCABULARY)}
    reopened = load_run(tmp_path / "run", run.data)
    assert reopened.task.tokenizer.get_vocabulary() == VOCABULARY and reopened.task.tokenizer.lowercase
    assert_close(reopened.predict(TEXTS), shorter.predict(TEXTS))


@pytest.mark.slow
def test_only_a_graph_with_operations_of_tensorflow_text_needs_it(other_process, monkeypatch):
    plain = Path(__file__).parents[2] / "saved_models" / "lenet5_mnist" / "1"
    assert isolated_inference.custom_operations(plain) == []
    assert "RegexSplitWithOffsets" in isolated_inference.custom_operations(other_process[0] / "served/1")
    monkeypatch.setattr(
        isolated_inference, "custom_operations", lambda exported: ["RegexSplitWithOffsets", "MissingOperation"]
    )
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match="TensorFlow lacks: MissingOperation; .* pip install tensorflow-text"):
        isolated_inference.load_custom_operations(plain)


@pytest.mark.slow
def test_the_figure_shows_word_pieces_and_masks_one_at_a_time(run, monkeypatch):
    calls, predict = [], run.model.predict
    monkeypatch.setattr(run.model, "predict", lambda x, **kwargs: calls.append(x) or predict(x, **kwargs))
    figure = word_attributions(run, "test")
    tokens = {text.get_text() for ax in figure.axes for text in ax.texts}
    assert {"##s", "."} <= tokens <= set(VOCABULARY) - {"[CLS]", "[SEP]", "[PAD]"}
    batch = next(x for x in calls if isinstance(x, dict))["token_ids"]
    mask = VOCABULARY.index("[MASK]")
    assert ((batch == mask).sum(1) == 1).all() and (batch[:, 0] == VOCABULARY.index("[CLS]")).all()


def test_each_family_has_its_own_start_end_and_padding_tokens():
    pieces = ["<s>", "<pad>", "</s>", "<mask>", "a", "Ġox", "Ġ", "o", "x", "ox"]
    ids = {piece: i for i, piece in enumerate(pieces)}
    tokenizer = hub.models.RobertaTokenizer(vocabulary=ids, merges=["o x", "Ġ ox"])
    layer = PresetTokens(tokenizer, 6, names=("token_ids", "padding_mask"))
    tensors = layer(np.array(["a ox ox", "a"], object))
    assert np.asarray(tensors["token_ids"]).tolist() == [[0, 4, 5, 5, 2, 1], [0, 4, 2, 1, 1, 1]]
    assert set(tensors) == {"token_ids", "padding_mask"} and layer.mask_id == 3 and layer.special_ids == {0, 1, 2}
    layer.preprocessor = lambda texts: {"token_ids": texts}
    with pytest.raises(ValueError, match="does not return padding_mask"):
        layer._tokenize(np.array(["a"], object))


def tiny_bert(vocabulary_size):
    """Returns a tiny BERT with that many embeddings under a head of three classes."""
    backbone = hub.models.BertBackbone(
        vocabulary_size=vocabulary_size,
        num_layers=1,
        num_heads=2,
        hidden_dim=8,
        intermediate_dim=8,
        max_sequence_length=12,
    )
    return zoo.transfer(backbone, 3)


@pytest.mark.parametrize(
    ("arguments", "build", "message"),
    [
        (
            {},
            transfer_model,
            r"`tokenizer` must be given for transfer, which has embeddings for 25 tokens, not for the 1",
        ),
        ({"tokenizer": "PRESET"}, lambda preset: tiny_bert(40), "it has 25 tokens, and transfer has embeddings for 40"),
        ({"tokenizer": "PRESET"}, lambda preset: tiny_bert(9), "it has 25 tokens, and transfer has embeddings for 9"),
        ({"tokenizer": "PRESET", "length": 13}, transfer_model, "`length` must be from 3 to 12 for transfer"),
        ({"tokenizer": "PRESET", "length": 2}, transfer_model, "`length` must be from 3 to 12 for transfer"),
        ({"tokenizer": "PRESET"}, lambda preset: "lstm", "`tokenizer` is for a KerasHub backbone .* got lstm"),
        (
            {"tokenizer": "PRESET"},
            lambda preset: zoo.lstm((12,), 3, vocabulary=25, activation="softmax"),
            "`tokenizer` is for a KerasHub backbone .* got lstm",
        ),
        ({"tokenizer": "PRESET", "vocabulary": 9}, transfer_model, "`vocabulary` is for tokens of the training texts"),
        (
            {"tokenizer": "PRESET", "tokens": "characters"},
            transfer_model,
            "`tokens` is for tokens of the training texts",
        ),
        (
            {"tokenizer": "no/such/folder"},
            transfer_model,
            "`tokenizer` must be a preset's name or its folder, got 'no/such",
        ),
        ({"tokenizer": 3}, transfer_model, "`tokenizer` must be a keras_hub.models.Tokenizer, .* got int"),
        (
            {"tokenizer": hub.tokenizers.WordPieceTokenizer(vocabulary=VOCABULARY)},
            transfer_model,
            "`tokenizer` must be one of KerasHub's .*BertTokenizer.*, got WordPieceTokenizer",
        ),
    ],
)
def test_tokenizers_models_and_lengths_that_do_not_fit_are_refused(data, preset, arguments, build, message):
    arguments = {name: preset if value == "PRESET" else value for name, value in arguments.items()}
    with pytest.raises(ValueError, match=message):
        recipes.TextClassification(**{"epochs": 1, "length": 8, **arguments}).fit(build(preset), data, verbose=False)


def test_only_a_preprocessing_with_a_preset_tokenizer_has_the_layer(run, data):
    task = recipes.TextClassification(length=5)
    model = task.build_model("lstm", data, units=(4,))
    assert find_preset_tokens(task.preprocessing(data, model)) is None
    assert find_preset_tokens(run.preprocessing).length == 12
