"""Text classification: vocabulary, padding, baselines, saving and export, a KerasHub backbone, errors."""

import dataclasses

import keras
import numpy as np
import pandas as pd
import pytest

import recipes
import zoo
from recipes.data.text.documents import UNKNOWN
from recipes.runs.predict_files import predict_files
from recipes.tasks.text_classification import vectorizer
from tests.tolerance import assert_close

KINDS = {"bird": "heron wings feather nest", "fish": "trout gills river scales", "tree": "oak leaves bark acorn"}
SMALL = {
    "lstm": {"units": (12,)},
    "transformer_encoder": {"depth": 1, "width": 16, "units": 16, "heads": 2, "dropout": 0.0},
}


def notes(count=120, seed=0):
    """Returns generated notes, words of one class among uninformative words, and their classes."""
    rng, x, y = np.random.default_rng(seed), [], []
    for i in range(count):
        kind = list(KINDS)[i % 3]
        informative = rng.choice(KINDS[kind].split(), 2).tolist()
        words = rng.permutation([*informative, *rng.choice(["the", "a", "by", "we", "saw", "of"], rng.integers(1, 5))])
        x.append(f"{' '.join(words).capitalize()}, {i}.")
        y.append(kind)
    return x, y


@pytest.fixture(scope="module")
def data():
    return recipes.load(notes())


@pytest.fixture(scope="module")
def run(data):
    task = recipes.TextClassification(epochs=12, batch_size=8, learning_rate=0.02, length=10)
    return task.fit("lstm", data, verbose=False, **SMALL["lstm"])


def test_accuracy_beats_the_most_frequent_class_and_is_compared_with_logistic_regression(run):
    metrics = run.evaluate()
    assert metrics["accuracy"] > 0.9 and metrics["baseline"]["accuracy"] < 0.5
    assert metrics["baselines"]["logistic regression on TF-IDF"]["accuracy"] > 0.9
    assert "logistic regression on TF-IDF has an accuracy of" in run.task.summarize(metrics, "test")[-1]
    texts = ["We saw a heron by the nest", "OAK!", "trout"]
    assert run.predict(texts, labels=True).tolist() == ["bird", "tree", "fish"]
    assert run.predict("oak acorn").shape == (1, 3)


@pytest.mark.parametrize("name", SMALL)
def test_padding_does_not_change_predictions(data, name):
    task = recipes.TextClassification(length=30)
    model = task.build_model(name, data, **SMALL[name])
    ids = np.asarray(task.preprocessing(data, model)(data.test.inputs[:4], training=False))
    assert ids.shape == (4, 30) and (ids[:, 12:] == 0).all()
    short = recipes.TextClassification(length=12).build_model(name, data, **SMALL[name])
    short.set_weights(model.get_weights())
    assert_close(model.predict(ids, verbose=0), short.predict(ids[:, :12], verbose=0))


@pytest.mark.parametrize("name", ["lstm", *(pytest.param(n, marks=pytest.mark.slow) for n in SMALL if n != "lstm")])
def test_overfits_one_small_batch(data, name):
    few = data.train.take(np.arange(12))
    task = recipes.TextClassification(epochs=1, batch_size=12, learning_rate=0.02, length=10)
    model = task.compile(task.build_model(name, data, **SMALL[name]), 40)
    x = np.asarray(task.preprocessing(data, model)(few.inputs, training=False))
    loss = model.fit(x, few.targets, epochs=40, batch_size=12, verbose=0).history["loss"]
    assert loss[-1] < 0.1 * loss[0]


def test_the_export_takes_strings_and_the_report_shows_words(run, tmp_path):
    import tensorflow as tf

    export = run.export(tmp_path / "served")
    served = tf.saved_model.load(export.path)
    outputs = served.signatures["serving_default"](text=tf.constant(["feather and wings", "???"]))
    assert outputs["classes"][0, 0].numpy() == b"bird"
    assert_close(outputs["probabilities"].numpy().sum(1), 1)  # also for a text without words of the vocabulary
    page = run.report(tmp_path / "report.html").read_text()
    assert "The words that mattered" in page and "Confusion matrix" in page
    run.save(tmp_path / "run")
    saved = recipes.load_run(tmp_path / "run")
    ids = saved.preprocessing(np.array(["a nest"], object), training=False)
    assert_close(saved.model.predict(ids, verbose=0), run.predict(["a nest"]))


