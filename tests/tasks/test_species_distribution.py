"""Species distribution models: loss, intercept, metrics, similarity, report, and prediction by name."""

import keras
import numpy as np
import pandas as pd
import pytest

import recipes
from recipes.data.environment import Environment
from recipes.prediction.file_prediction import predict_frames
from recipes.runs.predict_files import evaluate_run
from recipes.tasks.species_metrics import MaxentLoss, boyce_index, permutation_importance
from tests.tolerance import assert_close

RNG = np.random.default_rng(0)
COUNT = 400
WARMTH, RAIN = RNG.normal(20, 5, COUNT), RNG.normal(800, 200, COUNT)
PRESENCE = RNG.random(COUNT) < np.exp(-(((WARMTH - 22) / 2) ** 2))
TABLE = pd.DataFrame(
    {
        "seen": PRESENCE.astype(int),
        "lon": RNG.uniform(0, 10, COUNT),
        "lat": RNG.uniform(0, 10, COUNT),
        "Warmth (C)": WARMTH,
        "rain": RAIN,
        "soil": RNG.choice(["clay", "sand"], COUNT),
    }
)


def species(**options):
    return recipes.read_species(TABLE, "seen", **{"block": 1.0, **options})


@pytest.fixture(scope="module")
def run():
    task = recipes.SpeciesDistribution(epochs=40, learning_rate=0.05, baselines=False)
    return recipes.fit(task, "maxent_features", species(), verbose=False, hinges=5)


def test_a_uniform_prediction_has_a_loss_of_0_and_a_sharp_one_that_of_the_definition():
    presence = np.array([1, 0, 0, 1, 0])
    loss = MaxentLoss()
    assert_close(loss(presence, np.full((5, 2), 0.5, "float32")), 0.0, scale=1.0)
    odds = np.array([3.0, 1.0, 0.5, 2.0, 1.0])
    probabilities = np.stack([1 / (1 + odds), odds / (1 + odds)], axis=1).astype("float32")
    expected = -np.log(odds[presence == 1] / odds.sum()).mean() - np.log(5)
    assert_close(loss(presence, probabilities), expected)
    assert_close(loss(np.zeros(5), probabilities), 0.0, scale=1.0)  # a batch without presences


def test_boyce_index_is_1_for_a_perfect_and_negative_for_a_reversed_prediction():
    probability = RNG.random(20_000)
    presence = RNG.random(20_000) < probability
    assert boyce_index(presence, probability) > 0.97
    assert boyce_index(presence, 1 - probability) < -0.97
    assert abs(boyce_index(RNG.permutation(presence), probability)) < 0.7
    assert boyce_index(np.arange(20) < 4, np.arange(20)) is None
    assert boyce_index(np.arange(20) < 9, np.ones(20)) is None


def test_shuffling_a_column_that_matters_lowers_the_area():
    inputs = {"warmth": WARMTH, "rain": RAIN}
    falls = permutation_importance(lambda x: -np.abs(x["warmth"] - 22), inputs, PRESENCE)
    assert falls["warmth"] > 0.2 and falls["rain"] == 0


def test_similarity_is_that_of_elith():
    values = np.arange(101.0)  # percentiles are the values themselves
    environment = Environment({"a": values.tolist(), "b": (10 * values).tolist()}, {"soil": ["clay", "sand"]})
    inputs = {"a": [50, 25, 0, 120, 50, 50], "b": [500, 500, 500, 500, -500, 500], "soil": [*["clay"] * 5, "rock"]}
    assert_close(environment.similarity(inputs), [100, 50, 0, -20, -50, -100])
    assert_close(Environment.from_json(environment.to_json()).similarity(inputs), environment.similarity(inputs))
    gaps = {"a": [np.nan, 25], "b": [500, np.nan], "soil": ["clay", "clay"]}
    assert_close(environment.similarity(gaps), [100, 50])


def test_maxent_learns_the_niche_and_its_intercept(run):
    metrics = run.evaluate("test")
    assert metrics["roc_auc"] > 0.75 and metrics["threshold_source"] == "validation"
    assert max(metrics["importance"], key=metrics["importance"].get) == "Warmth_C"
    train = run.data.train
    mean = run.predict(train)[:, 1].mean()
    assert_close(mean, (train.targets == 1).mean(), rtol=1e-3)
    assert "ROC AUC" in run.task.summarize(metrics, "test")[0] and "presences" in run.task.summarize(metrics, "test")[0]
    assert run.history["loss"][-1] < -0.2  # the gain


