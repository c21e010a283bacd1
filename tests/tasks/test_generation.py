"""Generation: what is fed, what is measured and beside what, what is said, and what is left behind."""

import types

import numpy as np
import pytest

import recipes
import zoo
from recipes.reports.sample_images import grid, interpolations, sample_figures


def shapes(count=120, side=8, seed=0):
    """Bright squares (class 0) and bars (class 1) at random places."""
    rng = np.random.default_rng(seed)
    images, labels = np.zeros((count, side, side, 1), "uint8"), np.arange(count) % 2
    for image, label in zip(images, labels, strict=True):
        top, left = rng.integers(0, side - 3, 2)
        image[top : top + 3, left : left + (3 if label else 1)] = rng.integers(150, 255)
    return images, labels


def quick(**changes):
    return recipes.Generation(**{"epochs": 2, "batch_size": 16, "sample_every": 2, **changes})


VECTORS = (np.arange(60.0)[:, None], np.arange(60) % 2)
TINY = {
    "vae": {"units": (16,), "latent": 2},
    "dcgan": {"filters": 4, "latent": 4},
    "conditional_gan": {},
    "autoencoder": {"latent": 3},
    "realnvp": {"scales": 2, "filters": 4, "blocks": 1},
    "rbm": {"latent": 5},
}


@pytest.fixture(scope="module")
def data():
    return recipes.load(shapes())


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    return quick(epochs=30, sample_every=15).fit("vae", data, out=out, verbose=False, **TINY["vae"]), out


def test_samples_are_drawn_while_it_learns(run):
    _, out = run
    assert [p.name for p in sorted((out / "samples").iterdir())] == ["epoch_0015.png", "epoch_0030.png"]


def test_figures_stand_beside_trivial_ones(run):
    found = run[0].evaluate("test")
    assert set(found["subjects"]) == {"generator", "gaussian", "noisy", "training"}
    assert found["skill"] == pytest.approx(1 - found["frechet"] / found["subjects"]["gaussian"]["frechet"])
    assert found["subjects"]["training"]["frechet"] < found["subjects"]["gaussian"]["frechet"]
    assert found["elbo"] < 0 > found["baseline"]["elbo"] and "features of a small CNN" in found["features"]


@pytest.mark.parametrize("name", ["realnvp", "rbm"])
def test_flows_and_boltzmann_machines_are_trained_judged_reported_and_exported(data, name, tmp_path):
    run = quick(epochs=1).fit(name, data, out=tmp_path / "run", verbose=False, **TINY[name])
    found = run.evaluate("test")
    assert np.isfinite(found["frechet"]) and found["baseline"]["name"] == "a normal distribution of the pixels"
    if name == "realnvp":
        assert 0 < found["baseline"]["bits_per_dimension"] < 8 and found["bits_per_dimension"] > 0
    assert any(f"Frechet distance {found['frechet']:.1f}" in line for line in run.task.summarize(found, "test"))
    assert "Samples" in run.report(tmp_path / "report.html").read_text()
    assert "sample" in run.export(tmp_path / "saved").signatures


def test_the_report_shows_samples_and_the_export_samples_too(run, tmp_path):
    run, _ = run
    done = run.export(tmp_path / "saved")
    assert {"sample", "encode", "decode"} <= set(done.signatures)
    page = run.report(tmp_path / "report.html").read_text()
    assert all(title in page for title in ("Samples", "Real images", "On the way", "The plane of codes"))


@pytest.mark.parametrize(("name", "low"), [("dcgan", -1), ("autoencoder", 0)])
def test_images_come_in_the_range_that_the_model_was_made_for(data, name, low):
    recipe = quick()
    model = recipe.build_model(name, data, **TINY[name])
    batch = next(
        iter(recipe.map_batches(recipe.pipeline(data.train, True, recipe.preprocessing(data, model), 2), model))
    )
    assert batch.numpy().min() == low and batch.numpy().max() <= 1
    assert recipe.value_range(recipe.preprocessing(data, model)) == (low, 1)


