"""Texts give the same predictions, notes and refusals by every path: run, files, predictor, SavedModel and server."""

import dataclasses
import warnings

import numpy as np
import pandas as pd
import pytest

import recipes
import zoo
from recipes.runs.predict_files import evaluate_run, predict_files
from recipes.runs.text_column import with_text_column
from tests.tolerance import assert_close
from zoo.serving import Server

LENGTH = 6
WORDS = {"bird": ["heron", "wings", "nest"], "fish": ["trout", "gills", "river"]}
TEXTS = [f"the {WORDS[k][i % 3]} of a {WORDS[k][i % 2]}, {i}" for i in range(30) for k in WORDS]
KINDS = list(WORDS) * 30


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    pd.DataFrame({"note": TEXTS, "kind": KINDS}).to_csv(folder / "notes.csv", index=False)
    task = recipes.TextClassification(epochs=1, batch_size=8, length=LENGTH)
    source = f"table:{folder / 'notes.csv'}?target=kind&text=note"
    run = task.fit("lstm", source, units=(4,), out=folder / "run", verbose=False)
    run.export(folder / "run" / "saved_model")
    return folder / "run"


@pytest.fixture(scope="module")
def run(folder):
    return recipes.load_run(folder)


@pytest.fixture(scope="module")
def paths(folder, run):
    """Function of texts and a folder: path -> function of no arguments to (N, classes) probabilities."""
    predictor = zoo.predictor(folder, "tensorflow")

    def of(texts, folder_of_files):
        frame = pd.DataFrame({"note": texts})
        file = folder_of_files / "new.csv"
        frame.assign(row=range(len(frame))).to_csv(file, index=False)
        return {
            "run.predict": lambda: run.predict(texts),
            "run.predict of a frame": lambda: run.predict(frame),
            "run.predict of a file": lambda: run.predict(file),
            "zoo predict": lambda: pd.concat(predict_files(run, [file]))[list(run.classes)].to_numpy(),
            "zoo.predictor": lambda: predictor.predict(texts)["probabilities"],
            "zoo.predictor of a frame": lambda: predictor.predict(frame)["probabilities"],
        }

    return of


def caught_notes(function):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        function()
    return [str(w.message) for w in caught if w.category is UserWarning]


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("heron " * (LENGTH + 1), f"1 of 2 are cut after {LENGTH} words, as in training, the first in row 2"),
        ("дуб ель", "texts without a word that training had: 1 of 2, whose predictions mean nothing, the "),
    ],
)
def test_every_path_notes_texts_of_which_little_is_used(paths, text, note, tmp_path):
    for path, predict in paths(["the heron", text], tmp_path).items():
        (received,) = [n for n in caught_notes(predict) if "blanks around" not in n]
        assert note in received and "row 2" in received, path


def test_texts_that_are_used_whole_have_no_note(paths, tmp_path):
    for path, predict in paths(["the heron", "A trout, gills!"], tmp_path).items():
        assert caught_notes(predict) == [], path


def test_text_files_are_named_in_the_notes(run, tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.txt").write_text("xyzzy")
    with pytest.warns(UserWarning, match=r"1 of 1, .*the first in .*a\.txt$") as caught:
        run.predict([tmp_path / "a.txt", tmp_path / "b.txt"])
    assert len(caught) == 1


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.json", '[{"note": "heron"}]', "JSON"),
        ("a.jsonl", '{"note": "heron"}\n{"note": "trout"}\n', "JSON"),
        ("a.pdf", "%PDF-1.4 heron", "a PDF document"),
        ("a.html", "<!DOCTYPE html><p>heron", "a web page"),
    ],
)
def test_a_file_that_is_no_text_is_refused(run, tmp_path, name, content, kind):
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=f"must be a text or a table of texts, got .*{name}, which is {kind}"):
        run.predict(tmp_path / name)


def test_a_file_of_several_lines_is_noted_as_one_text(run, tmp_path):
    (tmp_path / "a.txt").write_text("the heron\nA trout, gills!\n")
    with pytest.warns(
        UserWarning, match=r"several lines are one text each: a\.txt has 2; for a text per line"
    ) as caught:
        assert len(run.predict(tmp_path / "a.txt")) == 1
    assert len(caught) == 1


