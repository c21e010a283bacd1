"""Labels of several annotators or rules are combined into one per example."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import recipes
from recipes.cli.main import main
from recipes.labels.dawid_skene import fit_dawid_skene
from recipes.labels.votes import read_votes
from tests.tolerance import assert_close

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "dawid_skene.json").read_text())
WIDE = pd.DataFrame(
    {
        "image": ["1.jpg", "2.jpg", "3.jpg"],
        "ann": ["oak", "oak", None],
        "bob": ["oak", "ash", "ash"],
        "cat": ["ash", "oak", "ash"],
    }
)


def drawn_votes(items=300, accuracies=(0.9, 0.8, 0.2, 0.2, 0.2), classes=4):
    """Votes of annotators of these accuracies, and the true classes."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, classes, items)
    rows = [
        (i, f"annotator {a}", "abcd"[t if rng.random() < accuracy else rng.integers(classes)])
        for i, t in enumerate(truth)
        for a, accuracy in enumerate(accuracies)
    ]
    return pd.DataFrame(rows, columns=["item", "annotator", "label"]), np.array(list("abcd"))[truth]


def test_the_model_of_dawid_and_skene_has_the_probabilities_of_another_implementation():
    votes = read_votes(pd.DataFrame({c: GOLDEN[c] for c in ("item", "annotator", "label")}))
    fitted = fit_dawid_skene(votes)
    rows = [votes.items.index(name) for name in GOLDEN["items"]]
    assert votes.classes == tuple(GOLDEN["classes"])
    np.testing.assert_allclose(fitted.probabilities[rows], GOLDEN["probabilities"], atol=1e-3)
    assert_close(fitted.confusion.sum(-1), np.ones(fitted.confusion.shape[:2]))


def test_the_model_is_right_more_often_than_the_majority_where_annotators_differ():
    votes, truth = drawn_votes()
    fitted = recipes.combine_labels(votes)
    with pytest.warns(UserWarning, match="equally probable"):
        majority = recipes.combine_labels(votes, method="majority")
    accuracy = [(c.labels["label"] == truth[c.labels["item"].astype(int)]).mean() for c in (fitted, majority)]
    assert accuracy[0] > accuracy[1]


def test_the_accuracy_of_each_annotator_is_estimated():
    votes, _ = drawn_votes(items=600)
    accuracy = recipes.combine_labels(votes).annotators.set_index("annotator")["accuracy"]
    expected = [a + (1 - a) / 4 for a in (0.9, 0.8, 0.2, 0.2, 0.2)]
    np.testing.assert_allclose(accuracy, expected, atol=0.1)


def test_a_majority_counts_every_vote_and_says_where_two_labels_are_tied():
    with pytest.warns(UserWarning, match="have two labels that are equally probable"):
        combined = recipes.combine_labels(
            WIDE.assign(cat=["ash", "oak", None], ann=["oak", None, None]), method="majority"
        )
    assert combined.labels["votes"].tolist() == [3, 2, 1]
    assert combined.labels["label"].tolist()[0] == "oak" and combined.labels["agreement"].tolist()[0] == 2 / 3


def test_a_column_for_each_annotator_is_read_as_a_row_for_each_vote():
    rows = WIDE.melt("image", var_name="observer", value_name="species").dropna()
    wide, long = read_votes(WIDE), read_votes(rows)
    assert wide.items == ("1.jpg", "2.jpg", "3.jpg") and wide.annotators == ("ann", "bob", "cat")
    assert (wide.counts() == long.counts()).all() and wide.item_name == long.item_name == "image"


def test_soft_labels_have_a_row_for_each_possible_class():
    combined = recipes.combine_labels(WIDE, method="majority")
    soft = combined.soft()
    assert soft.columns.tolist() == ["image", "label", "weight"]
    assert soft.groupby("image")["weight"].sum().tolist() == pytest.approx([1, 1, 1])
    assert soft["image"].tolist() == ["1.jpg", "1.jpg", "2.jpg", "2.jpg", "3.jpg"]