def test_networks_in_turns_train_with_their_papers_settings_or_with_what_is_told(data):
    recipe = quick(learning_rate=0.01, global_clipnorm=1.0)
    model = recipe.compile(recipe.build_model("dcgan", data, **TINY["dcgan"]))
    for optimizer in (model.optimizer, model.discriminator_optimizer):
        assert float(optimizer.learning_rate) == pytest.approx(0.01) and optimizer.global_clipnorm == 1
        assert optimizer.beta_1 == 0.5
    run = quick(epochs=1).fit(model, data, verbose=False)
    assert {"generator_loss", "discriminator_loss"} <= set(run.history) and "val_loss" not in run.history


def test_labels_go_to_models_that_know_classes(data):
    recipe = quick()
    model = recipe.build_model("conditional_gan", data)
    images, labels = next(
        iter(recipe.map_batches(recipe.pipeline(data.train, True, recipe.preprocessing(data, model), 2), model))
    )
    assert images.shape[1:] == (8, 8, 1) and set(labels.numpy()) == {0, 1}


def test_the_report_has_a_row_of_samples_for_each_class(data, monkeypatch):
    run = quick(epochs=1).fit("conditional_gan", data, verbose=False)
    asked = []
    monkeypatch.setattr(
        "recipes.reports.sample_images.draw_samples", lambda *a: asked.append(a) or np.zeros((a[1], 8, 8, 1))
    )
    title, told, _ = sample_figures(run, "test", run.task)[0]
    assert title == "Samples" and told.endswith(f"one row per class, from the top: {', '.join(data.classes)}.")
    assert asked[0][1] == 16 and asked[0][3].tolist() == [0] * 8 + [1] * 8


def test_reconstructions_are_measured_where_nothing_is_sampled(data):
    found = (
        quick(epochs=20, learning_rate=3e-3)
        .fit("autoencoder", data, verbose=False, **TINY["autoencoder"])
        .evaluate("test")
    )
    assert found["skill"] == pytest.approx(1 - found["mse"] / found["baseline"]["mse"])
    assert found["skill"] > 0


def test_diffusion_has_its_paths_from_image_to_image():
    model = zoo.ddpm((8, 8, 1), filters=(8, 8), depth=1, attention=(), steps=30)
    held = np.random.default_rng(0).uniform(-1, 1, (8, 8, 8, 1)).astype("float32")
    assert interpolations(model, held, quick()).shape == (32, 8, 8, 1)


def test_a_grid_has_every_image_in_its_place():
    images = np.zeros((3, 2, 2, 1))
    images[2] = 1
    picture = grid(1 - images, columns=2, gap=1)
    assert picture.shape == (5, 5, 1)
    assert picture[3:, :2].max() == 0 and picture[:2, :2].min() == 255


def told(history, **found):
    found = {"precision": 0.5, "recall": 0.5, "skill": 0.5, "copies": 0.0, "baseline": {"name": "noise"}, **found}
    data = types.SimpleNamespace(test=[1])
    run = types.SimpleNamespace(history=history, data=data, model=None, evaluate=lambda _: found)
    return recipes.Generation().diagnose(run)


@pytest.mark.parametrize(
    ("history", "found", "sign"),
    [
        ({"generator_loss": [5.0] * 3, "discriminator_loss": [0.01] * 3}, {}, "discriminator is too strong"),
        ({}, {"recall": 0.02}, "Mode collapse"),
        ({"kl": [3.0, 0.1]}, {}, "Posterior collapse"),
        ({}, {"copies": 0.4}, "Memorization"),
        ({}, {"skill": -1}, "no nearer to real images than noise"),
        ({"generator_loss": [0.7] * 3, "discriminator_loss": [1.3] * 3}, {}, "No problem found"),
    ],
)
def test_what_went_wrong_is_said_in_plain_words(history, found, sign):
    assert sign in told(history, **found)[0]
    assert len(told(history, **found)) == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda d: quick(patience=3), "`patience` must be left out"),
        (lambda d: quick().fit("cnn", d, verbose=False), "must be an architecture that generates"),
        (lambda d: quick().fit("vae", VECTORS, verbose=False), "must be images of one size"),
    ],
)
def test_what_cannot_be_meant_is_refused(data, make, message):
    with pytest.raises(ValueError, match=message):
        make(data)
