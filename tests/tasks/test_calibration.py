"""Temperatures, conformal intervals and sets of trained runs: in metrics, predictions, files, exports and reports."""

import numpy as np
import pandas as pd
import pytest

import recipes
import zoo
from recipes.cli.main import main
from recipes.cli.output import print_metrics
from recipes.reports.card import card
from recipes.reports.reliability import reliability_figures
from recipes.tasks import calibration
from tests.tolerance import assert_close

RNG = np.random.default_rng(0)
TASKS = {"class": recipes.Classification, "number": recipes.Regression}


def table(rows=240):
    frame = pd.DataFrame({"rain": RNG.normal(size=rows), "soil": RNG.choice(["clay", "loam"], rows)})
    signal = frame["rain"] + (frame["soil"] == "loam") + RNG.normal(size=rows)
    return frame.assign(class_=np.where(signal > 0.5, "oak", "pine"), number=10 * signal)


@pytest.fixture(scope="module", params=["class", "number"])
def run(request, tmp_path_factory):
    target = {"class": "class_", "number": "number"}[request.param]
    data = recipes.load(table()[["rain", "soil", target]], target=target)
    arguments = {} if request.param == "number" else {"report_examples": 0}
    task = TASKS[request.param](epochs=3, baselines=False, coverage=0.8, **arguments)
    return task.fit("dnn", data, units=(8,), out=tmp_path_factory.mktemp("run") / "run", verbose=False)


def test_the_validation_split_calibrates_what_the_test_split_measures(run):
    metrics, conformal = run.evaluate(), run.conformal
    kind = conformal.kind
    assert conformal.examples == len(run.data.validation.targets) and conformal.coverage == 0.8
    assert metrics["nominal_coverage"] == 0.8 and 0.6 < metrics[f"{kind}_coverage"] <= 1
    assert "nominal_coverage" not in run.evaluate("validation")  # there it holds by construction
    assert any("80 %" in sentence for sentence in run.task.summarize(metrics, "test"))


def test_a_run_that_is_loaded_has_the_same_regions(run, tmp_path):
    run.save(tmp_path / "run")
    loaded, rows = recipes.load_run(tmp_path / "run"), pd.DataFrame({"rain": [0.1, 2.0], "soil": ["clay", "loam"]})
    assert loaded.conformal == run.conformal
    name = "predict_set" if run.conformal.kind == "set" else "predict_interval"
    assert_close(getattr(loaded, name)(rows).astype(float), getattr(run, name)(rows).astype(float), rtol=1e-5)


@pytest.mark.parametrize("coverage", [0, 1, 1.5])
def test_a_coverage_of_none_or_all_is_refused(coverage):
    with pytest.raises(ValueError, match="`coverage` must be"):
        recipes.Regression(coverage=coverage)


def test_regions_of_a_run_its_files_and_its_export_are_the_same(run, tmp_path):
    rows = pd.DataFrame({"rain": [-2.0, 0.4, 2.0], "soil": ["clay", "loam", "loam"]})
    is_set = run.conformal.kind == "set"
    regions = run.predict_set(rows) if is_set else run.predict_interval(rows)
    assert regions.shape == ((3, 2) if is_set else (3, 1, 2))
    rows.to_csv(tmp_path / "rows.csv", index=False)
    run.predict_files(tmp_path / "rows.csv", tmp_path / "out.csv", uncertainty=True)
    written = pd.read_csv(tmp_path / "out.csv")
    if is_set:
        names = np.array(run.classes)
        assert written["set"].str.split("|").tolist() == [list(names[row]) for row in regions]
    else:
        assert_close(written[["number_low", "number_high"]].to_numpy("float32"), regions[:, 0])
    run.export(tmp_path / "served")
    outputs = zoo.predictor(str(tmp_path / "served")).predict(rows)
    assert_close(np.asarray(outputs["set" if is_set else "interval"], "float32"), regions.astype("float32"))


def test_what_has_no_region_is_refused(run):
    rows = run.data.test.head(2)
    other, expected = (
        (run.predict_interval, "regression") if run.conformal.kind == "set" else (run.predict_set, "classification")
    )
    with pytest.raises(ValueError, match=f"the run must be of {expected}, got"):
        other(rows)
    record = {name: value for name, value in run.record.items() if name != "conformal"}
    with pytest.raises(ValueError, match="must have .*, got none: .* train it again"):
        run.replace(record=record).require_conformal()


def test_the_shell_writes_regions(run, tmp_path, capsys):
    run.save(tmp_path / "run")
    pd.DataFrame({"rain": [0.1], "soil": ["clay"]}).to_csv(tmp_path / "row.csv", index=False)
    with pytest.raises(SystemExit) as exit_:
        main(["predict", str(tmp_path / "run"), str(tmp_path / "row.csv"), "--uncertainty"])
    assert exit_.value.code == 0
    header = capsys.readouterr().out.splitlines()[0].split("\t")
    assert header[-2:] == ["number_low", "number_high"] if run.conformal.kind == "interval" else header[-1] == "set"


