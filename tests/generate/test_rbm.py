"""RBM and DBN: energies against all states, contrastive divergence against its two phases, and greedy stacking."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from zoo.layers.boltzmann import Boltzmann


def states(units):
    return np.array(list(itertools.product((0.0, 1.0), repeat=units)), "float32")


def stirred(shape, latent, spread=1.0, **kwargs):
    model, rng = zoo.rbm(shape, latent, **kwargs), np.random.default_rng(3)
    for w in model.trainable_weights:
        w.assign(rng.normal(0, spread, w.shape))
    return model


def bars():
    """The 14 images of 3 x 3 whose columns, or whose rows, are black or white."""
    rows = np.repeat(states(3)[:, :, None], 3, axis=2)
    return np.unique(np.concatenate([rows, rows.swapaxes(1, 2)]), axis=0)[..., None]


@pytest.mark.parametrize("latent", [3, 6])
def test_log_z_and_free_energy_are_sums_over_all_states(latent):
    model = stirred((2, 2, 1), latent)
    w, b, c = (np.asarray(x, "float64") for x in model.boltzmann.weights)
    v, h = states(4), states(latent)
    minus = (v @ w @ h.T) + (v @ b)[:, None] + (h @ c)[None]
    np.testing.assert_allclose(model.free_energy(v.reshape(-1, 2, 2, 1)), -np.log(np.exp(minus).sum(1)), rtol=1e-5)
    assert model.log_partition() == pytest.approx(np.log(np.exp(minus).sum()), rel=1e-12)
    assert np.exp(model.log_likelihood(v.reshape(-1, 2, 2, 1))).sum() == pytest.approx(1, abs=1e-5)


def test_many_states_are_counted_in_blocks():
    model = stirred((2, 7, 1), 15, spread=0.0)
    assert model.log_partition() == pytest.approx((14 + 15) * np.log(2))


def test_the_gradient_is_that_of_the_two_phases():
    v = tf.constant(np.random.default_rng(0).integers(0, 2, (5, 4)), "float32")
    layer = Boltzmann(3, steps=2, seed=11)
    layer(v)
    layer.kernel.assign(np.random.default_rng(1).normal(0, 1, (4, 3)))
    with tf.GradientTape() as tape:
        loss = layer.contrastive_divergence(v)
    found = tape.gradient(loss, [w.value for w in layer.weights])
    again, end = Boltzmann(3, seed=11), v
    again(v)
    for w, other in zip(again.weights, layer.weights, strict=True):
        w.assign(other)
    for _ in range(2):
        end, _ = again.gibbs_step(end, lambda _, shape: keras.random.uniform(shape, seed=again.seed_generator))
    phases = [(tf.transpose(x) @ layer(x), tf.reduce_sum(x, 0), tf.reduce_sum(layer(x), 0)) for x in (v, end)]
    for g, data, model in zip(found, *phases, strict=True):
        np.testing.assert_allclose(g, (model - data) / 5, atol=1e-6)


def test_a_chain_ends_in_the_distribution():
    model = stirred((1, 3, 1), 2)
    drawn = []
    for seed in range(2):
        p = model.sample(4000, seed=seed, steps=30)
        drawn.append(np.random.default_rng(seed).random(p.shape) < p)
    drawn = np.concatenate(drawn).reshape(-1, 3) @ [4, 2, 1]
    expected = np.exp(model.log_likelihood(states(3).reshape(-1, 1, 3, 1)))
    np.testing.assert_allclose(np.bincount(drawn, minlength=8) / 8000, expected, atol=0.025)  # 4.5 standard errors


def test_contrastive_divergence_raises_the_exact_likelihood():
    x = np.tile(bars(), (40, 1, 1, 1)).astype("float32")
    model = zoo.rbm((3, 3, 1), 8)
    before = model.log_likelihood(x).mean()
    model.compile(keras.optimizers.SGD(0.5, momentum=0.5))
    found = model.fit(x, epochs=15, batch_size=14, verbose=0).history
    assert before == pytest.approx(-9 * np.log(2), abs=0.1)
    assert model.log_likelihood(x).mean() > before + 1
    assert found["mean_squared_error"][-1] < 0.7 * found["mean_squared_error"][0]


def test_the_first_fit_sets_the_biases_of_the_pixels_and_no_later_one():
    x = bars()[:3].astype("float32")
    for model in (zoo.rbm((3, 3, 1), 4), zoo.dbn((3, 3, 1), 4, units=(5,))):
        model.compile(keras.optimizers.SGD(0.0))
        dataset = tf.data.Dataset.from_tensor_slices(x).batch(3)
        model.fit(dataset, shuffle=False, verbose=0)
        mean = (x.sum(axis=0).ravel() + 0.5) / 4
        found = np.array(model.layers[2].visible_bias)
        np.testing.assert_allclose(found, np.log(mean / (1 - mean)), rtol=1e-5)
        model.fit(1 - x, verbose=0)
        np.testing.assert_array_equal(model.layers[2].visible_bias, found)


def test_too_many_units_are_refused_and_so_are_images_out_of_range():
    with pytest.raises(ValueError, match="rbm: log Z is counted up to 20 units, got 21"):
        zoo.rbm((3, 7, 1), 30).log_partition()
    with pytest.raises(ValueError, match="rbm: `images` must lie from 0 to 1, got values from -1 to 1"):
        zoo.rbm((1, 2, 1), 3).free_energy(np.array([-1.0, 1.0]).reshape(1, 1, 2, 1))


def test_a_level_that_is_done_does_not_move():
    x = np.tile(bars(), (4, 1, 1, 1)).astype("float32")
    model, after = zoo.dbn((3, 3, 1), 4, units=(6, 5)), []
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9))
    weights = lambda: [[np.asarray(w) for w in m.trainable_weights] for m in model.machines]  # noqa: E731
    start = weights()
    keep = keras.callbacks.LambdaCallback(on_train_end=lambda _: after.append((model.level, weights())))
    found = model.fit(x, epochs=2, batch_size=14, verbose=0, callbacks=[keep])
    assert len(found.history["loss"]) == 6
    assert [level for level, _ in after] == [0, 1, 2]
    moved = []
    for _, now in after:
        moved.append([any((a != b).any() for a, b in zip(*pair, strict=True)) for pair in zip(start, now, strict=True)])
        start = now
    assert moved == [[True, False, False], [False, True, False], [False, False, True]]


def test_one_level_is_an_rbm():
    x = np.tile(bars(), (4, 1, 1, 1)).astype("float32")
    one, other = zoo.rbm((3, 3, 1), 6), zoo.dbn((3, 3, 1), 6, units=())
    for w, v in zip(other.trainable_weights, one.trainable_weights, strict=True):
        w.assign(v)
    np.testing.assert_allclose(one.predict(x, verbose=0), other.predict(x, verbose=0), rtol=1e-6)
    np.testing.assert_array_equal(one.sample(3, seed=1, steps=5), other.sample(3, seed=1, steps=5))


def test_samples_of_a_stack_are_images_as_exported():
    model = zoo.dbn((3, 3, 1), 4, units=(5,))
    for w in model.trainable_weights:
        w.assign(np.random.default_rng(4).normal(0, 1, w.shape))
    found = model.sample(6, seed=2)
    assert found.shape == (6, 3, 3, 1) and found.dtype == np.float32 and 0 <= found.min() < found.max() <= 1
    np.testing.assert_allclose(model.signatures()["sample"][0](6, 2), found, atol=1e-6)
    x = bars().astype("float32")
    assert model.code(x).shape == (14, 4)
    np.testing.assert_allclose(model.signatures()["encode"][0](x), model.code(x), rtol=1e-6)
