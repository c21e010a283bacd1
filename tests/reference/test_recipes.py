"""The worked recipes reach what their committed records say, on real data; those that take long are marked slow."""

import json
from pathlib import Path

import pytest

import recipes
from recipes.data import as_source_spec
from recipes.reference.recipes import RESULTS

LEAST = {  # the headline metric of the test part; the trivial answer is below
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
    "lstm_seattle": 0.05,
    "lstm_co2": 0.5,
    "gru_sunspots": 0.1,
    "lstm_vowels": 0.9,
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
EVERY = [pytest.param(n, marks=() if n in QUICK else pytest.mark.slow) for n in recipes.REFERENCE]


def test_every_row_has_a_limit_and_a_committed_record():
    assert set(LEAST) == set(recipes.REFERENCE)
    for name, least in LEAST.items():
        metrics = json.loads((RESULTS / name / "metrics.json").read_text())
        key = recipes.REFERENCE[name].recipe.headline
        assert metrics["test"][key] >= least, name
        assert least > metrics["test"]["baseline"][key]
        assert metrics["seed"] == recipes.REFERENCE[name].recipe.seed
        assert metrics["export"]["largest_difference"] <= metrics["export"]["tolerance"]
        told = json.loads((RESULTS / name / "run.json").read_text())
        assert told["numbers"]["epochs"] == recipes.REFERENCE[name].recipe.epochs
        source = recipes.REFERENCE[name].record or recipes.REFERENCE[name].data
        assert as_source_spec(told["record"]["data"]).matches(as_source_spec(source))


@pytest.mark.parametrize("name", EVERY)
def test_a_worked_recipe_reaches_its_limit(name):
    run = recipes.train(name, data=recipes.REFERENCE[name].record, verbose=False)
    assert run.evaluate("test")[run.recipe.headline] >= LEAST[name]


def test_records_are_of_worked_recipes_only():
    assert {p.name for p in Path(RESULTS).iterdir() if p.is_dir()} <= set(recipes.REFERENCE)


def test_a_trained_backbone_beats_the_same_network_from_a_random_start_widely():
    metrics = json.loads((RESULTS / "lite0_silhouettes" / "metrics.json").read_text())
    assert metrics["from_scratch"]["part"] == "test"
    assert metrics["test"]["accuracy"] > metrics["from_scratch"]["accuracy"] + 0.2


def test_ours_for_cifar56eco_beats_the_lectures_network_on_the_same_images():
    """At no more multiply-accumulates, which test_papers.py counts; CIFAR-100 itself is a download."""
    lecture, ours = (
        json.loads((RESULTS / name / "metrics.json").read_text()) for name in ("cnn_cifar56eco", "resnet14_cifar56eco")
    )
    assert lecture["data"] == ours["data"] and lecture["test"]["examples"] == ours["test"]["examples"]
    assert ours["test"]["accuracy_interval"][0] > lecture["test"]["accuracy"]
