"""Reference recipes reach their minimum on real data, and their committed results are complete."""

import json
import os
from pathlib import Path

import pytest

import recipes
from recipes.data import as_source_spec
from recipes.data.sound.spoken_digits import PATH_VARIABLE
from zoo.weights import RESULTS_FOLDER

MINIMUM = {  # of the headline metric on the test split; the baseline is lower
    "lenet5_mnist": 0.97,
    "cnn_silhouettes": 0.80,
    "resnet20_silhouettes": 0.95,
    "vit_silhouettes": 0.8,
    "cnn_cifar56eco": 0.8,
    "resnet14_cifar56eco": 0.92,
    "lite0_silhouettes": 0.80,
    "cnn_satimage": 0.85,
    "dnn_penguins": 0.9,
    "dnn_breast_cancer": 0.9,
    "dnn_diabetes": 0.35,
    "maxent_bradypus": 0.8,
    "lstm_seattle": 0.05,
    "lstm_co2": 0.5,
    "gru_sunspots": 0.1,
    "lstm_vowels": 0.9,
    "cnn_digits": 0.97,
    "cnn_digits_theo": 0.7,
    "transformer_reuters": 0.94,
    "lstm_topics": 0.01,
    "convlstm_mnist": 0.2,
    "vae_mnist": 0.2,
    "dcgan_mnist": 0.5,
    "dcgan_silhouettes": 0.5,
    "ddpm_mnist": 0.5,
    "pix2pix_silhouettes": 0.7,
    "pix2pix_nuclei": 0.03,
    "unet_nuclei": 0.85,
    "unet_footprints": 0.15,
    "dncnn_photos": 8.0,
    "edsr_photos": 0.5,
    "tvnet_photos": 0.85,
}
QUICK = ("dnn_penguins", "dnn_diabetes")
NAMES = [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in recipes.REFERENCE]
SHORT = ("cnn_satimage", "gru_sunspots")  # whose one epoch is trained, exported and reported within seconds
SHORT_NAMES = [pytest.param(n, marks=() if n in SHORT else pytest.mark.slow) for n in recipes.REFERENCE]
ONE_EPOCH = {"epochs": 1, "head_epochs": 1, "sample_every": 1}


def test_every_recipe_has_a_minimum_and_committed_results_above_it():
    assert set(MINIMUM) == set(recipes.REFERENCE)
    for name, minimum in MINIMUM.items():
        metrics = json.loads((RESULTS_FOLDER / name / "metrics.json").read_text())
        key = recipes.REFERENCE[name].task.main_metric
        assert metrics["test"][key] >= minimum, name
        assert minimum > metrics["test"]["baseline"][key]
        assert metrics["seed"] == recipes.REFERENCE[name].task.seed
        assert metrics["export"]["largest_difference"] <= metrics["export"]["tolerance"]
        run = json.loads((RESULTS_FOLDER / name / "run.json").read_text())
        assert run["hyperparameters"]["epochs"] == recipes.REFERENCE[name].task.epochs
        source = recipes.REFERENCE[name].results_data or recipes.REFERENCE[name].data
        assert as_source_spec(run["record"]["data"]).matches(as_source_spec(source))


def skip_without_spoken_digits(name):
    if "digits" in name and PATH_VARIABLE not in os.environ:
        pytest.skip(f"{PATH_VARIABLE} must be the path of the spoken digits")


@pytest.mark.filterwarnings("ignore:images of 64 x 64 pixels are too small")  # lite0_silhouettes
@pytest.mark.parametrize("name", SHORT_NAMES)
def test_one_epoch_of_a_reference_recipe_is_trained_exported_and_reported(name, tmp_path):
    skip_without_spoken_digits(name)
    recipe = recipes.REFERENCE[name]
    changes = {argument: value for argument, value in ONE_EPOCH.items() if hasattr(recipe.task, argument)}
    run = recipes.train(name, data=recipe.results_data, out=tmp_path / "run", verbose=False, **changes)
    loaded = recipes.load_run(tmp_path / "run")
    assert loaded.evaluate("test").keys() == run.evaluate("test").keys()
    assert {"card.md", "metrics.json", "report.html", "run.json", "saved_model"} <= set(os.listdir(tmp_path / "run"))


@pytest.mark.filterwarnings("ignore:images of 64 x 64 pixels are too small")  # lite0_silhouettes
@pytest.mark.parametrize("name", NAMES)
def test_a_reference_recipe_reaches_its_minimum(name):
    skip_without_spoken_digits(name)
    run = recipes.train(name, data=recipes.REFERENCE[name].results_data, verbose=False)
    assert run.evaluate("test")[run.task.main_metric] >= MINIMUM[name]


def test_results_are_of_reference_recipes_only():
    assert {p.name for p in Path(RESULTS_FOLDER).iterdir() if p.is_dir()} <= set(recipes.REFERENCE)


def test_the_network_of_sound_beats_the_baselines_on_both_splits_of_spoken_digits():
    for name in ("cnn_digits", "cnn_digits_theo"):
        metrics = json.loads((RESULTS_FOLDER / name / "metrics.json").read_text())
        methods = metrics["baselines"]["methods"]
        assert {"logistic regression", "random forest"} <= {method.removeprefix("the ") for method in methods}
        assert all(method["verdict"]["result"] == "better" for method in methods.values())


def test_a_pretrained_backbone_is_much_better_than_training_from_scratch():
    metrics = json.loads((RESULTS_FOLDER / "lite0_silhouettes" / "metrics.json").read_text())
    assert metrics["from_scratch"]["split"] == "test"
    assert metrics["test"]["accuracy"] > metrics["from_scratch"]["accuracy"] + 0.2


def test_resnet14_is_more_accurate_than_the_lectures_network_on_the_same_images():
    """With no more multiply-accumulates, see test_published_settings.py. CIFAR-100 itself is a download."""
    lecture, resnet = (
        json.loads((RESULTS_FOLDER / name / "metrics.json").read_text())
        for name in ("cnn_cifar56eco", "resnet14_cifar56eco")
    )
    assert lecture["data"] == resnet["data"] and lecture["test"]["examples"] == resnet["test"]["examples"]
    assert resnet["test"]["accuracy_interval"][0] > lecture["test"]["accuracy"]
