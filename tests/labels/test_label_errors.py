"""Wrong labels are listed by models that did not see them, and losses that they disturb less."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import recipes
from recipes.cli.main import main
from recipes.labels.label_errors import find_label_errors
from recipes.losses import GeneralizedCrossEntropy, SymmetricCrossEntropy
from tests.tolerance import assert_close

pytest.importorskip("cleanlab", reason="cleanlab is in the extra `labels`")
RNG = np.random.default_rng(0)
TASK = recipes.Classification(epochs=12, batch_size=8, learning_rate=0.02)


def wrong_table(rows=160, fraction=0.1):
    """A table of two species apart in two columns, with some labels that are wrong: the table and which are wrong."""
    label = np.arange(rows) % 2
    frame = pd.DataFrame(RNG.normal(size=(rows, 2)) + 4 * label[:, None], columns=["height", "width"])
    wrong = RNG.random(rows) < fraction
    frame["species"] = np.array(["ash", "oak"])[np.where(wrong, 1 - label, label)]
    return frame, wrong


def test_wrong_labels_of_a_table_are_listed_first(tmp_path):
    frame, wrong = wrong_table()
    data = recipes.load(frame, target="species", missing="drop")
    errors = find_label_errors(TASK, "dnn", data, folds=2, out=tmp_path, verbose=False, units=(8,))
    listed = errors.table[errors.table["is_error"]]
    assert wrong[listed["name"]].mean() > 0.8 and np.isin(np.flatnonzero(wrong), listed["name"]).mean() > 0.8
    assert (listed["label"] != listed["suggestion"]).all()
    saved = pd.read_csv(tmp_path / "label_errors.csv")
    assert saved["name"].tolist() == errors.table["name"].tolist() and not (tmp_path / "label_errors.png").exists()
    cleaned = errors.without_errors()
    assert not set(cleaned.train.names) & set(listed["name"])
    assert len(cleaned.test) == len(data.test) and "left out" in cleaned.notes[-1]


def test_wrong_labels_of_photos_are_listed_and_shown(tmp_path, capsys):
    for i in range(40):
        name = ("dark", "light")[i % 2 if i != 7 else 0]  # 7 is light
        pixels = RNG.integers(0, 80, (8, 8, 3)) + 150 * (i % 2)
        (tmp_path / "photos" / name).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.astype("uint8")).save(tmp_path / "photos" / name / f"{i}.png")
    arguments = ["classification", "--model", "cnn", "--data", f"folder:{tmp_path / 'photos'}", "--folds", "2"]
    with pytest.raises(SystemExit) as stop:
        main(
            [
                "find-label-errors",
                *arguments,
                "--out",
                str(tmp_path / "checks"),
                "--set",
                "epochs=12",
                "--set",
                "batch_size=4",
            ]
        )
    assert stop.value.code == 0
    assert f"{tmp_path}/photos/dark/7.png\tdark\tlight?" in capsys.readouterr().out
    assert (tmp_path / "checks" / "label_errors.png").stat().st_size > 5_000


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ((RNG.normal(size=(40, 3)), RNG.normal(size=40)), "must have one class per example"),
        ((RNG.normal(size=(40, 3)), RNG.integers(0, 2, (40, 3))), "must have one class per example"),
    ],
)
def test_data_without_one_class_per_example_are_refused(data, message):
    with pytest.raises(ValueError, match=message):
        find_label_errors(TASK, "dnn", data, folds=2, verbose=False)


def test_robust_losses_follow_their_formulas():
    p = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]], "float32")
    y, of_label = np.array([0, 1]), np.array([0.7, 0.3])
    assert_close(GeneralizedCrossEntropy(reduction=None)(y, p), (1 - of_label**0.7) / 0.7)
    assert_close(SymmetricCrossEntropy(reduction=None)(y, p), -0.1 * np.log(of_label) + 4 * (1 - of_label))
    one_unit = GeneralizedCrossEntropy("sigmoid", reduction=None)(
        np.array([[1], [0]]), np.array([[0.7], [0.7]], "float32")
    )
    assert_close(one_unit, (1 - of_label**0.7) / 0.7)
    logits = SymmetricCrossEntropy("linear", reduction=None)(np.eye(3)[y], np.log(p))
    assert_close(logits, -0.1 * np.log(of_label) + 4 * (1 - of_label))


@pytest.mark.parametrize("loss", ["generalized_cross_entropy", "symmetric_cross_entropy"])
def test_a_robust_loss_trains_on_indices_and_on_one_hot_targets(loss):
    frame, _ = wrong_table(80)
    for change in ({}, {"label_smoothing": 0.1}):
        run = recipes.fit(
            TASK.replace(loss=loss, **change), "dnn", recipes.load(frame, target="species"), verbose=False
        )
        assert run.history["loss"][-1] < run.history["loss"][0] and run.model.loss.name == loss
    assert 0 < run.task.baseline_loss(run.data) < 3


def test_a_robust_loss_is_refused_for_several_labels():
    data = (RNG.normal(size=(40, 3)), RNG.integers(0, 2, (40, 3)))
    with pytest.raises(ValueError, match="`loss` must be cross_entropy for several labels"):
        recipes.fit(TASK.replace(loss="symmetric_cross_entropy"), "dnn", data, verbose=False)
