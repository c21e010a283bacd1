"""DDPM: noise schedule, layers, training, and resuming a saved training."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from tests.tolerance import assert_close
from zoo.generate.noise_schedule import ddim_timesteps, linear_schedule
from zoo.layers.map_attention import MapAttention
from zoo.layers.step_embedding import StepEmbedding
from zoo.layers.weight_average import WeightAverage

TINY = {"image_shape": (4, 4, 1), "filters": (4,), "depth": 1, "attention": ()}


def test_the_linear_schedule_has_the_papers_values():
    s = linear_schedule(1000)
    assert s.alphas_cumprod[[0, 1, 499, 999]] == pytest.approx(
        [0.9999, 0.99978009, 0.07858724, 4.03582977e-5], rel=1e-5
    )
    assert s.posterior_variance[0] == 0
    assert s.posterior_variance[[1, 999]] == pytest.approx([5.45319e-5, 0.01999998], rel=1e-5)
    assert (s.posterior_mean_x0[999], s.posterior_mean_xt[999]) == pytest.approx((1.28351e-4, 0.98994868), rel=1e-5)
    assert (s.posterior_mean_x0[0], s.posterior_mean_xt[0]) == (pytest.approx(1, rel=1e-5), 0)


def test_a_shorter_schedule_leaves_as_little_signal():
    assert linear_schedule(100).alphas_cumprod[-1] < 1e-4
    with pytest.raises(ValueError, match="ddpm: `steps` must be above 20, got 20"):
        zoo.ddpm(**TINY, steps=20)


def test_ddim_timesteps_are_evenly_spaced_and_start_with_the_noisiest():
    np.testing.assert_array_equal(ddim_timesteps(1000, 5), [999, 799, 599, 399, 199])
    np.testing.assert_array_equal(ddim_timesteps(7, 7), np.arange(7)[::-1])
    np.testing.assert_array_equal(ddim_timesteps(10, 3), [9, 5, 2])


def test_the_posterior_follows_from_bayes_rule():
    s = linear_schedule(50)
    for t in (1, 20, 49):  # p(x_{t-1} | x_t, x_0): precisions add
        precision = (1 - s.betas[t]) / s.betas[t] + 1 / (1 - s.alphas_cumprod[t - 1])
        assert s.posterior_variance[t] == pytest.approx(1 / precision, rel=1e-5)
        assert s.posterior_mean_x0[t] == pytest.approx(
            np.sqrt(s.alphas_cumprod[t - 1]) / (1 - s.alphas_cumprod[t - 1]) / precision, rel=1e-5
        )
        assert s.posterior_mean_xt[t] == pytest.approx(np.sqrt(1 - s.betas[t]) / s.betas[t] / precision, rel=1e-5)


def test_ddim_with_eta_1_and_all_steps_has_ddpms_reverse_variance_and_mean():
    s = linear_schedule(50)
    a, b = s.alphas_cumprod[1:], s.alphas_cumprod[:-1]
    variance = (1 - b) / (1 - a) * (1 - a / b)  # Song et al. 2021, eq. 16
    assert variance == pytest.approx(s.posterior_variance[1:], rel=1e-5)
    xt_weight = np.sqrt((1 - b - variance) / (1 - a))  # eq. 12 as weights of x_t and x_0
    assert xt_weight == pytest.approx(s.posterior_mean_xt[1:], rel=1e-5)
    assert np.sqrt(b) - xt_weight * np.sqrt(a) == pytest.approx(s.posterior_mean_x0[1:], rel=1e-5)


def test_the_timestep_embedding_is_sines_then_cosines():
    embedding = np.asarray(StepEmbedding(128)(np.array([0, 1, 999])))
    frequencies = np.exp(-np.log(1e4) * np.arange(64) / 63)
    assert frequencies[[1, 63]] == pytest.approx([0.863988, 1e-4], rel=1e-5)
    np.testing.assert_array_equal(embedding[0], [0.0] * 64 + [1.0] * 64)
    assert_close(embedding[1:, :64], np.sin(np.outer([1, 999], frequencies)), rtol=1e-4)
    assert_close(embedding[1:, 64:], np.cos(np.outer([1, 999], frequencies)), rtol=1e-4)
    with pytest.raises(ValueError, match="`width` must be even and at least 4, got 7"):
        StepEmbedding(7)


def test_attention_starts_near_zero_and_ignores_positions():
    layer = MapAttention()
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 8)).astype("float32")
    assert np.abs(layer(x)).max() < 1e-3
    layer.out.kernel.assign(np.eye(8))
    transposed = x.transpose(0, 2, 1, 3)
    assert_close(np.asarray(layer(transposed)).transpose(0, 2, 1, 3), layer(x))
    layer.query.kernel.assign(np.zeros((8, 8)))  # equal attention weights: the output is the mean value
    mean = np.asarray(layer.value(x)).mean(axis=(1, 2), keepdims=True)
    assert_close(layer(x), np.broadcast_to(mean, x.shape))


def test_the_weight_average_has_a_warm_up():
    weight = keras.Variable(1.0, name="w")
    average = WeightAverage([weight])
    expected = 1.0
    for n, value in enumerate((2.0, 3.0, 5.0)):
        weight.assign(value)
        average.update([weight], 0.15)
        d = min(0.15, (1 + n) / (10 + n))
        expected = d * expected + (1 - d) * value
        assert float(average.copies[0]) == pytest.approx(expected, rel=1e-5)
    assert int(average.count) == 3


def test_the_network_has_the_macs_of_the_reference():
    attention = 5 * 2 * 256**3 + 2 * 16**2 * 256  # QK' and AV at 16 x 16 pixels, five times, and at 4 x 4, once
    saved = 20 * 256**2 * (4**2 + 8**2 + 16**2)  # UpsampleConv2D needs 16 of 36 products
    assert zoo.macs(zoo.outline("ddpm")) - attention + saved == 6053953536  # 6.054 G by thop, which omits attention


def random_images(n=8):
    return np.random.default_rng(0).uniform(-1, 1, (n, 4, 4, 1)).astype("float32")


def test_training_has_the_papers_settings_lowers_the_loss_and_averages_the_weights():
    model = zoo.ddpm(**TINY)
    model.compile()
    assert model.optimizer.get_config()["learning_rate"] == pytest.approx(2e-4, rel=1e-5)
    assert model.optimizer.global_clipnorm == 1.0
    assert model.ema_momentum == 0.9999
    model.compile(keras.optimizers.Adam(1e-2))
    before = model.evaluate(random_images(), verbose=0)
    assert before == pytest.approx(
        model.evaluate(random_images(), verbose=0), rel=1e-5
    )  # every validation uses the same noise
    model.fit(random_images(), batch_size=8, epochs=20, verbose=0)
    assert model.evaluate(random_images(), verbose=0) < 0.95 * before
    assert int(model.average.count) == 20
    without_average = np.asarray(model([random_images(), np.zeros(8, "int32")]))
    assert np.abs(without_average - np.asarray(model.predict_noise(tf.constant(random_images()), 0))).max() > 0


RESUME = """
import sys
import keras, numpy as np, zoo
from tests.generate.test_ddpm import random_images
model = keras.models.load_model(sys.argv[1])
model.reset_metrics()
print(*(float(model.train_on_batch(random_images())) for _ in range(3)),
      *model.predict_noise(keras.ops.convert_to_tensor(random_images(2)), 5).numpy().ravel())
