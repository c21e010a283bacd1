"""Attacks against what they must do: on linear models by hand, on others by their limits."""

import contextlib

import keras
import numpy as np
import pytest
from keras import layers

import zoo
from tests.explain.test_gradients import draw, linear
from tests.test_contract import batch, build
from tests.tolerance import assert_close
from zoo import explain
from zoo.registry import entries


def tiny(**arguments):
    return zoo.cnn((8, 8, 3), 4, **{"filters": (8,), "units": (16,), **arguments})


def weights(model):
    return model.layers[-1].kernel.numpy()


@pytest.mark.parametrize("activation", ["softmax", None, "sigmoid"])
def test_fgsm_moves_every_number_by_epsilon(activation):
    model = linear((4, 5, 3), activation=activation)
    x = draw(3, 4, 5, 3)
    moved = explain.fgsm(model, x, (0, 1, 2), epsilon=0.25)
    assert_close(np.abs(moved - x), 0.25)
    assert moved.dtype == np.float32


def test_the_gain_of_fgsm_on_a_linear_model_is_epsilon_times_the_l1_norm_of_its_weights():
    model = linear((7, 2), classes=1, activation="sigmoid")
    x = draw(4, 7, 2)
    for label, sign in ((1, -1), (0, 1)):
        moved = explain.fgsm(model, x, label, epsilon=0.3)
        change = (moved - x).reshape(4, -1) @ weights(model)
        assert_close(change, sign * 0.3 * np.abs(weights(model)).sum() * np.ones((4, 1)))


def test_an_attack_toward_a_class_raises_it_and_one_away_lowers_it():
    model, x = tiny(), draw(6, 8, 8, 3)
    before = model.predict(x, verbose=0)[:, 2]
    for attack in (explain.fgsm, explain.pgd):
        assert (model.predict(attack(model, x, 2, epsilon=0.2, toward=True), verbose=0)[:, 2] > before).all()
        assert (model.predict(attack(model, x, 2, epsilon=0.2), verbose=0)[:, 2] < before).all()


def test_without_labels_the_predicted_class_is_left():
    model, x = tiny(), draw(5, 8, 8, 3)
    predicted = model.predict(x, verbose=0).argmax(axis=-1)
    for attack in (explain.fgsm, explain.pgd):
        assert_close(attack(model, x, epsilon=0.1), attack(model, x, predicted, epsilon=0.1))


@pytest.mark.parametrize("build", [tiny, lambda: keras.Sequential([layers.Input((8, 8, 3)), tiny(activation=None)])])
@pytest.mark.parametrize("limits", [{}, {"low": (-1, -1.5, -2.0), "high": 2}])
def test_pgd_of_one_step_without_a_start_is_fgsm(build, limits):
    model, x = build(), np.clip(draw(5, 8, 8, 3), -1, 2)
    one = explain.pgd(model, x, 1, epsilon=0.1, steps=1, start=False, batch_size=2, **limits)
    assert_close(one, explain.fgsm(model, x, 1, epsilon=0.1, **limits))
    assert np.abs(one - x).max() == pytest.approx(0.1, rel=1e-5)


@pytest.mark.parametrize("start", [True, False])
@pytest.mark.parametrize(("norm", "order"), [("inf", np.inf), ("l2", 2)])
def test_pgd_stays_in_its_ball_and_its_box(norm, order, start):
    model, x = tiny(), np.clip(draw(5, 8, 8, 3), 0, 1)
    found = explain.pgd(model, x, 0, epsilon=0.5, norm=norm, start=start, steps=7, low=0, high=1)
    lengths = np.linalg.norm((found - x).reshape(5, -1), order, axis=1)
    assert (lengths <= 0.5 + 1e-5).all()
    assert (lengths > 0.3).all()
    assert found.min() >= 0 and found.max() <= 1


def test_pgd_in_l2_on_a_linear_model_goes_straight_along_its_weights():
    model = linear((6,), classes=1, activation="sigmoid")
    x = draw(2, 6)
    found = explain.pgd(model, x, 1, epsilon=0.5, norm="l2", start=False)
    along = -0.5 * weights(model)[:, 0] / np.linalg.norm(weights(model))
    assert_close(found - x, [along] * 2)


