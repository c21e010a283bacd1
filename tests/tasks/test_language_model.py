"""Language models of characters: n-gram baselines, causality, export of strings and text generation."""

import json

import keras
import numpy as np
import pytest

import recipes
import zoo
from recipes.cli.main import main
from recipes.runs.load import load_run
from recipes.tasks.language_model import character_ids
from recipes.tasks.ngrams import Ngrams
from recipes.tasks.text_generation import sample_id
from tests.tolerance import assert_close

SENTENCES = ("the sun rises. ", "the sea is calm. ", "the wind sleeps on the sea. ")
SMALL = {"lstm": {"units": (24,)}, "transformer_encoder": {"depth": 1, "width": 16, "units": 16, "heads": 2}}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "poem.txt"
    path.write_text("".join(np.random.default_rng(0).choice(SENTENCES, 160)))
    return recipes.load(f"text:{path}?window=20")


@pytest.fixture(scope="module")
def folder(data, tmp_path_factory):
    """The folder of a run that the command line trained."""
    out = tmp_path_factory.mktemp("runs") / "poem"
    command = f"train language_model --model lstm --data {data.source_spec} --epochs 12 --json"
    command += " --set batch_size=4 --set learning_rate=0.02"
    with pytest.raises(SystemExit) as stop:
        main([*command.split(), "--out", str(out)])
    assert not stop.value.code
    return out


@pytest.fixture(scope="module")
def run(folder, data):
    return load_run(folder, data)


def test_ngram_probabilities_equal_witten_and_bells_computed_by_hand():
    ids = np.array([1, 2, 1, 3, 1, 2])  # a b a c a b; a character has a uniform probability of 1/3
    p = Ngrams(ids, 4, 2).probabilities(np.array([[1, 2], [3, 3]]))
    unigram = {1: (3 + 3 / 3) / 9, 2: (2 + 3 / 3) / 9, 3: (1 + 3 / 3) / 9}
    assert_close(p[0], [[unigram[1], unigram[2]], [unigram[3], unigram[3]]])
    b_after_a, c_after_c = (2 + 2 * unigram[2]) / (3 + 2), (0 + 1 * unigram[3]) / (1 + 1)
    assert_close(p[1], [[unigram[1], b_after_a], [unigram[3], c_after_c]])


def test_ngram_probabilities_sum_to_one_and_longer_ngrams_fit_their_text_better():
    rng = np.random.default_rng(0)
    ids = rng.integers(1, 6, 400) + np.arange(400) % 3
    ngrams = Ngrams(ids, 9, 4)
    rows = np.array([[2, 3, 4, c] for c in range(1, 9)])
    assert_close(ngrams.probabilities(rows)[:, :, -1].sum(1), 1.0)
    p = ngrams.probabilities(ids[None])
    assert (np.diff(np.log(p).mean((1, 2))) > 0).all()  # on the text that was counted
    with pytest.raises(ValueError, match="must be at most 9 for 100 characters, got 20"):
        Ngrams(ids, 100, 20)


def test_the_metrics_are_bits_perplexity_and_skill_against_the_best_baseline(run):
    metrics = run.evaluate()
    assert metrics["bits_per_character"] < 0.9 and metrics["accuracy"] > 0.8
    assert metrics["perplexity"] == pytest.approx(2 ** metrics["bits_per_character"])
    assert set(metrics["baselines"]) == {"character frequencies", metrics["baseline"]["name"]}
    assert metrics["baselines"]["character frequencies"]["bits_per_character"] > 3
    best = metrics["baseline"]["bits_per_character"]
    assert metrics["skill"] == pytest.approx(1 - metrics["bits_per_character"] / best)
    assert metrics["characters"] == sum(map(len, run.data.test.targets))


def test_bits_per_character_equal_the_loss_of_keras(run):
    x, y = character_ids(run.preprocessing, run.data.test)
    loss = keras.losses.SparseCategoricalCrossentropy(ignore_class=0)(y, run.model.predict(x, verbose=0))
    assert run.evaluate()["bits_per_character"] == pytest.approx(float(loss) / np.log(2), rel=1e-4)


def test_the_export_takes_strings_of_any_length(run, folder):
    import tensorflow as tf

    served = tf.saved_model.load(str(folder / "saved_model" / "1"))
    texts = ["the sea", "the"]
    probabilities = served.signatures["serving_default"](text=tf.constant(texts))["probabilities"].numpy()
    assert_close(probabilities, run.predict(texts))
    assert probabilities.shape == (2, 7, len(run.data.outputs))
    characters = [run.data.outputs[index] for index in probabilities[0].argmax(-1)]
    assert (characters[1], characters[2], characters[5]) == ("e", " ", "a")  # after th, the, the se


def test_generated_text_depends_on_temperature_and_seed(run, folder):
    likeliest = recipes.generate(run, "the sun", length=40, temperature=0)
    assert likeliest == recipes.generate(folder, "the sun", length=40, temperature=0)
    assert likeliest.startswith(" rises. the ") and len(likeliest) == 40
    sampled = [recipes.generate(run, "the sun", length=40, temperature=3, seed=s) for s in (1, 1, 2)]
    assert sampled[0] == sampled[1] != sampled[2] and sampled[0] != likeliest
    assert recipes.generate(run, "ö", length=3)  # an unknown character
    p = np.array([0.5, 0.3, 0.15, 0.05])
    counts = np.bincount([sample_id(p, 1.0, np.random.default_rng(i)) for i in range(400)], minlength=4)
    assert counts[0] == counts[1] == 0 and counts[2] / 400 == pytest.approx(0.75, abs=0.08)


def test_report_card_and_run_json_describe_the_language_model(folder):
    page = (folder / "report.html").read_text()
    assert all(text in page for text in ("Generated text", "Bits per character by context", "bits per character"))
    assert "texts" in (folder / "card.md").read_text()
    assert json.loads((folder / "run.json").read_text())["data"]["outputs"][:2] == ["", "[UNK]"]


@pytest.mark.parametrize("name", SMALL)
def test_models_are_built_causal_and_others_are_refused(data, name):
    task = recipes.LanguageModel()
    model = task.build_model(name, data, **SMALL[name])
    task.check_model(model, data)
    assert model.output_shape == (None, None, len(data.outputs))
    with pytest.raises(ValueError, match="which sees later ones"):
        not_causal = {"bidirectional": True} if name == "lstm" else {"causal": False}
        task.fit(name, data, verbose=False, **SMALL[name], **not_causal)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda d, r: recipes.LanguageModel(augment=("flip",)), r"`augment` must be \(\) for texts"),
        (lambda d, r: recipes.LanguageModel(adversarial=0.1), "`adversarial` must be 0 for texts"),
        (lambda d, r: recipes.LanguageModel().fit("tempcnn", d, verbose=False), "predicts every token, such as lstm"),
        (
            lambda d, r: recipes.LanguageModel().fit(zoo.lstm((None,), 3, vocabulary=3), d, verbose=False),
            r"predict \(B",
        ),
        (lambda d, r: recipes.Classification().fit("cnn", d, verbose=False), "train it with LanguageModel"),
        (lambda d, r: recipes.generate(r, ""), "`start` must have at least one character"),
        (lambda d, r: r.predict([""]), "must have a character, got empty or missing texts in row 1"),
        (lambda d, r: r.predict([3.5]), "must be strings, got 3.5 in row 1"),
        (lambda d, r: r.data_frame("examples"), "must be history or metrics"),
    ],
)
def test_arguments_models_and_inputs_that_do_not_fit_are_refused(data, run, call, message):
    with pytest.raises(ValueError, match=message):
        call(data, run)
