"""Published settings have the numbers of their papers, and train."""

import keras
import numpy as np
import pytest
import tensorflow_datasets as tfds

import recipes
import zoo
from recipes.data.bundled import cifar56eco
from tests.tolerance import assert_close
from zoo.introspect.cost import macs


def test_he_2015_divides_the_learning_rate_after_32_and_48_of_64_thousand_steps():
    setting = recipes.published_settings("he2015_cifar")
    task, steps = setting.task, 45_000 // 128
    assert (task.batch_size, task.optimizer, task.learning_rate) == (128, "momentum", 0.1)
    assert task.augment == ("crop:4", "flip") and abs(task.epochs * steps - 64_000) <= steps / 2
    rate = task.learning_rate_schedule(steps * task.epochs)
    assert [round(float(rate(step)), 6) for step in (1, 32_000, 32_001, 48_000, 48_001)] == [
        0.1,
        0.1,
        0.01,
        0.01,
        0.001,
    ]
    assert setting.model == "resnet20" and setting.accuracy == 0.9125


def last_shrinkage(optimizer, gradient, steps=200):
    """Returns the fraction by which the last of some steps of an optimizer shrinks a weight of 1."""
    weight = keras.Variable([1.0])
    optimizer.build([weight])
    for _ in range(steps):
        before = float(weight[0])
        optimizer.apply([gradient(weight)])
    return 1 - float(weight[0]) / before


def test_he_2015s_decoupled_weight_decay_shrinks_weights_as_one_in_the_gradient():
    """With momentum at its steady state, a weight shrinks by learning_rate * decay / (1 - momentum) per step."""
    task = recipes.published_settings("he2015_cifar").task
    steps = 64_000  # of the schedule, which is constant for longer than the test
    decoupled = last_shrinkage(task.make_optimizer(steps), lambda weight: 0 * weight)
    in_gradient = last_shrinkage(keras.optimizers.SGD(0.1, momentum=0.9), lambda weight: 1e-4 * weight)
    assert decoupled == pytest.approx(in_gradient, rel=0.01)


def test_deit_has_the_papers_numbers():
    setting = recipes.published_settings("deit")
    task = setting.task
    assert (task.optimizer, task.batch_size, task.epochs, task.label_smoothing) == ("adamw", 1024, 300, 0.1)
    assert task.learning_rate == pytest.approx(1e-3) and task.weight_decay == 0.05
    steps = 1_281_167 // 1024
    rate = task.learning_rate_schedule(steps * task.epochs)
    warmup = [float(rate(epoch * steps)) for epoch in range(6)]
    assert_close(warmup, np.linspace(0, 1e-3, 6), rtol=1e-3)
    assert float(rate(300 * steps)) == pytest.approx(0, abs=1e-8)
    assert setting.arguments == {"drop_path": 0.1}
    small = zoo.build(setting.model, input_shape=(32, 32, 3), classes=10, depth=2, **setting.arguments)
    assert max(x.rate for x in small.layers if type(x).__name__ == "DropPath") == pytest.approx(0.1)


def test_the_lectures_network_has_941944_parameters():
    setting = recipes.published_settings("ecology_lecture")
    model = zoo.build(setting.model, input_shape=(32, 32, 3), classes=56, **setting.arguments)
    assert model.count_params() == 941_944
    assert (setting.task.optimizer, setting.task.learning_rate, setting.task.epochs) == ("rmsprop", 1e-3, 30)
    assert setting.accuracy == 0.42 and setting.data.startswith("cifar56eco:")


@pytest.mark.parametrize("name", ["he2015_cifar", pytest.param("deit", marks=pytest.mark.slow), "ecology_lecture"])
def test_every_setting_trains_a_tiny_network(name):
    setting = recipes.published_settings(name)
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 255, (24, 16, 16, 3)).astype("uint8"), np.arange(24) % 2
    task = setting.task.replace(epochs=4, batch_size=8)
    run = task.fit(zoo.cnn((16, 16, 3), 2, filters=(4,), units=(4,)), (x, y), verbose=False)
    assert np.isfinite(run.history["loss"]).all()


def test_the_epochs_depend_on_the_number_of_examples_and_unknown_names_raise():
    assert recipes.published_settings("he2015_cifar", examples=12_800).task.epochs == 640
    with pytest.raises(ValueError, match="`examples` must be a whole number of at least 128"):
        recipes.published_settings("he2015_cifar", examples=100)
    with pytest.raises(ValueError, match=r"`name` must be .*deit"):
        recipes.published_settings("diet")


@pytest.mark.parametrize(("shape", "classes"), [((32, 32, 3), 56), ((28, 28, 1), 10)])
def test_resnet14_needs_no_more_operations_than_the_lectures_network(shape, classes):
    """Compares multiply-accumulates per image times epochs; an epoch has the same images for both."""
    reference = [recipes.REFERENCE[name] for name in ("cnn_cifar56eco", "resnet14_cifar56eco")]
    cost = [macs(zoo.build(r.model, shape, classes, **r.arguments)) * r.task.epochs for r in reference]
    assert cost[1] <= cost[0]
    if classes == 56:
        assert cost == [15_593_472 * 30, 26_398_208 * 15]
    assert reference[0].data == reference[1].data and reference[0].results_data == reference[1].results_data


def test_cifar56eco_recipes_can_train_on_other_data_without_a_download(monkeypatch, tmp_path):
    monkeypatch.setattr(cifar56eco, "is_reachable", lambda host: False)
    build = tfds.builder
    monkeypatch.setattr(tfds, "builder", lambda name: build(name, data_dir=tmp_path))
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 255, (40, 16, 16, 1)).astype("uint8"), np.arange(40) % 2
    for name in ("cnn_cifar56eco", "resnet14_cifar56eco"):
        with pytest.raises(ValueError, match="needs CIFAR-100, .* `bundled:animal-silhouettes` needs no such download"):
            recipes.train(name)
        run = recipes.train(name, data=(x, y), epochs=2, batch_size=8, verbose=False)
        assert np.isfinite(run.history["loss"]).all() and run.model.output_shape == (None, 2)
        assert recipes.REFERENCE[name].results_data.startswith("bundled:animal-silhouettes")
