"""DDPM: its schedule, its parts, and a training that goes on where it was saved."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from zoo.generate.schedule import linear, shortened
from zoo.layers.map_attention import MapAttention
from zoo.layers.step_embedding import StepEmbedding
from zoo.layers.weight_average import WeightAverage

TINY = {"image_shape": (4, 4, 1), "filters": (4,), "depth": 1, "attention": ()}


def test_the_schedule_has_the_papers_values():
    s = linear(1000)
    assert s.kept[[0, 1, 499, 999]] == pytest.approx([0.9999, 0.99978009, 0.07858724, 4.03582977e-5], rel=1e-6)
    assert s.posterior[0] == 0
    assert s.posterior[[1, 999]] == pytest.approx([5.45319e-5, 0.01999998], rel=1e-5)
    assert (s.clean[999], s.noisy[999]) == pytest.approx((1.28351e-4, 0.98994868), rel=1e-5)
    assert (s.clean[0], s.noisy[0]) == (pytest.approx(1), 0)


def test_a_shorter_schedule_leaves_as_little_of_the_image():
    assert linear(100).kept[-1] < 1e-4
    with pytest.raises(ValueError, match="ddpm: `steps` must be above 20, got 20"):
        zoo.ddpm(**TINY, steps=20)


def test_the_visited_levels_are_evenly_spread_and_begin_with_the_noisiest():
    np.testing.assert_array_equal(shortened(1000, 5), [999, 799, 599, 399, 199])
    np.testing.assert_array_equal(shortened(7, 7), np.arange(7)[::-1])
    np.testing.assert_array_equal(shortened(10, 3), [9, 5, 2])


def test_the_posterior_is_that_of_bayes_rule():
    s = linear(50)
    for t in (1, 20, 49):  # p(x_{t-1} | x_t, x_0): precisions add
        precision = (1 - s.betas[t]) / s.betas[t] + 1 / (1 - s.kept[t - 1])
        assert s.posterior[t] == pytest.approx(1 / precision)
        assert s.clean[t] == pytest.approx(np.sqrt(s.kept[t - 1]) / (1 - s.kept[t - 1]) / precision)
        assert s.noisy[t] == pytest.approx(np.sqrt(1 - s.betas[t]) / s.betas[t] / precision)


def test_ddim_with_all_its_noise_and_steps_has_ddpms_reverse_variance_and_mean():
    s = linear(50)
    a, b = s.kept[1:], s.kept[:-1]
    variance = (1 - b) / (1 - a) * (1 - a / b)  # Song et al. 2021, eq. 16
    assert variance == pytest.approx(s.posterior[1:])
    toward = np.sqrt((1 - b - variance) / (1 - a))  # eq. 12 as weights of x_t and of the image
    assert toward == pytest.approx(s.noisy[1:])
    assert np.sqrt(b) - toward * np.sqrt(a) == pytest.approx(s.clean[1:])


def test_steps_are_embedded_as_sines_and_then_cosines():
    found = np.asarray(StepEmbedding(128)(np.array([0, 1, 999])))
    rates = np.exp(-np.log(1e4) * np.arange(64) / 63)
    assert rates[[1, 63]] == pytest.approx([0.863988, 1e-4], rel=1e-5)
    np.testing.assert_array_equal(found[0], [0.0] * 64 + [1.0] * 64)
    np.testing.assert_allclose(found[1:, :64], np.sin(np.outer([1, 999], rates)), atol=1e-4)
    np.testing.assert_allclose(found[1:, 64:], np.cos(np.outer([1, 999], rates)), atol=1e-4)
    with pytest.raises(ValueError, match="`width` must be even and at least 4, got 7"):
        StepEmbedding(7)


def test_attention_begins_as_nothing_and_knows_no_places():
    layer = MapAttention()
    x = np.random.default_rng(0).standard_normal((2, 3, 4, 8)).astype("float32")
    assert np.abs(layer(x)).max() < 1e-3
    layer.out.kernel.assign(np.eye(8))
    turned = x.transpose(0, 2, 1, 3)
    np.testing.assert_allclose(np.asarray(layer(turned)).transpose(0, 2, 1, 3), layer(x), atol=1e-5)
    layer.query.kernel.assign(np.zeros((8, 8)))  # all places alike: the answer is the mean value
    mean = np.asarray(layer.value(x)).mean(axis=(1, 2), keepdims=True)
    np.testing.assert_allclose(layer(x), np.broadcast_to(mean, x.shape), atol=1e-5)


def test_the_average_looks_back_further_as_it_ages():
    weight = keras.Variable(1.0, name="w")
    average = WeightAverage([weight])
    expected = 1.0
    for n, value in enumerate((2.0, 3.0, 5.0)):
        weight.assign(value)
        average.update([weight], 0.15)
        d = min(0.15, (1 + n) / (10 + n))
        expected = d * expected + (1 - d) * value
        assert float(average.copies[0]) == pytest.approx(expected)
    assert int(average.count) == 3


def test_the_network_costs_what_the_reference_does():
    attention = 5 * 2 * 256**3 + 2 * 16**2 * 256  # five 16 x 16 maps and one 4 x 4: QK' and AV
    saved = 20 * 256**2 * (4**2 + 8**2 + 16**2)  # 16 of 36 products are left where a convolution follows a doubling
    assert zoo.macs(zoo.outline("ddpm")) - attention + saved == 6053953536  # 6.054 G by thop, which leaves those out


def pictures(n=8):
    return np.random.default_rng(0).uniform(-1, 1, (n, 4, 4, 1)).astype("float32")


def test_it_learns_with_the_papers_settings_and_keeps_an_average():
    model = zoo.ddpm(**TINY)
    model.compile()
    assert model.optimizer.get_config()["learning_rate"] == pytest.approx(2e-4)
    assert model.optimizer.global_clipnorm == 1.0
    assert model.decay == 0.9999
    model.compile(keras.optimizers.Adam(1e-2))
    before = model.evaluate(pictures(), verbose=0)
    assert before == pytest.approx(model.evaluate(pictures(), verbose=0))  # every validation meets the same noise
    model.fit(pictures(), batch_size=8, epochs=40, verbose=0)
    assert model.evaluate(pictures(), verbose=0) < 0.95 * before
    assert int(model.average.count) == 40
    raw = np.asarray(model([pictures(), np.zeros(8, "int32")]))
    assert np.abs(raw - np.asarray(model.predicted(tf.constant(pictures()), 0))).max() > 0


GO_ON = """
import sys
import keras, numpy as np, zoo
from tests.generate.test_ddpm import pictures
model = keras.models.load_model(sys.argv[1])
model.reset_metrics()
print(*(float(model.train_on_batch(pictures())) for _ in range(3)),
      *model.predicted(keras.ops.convert_to_tensor(pictures(2)), 5).numpy().ravel())
