"""Language models of characters: counting by hand, nothing seen ahead, strings in the export, writing with a seed."""

import json

import keras
import numpy as np
import pytest

import recipes
import zoo
from recipes.cli.main import main
from recipes.runs.load import reopen_run
from recipes.tasks.language_model import character_ids
from recipes.tasks.ngrams import Ngrams
from recipes.tasks.text_generation import sample_id
from tests.tolerance import assert_close

SENTENCES = ("the sun rises. ", "the sea is calm. ", "the wind sleeps on the sea. ")
SMALL = {"lstm": {"units": (24,)}, "transformer_encoder": {"depth": 1, "width": 16, "units": 16, "heads": 2}}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "poem.txt"
    drawn = np.random.default_rng(0).choice(SENTENCES, 160)
    path.write_text("".join(drawn))
    return recipes.load(f"text:{path}?window=20")


@pytest.fixture(scope="module")
def folder(data, tmp_path_factory):
    """A run made by the command line."""
    out = tmp_path_factory.mktemp("runs") / "poem"
    command = f"train language_model --model lstm --data {data.source_spec} --epochs 12 --batch 4 --rate 0.02"
    with pytest.raises(SystemExit) as stop:
        main([*command.split(), "--out", str(out)])
    assert not stop.value.code
    return out


@pytest.fixture(scope="module")
def run(folder, data):
    return reopen_run(folder, data)


def test_counting_is_witten_and_bells_by_hand():
    ids = np.array([1, 2, 1, 3, 1, 2])  # a b a c a b; a uniform character has 1/3
    p = Ngrams(ids, 4, 2).probabilities(np.array([[1, 2], [3, 3]]))
    one = {1: (3 + 3 / 3) / 9, 2: (2 + 3 / 3) / 9, 3: (1 + 3 / 3) / 9}
    assert_close(p[0], [[one[1], one[2]], [one[3], one[3]]])
    b_after_a, c_after_c = (2 + 2 * one[2]) / (3 + 2), (0 + 1 * one[3]) / (1 + 1)
    assert_close(p[1], [[one[1], b_after_a], [one[3], c_after_c]])


def test_counted_probabilities_sum_to_one_and_longer_runs_foretell_better():
    rng = np.random.default_rng(0)
    ids = rng.integers(1, 6, 400) + np.arange(400) % 3
    ngrams = Ngrams(ids, 9, 4)
    rows = np.array([[2, 3, 4, c] for c in range(1, 9)])
    assert_close(ngrams.probabilities(rows)[:, :, -1].sum(1), 1.0)
    p = ngrams.probabilities(ids[None])
    assert (np.diff(np.log(p).mean((1, 2))) > 0).all()  # of what was counted itself
    with pytest.raises(ValueError, match="must be at most 9 for 100 characters, got 20"):
        Ngrams(ids, 100, 20)


def test_learns_what_a_few_sentences_say(run):
    found = run.evaluate()
    assert found["bits_per_character"] < 0.9 and found["accuracy"] > 0.8
    assert found["perplexity"] == pytest.approx(2 ** found["bits_per_character"])
    assert set(found["baselines"]) == {"character frequencies", found["baseline"]["name"]}
    assert found["baselines"]["character frequencies"]["bits_per_character"] > 3
    best = found["baseline"]["bits_per_character"]
    assert found["skill"] == pytest.approx(1 - found["bits_per_character"] / best)
    assert found["characters"] == sum(map(len, run.data.test.targets))


def test_bits_are_those_of_keras_own_loss(run):
    x, y = character_ids(run.preprocessing, run.data.test)
    loss = keras.losses.SparseCategoricalCrossentropy(ignore_class=0)(y, run.model.predict(x, verbose=0))
    assert run.evaluate()["bits_per_character"] == pytest.approx(float(loss) / np.log(2), rel=1e-4)


def test_the_export_takes_strings_of_any_length(run, folder):
    import tensorflow as tf

    served = tf.saved_model.load(str(folder / "saved_model" / "1"))
    asked = ["the sea", "the"]
    found = served.signatures["serving_default"](text=tf.constant(asked))["probabilities"].numpy()
    assert_close(found, run.predict(asked))
    assert found.shape == (2, 7, len(run.data.outputs))
    said = [run.data.outputs[place] for place in found[0].argmax(-1)]
    assert (said[1], said[2], said[5]) == ("e", " ", "a")  # after th, the, the se


def test_writes_on_with_temperature_and_seed(run, folder):
    calm = recipes.generate(run, "the sun", length=40, temperature=0)
    assert calm == recipes.generate(folder, "the sun", length=40, temperature=0)
    assert calm.startswith(" rises. the ") and len(calm) == 40
    wild = [recipes.generate(run, "the sun", length=40, temperature=3, seed=s) for s in (1, 1, 2)]
    assert wild[0] == wild[1] != wild[2] and wild[0] != calm
    assert recipes.generate(run, "ö", length=3)  # an unknown character
    p = np.array([0.5, 0.3, 0.15, 0.05])
    drawn = np.bincount([sample_id(p, 1.0, np.random.default_rng(i)) for i in range(400)], minlength=4)
    assert drawn[0] == drawn[1] == 0 and drawn[2] / 400 == pytest.approx(0.75, abs=0.08)


def test_what_is_left_behind_says_what_it_is(folder):
    page = (folder / "report.html").read_text()
    assert "What it writes" in page and "How much the past helps" in page and "bits a character" in page
    assert "It takes texts, as they are" in (folder / "card.md").read_text()
    assert json.loads((folder / "run.json").read_text())["data"]["outputs"][:2] == ["", "[UNK]"]


@pytest.mark.parametrize("name", SMALL)
def test_what_is_built_sees_nothing_ahead(data, name):
    recipe = recipes.LanguageModel()
    model = recipe.build_model(name, data, **SMALL[name])
    recipe.check_model(model, data)
    assert model.output_shape == (None, None, len(data.outputs))
    with pytest.raises(ValueError, match="which sees later ones"):
        ahead = {"bidirectional": True} if name == "lstm" else {"causal": False}
        recipe.fit(name, data, verbose=False, **SMALL[name], **ahead)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda d, r: recipes.LanguageModel(augment=("flip",)), r"`augment` must be \(\) for texts"),
        (lambda d, r: recipes.LanguageModel(adversarial=0.1), "`adversarial` must be 0 for texts"),
        (lambda d, r: recipes.LanguageModel().fit("tempcnn", d, verbose=False), "answers each token, such as lstm"),
        (lambda d, r: recipes.LanguageModel().fit(zoo.lstm((None,), 3, vocabulary=3), d, verbose=False), r"answer \(B"),
        (lambda d, r: recipes.Classification().fit("cnn", d, verbose=False), "the recipe for that is `language_model`"),
        (lambda d, r: recipes.generate(r, ""), "must have a character to go on from"),
        (lambda d, r: r.predict([""]), "got empty ones in row 0"),
        (lambda d, r: r.predict([3.5]), "must be strings, got 3.5 in row 0"),
        (lambda d, r: r.table("examples"), "`what` must be history or metrics"),
    ],
)
def test_what_does_not_fit_is_refused(data, run, make, message):
    with pytest.raises(ValueError, match=message):
        make(data, run)
