"""Adversarial models: losses, training step, refused data, sampling, numerical safety, export and resuming."""

import os
import subprocess
import sys

import keras
import numpy as np
import pytest

import zoo
from tests.tolerance import assert_close
from zoo.generate.adversarial import Adversarial

RNG = np.random.default_rng(3)
IMAGES = RNG.uniform(-1, 1, (12, 8, 12, 1)).astype("float32")
CONDITIONAL = {"units": (4, 3, 6), "maxout": (5, 3, 4), "maxout_pieces": (2, 2, 2), "latent": 3}


def small_dcgan(**arguments):
    return zoo.dcgan((8, 12, 1), 5, **{"filters": 4, **arguments})


def small_conditional_gan():
    return zoo.conditional_gan((4, 5, 1), 3, **CONDITIONAL)


def weights(model):
    return [np.array(w) for w in model.weights]


def test_dcgan_builds_the_usual_image_sizes_and_refuses_odd_ones():
    for side, stages in ((28, 2), (32, 3), (64, 4), (96, 4), (30, 1)):
        model = zoo.outline("dcgan", image_shape=(side, side, 3), filters=2)
        assert model.output.shape == (None, side, side, 3)
        assert len([layer for layer in model.discriminator.layers if "LeakyReLU" in type(layer).__name__]) == stages
    for side in (27, 31, 6):
        with pytest.raises(ValueError, match=f"H and W of `image_shape` must be at least 8 and divisible by 2.*{side}"):
            zoo.dcgan((side, side, 1))


def test_compile_without_arguments_uses_the_papers_settings():
    model = small_dcgan()
    model.compile()
    for optimizer in (model.optimizer, model.discriminator_optimizer):
        assert (float(optimizer.learning_rate), optimizer.beta_1, optimizer.beta_2) == (
            pytest.approx(2e-4),
            0.5,
            0.999,
        )
    first_gan = zoo.gan((4, 5, 1), 3, units=(6,), maxout=(5,))
    first_gan.compile()
    assert float(first_gan.optimizer.learning_rate) == pytest.approx(0.1)
    assert first_gan.discriminator_optimizer.momentum == 0.5
    critic = zoo.wgan_gp((8, 8, 1), 3, filters=4)
    critic.compile()
    assert (critic.optimizer.beta_2, critic.critic_steps, critic.penalty) == (0.9, 5, 10.0)


def test_the_losses_are_those_of_the_paper():
    model = small_dcgan()
    model.discriminate = lambda images, condition: images  # the images are the logits
    real, fake = np.array([2.0, -1.0], "float32"), np.array([0.5, -3.0], "float32")
    probability = lambda logits: 1 / (1 + np.exp(-logits))  # noqa: E731
    expected = -np.log(probability(real)).mean() - np.log(1 - probability(fake)).mean()
    assert float(model.discriminator_loss(real, fake, [])) == pytest.approx(expected, rel=1e-5)
    assert float(model.generator_loss(real, fake, [])) == pytest.approx(-np.log(probability(fake)).mean(), rel=1e-5)


def test_one_step_equals_the_two_updates_of_algorithm_1():
    import tensorflow as tf

    model, reference = small_dcgan(), small_dcgan()
    reference.set_weights(model.get_weights())
    for m in (model, reference):
        m.compile(keras.optimizers.SGD(0.5), keras.optimizers.SGD(0.5))
    reference.noise_seed.state.assign(model.noise_seed.state)
    model.train_on_batch(IMAGES[:4])

    z = keras.random.normal((4, 5), dtype="float32", seed=reference.noise_seed)
    generated = reference.generator(z, training=True)
    with tf.GradientTape() as tape:
        logits = [reference.discriminator(i, training=True) for i in (IMAGES[:4], generated)]
        entropy = keras.losses.BinaryCrossentropy(from_logits=True)
        loss = entropy(np.ones((4, 1)), logits[0]) + entropy(np.zeros((4, 1)), logits[1])
    sources = [w.value for w in reference.discriminator.trainable_weights]
    for w, g in zip(reference.discriminator.trainable_weights, tape.gradient(loss, sources), strict=True):
        w.assign(w - 0.5 * g)
    statistics = [np.array(w) for w in reference.generator.non_trainable_weights]
    with tf.GradientTape() as tape:
        logits = reference.discriminator(reference.generator(z, training=True), training=True)
        loss = entropy(np.ones((4, 1)), logits)
    sources = [w.value for w in reference.generator.trainable_weights]
    for w, g in zip(reference.generator.trainable_weights, tape.gradient(loss, sources), strict=True):
        w.assign(w - 0.5 * g)
    for w, value in zip(reference.generator.non_trainable_weights, statistics, strict=True):
        w.assign(value)  # this test generates the images twice, the algorithm once
    for actual, expected in zip(weights(model), weights(reference), strict=True):
        assert_close(actual, expected)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ((IMAGES + 1) * 127.5, "must lie from -1 to 1, got values from 0.* to 25"),
        (np.where(IMAGES > 0.9, np.nan, IMAGES), "got [0-9]+ NaN values"),
    ],
)
def test_images_outside_the_range_are_refused_with_their_range(images, message):
    import tensorflow as tf

    model = small_dcgan()
    model.compile()
    for data in (images.astype("float32"), tf.data.Dataset.from_tensor_slices(images.astype("float32")).batch(12)):
        with pytest.raises(ValueError, match=message):
            model.fit(data, verbose=0)
    with pytest.raises(ValueError, match=message):
        model.train_on_batch(images)


