"""Logistic regression on frozen features: its head, the kept features, and the other classifiers beside it."""

import json

import keras
import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

import recipes
import zoo
from recipes.cli.main import main
from recipes.reports.card import card
from recipes.runs.load import load_run
from recipes.tasks import backbone_features
from recipes.tasks.logistic_head import fit_logistic
from tests.tasks.test_fine_tuning import backbone, images_of_two_classes
from tests.tolerance import assert_close
from zoo.published_weights import describe_weights


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("FIELDZOO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "features"


@pytest.fixture(scope="module")
def images():
    """Returns 8-bit images whose class shifts the brightness less than the noise does, and their classes."""
    rng = np.random.default_rng(0)
    y = np.arange(160) % 2
    x = rng.normal(110, 40, (160, 1, 1, 1)) + rng.normal(0, 30, (160, 12, 12, 3)) + 35 * y[:, None, None, None]
    x[:, 0, 0], x[:, -1, -1] = 0, 255
    return x.clip(0, 255).astype("uint8"), y


def test_the_head_is_the_logistic_regression_of_scikit_learn_on_the_features_of_the_backbone(images):
    run = recipes.Features(seed=3).fit(frozen := backbone(), images, verbose=False)
    train, test = run.data.train, run.data.test
    features = zoo.extract_features(frozen, train.inputs.astype("float32"))
    fitted = fit_logistic(features, train.targets, 2, seed=3)
    expected = fitted.probabilities(zoo.extract_features(frozen, test.inputs.astype("float32")))
    assert_close(run.predict(test.inputs), expected, rtol=1e-4)
    assert run.record["logistic_regression"]["C"] == fitted.C
    assert run.record["epochs_trained"] == 0 and run.history == {} and run.diagnose() == []
    # The metrics are those of the model's predictions for the raw images
    assert run.evaluate("test")["accuracy"] == (run.predict(test.inputs).argmax(-1) == test.targets).mean()


def test_features_are_kept_by_content_and_the_backbone_is_not_run_again(images, cache, monkeypatch):
    model = backbone()
    first = recipes.Features(baselines=False).fit(model, images, verbose=False)
    first.evaluate("test")
    files = {path.name: path.read_bytes() for path in cache.iterdir()}
    assert len(files) == 3  # training, validation, test

    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    other = keras.models.clone_model(model)
    other.set_weights([w + 0.1 for w in model.get_weights()])

    def refuse(self, examples):
        raise AssertionError("the backbone is run again")

    with monkeypatch.context() as patch:
        patch.setattr(backbone_features.BackboneFeatures, "compute", refuse)
        second = recipes.Features(baselines=False).fit(copy, images, verbose=False)
        assert second.evaluate("test")["log_loss"] == first.evaluate("test")["log_loss"]
        with pytest.raises(AssertionError, match="run again"):
            recipes.Features(baselines=False).fit(other, images, verbose=False)
        with pytest.raises(AssertionError, match="run again"):
            recipes.Features(baselines=False, seed=1).fit(model, images, verbose=False)

    broken = sorted(files)[0]
    (cache / broken).write_bytes(files[broken][:100])
    recipes.Features(baselines=False).fit(model, images, verbose=False).evaluate("test")
    assert {path.name: path.read_bytes() for path in cache.iterdir()} == files


def test_a_cache_that_cannot_be_written_only_costs_time(images, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FIELDZOO_CACHE", str(tmp_path / "file"))
    run = recipes.Features(baselines=False).fit(backbone(), images, verbose=False)
    assert run.evaluate("test")["examples"] == len(run.data.test)


def test_a_forest_and_a_support_vector_machine_are_fitted_to_the_same_features(images):
    run = recipes.Features().fit(backbone(), images, verbose=False)
    record = run.record["baselines"]
    assert set(record["methods"]) == {"the random forest", "the support vector machine"}
    assert record["chosen_on"] == "validation" and record["split"] == "test"
    frozen = keras.Model(run.model.inputs, run.model.get_layer("head").input)
    features, tested = (
        zoo.extract_features(frozen, split.inputs.astype("float32")) for split in (run.data.train, run.data.test)
    )
    forest = RandomForestClassifier(300, random_state=0).fit(features, run.data.train.targets)
    difference = record["methods"]["the random forest"]["metrics"]["accuracy"] - forest.score(
        tested, run.data.test.targets
    )
    assert abs(difference) < 1.5 / len(run.data.test)


def test_a_class_with_one_example_has_no_support_vector_machine():
    x, y = images_of_two_classes()
    data = recipes.read_arrays(
        {"train": (x[:9], np.array([0] * 8 + [1])), "validation": (x[9:29], y[9:29]), "test": (x[29:], y[29:])}
    )
    run = recipes.Features().fit(backbone(), data, verbose=False)
    assert set(run.record["baselines"]["methods"]) == {"the random forest"}


def test_a_run_is_saved_exported_and_predicts_the_same(images, tmp_path):
    run = recipes.Features(report_examples=0, calibrate=True).fit(
        backbone(), images, out=tmp_path / "run", verbose=False
    )
    loaded = load_run(tmp_path / "run", images)
    assert_close(loaded.predict(images[0][:5]), run.predict(images[0][:5]))
    assert loaded.predict_split("test").shape == (len(run.data.test), 2)
    assert_close(loaded.predict_split("test"), run.predict(run.data.test.inputs), rtol=1e-4)
    record = json.loads((tmp_path / "run" / "run.json").read_text())["record"]
    assert record["temperature"] > 0 and record["logistic_regression"]["examples"] == len(run.data.train)
    report = run.report(tmp_path / "report.html").read_text()
    assert "Other classifiers on the same features" in report and "support vector machine" in report


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 3}, "`epochs` must be left out.*FineTuning"),
        ({"augment": ("flip",), "optimizer": "sgd"}, "`optimizer`, `augment` must be left out.*got 'sgd'"),
        ({"label_smoothing": 0.1}, "`label_smoothing` must be left out"),
    ],
)
def test_settings_without_effect_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        recipes.Features(**changes)