def test_every_path_reads_texts_that_look_the_same_alike(paths, folder, tmp_path):
    expected = next(iter(paths(["the heron wings"], tmp_path).values()))()
    same = "\ufeffthe\u00a0her\u00adon\u2009wings\u200b"
    for path, predict in paths([same], tmp_path).items():
        assert_close(np.asarray(predict()), expected, err_msg=path)


@pytest.mark.parametrize("text", ["", "   ", "\u00a0\u200b"])
def test_every_path_refuses_a_text_without_a_word(paths, folder, text, tmp_path):
    import tensorflow as tf

    for path, predict in paths(["the heron", text], tmp_path).items():
        with pytest.raises(ValueError, match="every text must have a word, got empty or missing texts in row 2"):
            print(path, predict())
    model = tf.saved_model.load(str(folder / "saved_model" / "1"))
    for signature in model.signatures.values():
        with pytest.raises(tf.errors.InvalidArgumentError, match="text is empty in row 2; every text must have a word"):
            signature(text=tf.constant(["the heron", text]))
    with Server(folder / "saved_model", rest_port=0, grpc_port=0) as server:
        for address in (server.rest_address, server.grpc_address):
            refused = pytest.raises(zoo.serving.ServingError, match="text is empty in row 2")
            with zoo.serving.Client(address, "saved_model") as client, refused:
                client.predict({"text": np.array(["the heron", text], object)})


def test_a_text_that_is_read_as_missing_is_named_with_its_line(run, tmp_path):
    (tmp_path / "new.csv").write_text("note,day\nheron,1\n\nNA,2\n")
    with pytest.raises(ValueError, match=r"in row 2 \(line 4\) \(texts read as missing: `note` 'NA'.*; leave them out"):
        run.predict(tmp_path / "new.csv")


@pytest.mark.filterwarnings("ignore:texts that|the texts are:UserWarning")
def test_another_column_of_texts_is_an_error_or_is_named(run, folder, tmp_path):
    frame = pd.DataFrame({"comment": ["the heron", "a trout"]})
    frame.to_csv(tmp_path / "new.csv", index=False)
    for predict in (lambda: run.predict(frame), lambda: list(predict_files(run, [tmp_path / "new.csv"]))):
        with pytest.raises(ValueError, match=r"must have the column 'note', got 'comment'. `--text COLUMN`"):
            predict()
    rows = pd.concat(predict_files(with_text_column(run, "comment"), [tmp_path / "new.csv"]))
    assert_close(rows[list(run.classes)].to_numpy(), run.predict(frame["comment"]))
    file = tmp_path / "labelled.csv"
    pd.DataFrame({"note": TEXTS[::-1], "comment": TEXTS, "kind": KINDS}).to_csv(file, index=False)
    expected = float(np.mean(run.predict(TEXTS, labels=True) == np.array(KINDS)))
    with pytest.warns(UserWarning, match="texts are read from the column `comment`, in training they were in `note`"):
        assert evaluate_run(folder, f"table:{file}?target=kind&text=comment")["accuracy"] == pytest.approx(expected)
    with pytest.raises(ValueError, match=r"must have the column 'coment'.*Did you mean `comment`\?"):
        evaluate_run(folder, f"table:{file}?target=kind&text=coment")
    with pytest.raises(ValueError, match="`text` must be unset for a run on table data, got 'a'"):
        with_text_column(run.replace(schema=dataclasses.replace(run.schema, kind="table")), "a")


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_evaluation_leaves_out_empty_texts_on_request_and_needs_no_baseline_of_words(folder, tmp_path):
    file = tmp_path / "new.csv"
    pd.DataFrame({"note": ["the heron", "\u00a0", "a nest"], "kind": ["bird"] * 3}).to_csv(file, index=False)
    source = f"table:{file}?target=kind"
    with pytest.raises(ValueError, match=r"in row 2 \(line 3\); missing='drop' leaves them out"):
        evaluate_run(folder, source)
    metrics = evaluate_run(folder, f"{source}&missing=drop")
    assert metrics["examples"] == 2 and "baselines" not in metrics
