"""Classification of texts: strings in, padding without a say, a rival beside it, and KerasHub's BERT as a backbone."""

import keras
import numpy as np
import pytest

import recipes
import zoo
from recipes.data.text.documents import UNKNOWN as WORD
from recipes.tasks.text_classification import vectorizer
from tests.tolerance import assert_close

KINDS = {"bird": "heron wings feather nest", "fish": "trout gills river scales", "tree": "oak leaves bark acorn"}
SMALL = {
    "lstm": {"units": (12,)},
    "transformer_encoder": {"depth": 1, "width": 16, "units": 16, "heads": 2, "dropout": 0.0},
}


def notes(count=120, seed=0):
    """Made-up notes: words of one kind among words that say nothing."""
    rng, x, y = np.random.default_rng(seed), [], []
    for i in range(count):
        kind = list(KINDS)[i % 3]
        own = rng.choice(KINDS[kind].split(), 2).tolist()
        said = rng.permutation([*own, *rng.choice(["the", "a", "by", "we", "saw", "of"], rng.integers(1, 5))])
        x.append(f"{' '.join(said).capitalize()}, {i}.")
        y.append(kind)
    return x, y


@pytest.fixture(scope="module")
def data():
    return recipes.load(notes())


@pytest.fixture(scope="module")
def run(data):
    recipe = recipes.TextClassification(epochs=12, batch_size=8, learning_rate=0.02, length=10)
    return recipe.fit("lstm", data, verbose=False, **SMALL["lstm"])


def test_learns_what_the_words_tell_and_a_rival_stands_beside_it(run):
    found = run.evaluate()
    assert found["accuracy"] > 0.9 and found["baseline"]["accuracy"] < 0.5
    assert found["baselines"]["logistic regression on TF-IDF"]["accuracy"] > 0.9
    assert "logistic regression on TF-IDF gets" in run.task.summarize(found, "test")[-1]
    asked = ["We saw a heron by the nest", "OAK!", "trout"]
    assert run.predict(asked, labels=True).tolist() == ["bird", "tree", "fish"]
    assert run.predict("oak acorn").shape == (1, 3)


@pytest.mark.parametrize("name", SMALL)
def test_padding_has_no_say(data, name):
    recipe = recipes.TextClassification(length=30)
    model = recipe.build_model(name, data, **SMALL[name])
    prepared = np.asarray(recipe.preprocessing(data, model)(data.test.inputs[:4], training=False))
    assert prepared.shape == (4, 30) and (prepared[:, 12:] == 0).all()
    short = recipes.TextClassification(length=12).build(name, data, **SMALL[name])
    short.set_weights(model.get_weights())
    assert_close(model.predict(prepared, verbose=0), short.predict(prepared[:, :12], verbose=0))


@pytest.mark.parametrize("name", ["lstm", *(pytest.param(n, marks=pytest.mark.slow) for n in SMALL if n != "lstm")])
def test_overfits_one_small_batch(data, name):
    few = data.train.take(np.arange(12))
    recipe = recipes.TextClassification(epochs=1, batch_size=12, learning_rate=0.02, length=10)
    model = recipe.build_model(name, data, **SMALL[name])
    prepare = recipe.preprocessing(data, model)
    recipe.compile(model, 40)
    x = np.asarray(prepare(few.inputs, training=False))
    loss = model.fit(x, few.targets, epochs=40, batch_size=12, verbose=0).history["loss"]
    assert loss[-1] < 0.1 * loss[0]


def test_the_export_takes_strings_and_the_report_shows_words(run, tmp_path):
    import tensorflow as tf

    done = run.export(tmp_path / "served")
    served = tf.saved_model.load(done.path)
    answer = served.signatures["serving_default"](text=tf.constant(["feather and wings", "???"]))
    assert answer["classes"][0, 0].numpy() == b"bird"
    assert_close(answer["probabilities"].numpy().sum(1), 1)  # also without a known word
    page = run.report(tmp_path / "report.html").read_text()
    assert "The words that mattered" in page and "What it confuses" in page
    run.save(tmp_path / "run")
    saved = recipes.load_run(tmp_path / "run")
    asked = np.array(["a nest"], object)
    answers = saved.model.predict(saved.preprocessing(asked, training=False), verbose=0)
    assert_close(answers, run.predict(["a nest"]))


