"""Pairs of networks that train each other: what they promise, and that their state survives."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest

import zoo
from zoo.generate.adversarial import Adversarial

RNG = np.random.default_rng(3)
IMAGES = RNG.uniform(-1, 1, (12, 8, 12, 1)).astype("float32")
CONDITIONAL = {"units": (4, 3, 6), "maxout": (5, 3, 4), "maxout_pieces": (2, 2, 2), "latent": 3}


def tiny(**changed):
    return zoo.dcgan((8, 12, 1), 5, **{"filters": 4, **changed})


def conditional():
    return zoo.conditional_gan((4, 5, 1), 3, **CONDITIONAL)


def weights(model):
    return [np.array(w) for w in model.weights]


def test_dcgan_reaches_the_usual_sizes_and_refuses_odd_ones():
    for side, stages in ((28, 2), (32, 3), (64, 4), (96, 4), (30, 1)):
        model = zoo.outline("dcgan", image_shape=(side, side, 3), filters=2)
        assert model.output.shape == (None, side, side, 3)
        assert len([layer for layer in model.discriminator.layers if "LeakyReLU" in type(layer).__name__]) == stages
    for side in (27, 31, 6):
        with pytest.raises(ValueError, match=f"H and W of `image_shape` must be at least 8 and divisible by 2.*{side}"):
            zoo.dcgan((side, side, 1))


def test_the_papers_settings_come_without_arguments():
    model = tiny()
    model.compile()
    for optimizer in (model.optimizer, model.discriminator_optimizer):
        assert (float(optimizer.learning_rate), optimizer.beta_1, optimizer.beta_2) == (
            pytest.approx(2e-4),
            0.5,
            0.999,
        )
    first = zoo.gan((4, 5, 1), 3, units=(6,), maxout=(5,))
    first.compile()
    assert float(first.optimizer.learning_rate) == pytest.approx(0.1)
    assert first.discriminator_optimizer.momentum == 0.5
    critic = zoo.wgan_gp((8, 8, 1), 3, filters=4)
    critic.compile()
    assert (critic.optimizer.beta_2, critic.critic_steps, critic.penalty) == (0.9, 5, 10.0)


def test_the_losses_are_the_papers():
    model = tiny()
    model.judge = lambda images, told: images  # the images stand for the logits
    real, fake = np.array([2.0, -1.0], "float32"), np.array([0.5, -3.0], "float32")
    probability = lambda logits: 1 / (1 + np.exp(-logits))  # noqa: E731
    expected = -np.log(probability(real)).mean() - np.log(1 - probability(fake)).mean()
    assert float(model.discriminator_loss(real, fake, [])) == pytest.approx(expected, rel=1e-6)
    assert float(model.generator_loss(real, fake, [])) == pytest.approx(-np.log(probability(fake)).mean(), rel=1e-6)


def test_one_step_is_the_two_updates_of_algorithm_1_written_out():
    import tensorflow as tf

    model, again = tiny(), tiny()
    again.set_weights(model.get_weights())
    for m in (model, again):
        m.compile(keras.optimizers.SGD(0.5), keras.optimizers.SGD(0.5))
    again.noise_seed.state.assign(model.noise_seed.state)
    model.train_on_batch(IMAGES[:4])

    z = keras.random.normal((4, 5), dtype="float32", seed=again.noise_seed)
    made = again.generator(z, training=True)
    with tf.GradientTape() as tape:
        answers = [again.discriminator(i, training=True) for i in (IMAGES[:4], made)]
        entropy = keras.losses.BinaryCrossentropy(from_logits=True)
        loss = entropy(np.ones((4, 1)), answers[0]) + entropy(np.zeros((4, 1)), answers[1])
    sources = [w.value for w in again.discriminator.trainable_weights]
    for w, g in zip(again.discriminator.trainable_weights, tape.gradient(loss, sources), strict=True):
        w.assign(w - 0.5 * g)
    statistics = [np.array(w) for w in again.generator.non_trainable_weights]
    with tf.GradientTape() as tape:
        verdict = again.discriminator(again.generator(z, training=True), training=True)
        loss = entropy(np.ones((4, 1)), verdict)
    sources = [w.value for w in again.generator.trainable_weights]
    for w, g in zip(again.generator.trainable_weights, tape.gradient(loss, sources), strict=True):
        w.assign(w - 0.5 * g)
    for w, value in zip(again.generator.non_trainable_weights, statistics, strict=True):
        w.assign(value)  # the second making of the same images is this test's, not the algorithm's
    for ours, theirs in zip(weights(model), weights(again), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-6)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ((IMAGES + 1) * 127.5, "must lie from -1 to 1, got values from 0.* to 25"),
        (np.where(IMAGES > 0.9, np.nan, IMAGES), "got NaN in [0-9]+ places"),
    ],
)
def test_images_outside_the_range_are_refused_with_the_range_seen(wrong, message):
    import tensorflow as tf

    model = tiny()
    model.compile()
    for data in (wrong.astype("float32"), tf.data.Dataset.from_tensor_slices(wrong.astype("float32")).batch(12)):
        with pytest.raises(ValueError, match=message):
            model.fit(data, verbose=0)
    with pytest.raises(ValueError, match=message):
        model.train_on_batch(wrong)


def test_labels_are_asked_for_where_there_are_classes_and_only_there():
    images, labels = RNG.random((6, 4, 5, 1), "float32"), np.arange(6) % 3
    model = conditional()
    model.compile()
    losses = model.fit(images, labels, verbose=0).history
    assert np.isfinite([losses["loss"], losses["generator_loss"], losses["discriminator_loss"]]).all()
    with pytest.raises(ValueError, match="labels must lie from 0 to 2, got 0 to 3"):
        model.fit(images, np.array([0, 1, 2, 3, 0, 1]), verbose=0)
    with pytest.raises(ValueError, match="images and their labels, got images alone"):
        model.fit(images, verbose=0)
    assert model.sample(4, seed=1, labels=[2, 2, 0, 1]).shape == (4, 4, 5, 1)
    assert model.interpolate(np.ones(3), -np.ones(3), 5, labels=[1] * 5).shape == (5, 4, 5, 1)
    with pytest.raises(ValueError, match="`labels` must be 4, got 1"):
        model.sample(4, labels=[0])
    without = tiny()
    without.compile()
    with pytest.raises(ValueError, match="images alone, got labels too"):
        without.fit(IMAGES, np.zeros(12), verbose=0)
    with pytest.raises(ValueError, match="knows no classes"):
        without.sample(2, labels=[0, 1])


def test_a_label_decides_what_is_made():
    model = conditional()
    model.generator.get_layer("generator_label").kernel.assign(RNG.normal(size=(3, 3)))
    noise = np.ones((3, 3), "float32")
    made = np.asarray(model([noise, np.arange(3)]))
    assert np.abs(made[0] - made[1]).max() > 1e-4


def test_samples_repeat_by_seed_and_leave_training_alone():
    model = tiny()
    state = [np.array(s) for s in model.seeds()]
    first, second, other = model.sample(3, seed=1), model.sample(3, seed=1), model.sample(3)
    np.testing.assert_array_equal(first, second)
    assert first.shape == (3, 8, 12, 1) and first.dtype == np.float32 and np.abs(first).max() <= 1
    assert np.abs(first - other).max() > 0
    np.testing.assert_array_equal(state, [np.array(s) for s in model.seeds()])
    path = model.interpolate(np.ones(5), -np.arange(5.0), 4)
    ends = model.generator.predict(np.stack([np.ones(5), -np.arange(5.0)]).astype("float32"), verbose=0)
    np.testing.assert_allclose(path[[0, -1]], ends, atol=1e-6)
    with pytest.raises(ValueError, match=r"must be \(5,\), got \(4,\)"):
        model.interpolate(np.ones(4), np.zeros(4))


@pytest.mark.parametrize("build", [tiny, lambda: zoo.wgan_gp((8, 12, 1), 5, filters=4, critic_steps=1)])
def test_a_loss_that_is_not_finite_changes_no_weight_and_stops_the_training(build):
    model = build()
    model.compile()
    model.fit(IMAGES, batch_size=4, verbose=0)
    head = model.generator.get_layer("generator_head").kernel
    head.assign(np.full(head.shape, np.nan))  # as a divergence would leave it
    before = weights(model)
    history = model.fit(IMAGES, batch_size=4, epochs=5, verbose=0, callbacks=[keras.callbacks.TerminateOnNaN()])
    assert len(history.history["loss"]) == 1 and np.isnan(history.history["loss"][0])
    for a, b in zip(before, weights(model), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_gradient_that_overflows_changes_no_weight_though_the_loss_is_finite():
    import tensorflow as tf

    @tf.custom_gradient
    def steep(x):
        return x, lambda slope: slope * np.inf

    model = tiny()
    model.compile()
    loss = model.generator_loss
    model.generator_loss = lambda images, made, told: loss(images, steep(made), told)
    before = [np.array(w) for w in model.generator.weights]
    assert np.isnan(model.train_on_batch(IMAGES[:4])[0])
    for a, b in zip(before, [np.array(w) for w in model.generator.weights], strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_trains_both_networks(policy):
    keras.config.set_dtype_policy(policy)
    model = tiny()
    model.compile()
    scaled = isinstance(model.discriminator_optimizer, keras.optimizers.LossScaleOptimizer)
    assert scaled == isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer) == (policy == "mixed_float16")
    before = weights(model)
    losses = model.fit(IMAGES, batch_size=4, epochs=2, verbose=0).history
    assert np.isfinite(losses["loss"]).all()
    assert all(w.dtype == np.float32 for w in before)
    assert all(np.any(a != b) for a, b in zip(before, weights(model), strict=True))


def test_gradients_are_clipped_by_the_optimizers():
    model = tiny()
    kernels = [n.trainable_weights[0] for n in (model.generator, model.discriminator)]
    before = [np.array(k) for k in kernels]
    model.compile(keras.optimizers.SGD(1.0, clipnorm=1e-3), keras.optimizers.SGD(1.0, clipnorm=1e-3))
    model.train_on_batch(IMAGES[:4])
    moved = [np.linalg.norm(np.array(k) - b) for k, b in zip(kernels, before, strict=True)]
    assert all(0 < m < 1.1e-3 for m in moved)


def test_one_optimizer_for_both_networks_is_refused():
    both = keras.optimizers.Adam()
    with pytest.raises(ValueError, match="an optimizer of its own"):
        tiny().compile(both, both)


def test_the_signatures_name_what_an_export_offers():
    import tensorflow as tf

    model = tiny()
    offered = model.signatures()
    assert sorted(offered) == ["discriminate", "generate"]
    call, specs = offered["generate"]
    assert [s.shape.as_list() for s in specs] == [[None, 5]]
    noise = RNG.normal(size=(2, 5)).astype("float32")
    np.testing.assert_allclose(tf.function(call, input_signature=specs)(noise), model(noise), atol=1e-6)
    call, specs = offered["discriminate"]
    verdict = np.asarray(tf.function(call, input_signature=specs)(IMAGES[:2]))
    assert verdict.shape == (2, 1) and verdict.min() > 0 and verdict.max() < 1
    assert [s.name for s in conditional().signatures()["generate"][1]] == ["noise", "label"]


RESUME = """
import sys, numpy as np, keras, zoo
images = np.random.default_rng(3).uniform(-1, 1, (12, 8, 12, 1)).astype("float32")
for name in ("dcgan", "wgan_gp"):
    model = keras.models.load_model(f"{name}.keras")
    losses = model.fit(images, batch_size=2, epochs=2, shuffle=False, verbose=0).history
    np.savez(f"{name}.npz", **losses, **{str(i): w for i, w in enumerate(model.weights)})
