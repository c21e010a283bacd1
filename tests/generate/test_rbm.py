"""RBM and DBN: energies against enumerated states, contrastive divergence, Gibbs sampling and greedy training."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from tests.tolerance import assert_close
from zoo.layers.boltzmann import Boltzmann


def all_states(units):
    return np.array(list(itertools.product((0.0, 1.0), repeat=units)), "float32")


def random_rbm(shape, latent, stddev=1.0, **kwargs):
    model, rng = zoo.rbm(shape, latent, **kwargs), np.random.default_rng(3)
    for w in model.trainable_weights:
        w.assign(rng.normal(0, stddev, w.shape))
    return model


def bars():
    """Returns the 14 images of 3 x 3 pixels with uniform rows or uniform columns."""
    rows = np.repeat(all_states(3)[:, :, None], 3, axis=2)
    return np.unique(np.concatenate([rows, rows.swapaxes(1, 2)]), axis=0)[..., None]


@pytest.mark.parametrize("latent", [3, 6])
def test_log_z_and_free_energy_are_sums_over_all_states(latent):
    model = random_rbm((2, 2, 1), latent)
    w, b, c = (np.asarray(x, "float64") for x in model.boltzmann.weights)
    v, h = all_states(4), all_states(latent)
    negative_energy = (v @ w @ h.T) + (v @ b)[:, None] + (h @ c)[None]
    assert_close(model.free_energy(v.reshape(-1, 2, 2, 1)), -np.log(np.exp(negative_energy).sum(1)))
    assert model.log_partition() == pytest.approx(np.log(np.exp(negative_energy).sum()), rel=1e-12)
    assert np.exp(model.log_likelihood(v.reshape(-1, 2, 2, 1))).sum() == pytest.approx(1, abs=1e-5)


def test_log_z_of_many_states_is_summed_in_blocks():
    model = random_rbm((2, 7, 1), 15, stddev=0.0)
    assert model.log_partition() == pytest.approx((14 + 15) * np.log(2))


def test_the_gradient_is_the_difference_of_positive_and_negative_phase():
    v = tf.constant(np.random.default_rng(0).integers(0, 2, (5, 4)), "float32")
    layer = Boltzmann(3, steps=2, seed=11)
    layer(v)
    layer.kernel.assign(np.random.default_rng(1).normal(0, 1, (4, 3)))
    with tf.GradientTape() as tape:
        loss = layer.contrastive_divergence(v)
    gradients = tape.gradient(loss, [w.value for w in layer.weights])
    same_seed, end = Boltzmann(3, seed=11), v
    same_seed(v)
    for w, other in zip(same_seed.weights, layer.weights, strict=True):
        w.assign(other)
    for _ in range(2):
        end, _ = same_seed.gibbs_step(end, lambda _, shape: keras.random.uniform(shape, seed=same_seed.seed_generator))
    phases = [(tf.transpose(x) @ layer(x), tf.reduce_sum(x, 0), tf.reduce_sum(layer(x), 0)) for x in (v, end)]
    for g, data, model in zip(gradients, *phases, strict=True):
        assert_close(g, (model - data) / 5)


def test_gibbs_samples_have_the_exact_distribution():
    model = random_rbm((1, 3, 1), 2)
    samples = []
    for seed in range(2):
        p = model.sample(4000, seed=seed, steps=30)
        samples.append(np.random.default_rng(seed).random(p.shape) < p)
    samples = np.concatenate(samples).reshape(-1, 3) @ [4, 2, 1]
    expected = np.exp(model.log_likelihood(all_states(3).reshape(-1, 1, 3, 1)))
    assert_close(np.bincount(samples, minlength=8) / 8000, expected, rtol=0.025)  # 4.5 standard errors


def test_contrastive_divergence_raises_the_exact_likelihood():
    x = np.tile(bars(), (40, 1, 1, 1)).astype("float32")
    model = zoo.rbm((3, 3, 1), 8)
    before = model.log_likelihood(x).mean()
    model.compile(keras.optimizers.SGD(0.5, momentum=0.5))
    logs = model.fit(x, epochs=15, batch_size=14, verbose=0).history
    assert before == pytest.approx(-9 * np.log(2), abs=0.1)
    assert model.log_likelihood(x).mean() > before + 1
    assert logs["mean_squared_error"][-1] < 0.7 * logs["mean_squared_error"][0]


@pytest.mark.slow
def test_only_the_first_fit_initializes_the_visible_biases():
    x = bars()[:3].astype("float32")
    for model in (zoo.rbm((3, 3, 1), 4), zoo.dbn((3, 3, 1), 4, units=(5,))):
        model.compile(keras.optimizers.SGD(0.0))
        dataset = tf.data.Dataset.from_tensor_slices(x).batch(3)
        model.fit(dataset, shuffle=False, verbose=0)
        mean = (x.sum(axis=0).ravel() + 0.5) / 4
        bias = np.array(model.layers[2].visible_bias)
        assert_close(bias, np.log(mean / (1 - mean)))
        model.fit(1 - x, verbose=0)
        np.testing.assert_array_equal(model.layers[2].visible_bias, bias)


def test_too_many_units_and_images_out_of_range_are_refused():
    with pytest.raises(ValueError, match="rbm: log Z is computed for up to 20 units, got 21"):
        zoo.rbm((3, 7, 1), 30).log_partition()
    with pytest.raises(ValueError, match="rbm: `images` must lie from 0 to 1, got values from -1 to 1"):
        zoo.rbm((1, 2, 1), 3).free_energy(np.array([-1.0, 1.0]).reshape(1, 1, 2, 1))


@pytest.mark.slow
def test_only_the_level_in_training_changes():
    x = np.tile(bars(), (4, 1, 1, 1)).astype("float32")
    model, after = zoo.dbn((3, 3, 1), 4, units=(6, 5)), []
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9))
    weights = lambda: [[np.asarray(w) for w in m.trainable_weights] for m in model.machines]  # noqa: E731
    start = weights()
    record = keras.callbacks.LambdaCallback(on_train_end=lambda _: after.append((model.level, weights())))
    history = model.fit(x, epochs=2, batch_size=14, verbose=0, callbacks=[record])
    assert len(history.history["loss"]) == 6
    assert [level for level, _ in after] == [0, 1, 2]
    changed = []
    for _, now in after:
        changed.append(
            [any((a != b).any() for a, b in zip(*pair, strict=True)) for pair in zip(start, now, strict=True)]
        )
        start = now
    assert changed == [[True, False, False], [False, True, False], [False, False, True]]


def test_a_dbn_of_one_level_equals_an_rbm():
    x = np.tile(bars(), (4, 1, 1, 1)).astype("float32")
    rbm, one_level = zoo.rbm((3, 3, 1), 6), zoo.dbn((3, 3, 1), 6, units=())
    for w, v in zip(one_level.trainable_weights, rbm.trainable_weights, strict=True):
        w.assign(v)
    assert_close(rbm.predict(x, verbose=0), one_level.predict(x, verbose=0))
    assert_close(rbm.sample(3, seed=1, steps=5), one_level.sample(3, seed=1, steps=5))


def test_samples_and_codes_of_a_dbn_equal_those_of_its_export():
    model = zoo.dbn((3, 3, 1), 4, units=(5,))
    for w in model.trainable_weights:
        w.assign(np.random.default_rng(4).normal(0, 1, w.shape))
    samples = model.sample(6, seed=2)
    assert samples.shape == (6, 3, 3, 1) and samples.dtype == np.float32 and 0 <= samples.min() < samples.max() <= 1
    assert_close(model.signatures()["sample"][0](6, 2), samples)
    x = bars().astype("float32")
    assert model.encode(x).shape == (14, 4)
    assert_close(model.signatures()["encode"][0](x), model.encode(x))