def test_the_command_writes_labels_and_annotators(tmp_path, capsys):
    drawn_votes()[0].to_csv(tmp_path / "votes.csv", index=False)
    paths = [str(tmp_path / name) for name in ("labels.csv", "annotators.csv")]
    with pytest.raises(SystemExit) as stop:
        main(["combine-labels", str(tmp_path / "votes.csv"), "--out", paths[0], "--annotators", paths[1]])
    assert stop.value.code == 0
    assert pd.read_csv(paths[0]).columns.tolist() == ["item", "label", "probability", "votes", "agreement"]
    assert pd.read_csv(paths[1]).columns.tolist() == ["annotator", "votes", "agreement", "accuracy"]
    with pytest.raises(SystemExit):
        main(["combine-labels", str(tmp_path / "votes.csv"), "--soft", "--method", "majority"])
    assert capsys.readouterr().out.startswith("item,label,weight\n")


@pytest.mark.parametrize(
    ("frame", "options", "message"),
    [
        (pd.DataFrame({"item": [1, 2], "annotator": ["a", "a"], "label": ["x", "y"]}), {}, "two annotators or more"),
        (pd.DataFrame({"item": [1, 1], "annotator": ["a", "b"], "label": ["x", "x"]}), {}, "two classes or more"),
        (
            pd.DataFrame({"item": [1, 1, 1], "annotator": ["a", "a", "b"], "label": ["x", "y", "x"]}),
            {},
            "must label an example once, got two labels of a for 1",
        ),
        (pd.DataFrame({"item": [1], "annotator": ["a"], "label": [None]}), {}, "must be labels in votes, got none"),
        (WIDE, {"item": "photo"}, "`item` must name columns"),
        (WIDE, {"annotator": "an"}, "Did you mean `ann`"),
        (WIDE, {"columns": ("ann", "bo")}, "Did you mean `bob`"),
        (WIDE, {"method": "mean"}, "method"),
    ],
)
def test_votes_that_cannot_be_combined_are_refused(frame, options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        recipes.combine_labels(frame, **options)


def test_an_example_without_a_label_is_left_out_and_named():
    with pytest.warns(UserWarning, match="1 examples have no label and are left out: 4.jpg"):
        combined = recipes.combine_labels(pd.concat([WIDE, pd.DataFrame({"image": ["4.jpg"]})]), method="majority")
    assert len(combined.labels) == 3


def test_annotators_with_few_labels_are_noted():
    with pytest.warns(UserWarning, match="3 of 3 annotators have fewer than 10 labels.*method='majority'"):
        recipes.combine_labels(WIDE)


def test_labelling_functions_vote_on_each_row():
    def by_note(row):
        return "owl" if "hoot" in row["note"] else None

    def by_height(row):
        return "owl" if row["height"] > 1000 else "tit"

    frame = {"note": ["a hoot", "a song", "hoots"], "height": [1200, 300, 200]}
    votes = recipes.apply_label_functions(
        frame, (by_note, by_height, lambda row: "tit" if "song" in row["note"] else None)
    )
    assert votes.columns.tolist() == ["item", "by_note", "by_height", "<lambda>_3"]
    assert votes["by_note"].tolist() == ["owl", None, "owl"]
    with pytest.warns(UserWarning, match="equally probable"):
        labels = recipes.combine_labels(votes, method="majority").labels
    assert labels["label"].tolist()[0] == "owl" and labels["votes"].tolist() == [2, 2, 2]
    with pytest.raises(ValueError, match="must be two or more, got 1"):
        recipes.apply_label_functions(frame, (by_note,))
    with pytest.raises(TypeError, match="must be functions of a row, got 'owl'"):
        recipes.apply_label_functions(frame, (by_note, "owl"))
    with pytest.raises(ValueError, match="got none of 3 from never"):
        recipes.apply_label_functions(frame, (by_note, never))


def never(row):
    return None
