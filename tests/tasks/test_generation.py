"""Generation: pipelines, metrics beside the baselines, diagnosis, samples, report and export."""

import types

import numpy as np
import pytest

import recipes
import zoo
from recipes.reports.sample_images import grid, interpolations


def shapes(count=120, side=8, seed=0):
    """Returns images of bright squares (class 0) and bars (class 1) at random positions, and their classes."""
    rng = np.random.default_rng(seed)
    images, labels = np.zeros((count, side, side, 1), "uint8"), np.arange(count) % 2
    for image, label in zip(images, labels, strict=True):
        top, left = rng.integers(0, side - 3, 2)
        image[top : top + 3, left : left + (3 if label else 1)] = rng.integers(150, 255)
    return images, labels


def quick(**changes):
    """Returns a generation task of few epochs."""
    return recipes.Generation(**{"epochs": 2, "batch_size": 16, "sample_every": 2, **changes})


VECTORS = (np.arange(60.0)[:, None], np.arange(60) % 2)
TINY = {
    "vae": {"units": (16,), "latent": 2},
    "dcgan": {"filters": 4, "latent": 4},
    "conditional_gan": {},
    "autoencoder": {"latent": 3},
    "realnvp": {"scales": 1, "filters": 4, "blocks": 1},
    "rbm": {"latent": 5},
}


@pytest.fixture(scope="module")
def data():
    return recipes.load(shapes())


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    return quick(epochs=30, sample_every=15).fit("vae", data, out=out, verbose=False, **TINY["vae"]), out


@pytest.mark.slow
def test_samples_are_written_during_training(run):
    _, out = run
    assert [path.name for path in sorted((out / "samples").iterdir())] == ["epoch_0015.png", "epoch_0030.png"]


def test_metrics_are_computed_for_the_samples_and_for_baselines(run):
    metrics = run[0].evaluate("test")
    subjects = metrics["subjects"]
    assert set(subjects) == {"generator", "gaussian", "noisy", "training"}
    assert metrics["skill"] == pytest.approx(1 - metrics["frechet"] / subjects["gaussian"]["frechet"])
    assert subjects["training"]["frechet"] < subjects["gaussian"]["frechet"]
    assert metrics["elbo"] < 0 > metrics["baseline"]["elbo"] and "features of a small CNN" in metrics["features"]


@pytest.mark.parametrize("name", [pytest.param("realnvp", marks=pytest.mark.slow), "rbm"])
def test_flows_and_boltzmann_machines_are_trained_evaluated_reported_and_exported(data, name, tmp_path):
    run = quick(epochs=1).fit(name, data, out=tmp_path / "run", verbose=False, **TINY[name])
    metrics = run.evaluate("test")
    assert np.isfinite(metrics["frechet"]) and metrics["baseline"]["name"] == "a normal distribution of the pixels"
    if name == "realnvp":
        assert 0 < metrics["baseline"]["bits_per_dimension"] < 8 and metrics["bits_per_dimension"] > 0
    assert any(f"Frechet distance {metrics['frechet']:.1f}" in line for line in run.task.summarize(metrics, "test"))
    assert "Samples" in run.report(tmp_path / "report.html").read_text()
    assert "sample" in run.export(tmp_path / "saved").signatures


def test_the_report_shows_samples_and_the_export_has_a_signature_for_them(run, tmp_path):
    run, _ = run
    export = run.export(tmp_path / "saved")
    assert {"sample", "encode", "decode"} <= set(export.signatures)
    titles = [title for title, _, _ in run.task.figures(run, "test")]
    assert titles[:2] == ["Samples", "Real images"] and len(titles) == 4  # also interpolations and the latent plane
    page = run.report(tmp_path / "report.html").read_text()
    assert all(title in page for title in titles)


def first_batch(task, data, model):
    """Returns the first batch on which the model is trained."""
    return next(iter(task.map_batches(task.pipeline(data.train, True, task.preprocessing(data, model), 2), model)))


@pytest.mark.parametrize(("name", "low"), [("dcgan", -1), ("autoencoder", 0)])
def test_images_are_scaled_to_the_range_of_the_model(data, name, low):
    task = quick()
    model = task.build_model(name, data, **TINY[name])
    images = first_batch(task, data, model)
    assert images.numpy().min() == low and images.numpy().max() <= 1
    assert task.value_range(task.preprocessing(data, model)) == (low, 1)


