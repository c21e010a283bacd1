"""Deep ensembles: members that are trained as by themselves, their mean, and runs that are saved and exported."""

import keras
import numpy as np
import pandas as pd
import pytest

import recipes
import zoo
from recipes.tasks.ensemble_task import EachMember, average, members_of
from tests.tolerance import assert_close
from zoo.introspect.output_activation import as_logits, output_activation

RNG = np.random.default_rng(0)


def table(rows=200):
    frame = pd.DataFrame({"x": RNG.normal(size=rows), "z": RNG.normal(size=rows)})
    noisy = frame["x"] + RNG.normal(size=rows) / 2
    return frame.assign(species=np.where(noisy > 0.3, "oak", np.where(noisy > -0.5, "elm", "fir")), height=10 * noisy)


FRAME = table()


@pytest.mark.parametrize(("activation", "units"), [("softmax", 3), ("sigmoid", 2), ("linear", 2)])
def test_the_model_is_the_mean_of_its_members(activation, units):
    keras.utils.set_random_seed(0)
    members = [
        keras.Sequential([keras.Input((4,)), keras.layers.Dense(units, activation=activation)], name=f"member_{i}")
        for i in range(3)
    ]
    model, x = average(members, "three"), RNG.normal(size=(5, 4)).astype("float32")
    assert members_of(model) == members and output_activation(model) == activation
    expected = np.mean([member.predict(x, verbose=0) for member in members], axis=0)
    assert_close(model.predict(x, verbose=0), expected, rtol=1e-5)
    with as_logits(model):
        logits = np.asarray(model(x))
    probabilities = {"softmax": keras.ops.softmax, "sigmoid": keras.ops.sigmoid, "linear": np.asarray}[activation]
    assert_close(np.asarray(probabilities(logits)), expected, rtol=1e-5)


def test_the_gradient_of_a_member_is_that_of_its_loss_alone():
    import tensorflow as tf

    y, predictions = RNG.normal(size=(6, 2)).astype("float32"), tf.constant(RNG.normal(size=(6, 3, 2)), "float32")
    loss = keras.losses.MeanSquaredError()
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(predictions)
        together, alone = EachMember(loss)(y, predictions), loss(y, predictions[:, 1])
    assert_close(tape.gradient(together, predictions)[:, 1].numpy(), tape.gradient(alone, predictions)[:, 1].numpy())
    assert float(together) == pytest.approx(np.mean([float(loss(y, predictions[:, i])) for i in range(3)]))


def test_members_are_trained_as_by_themselves():
    data = recipes.load(FRAME[["x", "z", "height"]], target="height")
    settings = {"epochs": 2, "baselines": False, "optimizer": "momentum", "learning_rate": 1e-2}
    runs = [
        recipes.Regression(**settings, ensemble=count).fit("dnn", data, units=(4,), dropout=0.0, verbose=False)
        for count in (1, 2)
    ]
    first = members_of(runs[1].model)[0]
    rows = runs[0].preprocessing.predict_on_batch(data.test.head(5))
    assert_close(first.predict(rows, verbose=0), runs[0].model.predict(rows, verbose=0), rtol=1e-4)


@pytest.mark.parametrize("target", ["species", pytest.param("height", marks=pytest.mark.slow)])
def test_an_ensemble_is_one_run_that_is_saved_and_exported(target, tmp_path):
    data = recipes.load(FRAME[["x", "z", target]], target=target)
    options = {"report_examples": 8} if target == "species" else {}
    task = (recipes.Classification if target == "species" else recipes.Regression)(
        epochs=15, learning_rate=1e-2, ensemble=2, baselines=False, **options
    )
    run = task.fit("dnn", data, units=(8,), out=tmp_path / "run", verbose=False)
    metrics, rows = run.evaluate(), FRAME[["x", "z"]].head(4)
    assert metrics["verdict"]["value"] > metrics["verdict"]["baseline"] + 0.2
    weights = [member.get_weights()[0] for member in members_of(run.model)]
    assert not np.allclose(*weights)
    loaded = recipes.load_run(tmp_path / "run", data)
    assert_close(loaded.predict(rows), run.predict(rows))
    run.export(tmp_path / "served")
    outputs = zoo.predictor(str(tmp_path / "served")).predict(rows)
    assert_close(outputs["probabilities" if target == "species" else "values"], run.predict(rows))
    assert run.report(tmp_path / "report.html").is_file()


def test_what_has_no_ensemble_is_refused():
    data = recipes.load(FRAME[["x", "z", "height"]], target="height")
    with pytest.raises(ValueError, match="`ensemble` must be 1 for the loss quantile, got 2"):
        recipes.Regression(ensemble=2, loss="quantile", epochs=1).fit("dnn", data, verbose=False)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    with pytest.raises(ValueError, match="`model` must be the name of an architecture for an `ensemble`"):
        recipes.Regression(ensemble=2, epochs=1).fit(model, data, verbose=False)
    species = recipes.load(FRAME[["x", "z", "species"]], target="species")
    with pytest.raises(ValueError, match="`calibrate` must be False"):
        recipes.Classification(ensemble=2, epochs=1, calibrate=True).fit("dnn", species, verbose=False)
    images = (RNG.integers(0, 255, (60, 8, 8, 3), dtype=np.uint8), np.arange(60) % 2)
    with pytest.raises(ValueError, match="`ensemble` must be 1 for FewLabels, got 2"):
        recipes.FewLabels(ensemble=2, labels_per_class=2).fit("lenet5", images, verbose=False)
