"""A search: defaults first, trials until the budget, resumed, and the winner beside the defaults on the test split."""

import json
import types

import numpy as np
import pytest

import recipes
from recipes.tuning import search as module
from recipes.tuning import trials as trials_module
from recipes.tuning.comparison import compare_scores
from recipes.tuning.search import parse_budget

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 3)).astype("float32")
Y = X.sum(1, keepdims=True)
SPACE = {"learning_rate": "1e-4:1e-1:log"}
TASK = recipes.Regression(epochs=1, batch_size=16)


def data():
    return recipes.read_arrays((X, Y), task="regression")


class FakeFit:
    """Stands for `fit`: the score is best at a learning rate of 0.02, and depends a little on the seed."""

    def __init__(self):
        self.trained = []

    def __call__(self, task, model, data, *, verbose, callbacks=(), **arguments):
        self.trained.append((task.learning_rate, task.seed))
        if task.learning_rate > 0.09:
            raise ArithmeticError("training diverged: the loss became nan")
        value = -((np.log10(task.learning_rate) - np.log10(0.02)) ** 2) + 0.01 * (task.seed % 3)
        verdict = {"metric": "R²", "value": float(value), "higher_is_better": True}
        return types.SimpleNamespace(evaluate=lambda split: {"verdict": verdict}, history={}, task=task)


@pytest.fixture
def fake(monkeypatch):
    fit = FakeFit()
    monkeypatch.setattr(trials_module, "fit", fit)
    monkeypatch.setattr(module, "train_and_export", lambda *args: None)
    return fit


def test_the_defaults_are_scored_first_and_the_winner_is_retrained_with_other_seeds(fake, tmp_path):
    result = recipes.search(TASK, "dnn", data(), space=SPACE, trials=12, out=tmp_path / "s", verbose=False)
    assert fake.trained[0] == (TASK.learning_rate, TASK.seed)
    assert result.score > result.default_score
    assert result.values["learning_rate"] == pytest.approx(0.02, rel=1.5)
    assert result.task.learning_rate == result.values["learning_rate"]
    assert {seed for _, seed in fake.trained[-6:]} == {1, 2, 3}
    assert result.comparison["result"] == "better"
    assert result.comparison["examples"] == len(data().test)
    saved = json.loads((tmp_path / "s" / "search.json").read_text())
    assert saved["best_values"] == pytest.approx(result.values)
    assert saved["sentence"] == result.sentence
    assert (tmp_path / "s" / "search.png").stat().st_size > 1000
    assert list(result.trials["state"]).count("default") == 1
    assert set(result.trials["state"]) <= {"default", "complete", "pruned"}


def test_a_stopped_search_resumes_where_it_was(fake, tmp_path):
    options = {"space": SPACE, "out": tmp_path / "s", "verbose": False, "seeds": 1}
    recipes.search(TASK, "dnn", data(), trials=3, **options)
    before = len(fake.trained)
    result = recipes.search(TASK, "dnn", data(), trials=5, **options)
    assert (result.trials["state"] != "default").sum() == 5
    assert len(fake.trained) - before in (2, 4)  # the comparison only for another winner
    assert TASK.learning_rate not in [rate for rate, seed in fake.trained[before:] if seed == TASK.seed]
    repeated = recipes.search(TASK, "dnn", data(), trials=5, **options)
    assert repeated.values == result.values


def test_an_interrupt_loses_no_finished_trial(fake, tmp_path, monkeypatch):
    options = {"space": SPACE, "out": tmp_path / "s", "verbose": False, "seeds": 1}

    def interrupted(task, *args, **kwargs):
        if len(fake.trained) == 4:
            raise KeyboardInterrupt
        return fake(task, *args, **kwargs)

    monkeypatch.setattr(trials_module, "fit", interrupted)
    with pytest.raises(KeyboardInterrupt):
        recipes.search(TASK, "dnn", data(), trials=8, **options)
    monkeypatch.setattr(trials_module, "fit", fake)
    result = recipes.search(TASK, "dnn", data(), trials=8, **options)
    assert list(result.trials["state"]).count("default") == 1
    assert fake.trained[0][0] not in [rate for rate, seed in fake.trained[1:] if seed == TASK.seed]


def test_another_search_in_the_folder_is_refused_and_replaced_on_request(fake, tmp_path):
    options = {"out": tmp_path / "s", "verbose": False, "seeds": 1, "trials": 2}
    recipes.search(TASK, "dnn", data(), space=SPACE, **options)
    with pytest.raises(ValueError, match="without another search"):
        recipes.search(TASK, "dnn", data(), space={"learning_rate": "0.1,0.2"}, **options)
    with pytest.raises(ValueError, match="`epochs` was 1 and is now 2"):
        recipes.search(TASK.replace(epochs=2), "dnn", data(), space=SPACE, **options)
    recipes.search(TASK.replace(epochs=2), "dnn", data(), space=SPACE, overwrite=True, **options)