def test_both_optimizers_of_a_gan_have_the_settings_of_the_paper_and_of_the_task(data):
    task = quick(learning_rate=0.01, global_clipnorm=1.0)
    model = task.compile(task.build_model("dcgan", data, **TINY["dcgan"]))
    for optimizer in (model.optimizer, model.discriminator_optimizer):
        assert float(optimizer.learning_rate) == pytest.approx(0.01) and optimizer.global_clipnorm == 1
        assert optimizer.beta_1 == 0.5
    run = quick(epochs=1).fit(model, data, verbose=False)
    assert {"generator_loss", "discriminator_loss"} <= set(run.history) and "val_loss" not in run.history


def test_conditional_models_are_trained_on_labels_too(data):
    task = quick()
    images, labels = first_batch(task, data, task.build_model("conditional_gan", data))
    assert images.shape[1:] == (8, 8, 1) and set(labels.numpy()) == {0, 1}


@pytest.mark.slow
def test_the_report_has_a_row_of_samples_for_each_class(data, monkeypatch):
    run = quick(epochs=1).fit("conditional_gan", data, verbose=False)
    sample, calls = run.model.sample, []

    def record(count, **arguments):
        calls.append((count, arguments["labels"].tolist()))
        return sample(count, **arguments)

    monkeypatch.setattr(run.model, "sample", record)
    title, caption, _ = run.task.figures(run, "test")[0]
    assert title == "Samples" and caption.endswith(f"from the top: {', '.join(data.classes)}.")
    assert calls[0] == (16, [0] * 8 + [1] * 8)


def test_a_model_without_samples_is_evaluated_by_its_reconstructions(data):
    task = quick(epochs=20, learning_rate=3e-3)
    metrics = task.fit("autoencoder", data, verbose=False, **TINY["autoencoder"]).evaluate("test")
    assert metrics["skill"] == pytest.approx(1 - metrics["mse"] / metrics["baseline"]["mse"])
    assert metrics["skill"] > 0


@pytest.mark.slow
def test_a_diffusion_model_interpolates_between_images():
    model = zoo.ddpm((8, 8, 1), filters=(8, 8), depth=1, attention=(), steps=30)
    images = np.random.default_rng(0).uniform(-1, 1, (8, 8, 8, 1)).astype("float32")
    assert interpolations(model, images, quick()).shape == (32, 8, 8, 1)


def test_a_grid_has_its_images_row_by_row_with_white_gaps():
    images = np.zeros((3, 2, 2, 1))
    images[2] = 1
    page = grid(1 - images, columns=2)
    assert page.shape == (6, 6, 1)
    assert page[4:, :2].max() == 0 and page[:2, :2].min() == 255


@pytest.mark.parametrize(
    ("history", "changes", "expected"),
    [
        ({"generator_loss": [5.0] * 3, "discriminator_loss": [0.01] * 3}, {}, "discriminator is too strong"),
        ({}, {"recall": 0.02}, "Mode collapse"),
        ({"kl": [3.0, 0.1]}, {}, "Posterior collapse"),
        ({}, {"copies": 0.4}, "Memorization"),
        ({}, {"skill": -1}, "no nearer to real images than noise"),
        ({"generator_loss": [0.7] * 3, "discriminator_loss": [1.3] * 3}, {}, "No problem found"),
    ],
)
def test_the_diagnosis_names_the_problem(history, changes, expected):
    metrics = {"precision": 0.5, "recall": 0.5, "skill": 0.5, "copies": 0.0, "baseline": {"name": "noise"}, **changes}
    data = types.SimpleNamespace(test=[1])
    run = types.SimpleNamespace(history=history, data=data, model=None, evaluate=lambda split: metrics)
    (sentence,) = recipes.Generation().diagnose(run)
    assert expected in sentence


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda d: quick(patience=3), "`patience` must be left out"),
        (lambda d: quick().fit("cnn", d, verbose=False), "must be an architecture that generates"),
        (lambda d: quick().fit("vae", VECTORS, verbose=False), "must be images of one size"),
    ],
)
def test_arguments_models_and_data_that_do_not_fit_are_refused(data, call, message):
    with pytest.raises(ValueError, match=message):
        call(data)


def test_the_learning_rate_is_where_the_schedule_of_a_gan_begins():
    model = zoo.gan((8, 8, 1), latent=4, units=(8, 8), maxout=(8, 8), maxout_pieces=2)
    recipes.Generation(epochs=1, learning_rate=0.5).compile(model)
    for optimizer in (model.optimizer, model.discriminator_optimizer):
        assert float(optimizer.learning_rate) == 0.5