def test_report_has_response_curves_and_importance(run):
    titles = [title for title, _, _ in run.task.figures(run, "test")]
    assert titles[:2] == ["Response of the probability of presence", "Importance of the variables"]


def test_predictions_are_matched_by_name_and_mark_extrapolation(run, tmp_path):
    path = tmp_path / "new.csv"
    new = TABLE[["soil", "rain", "Warmth (C)"]].iloc[:3].copy()  # in another order
    new.loc[0, "Warmth (C)"] = 80.0
    new.loc[1, "Warmth (C)"] = float(np.median(WARMTH))
    new.to_csv(path, index=False)
    with pytest.warns(UserWarning, match="far outside of the training range"):
        frame = pd.concat(predict_frames(run, [path]))
    assert frame["similarity"][0] < -100 < 0 < frame["similarity"][1]
    with pytest.warns(UserWarning, match="far outside"):
        assert_close(frame["presence"], run.predict(new)[:, 1])
    new.iloc[2:].to_csv(path, index=False)
    assert "similarity" not in pd.concat(predict_frames(run, [path], features=True))


@pytest.mark.parametrize("model", ["deepmaxent", "tabm", "dnn"])
def test_other_networks_have_an_intercept_too(model):
    task = recipes.SpeciesDistribution(epochs=2, baselines=False)
    small = {"tabm": {"members": 2, "width": 8}, "deepmaxent": {"width": 8}, "dnn": {"units": (8,)}}[model]
    run = recipes.fit(task, model, species(), verbose=False, **small)
    train = run.data.train
    assert_close(run.predict(train)[:, 1].mean(), (train.targets == 1).mean(), rtol=1e-2)


def test_sinr_takes_coordinates():
    task = recipes.SpeciesDistribution(epochs=1, baselines=False)
    run = recipes.fit(task, "sinr", species(columns=("lon", "lat", "rain")), verbose=False, width=8, depth=1)
    encoding = run.model.get_layer("encoding")
    assert encoding.center.shape == (2,) and float(encoding.scale[0]) > 0
    with pytest.raises(ValueError, match="sinr must have the coordinates as its first columns, got warmth|got Warmth"):
        recipes.fit(task, "sinr", species(), verbose=False)


def test_absences_train_by_cross_entropy():
    task = recipes.SpeciesDistribution(epochs=1, loss="binary_crossentropy", class_weight="balanced", baselines=False)
    run = recipes.fit(task, "dnn", species(), verbose=False, units=(4,))
    assert "accuracy" in run.history and "roc_auc" in run.evaluate()


def test_wrong_data_models_and_options_are_refused():
    with pytest.raises(ValueError, match="must be a table of presences and others, got penguins"):
        recipes.fit(recipes.SpeciesDistribution(), "dnn", "bundled:penguins", verbose=False)
    with pytest.raises(ValueError, match="`class_weight` must be unset for the loss maxent"):
        recipes.fit(recipes.SpeciesDistribution(class_weight="balanced"), "dnn", species(), verbose=False)
    inputs = keras.Input((4,))
    without_bias = keras.Model(inputs, keras.layers.Dense(2, "softmax", use_bias=False)(inputs))
    with pytest.raises(ValueError, match="must end in a layer of two units with a bias"):
        recipes.fit(recipes.SpeciesDistribution(), without_bias, species(), verbose=False)


def test_a_run_is_read_again(tmp_path, run):
    table = tmp_path / "points.csv"
    TABLE.to_csv(table, index=False)
    task = recipes.SpeciesDistribution(epochs=1, baselines=False)
    trained = recipes.fit(task, "dnn", f"species:{table}?target=seen", out=tmp_path / "run", verbose=False, units=(4,))
    loaded = recipes.load_run(tmp_path / "run")
    new = TABLE.drop(columns=["lon", "lat"])
    assert_close(loaded.predict(new)[:, 1], trained.predict(new)[:, 1])
    assert loaded.evaluate()["roc_auc"] == trained.evaluate()["roc_auc"]
    others = tmp_path / "others.csv"
    TABLE[["soil", "lat", "lon", "Warmth (C)", "seen", "rain"]].iloc[:100].to_csv(others, index=False)
    metrics = evaluate_run(loaded, str(others))
    assert metrics["examples"] == 100 and metrics["presences"] == PRESENCE[:100].sum()
    TABLE.drop(columns="rain").to_csv(others, index=False)
    with pytest.raises(ValueError, match="none called 'rain'"):
        evaluate_run(loaded, str(others))