def test_a_search_in_which_nothing_is_better_keeps_the_defaults(fake):
    task = TASK.replace(learning_rate=0.02)
    result = recipes.search(task, "dnn", data(), space=SPACE, trials=3, verbose=False)
    assert result.values == {}
    assert result.task == task
    assert "keep them" in result.sentence
    assert result.comparison is None


def test_trainings_that_diverge_count_as_stopped_with_their_reason(fake):
    result = recipes.search(TASK, "dnn", data(), space={"learning_rate": "0.01,0.095"}, trials=4, verbose=False)
    diverged = result.trials[result.trials["learning_rate"] == 0.095]
    assert set(diverged["state"]) <= {"pruned"}
    assert all("diverged" in reason for reason in diverged["reason"])


def test_a_grid_ends_when_all_points_are_tried(fake):
    space = {"learning_rate": "0.01,0.02,0.03"}
    result = recipes.search(TASK, "dnn", data(), space=space, sampler="grid", trials=50, verbose=False)
    assert sorted(result.trials["learning_rate"]) == [0.01, 0.02, 0.03]


def test_a_budget_shorter_than_the_defaults_runs_no_trial_and_says_so(fake, monkeypatch):
    monkeypatch.setattr(trials_module, "seconds_of", lambda study: 1e9)
    result = recipes.search(TASK, "dnn", data(), space=SPACE, budget="1s", verbose=False)
    assert "no trial was run" in result.sentence


@pytest.mark.parametrize("text, seconds", [("90s", 90), ("1.5min", 90), ("2h", 7200), ("600", 600), (None, None)])
def test_budgets_are_read(text, seconds):
    assert parse_budget(text) == seconds


@pytest.mark.parametrize("text", ["soon", "0min", "5 days", "-3s"])
def test_other_budgets_are_refused(text):
    with pytest.raises(ValueError, match="`budget` must be a time"):
        parse_budget(text)


def test_data_without_a_test_split_are_refused():
    without = recipes.read_arrays((X, Y), task="regression", test=0)
    with pytest.raises(ValueError, match="must have a test split"):
        recipes.search(TASK, "dnn", without, trials=1)


def test_what_is_searched_cannot_be_set():
    with pytest.raises(ValueError, match="units must be searched or set"):
        recipes.search(TASK, "dnn", data(), space={"units": "[4],[8]"}, units=(4,), trials=1)


def test_a_search_trains_networks():
    result = recipes.search(
        TASK, "dnn", data(), space={"learning_rate": "0.03,0.05", "units": "[4],[8]"}, trials=1, seeds=1, verbose=False
    )
    assert result.metric == "R²"
    assert list(result.trials["state"]) == ["complete"]
    assert np.isfinite(result.trials["score"]).all()


@pytest.mark.slow
def test_processes_share_a_search(tmp_path):
    result = recipes.search(TASK, "dnn", data(), space=SPACE, trials=4, seeds=1, workers=2, out=tmp_path / "s")
    assert (result.trials["state"] != "default").sum() >= 4
    assert (tmp_path / "s" / "best" / "run.json").is_file()


@pytest.mark.parametrize(
    "winner, higher, result", [([0.9, 0.91, 0.92], True, "better"), ([0.9, 0.91, 0.92], False, "worse")]
)
def test_the_winner_is_compared_seed_by_seed(winner, higher, result):
    rows = [(seed, default, score) for seed, default, score in zip((1, 2, 3), (0.8, 0.8, 0.81), winner, strict=True)]
    entry = compare_scores(rows, "accuracy", higher, 40)
    assert entry["result"] == result
    assert entry["difference"] == pytest.approx(0.32 / 3)
    # Student's t of 2 degrees of freedom: 4.303 standard errors
    half = 4.30265 * np.std([0.1, 0.11, 0.11], ddof=1) / 3**0.5
    assert entry["interval"] == pytest.approx([0.32 / 3 - half, 0.32 / 3 + half], rel=1e-4)


def test_a_gain_within_the_noise_is_said_to_be_unclear():
    entry = compare_scores([(1, 0.8, 0.85), (2, 0.85, 0.8), (3, 0.8, 0.82)], "accuracy", True, 40)
    assert entry["result"] == "unclear"
    assert "does not beat the defaults" in entry["sentence"]
    assert "cannot tell a gain from noise" in compare_scores([(1, 0.8, 0.9)], "accuracy", True, 40)["sentence"]