def test_more_steps_of_pgd_do_more_harm_than_fgsm():
    model, x = tiny(filters=(8, 8), units=(16,)), draw(16, 8, 8, 3)
    labels = model.predict(x, verbose=0).argmax(axis=-1)
    loss = keras.losses.SparseCategoricalCrossentropy()
    fast = loss(labels, model(explain.fgsm(model, x, labels, epsilon=0.3)))
    assert loss(labels, model(explain.pgd(model, x, labels, epsilon=0.3, steps=20, start=False))) > fast


def test_the_random_start_depends_on_the_seed_and_not_on_the_batch():
    model, x = tiny(), draw(3, 8, 8, 3)
    first = explain.pgd(model, x, 1, epsilon=0.1, steps=2, seed=1)
    assert_close(explain.pgd(model, x, 1, epsilon=0.1, steps=2, seed=1, batch_size=2), first)
    assert np.abs(explain.pgd(model, x, 1, epsilon=0.1, steps=2, seed=2) - first).max() > 1e-3


def test_lbfgs_on_a_linear_model_finds_the_nearest_point_beyond_the_border():
    model = linear((6,), classes=2, activation="softmax")
    x = draw(4, 6)
    away = 1 - model.predict(x, verbose=0).argmax(axis=-1)
    found = explain.lbfgs(model, x, away)
    np.testing.assert_array_equal(model.predict(found, verbose=0).argmax(axis=-1), away)
    normal = weights(model)[:, 1] - weights(model)[:, 0]
    margin = np.abs(x @ normal + model.layers[-1].bias.numpy() @ [-1, 1]) / np.linalg.norm(normal)
    np.testing.assert_allclose(np.linalg.norm(found - x, axis=1), margin, rtol=0.02, atol=1e-4)


def test_lbfgs_reaches_its_class_with_a_smaller_change_than_fgsm():
    model, x = tiny(), np.clip(draw(2, 8, 8, 3), 0, 1)
    target = model.predict(x, verbose=0).argmin(axis=-1)
    found = explain.lbfgs(model, x, target, low=0, high=1, searches=4)
    assert found.min() >= 0 and found.max() <= 1
    np.testing.assert_array_equal(model.predict(found, verbose=0).argmax(axis=-1), target)
    signs = np.sign(explain.fgsm(model, x, target, epsilon=1e-3, targeted=True) - x)
    moved = np.clip(x[:, None] + np.linspace(0.02, 1, 50)[:, None, None, None] * signs[:, None], 0, 1)  # (2, 50, ...)
    reached = model.predict(moved.reshape(-1, 8, 8, 3), verbose=0).argmax(axis=-1).reshape(2, 50) == target[:, None]
    assert reached.any()
    for i in np.flatnonzero(reached.any(axis=1)):
        assert np.linalg.norm(found[i] - x[i]) < np.linalg.norm(moved[i, reached[i].argmax()] - x[i])


def test_lbfgs_leaves_alone_what_is_the_class_and_says_nan_where_it_is_out_of_reach():
    model = linear((6,), classes=2, activation="softmax")
    x = np.clip(draw(1, 6), 0.49, 0.5)
    there = model.predict(x, verbose=0).argmax()
    np.testing.assert_array_equal(explain.lbfgs(model, x, there), x)
    model.layers[-1].bias.assign(50.0 * (np.arange(2) == there))
    assert np.isnan(explain.lbfgs(model, x, 1 - there, low=0.4, high=0.6)).all()


