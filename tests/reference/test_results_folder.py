"""Committed results: model cards match the metrics, and small trained models give their golden predictions."""

import json

import numpy as np
import pytest
import tensorflow as tf

import recipes
import zoo
from recipes.reference.results_folder import save_results
from recipes.reports.card import card
from tests.tolerance import assert_close
from zoo.weights import RESULTS_FOLDER

TRAINED = sorted(p.parent.name for p in RESULTS_FOLDER.glob("*/model.keras"))


@pytest.mark.parametrize("name", sorted(p.parent.name for p in RESULTS_FOLDER.glob("*/run.json")))
def test_every_model_card_is_rendered_from_its_metrics(name):
    text = (RESULTS_FOLDER / name / "card.md").read_text()
    assert text == card(RESULTS_FOLDER / name)
    metrics = json.loads((RESULTS_FOLDER / name / "metrics.json").read_text())
    key = recipes.REFERENCE[name].task.headline
    assert f"| {key} | {metrics['test'][key]:.4g}" in text and "not trained on" in text


def test_trained_models_are_small_and_include_lenet5_and_penguins():
    assert {"lenet5_mnist", "dnn_penguins"} <= set(TRAINED)
    for name in TRAINED:
        assert (RESULTS_FOLDER / name / "model.keras").stat().st_size < 1_000_000, name


@pytest.mark.parametrize("name", TRAINED)
def test_a_trained_model_gives_its_golden_predictions(name):
    golden = json.loads((RESULTS_FOLDER / name / "golden.json").read_text())
    model = zoo.load(name)
    if isinstance(model.input, dict):
        inputs = {k: tf.reshape(tf.constant(v), (-1, 1)) for k, v in golden["inputs"].items()}
    else:
        inputs = np.array(next(iter(golden["inputs"].values())), dtype=model.input.dtype)
    predictions = np.asarray(model(inputs, training=False))
    assert_close(predictions, golden["predictions"], rtol=golden["tolerance"])


def test_only_a_run_of_the_recipe_is_saved(tmp_path):
    run = recipes.Classification(epochs=1).fit("dnn", "bundled:digits", out=tmp_path / "run", verbose=False)
    with pytest.raises(ValueError, match="must be of lenet5_mnist"):
        save_results("lenet5_mnist", run.save(tmp_path / "run"), tmp_path)
    with pytest.raises(ValueError, match="Did you mean `lenet5_mnist`"):
        save_results("lenet5_mnst", tmp_path / "run", tmp_path)