def test_labels_are_required_for_conditional_models_and_refused_for_others():
    images, labels = RNG.random((6, 4, 5, 1), "float32"), np.arange(6) % 3
    model = small_conditional_gan()
    model.compile()
    losses = model.fit(images, labels, verbose=0).history
    assert np.isfinite([losses["loss"], losses["generator_loss"], losses["discriminator_loss"]]).all()
    with pytest.raises(ValueError, match="labels must lie from 0 to 2, got 0 to 3"):
        model.fit(images, np.array([0, 1, 2, 3, 0, 1]), verbose=0)
    with pytest.raises(ValueError, match="must be images and labels, got images alone"):
        model.fit(images, verbose=0)
    assert model.sample(4, seed=1, labels=[2, 2, 0, 1]).shape == (4, 4, 5, 1)
    assert model.interpolate(np.ones(3), -np.ones(3), 5, labels=[1] * 5).shape == (5, 4, 5, 1)
    with pytest.raises(ValueError, match="`labels` must have 4 values, got 1"):
        model.sample(4, labels=[0])
    unconditional = small_dcgan()
    unconditional.compile()
    with pytest.raises(ValueError, match="must be images alone, got images and labels"):
        unconditional.fit(IMAGES, np.zeros(12), verbose=0)
    with pytest.raises(ValueError, match="is not conditional"):
        unconditional.sample(2, labels=[0, 1])


def test_generated_images_depend_on_the_label():
    model = small_conditional_gan()
    model.generator.get_layer("generator_label").kernel.assign(RNG.normal(size=(3, 3)))
    noise = np.ones((3, 3), "float32")
    images = np.asarray(model([noise, np.arange(3)]))
    assert np.abs(images[0] - images[1]).max() > 1e-4


def test_samples_repeat_with_a_seed_and_do_not_change_the_random_states():
    model = small_dcgan()
    state = [np.array(s) for s in model.random_states()]
    first, second, other = model.sample(3, seed=1), model.sample(3, seed=1), model.sample(3)
    np.testing.assert_array_equal(first, second)
    assert first.shape == (3, 8, 12, 1) and first.dtype == np.float32 and np.abs(first).max() <= 1
    assert np.abs(first - other).max() > 0
    np.testing.assert_array_equal(state, [np.array(s) for s in model.random_states()])
    images = model.interpolate(np.ones(5), -np.arange(5.0), 4)
    ends = model.generator.predict(np.stack([np.ones(5), -np.arange(5.0)]).astype("float32"), verbose=0)
    assert_close(images[[0, -1]], ends)
    with pytest.raises(ValueError, match=r"must be \(5,\), got \(4,\)"):
        model.interpolate(np.ones(4), np.zeros(4))


@pytest.mark.parametrize("build", [small_dcgan, lambda: zoo.wgan_gp((8, 12, 1), 5, filters=4, critic_steps=1)])
def test_a_nan_loss_changes_no_weight_and_stops_the_training(build):
    model = build()
    model.compile()
    model.fit(IMAGES, batch_size=4, verbose=0)
    head = model.generator.get_layer("generator_head").kernel
    head.assign(np.full(head.shape, np.nan))  # as after a diverged update
    before = weights(model)
    history = model.fit(IMAGES, batch_size=4, epochs=5, verbose=0, callbacks=[keras.callbacks.TerminateOnNaN()])
    assert len(history.history["loss"]) == 1 and np.isnan(history.history["loss"][0])
    for a, b in zip(before, weights(model), strict=True):
        np.testing.assert_array_equal(a, b)