def test_too_few_examples_are_refused(images):
    with pytest.raises(ValueError, match="`train_examples` must be from 2"):
        recipes.Features(train_examples=1).fit(backbone(), images, verbose=False)


def test_a_run_says_which_pretrained_weights_it_starts_from(images, tmp_path):
    task = recipes.Features(baselines=False, report_examples=0)
    run = task.fit("resnet18", images, out=tmp_path, verbose=False, input_shape=(12, 12, 3))
    text = run.record["pretrained_weights"]
    bundle = zoo.BUNDLED["resnet18"]
    assert text == f"resnet18: bundled; {bundle.training_data}; {bundle.license}; {bundle.source}"
    assert f"Pretrained weights: {text}." in run.report(tmp_path / "report.html").read_text()
    run.evaluate("test"), run.save(tmp_path)
    assert "Pretrained weights: resnet18: bundled" in card(tmp_path)
    passed = task.fit(backbone(), images, verbose=False)
    assert passed.record["pretrained_weights"] == "tiny, as it was passed"
    untrained = recipes.Features(weights=None, baselines=False).fit(
        "lenet5", images, verbose=False, input_shape=(12, 12, 3)
    )
    assert "pretrained_weights" not in untrained.record
    assert describe_weights("resnet50", "imagenet").startswith("resnet50: torchvision/IMAGENET1K_V1; ImageNet-1k; BSD")
    assert describe_weights("resnet50", "weights.pth") == "resnet50: weights.pth"


@pytest.mark.filterwarnings("ignore:images of")
@pytest.mark.slow
def test_the_size_of_gray_images_is_for_three_bands_of_a_pretrained_backbone(tmp_path):
    options = "--size 32x32 --set train_examples=40 --set report_examples=0 --no-baselines"
    with pytest.raises(SystemExit) as error:
        main(f"train features --model resnet18 --data bundled:digits --out {tmp_path / 'run'} {options}".split())
    assert not error.value.code
    assert load_run(tmp_path / "run").model.input_shape == (None, 32, 32, 3)