def test_the_robustness_curve_begins_at_the_accuracy_and_never_rises(tmp_path):
    import matplotlib.image

    model, x = tiny(), draw(20, 8, 8, 3)
    labels = model.predict(x, verbose=0).argmax(axis=-1)
    labels[:5] = (labels[:5] + 1) % 4
    for attack, norm in (("fgsm", "inf"), ("pgd", "inf"), ("pgd", "l2")):
        found = explain.robustness_curve(model, x, labels, epsilons=(3, 0.01, 0.3), attack=attack, norm=norm, steps=3)
        assert_close(found.epsilon, [0, 0.01, 0.3, 3])
        assert found.accuracy[0] == 0.75
        assert (np.diff(found.accuracy) <= 0).all()
        assert found.accuracy[-1] < 0.3
    figure = found.figure(tmp_path / "curve.png")
    np.testing.assert_array_equal(figure.axes[0].lines[0].get_ydata(), found.accuracy)
    assert matplotlib.image.imread(tmp_path / "curve.png").std() > 0.05


def blobs():
    """A class that one number tells reliably but barely, and seven others loosely: what is robust must use the many."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 512)
    sign = 2.0 * y[:, None] - 1
    x = np.hstack([0.25 * sign, sign + 1.5 * rng.normal(size=(512, 7))])
    x[:, :1] *= 1 + 0.05 * rng.normal(size=(512, 1))
    return x.astype("float32"), y


@pytest.mark.parametrize(("steps", "share"), [(1, 0.5), pytest.param(3, 1.0, marks=pytest.mark.slow)])
def test_adversarial_training_makes_a_model_robust(steps, share):
    x, y = blobs()
    accuracy, how = [], {"epsilon": 0.5, "steps": steps, "share": share}
    for attack in (contextlib.nullcontext, explain.adversarial_training):
        keras.utils.set_random_seed(1)
        model = linear((8,), classes=2, activation="softmax")
        model.compile(keras.optimizers.Adam(0.3), "sparse_categorical_crossentropy", jit_compile=False)
        with attack(model, **({} if attack is contextlib.nullcontext else how)):
            model.fit(x, y, epochs=12, verbose=0, batch_size=64)
        accuracy.append(explain.robustness_curve(model, x, y, epsilons=(0.5,), attack="fgsm").accuracy[1])
    assert accuracy[1] > accuracy[0] + 0.05


def test_the_training_loss_under_attack_is_the_weighted_sum_of_both_losses():
    x, y = draw(8, 6), np.arange(8) % 3
    model = linear((6,), activation="softmax")
    model.compile("sgd", "sparse_categorical_crossentropy", jit_compile=False)
    plain = model.evaluate(x, y, verbose=0)
    attacked = model.evaluate(explain.fgsm(model, x, y, epsilon=0.2), y, verbose=0)
    for share, each in ((0.3, None), (0.3, np.ones(8)), (1.0, None)):
        before = model.get_weights()
        with explain.adversarial_training(model, epsilon=0.2, fraction=share):
            found = model.fit(x, y, sample_weight=each, batch_size=8, verbose=0).history["loss"][0]
        model.set_weights(before)
        assert found == pytest.approx((1 - share) * plain + share * attacked, rel=1e-4)


def test_plain_training_returns_after_adversarial_training_even_after_an_error():
    x, y = draw(8, 6), np.arange(8) % 3
    model = linear((6,), activation="softmax")
    model.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.raises(KeyError), explain.adversarial_training(model, epsilon=0.2, fraction=1):
        model.fit(x, y, verbose=0)
        raise KeyError
    plain = model.evaluate(x, y, verbose=0)
    assert model.fit(x, y, batch_size=8, verbose=0).history["loss"][0] == pytest.approx(plain, rel=1e-5)
    assert "train_step" not in vars(model)


def test_of_several_inputs_those_of_real_numbers_are_attacked():
    numbers, tokens = layers.Input((3,), name="numbers"), layers.Input((2,), dtype="int32", name="tokens")
    embedded = layers.Flatten()(layers.Embedding(5, 2)(tokens))
    model = keras.Model(
        {"numbers": numbers, "tokens": tokens}, layers.Dense(1)(layers.Concatenate()([numbers, embedded]))
    )
    model.compile("sgd", "mse", jit_compile=False)
    x = {"numbers": draw(8, 3), "tokens": np.arange(16).reshape(8, 2) % 5}
    plain = model.evaluate(x, np.ones(8), verbose=0)
    with explain.adversarial_training(model, epsilon=0.2, fraction=1, low=-3, high=3):
        assert model.fit(x, np.ones(8), batch_size=8, verbose=0).history["loss"][0] > plain


ATTACKS = {
    "fgsm": lambda *a, **k: explain.fgsm(*a, epsilon=0.1, **k),
    "pgd": lambda *a, **k: explain.pgd(*a, epsilon=0.1, **k),
    "lbfgs": explain.lbfgs,
    "robustness_curve": lambda *a, **k: explain.robustness_curve(*a, epsilons=(0.1,), **k),
}


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize(
    ("x", "label", "limits", "message"),
    [
        (draw(2, 5), 0, {}, r"`inputs` must be numbers of shape \(None, 6\)"),
        (draw(2, 6), 3, {}, "`(labels|target)` must be a class from 0 to 2, got 3"),
        (draw(2, 6), (0, 1, 2), {}, "`(labels|target)` must be one class, or one for each example, got 3 for 2"),
        (draw(2, 6), 0, {"low": (0, 1)}, "`low` must be one number or 6, one for each band, got 2"),
        (draw(2, 6), 0, {"low": 1, "high": 1}, "`low` must be below `high`"),
        (draw(2, 6), 0, {"low": 0, "high": 1}, "`inputs` must lie within `low` = .* and `high`"),
        (np.full((1, 6), np.inf), 0, {}, "`inputs` must be finite"),
    ],
)
def test_bad_arguments_are_named(name, x, label, limits, message):
    with pytest.raises(ValueError, match=f"{name}: {message}"):
        ATTACKS[name](linear((6,)), x, label, **limits)


def test_models_that_tell_no_classes_apart_and_other_mistakes_are_refused():
    x = draw(2, 6)
    with pytest.raises(ValueError, match="fgsm: `model` must tell classes apart, .* answers one number"):
        explain.fgsm(linear((6,), classes=1), x, 0, epsilon=1)
    tokens = layers.Input((6,), dtype="int32")
    words = keras.Model(tokens, layers.Dense(2)(layers.Flatten()(layers.Embedding(3, 2)(tokens))))
    with pytest.raises(ValueError, match="pgd: gradients need inputs of real numbers"):
        explain.pgd(words, np.zeros((1, 6), int), 0, epsilon=1)
    with pytest.raises(ValueError, match="`labels` must be given, the classes to reach"):
        explain.fgsm(linear((6,)), x, epsilon=1, targeted=True)
    with pytest.raises(ValueError, match="`epsilon` must be a number of at least 0"):
        explain.fgsm(linear((6,)), x, epsilon=-1)
    with pytest.raises(ValueError, match="`norm` must be inf for fgsm"):
        explain.robustness_curve(linear((6,)), x, 0, epsilons=1, attack="fgsm", norm="l2")
    with pytest.raises(ValueError, match="`model` must be a compiled Keras model"):
        explain.adversarial_training(linear((6,)), epsilon=1).__enter__()
    model = linear((6,))
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="`low` must be below `high`, got 1.0 and 0.0"):
        explain.adversarial_training(model, epsilon=1, low=1, high=0).__enter__()


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_attacks_work_in_mixed_precision_on_one_constant_band(policy):
    keras.config.set_dtype_policy(policy)
    model = zoo.lenet5((14, 14, 1), 3)
    x = np.full((1, 14, 14, 1), 0.7, "float32")
    for attack in (explain.fgsm, explain.pgd):
        moved = attack(model, x, epsilon=0.1)
        assert moved.shape == x.shape and np.isfinite(moved).all() and (moved != x).any()


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in zoo.names("classify") if entries[n].parent is None])
def test_every_classifier_can_be_attacked(name):
    model = build(name)
    x = batch(model, name)
    moved = explain.fgsm(model, x, 1, epsilon=0.05)
    assert_close(explain.pgd(model, x, 1, epsilon=0.05, steps=1, start=False), moved)
    assert np.abs(moved - x).max() == pytest.approx(0.05, rel=1e-4)