def test_text_files_and_table_columns_are_predicted(run, tmp_path):
    run.replace(schema=dataclasses.replace(run.schema, text="note")).save(tmp_path / "run")
    (tmp_path / "one.txt").write_text("a heron and its nest")
    (tmp_path / "two.csv").write_text("year,note\n1990,oak bark\n1991,river trout\n")
    (tmp_path / "three.csv").write_text("year,notes\n1990,oak bark\n")
    rows = pd.concat(predict_files(tmp_path / "run", [tmp_path / "one.txt", tmp_path / "two.csv"]))
    assert rows["class"].tolist() == ["bird", "tree", "fish"]
    assert rows["input"].tolist()[1] == f"{tmp_path / 'two.csv'} row 1"
    with pytest.raises(ValueError, match="must have the column 'note', got 'year', 'notes'"):
        list(predict_files(tmp_path / "run", [tmp_path / "three.csv"]))


def test_the_vocabulary_has_the_most_frequent_tokens_of_the_training_split(data):
    vocabulary = recipes.TextClassification(vocabulary=6).vocabulary_of(data)
    words = " ".join(data.train.inputs).lower().replace(",", "").replace(".", "").split()
    counts = {word: words.count(word) for word in set(words)}
    assert len(vocabulary) == 4 and sorted(map(counts.get, vocabulary)) == sorted(counts.values())[-4:]
    characters = recipes.TextClassification(tokens="characters").vocabulary_of(data)
    assert set(characters) == set("".join(data.train.inputs))
    ids = np.asarray(vectorizer("characters", 4, ["a", "\n"])(["\nab"]))
    assert ids.tolist() == [[3, 2, 1, 0]] and UNKNOWN == "[UNK]"


def test_several_labels_per_text_are_predicted():
    x, y = notes(60)
    rows = np.array([[kind == "bird", kind != "tree", "saw" in text] for text, kind in zip(x, y, strict=True)], int)
    data = recipes.load((x, rows), classes=("bird", "moves", "saw"))
    task = recipes.TextClassification(epochs=10, batch_size=8, learning_rate=0.03, length=10)
    run = task.fit("gru", data, verbose=False)
    assert run.evaluate()["f1_micro"] > 0.7


def test_a_keras_hub_bert_is_fine_tuned_and_exported(data, tmp_path):
    hub = pytest.importorskip("keras_hub", reason="KerasHub is an extra: pip install fieldzoo[kerashub]")
    task = recipes.TextClassification(epochs=25, batch_size=8, learning_rate=3e-3, length=12)
    backbone = hub.models.BertBackbone(
        vocabulary_size=len(task.vocabulary_of(data)) + 2,
        num_layers=1,
        num_heads=2,
        hidden_dim=16,
        intermediate_dim=32,
        dropout=0.0,
        max_sequence_length=12,
    )
    run = task.fit(zoo.transfer(backbone, 3, mode="finetune", stages=None), data, verbose=False)
    assert run.evaluate()["accuracy"] > 0.8
    assert run.export(tmp_path / "served").difference < 1e-5
    assert "The words that mattered" in run.report(tmp_path / "report.html").read_text()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda d: recipes.TextClassification(augment=("flip",)), r"`augment` must be \(\) for texts"),
        (lambda d: recipes.TextClassification(adversarial=0.1), "`adversarial` must be 0 for texts"),
        (lambda d: recipes.TextClassification(length=0), "`length`"),
        (lambda d: recipes.TextClassification(vocabulary=2), "`vocabulary` must be 3 or more"),
        (
            lambda d: recipes.TextClassification().fit("cnn", d, verbose=False),
            "must be an architecture that takes tokens",
        ),
        (lambda d: recipes.TextClassification().fit("lstm", "bundled:penguins", verbose=False), "`text=COLUMN` names"),
        (
            lambda d: recipes.TextClassification().fit(zoo.lstm((9,), 3, vocabulary=5, activation="softmax"), d),
            r"an embedding for each of the \d+ tokens of texts, got lstm for 5 tokens",
        ),
        (
            lambda d: recipes.TextClassification().fit(keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)]), d),
            "without an embedding",
        ),
    ],
)
def test_arguments_models_and_data_that_do_not_fit_are_refused(data, call, message):
    with pytest.raises(ValueError, match=message):
        call(data)