"""


def test_a_killed_run_goes_on_in_another_process_as_if_nothing_had_happened(tmp_path):
    expected = {}
    for name in ("dcgan", "wgan_gp"):
        model = zoo.build(name, (8, 12, 1), 5, filters=4)
        model.compile(keras.optimizers.Adam(keras.optimizers.schedules.ExponentialDecay(1e-3, 4, 0.9), beta_1=0.5))
        model.fit(IMAGES, batch_size=2, shuffle=False, verbose=0)  # six steps: not a whole turn of the critic's five
        model.save(tmp_path / f"{name}.keras")
        losses = model.fit(IMAGES, batch_size=2, epochs=2, shuffle=False, verbose=0).history
        expected[name] = {**losses, **{str(i): w for i, w in enumerate(weights(model))}}

    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    environment = {**os.environ, "PYTHONPATH": root}
    done = subprocess.run([sys.executable, "-c", RESUME], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    for name, values in expected.items():
        found = np.load(tmp_path / f"{name}.npz")
        assert sorted(found.files) == sorted(values)
        for key, value in values.items():
            np.testing.assert_array_equal(value, found[key], err_msg=f"{name}: {key}")


def test_dropouts_seeds_survive_too(tmp_path):
    model = conditional()
    images, labels = RNG.random((6, 4, 5, 1), "float32"), np.arange(6) % 3
    model.compile()
    model.fit(images, labels, batch_size=2, verbose=0)
    assert len(model.seeds()) == 7  # three dropouts each, and the noise
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert type(again) is Adversarial
    first, second = (m.fit(images, labels, batch_size=2, shuffle=False, verbose=0).history for m in (model, again))
    assert first == second