def test_an_infinite_gradient_with_a_finite_loss_changes_no_weight():
    import tensorflow as tf

    @tf.custom_gradient
    def infinite_gradient(x):
        return x, lambda upstream: upstream * np.inf

    model = small_dcgan()
    model.compile()
    loss = model.generator_loss
    model.generator_loss = lambda images, generated, condition: loss(images, infinite_gradient(generated), condition)
    before = [np.array(w) for w in model.generator.weights]
    assert np.isnan(model.train_on_batch(IMAGES[:4])[0])
    for a, b in zip(before, [np.array(w) for w in model.generator.weights], strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_trains_both_networks(policy):
    keras.config.set_dtype_policy(policy)
    model = small_dcgan()
    model.compile()
    scaled = isinstance(model.discriminator_optimizer, keras.optimizers.LossScaleOptimizer)
    assert scaled == isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer) == (policy == "mixed_float16")
    before = weights(model)
    losses = model.fit(IMAGES, batch_size=4, epochs=2, verbose=0).history
    assert np.isfinite(losses["loss"]).all()
    assert all(w.dtype == np.float32 for w in before)
    assert all(np.any(a != b) for a, b in zip(before, weights(model), strict=True))


def test_the_optimizers_clip_the_gradients():
    model = small_dcgan()
    kernels = [n.trainable_weights[0] for n in (model.generator, model.discriminator)]
    before = [np.array(k) for k in kernels]
    model.compile(keras.optimizers.SGD(1.0, clipnorm=1e-3), keras.optimizers.SGD(1.0, clipnorm=1e-3))
    model.train_on_batch(IMAGES[:4])
    changes = [np.linalg.norm(np.array(k) - b) for k, b in zip(kernels, before, strict=True)]
    assert all(0 < change < 1.1e-3 for change in changes)


def test_the_same_optimizer_for_both_networks_is_refused():
    optimizer = keras.optimizers.Adam()
    with pytest.raises(ValueError, match="must be two objects, got the same one twice"):
        small_dcgan().compile(optimizer, optimizer)


def test_the_signatures_are_generate_and_discriminate():
    import tensorflow as tf

    model = small_dcgan()
    signatures = model.signatures()
    assert sorted(signatures) == ["discriminate", "generate"]
    call, specs = signatures["generate"]
    assert [s.shape.as_list() for s in specs] == [[None, 5]]
    noise = RNG.normal(size=(2, 5)).astype("float32")
    assert_close(tf.function(call, input_signature=specs)(noise), model(noise))
    call, specs = signatures["discriminate"]
    probabilities = np.asarray(tf.function(call, input_signature=specs)(IMAGES[:2]))
    assert probabilities.shape == (2, 1) and probabilities.min() > 0 and probabilities.max() < 1
    assert [s.name for s in small_conditional_gan().signatures()["generate"][1]] == ["noise", "label"]


RESUME = """
import sys, numpy as np, keras, zoo
images = np.random.default_rng(3).uniform(-1, 1, (12, 8, 12, 1)).astype("float32")
for name in ("dcgan", "wgan_gp"):
    model = keras.models.load_model(f"{name}.keras")
    losses = model.fit(images, batch_size=2, epochs=2, shuffle=False, verbose=0).history
    np.savez(f"{name}.npz", **losses, **{str(i): w for i, w in enumerate(model.weights)})
"""


@pytest.mark.slow  # test_resume_unsupervised.py does so for five others in one process
def test_a_saved_training_continues_identically_in_another_process(tmp_path):
    expected = {}
    for name in ("dcgan", "wgan_gp"):
        model = zoo.build(name, (8, 12, 1), 5, filters=4)
        model.compile(keras.optimizers.Adam(keras.optimizers.schedules.ExponentialDecay(1e-3, 4, 0.9), beta_1=0.5))
        model.fit(IMAGES, batch_size=2, shuffle=False, verbose=0)  # six steps, not a multiple of the critic's five
        model.save(tmp_path / f"{name}.keras")
        losses = model.fit(IMAGES, batch_size=2, epochs=2, shuffle=False, verbose=0).history
        expected[name] = {**losses, **{str(i): w for i, w in enumerate(weights(model))}}

    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    environment = {**os.environ, "PYTHONPATH": root}
    command = [sys.executable, "-c", RESUME]
    process = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert process.returncode == 0, process.stderr
    for name, values in expected.items():
        resumed = np.load(tmp_path / f"{name}.npz")
        assert sorted(resumed.files) == sorted(values)
        for key, value in values.items():
            assert_close(value, resumed[key], err_msg=f"{name}: {key}")


@pytest.mark.slow
def test_the_random_states_of_dropout_are_saved(tmp_path):
    model = small_conditional_gan()
    images, labels = RNG.random((6, 4, 5, 1), "float32"), np.arange(6) % 3
    model.compile()
    model.fit(images, labels, batch_size=2, verbose=0)
    assert len(model.random_states()) == 7  # three dropout layers per network, and the noise
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded) is Adversarial
    first, second = (m.fit(images, labels, batch_size=2, shuffle=False, verbose=0).history for m in (model, loaded))
    assert first == second