"""


def test_a_training_saved_in_the_middle_goes_on_in_another_process_as_if_nothing_had_been(tmp_path):
    model = zoo.ddpm(**TINY, dropout=0.5)
    model.compile(keras.optimizers.Adam(1e-3, global_clipnorm=1.0), average=0.5)
    model.fit(pictures(), batch_size=4, epochs=2, verbose=0)
    model.save(tmp_path / "model.keras")
    code = [sys.executable, "-W", "ignore", "-c", GO_ON, str(tmp_path / "model.keras")]
    done = subprocess.run(code, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    model.reset_metrics()
    losses = [float(model.train_on_batch(pictures())) for _ in range(3)]
    assert len(set(losses)) == 3
    averaged = model.predicted(tf.constant(pictures(2)), 5).numpy().ravel()
    assert done.stdout.split() == [str(x) for x in [*losses, *averaged]]


def test_a_loss_that_is_no_number_stops_the_training_and_changes_nothing():
    model = zoo.ddpm(**TINY)
    model.compile()
    model.fit(pictures(), epochs=1, verbose=0)
    model.optimizer.learning_rate = 1e30
    before = [np.array(v) for v in (*model.weights, *model.optimizer.variables)]
    dense = model.get_layer("time_dense0").bias
    dense.assign(np.full(dense.shape, np.inf))
    history = model.fit(pictures(), epochs=5, verbose=0).history
    assert len(history["loss"]) == 1
    assert np.isnan(history["loss"][0])
    dense.assign(before[[v.path for v in model.weights].index(dense.path)])
    for old, new in zip(before, (*model.weights, *model.optimizer.variables), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda m: m.fit(np.full((2, 4, 4, 1), 7.0)), "images` must lie from -1 to 1, got values from 7 to 7"),
        (lambda m: m.fit(tf.data.Dataset.from_tensors(np.full((2, 4, 4, 1), -2.0))), "got values from -2 to -2"),
        (lambda m: m.fit(np.zeros((2, 4, 5, 1))), r"`images` must be \(B, 4, 4, 1\), got \(2, 4, 5, 1\)"),
        (lambda m: m.bound(np.full((2, 4, 4, 1), 255)), "got values from 255 to 255"),
        (lambda m: m.sample(2, steps=1001), "at most 1000 `steps`, got 1001"),
        (lambda m: m.sample(2, eta=2), "`eta` must be a number from 0 to 1, got 2"),
        (lambda m: m.sample(0), "`n` must be a whole number of at least 1, got 0"),
    ],
)
def test_bad_input_is_refused(call, told):
    model = zoo.ddpm(**TINY)
    model.compile()
    with pytest.raises(ValueError, match=told):
        call(model)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"filters": (4, 6)}, r"`filters` must be one or more widths divisible by 4, got \(4, 6\)"),
        ({"filters": ()}, "`filters` must be one or more widths"),
        ({"attention": (2,)}, r"`attention` must be among the scales 0 to 0, got \(2,\)"),
        (
            {"image_shape": (4, 5, 1), "filters": (4, 4)},
            "H and W of `image_shape` must be at least 1 and divisible by 2",
        ),
    ],
)
def test_a_network_that_cannot_be_is_refused(changed, told):
    with pytest.raises(ValueError, match=told):
        zoo.ddpm(**{**TINY, **changed})
