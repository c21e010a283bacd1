"""Figures that several tasks share in their reports."""

import dataclasses

import keras
import numpy as np
from keras import layers

import recipes
from recipes.reports.report import pixel_attributions
from zoo.weights import RESULTS_FOLDER


def steep(x):
    """A logit that is a high-frequency wave of the mean pixel, over which no number of steps integrates within 5 %."""
    return keras.ops.sin(1e5 * keras.ops.mean(x, axis=(1, 2), keepdims=False)) + keras.ops.mean(x, axis=(1, 2))


def test_attributions_that_do_not_converge_are_named_in_the_report_instead_of_ending_it():
    x = np.random.default_rng(0).integers(0, 255, (40, 6, 6, 1)).astype("uint8")
    y = np.arange(40) % 2
    inputs = layers.Input((6, 6, 1))
    wave = layers.Lambda(steep, output_shape=(1,))(inputs)
    model = keras.Model(inputs, layers.Dense(2, activation="softmax")(wave))
    run = recipes.Classification(epochs=1, batch_size=8).fit(model, (x, y), verbose=False)
    figures = pixel_attributions(run, "test")
    assert figures and all(figure is None for _, _, figure in figures)
    assert all(caption.startswith("Not computed: integrated_gradients: after") for _, caption, _ in figures)


def test_a_committed_run_which_has_no_history_is_plotted_and_reported(tmp_path):
    run = recipes.load_run(RESULTS_FOLDER / "dnn_penguins")
    run = run.replace(task=dataclasses.replace(run.task, report_examples=0), history={})
    assert run.diagnose() == [] and run.metrics["last_epoch"] == {}
    assert "learning_curves" not in run.plots(tmp_path)
    run.report(tmp_path / "report.html")
    assert "Learning curves" not in (tmp_path / "report.html").read_text()