"""


@pytest.mark.slow  # test_resume_unsupervised.py does so for five others in one process
def test_a_saved_training_continues_identically_in_another_process(tmp_path):
    model = zoo.ddpm(**TINY, dropout=0.5)
    model.compile(keras.optimizers.Adam(1e-3, global_clipnorm=1.0), ema_momentum=0.5)
    model.fit(random_images(), batch_size=4, epochs=2, verbose=0)
    model.save(tmp_path / "model.keras")
    command = [sys.executable, "-W", "ignore", "-c", RESUME, str(tmp_path / "model.keras")]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stderr[-2000:]
    model.reset_metrics()
    losses = [float(model.train_on_batch(random_images())) for _ in range(3)]
    assert len(set(losses)) == 3
    averaged = model.predict_noise(tf.constant(random_images(2)), 5).numpy().ravel()
    assert process.stdout.split() == [str(x) for x in [*losses, *averaged]]


@pytest.mark.slow
def test_a_nan_loss_stops_the_training_and_changes_no_weight():
    model = zoo.ddpm(**TINY)
    model.compile()
    model.fit(random_images(), epochs=1, verbose=0)
    model.optimizer.learning_rate = 1e30
    before = [np.array(v) for v in (*model.weights, *model.optimizer.variables)]
    dense = model.get_layer("time_dense0").bias
    dense.assign(np.full(dense.shape, np.inf))
    history = model.fit(random_images(), epochs=5, verbose=0).history
    assert len(history["loss"]) == 1
    assert np.isnan(history["loss"][0])
    dense.assign(before[[v.path for v in model.weights].index(dense.path)])
    for old, new in zip(before, (*model.weights, *model.optimizer.variables), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.fit(np.full((2, 4, 4, 1), 7.0)), "images` must lie from -1 to 1, got values from 7 to 7"),
        (lambda m: m.fit(tf.data.Dataset.from_tensors(np.full((2, 4, 4, 1), -2.0))), "got values from -2 to -2"),
        (lambda m: m.fit(np.zeros((2, 4, 5, 1))), r"`images` must be \(B, 4, 4, 1\), got \(2, 4, 5, 1\)"),
        (lambda m: m.variational_bound(np.full((2, 4, 4, 1), 255)), "got values from 255 to 255"),
        (lambda m: m.sample(2, steps=1001), "at most 1000 `steps`, got 1001"),
        (lambda m: m.sample(2, eta=2), "`eta` must be a number from 0 to 1, got 2"),
        (lambda m: m.sample(0), "`n` must be a whole number of at least 1, got 0"),
    ],
)
def test_bad_images_and_sampling_arguments_are_refused(call, message):
    model = zoo.ddpm(**TINY)
    model.compile()
    with pytest.raises(ValueError, match=message):
        call(model)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"filters": (4, 6)}, r"`filters` must be one or more numbers divisible by 4, got \(4, 6\)"),
        ({"filters": ()}, "`filters` must be one or more numbers"),
        ({"attention": (2,)}, r"`attention` must be scales from 0 to 0, got \(2,\)"),
        (
            {"image_shape": (4, 5, 1), "filters": (4, 4)},
            "H and W of `image_shape` must be at least 1 and divisible by 2",
        ),
    ],
)
def test_bad_network_sizes_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        zoo.ddpm(**{**TINY, **changes})