def test_files_and_columns_are_answered_from_the_command_line(run, tmp_path):
    from recipes.runs.predict_files import predict_files

    run.record["data"] = "table:notes.csv?target=kind&text=note"
    run.save(tmp_path / "run")
    (tmp_path / "one.txt").write_text("a heron and its nest")
    (tmp_path / "two.csv").write_text("year,note\n1990,oak bark\n1991,river trout\n")
    (tmp_path / "three.csv").write_text("year,notes\n1990,oak bark\n")
    found = predict_files(tmp_path / "run", [tmp_path / "one.txt", tmp_path / "two.csv"])
    assert [row["class"] for row in found] == ["bird", "tree", "fish"] and found[1]["input"] == "row 1"
    with pytest.raises(ValueError, match="a table with the column 'note', got year, notes"):
        predict_files(tmp_path / "run", [tmp_path / "three.csv"])


def test_the_vocabulary_is_the_training_parts_commonest_words(data):
    recipe = recipes.TextClassification(vocabulary=6)
    known = recipe.known_tokens(data)
    every = " ".join(data.train.inputs).lower().replace(",", "").replace(".", "").split()
    count = {word: every.count(word) for word in set(every)}
    assert len(known) == 4 and sorted(map(count.get, known)) == sorted(count.values())[-4:]
    letters = recipes.TextClassification(tokens="characters").known_tokens(data)
    assert set(letters) == set("".join(data.train.inputs))
    found = np.asarray(vectorizer("characters", 4, ["a", "\n"])(["\nab"]))
    assert found.tolist() == [[3, 2, 1, 0]] and WORD == "[UNK]"


def test_several_labels_at_once():
    x, y = notes(60)
    rows = np.array([[kind == "bird", kind != "tree", "saw" in text] for text, kind in zip(x, y, strict=True)], int)
    found = recipes.load((x, rows), classes=("bird", "moves", "saw"))
    run = recipes.TextClassification(epochs=10, batch_size=8, learning_rate=0.03, length=10).fit(
        "gru", found, verbose=False
    )
    assert run.evaluate()["f1_micro"] > 0.7


def test_a_keras_hub_bert_is_fine_tuned_and_exported(data, tmp_path):
    hub = pytest.importorskip("keras_hub", reason="KerasHub is no dependency; install fieldzoo[kerashub] to run this")
    recipe = recipes.TextClassification(epochs=25, batch_size=8, learning_rate=3e-3, length=12)
    backbone = hub.models.BertBackbone(
        vocabulary_size=len(recipe.known_tokens(data)) + 2,
        num_layers=1,
        num_heads=2,
        hidden_dim=16,
        intermediate_dim=32,
        dropout=0.0,
        max_sequence_length=12,
    )
    run = recipe.fit(zoo.transfer(backbone, 3, mode="finetune", stages=None), data, verbose=False)
    assert run.evaluate()["accuracy"] > 0.8
    assert run.export(tmp_path / "served").difference < 1e-5
    assert "The words that mattered" in run.report(tmp_path / "report.html").read_text()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda d: recipes.TextClassification(augment=("flip",)), r"`augment` must be \(\) for texts"),
        (lambda d: recipes.TextClassification(adversarial=0.1), "`adversarial` must be 0 for texts"),
        (lambda d: recipes.TextClassification(length=0), "`length`"),
        (lambda d: recipes.TextClassification(vocabulary=2), "`vocabulary` must be 3 or more"),
        (
            lambda d: recipes.TextClassification().fit("cnn", d, verbose=False),
            "must be an architecture that reads tokens",
        ),
        (lambda d: recipes.TextClassification().fit("lstm", "bundled:penguins", verbose=False), "`text=COLUMN` names"),
        (
            lambda d: recipes.TextClassification().fit(zoo.lstm((9,), 3, vocabulary=5, activation="softmax"), d),
            r"a vector for each of the \d+ tokens of texts, got lstm for 5 tokens",
        ),
        (
            lambda d: recipes.TextClassification().fit(keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]), d),
            "without an embedding",
        ),
    ],
)
def test_what_does_not_fit_is_refused(data, make, message):
    with pytest.raises(ValueError, match=message):
        make(data)