def test_a_temperature_makes_the_loss_smaller_and_keeps_the_classes():
    logits = RNG.normal(size=(400, 3))
    sure = np.exp(4 * logits) / np.exp(4 * logits).sum(1, keepdims=True)  # too sure by a factor of 4
    true = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    targets = np.array([RNG.choice(3, p=p) for p in true])
    temperature = calibration.best_temperature(targets, sure)
    assert temperature == pytest.approx(4, rel=0.25)
    scaled = calibration.at_temperature(sure, temperature)
    assert (scaled.argmax(-1) == sure.argmax(-1)).all()
    assert calibration.calibration_error(targets, scaled) < calibration.calibration_error(targets, sure) / 2


def test_probabilities_without_a_mistake_are_not_made_surer():
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8]])
    assert calibration.best_temperature(np.array([0, 1]), probabilities) >= 1


@pytest.mark.parametrize("activation", ["softmax", pytest.param("sigmoid", marks=pytest.mark.slow)])
def test_calibrate_divides_the_logits_of_the_model(activation):
    data = recipes.load(table()[["rain", "soil", "class_"]], target="class_")
    tasks = [recipes.Classification(epochs=2, report_examples=0, baselines=False, calibrate=c) for c in (False, True)]
    runs = []
    for task in tasks:
        model = task.build_model("dnn", data, units=(8,))
        if activation == "sigmoid":
            import keras

            model = keras.Model(
                model.input, keras.layers.Dense(1, "sigmoid", name="one")(model.layers[-2].output), name="one_unit"
            )
        runs.append(task.fit(model, data, verbose=False))
    plain, calibrated = (run.predict_split("test") for run in runs)
    temperature = runs[1].record["temperature"]
    assert temperature != pytest.approx(1, abs=1e-3)
    assert_close(calibration.at_temperature(plain, temperature), calibrated)
    losses = [run.evaluate("validation")["log_loss"] for run in runs]
    assert losses[1] < losses[0]


def test_models_whose_logits_are_not_those_of_one_layer_are_refused():
    data = recipes.load(table()[["rain", "soil", "class_"]], target="class_")
    with pytest.raises(ValueError, match="`calibrate` must be False for tabm"):
        recipes.Classification(epochs=1, calibrate=True).fit("tabm", data, members=2, width=4, verbose=False)


def test_calibration_error_of_known_probabilities():
    probabilities = np.array([[0.9, 0.1]] * 10 + [[0.6, 0.4]] * 10)
    targets = np.array([0] * 9 + [1] + [0] * 3 + [1] * 7)
    assert_close(calibration.calibration_error(targets, probabilities), (10 * 0 + 10 * 0.3) / 20)


def test_the_diagram_has_a_point_for_each_group_of_examples():
    probabilities = RNG.dirichlet(np.ones(3), size=100)
    targets = probabilities.argmax(-1)
    ((title, _, figure),) = reliability_figures(targets, probabilities)
    assert title == "Reliability" and len(figure.axes[0].containers) == 5
    assert reliability_figures(targets[:30], probabilities[:30]) == []


def test_coverage_is_measured_in_each_group_and_printed(tmp_path, capsys):
    rng = np.random.default_rng(1)
    frame = table(400)[["rain", "soil", "number"]].assign(site=np.repeat(np.arange(40), 10))
    frame["number"] += 30 * rng.normal(size=40)[frame["site"]]
    data = recipes.load(frame, target="number", group="site")
    run = recipes.Regression(epochs=2, baselines=False, coverage=0.8).fit("dnn", data, units=(4,), verbose=False)
    metrics, groups = run.evaluate(), calibration.groups_of(data.test)
    by_group = metrics["coverage_by_group"]
    assert len(by_group) == len(np.unique(data.test.units)) == len(data.test) / 10
    assert np.mean(list(by_group.values())) == pytest.approx(metrics["interval_coverage"])
    low = min(by_group, key=by_group.get)
    intervals = run.conformal(run.predict_split("test"))[groups == low, 0]
    targets = data.test.targets[groups == low, 0]
    assert by_group[low] == ((targets >= intervals[:, 0]) & (targets <= intervals[:, 1])).mean()
    assert any(f"(the {low})" in sentence for sentence in run.task.summarize(metrics, "test"))
    print_metrics(metrics, metrics["baseline"])
    assert f"coverage of {low}\t{by_group[low]:.4g}" in capsys.readouterr().out
    run.save(tmp_path / "run")
    assert f"| {low} | {by_group[low]:.3f} |" in card(tmp_path / "run")
    assert "Coverage of intervals and sets" in run.report(tmp_path / "report.html").read_text()
    assert calibration.groups_of(data.test.take(np.flatnonzero(groups == low)[:4])) is None  # too few for a figure
