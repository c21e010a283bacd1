"""What lies on the shelf: cards that say the truth, and small trained models that answer as they did."""

import json

import numpy as np
import pytest
import tensorflow as tf

import recipes
import zoo
from recipes.reference.recipes import RESULTS
from recipes.reference.results_folder import save_results
from recipes.reports.card import card
from tests.tolerance import assert_close

TRAINED = sorted(p.parent.name for p in RESULTS.glob("*/model.keras"))


@pytest.mark.parametrize("name", sorted(p.parent.name for p in RESULTS.glob("*/run.json")))
def test_every_record_has_its_card_and_the_card_is_generated(name):
    text = (RESULTS / name / "card.md").read_text()
    assert text == card(RESULTS / name)
    metrics = json.loads((RESULTS / name / "metrics.json").read_text())
    key = recipes.REFERENCE[name].recipe.headline
    assert f"| {key} | {metrics['test'][key]:.4g}" in text and "never seen" in text


def test_the_demo_and_some_tables_lie_there_trained():
    assert {"lenet5_mnist", "dnn_penguins"} <= set(TRAINED)
    for name in TRAINED:
        assert (RESULTS / name / "model.keras").stat().st_size < 1_000_000, name


@pytest.mark.parametrize("name", TRAINED)
def test_a_trained_model_answers_raw_inputs_as_it_did(name):
    told = json.loads((RESULTS / name / "golden.json").read_text())
    model = zoo.load(name)
    if isinstance(model.input, dict):
        asked = {k: tf.reshape(tf.constant(v), (-1, 1)) for k, v in told["inputs"].items()}
    else:
        asked = np.array(next(iter(told["inputs"].values())), dtype=model.input.dtype)
    found = np.asarray(model(asked, training=False))
    assert_close(found, told["answers"], rtol=told["tolerance"])


def test_only_a_run_of_the_row_is_shelved(tmp_path):
    run = recipes.Classification(epochs=1).fit("dnn", "bundled:digits", out=tmp_path / "run", verbose=False)
    with pytest.raises(ValueError, match="must be of lenet5_mnist"):
        save_results("lenet5_mnist", run.save(tmp_path / "run"), tmp_path)
    with pytest.raises(ValueError, match="Did you mean `lenet5_mnist`"):
        save_results("lenet5_mnst", tmp_path / "run", tmp_path)
