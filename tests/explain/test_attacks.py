"""Attacks compared with closed forms on linear models, and with their limits on others."""

import contextlib

import keras
import numpy as np
import pytest
from keras import layers

import zoo
from tests.explain.test_gradients import linear, random_array
from tests.test_contract import batch, build
from tests.tolerance import assert_close
from zoo import explain
from zoo.registry import entries


def tiny_cnn(**arguments):
    return zoo.cnn((8, 8, 3), 4, **{"filters": (8,), "units": (16,), **arguments})


def kernel_of(model):
    return model.layers[-1].kernel.numpy()


@pytest.mark.parametrize("activation", ["softmax", None, "sigmoid"])
def test_fgsm_changes_every_number_by_epsilon(activation):
    model = linear((4, 5, 3), activation=activation)
    x = random_array(3, 4, 5, 3)
    attacked = explain.fgsm(model, x, (0, 1, 2), epsilon=0.25)
    assert_close(np.abs(attacked - x), 0.25)
    assert attacked.dtype == np.float32


def test_fgsm_changes_the_logit_of_a_linear_model_by_epsilon_times_the_l1_norm():
    model = linear((7, 2), classes=1, activation="sigmoid")
    x = random_array(4, 7, 2)
    for label, sign in ((1, -1), (0, 1)):
        attacked = explain.fgsm(model, x, label, epsilon=0.3)
        change = (attacked - x).reshape(4, -1) @ kernel_of(model)
        assert_close(change, sign * 0.3 * np.abs(kernel_of(model)).sum() * np.ones((4, 1)))


def test_targeted_attacks_raise_the_probability_and_untargeted_ones_lower_it():
    model, x = tiny_cnn(), random_array(6, 8, 8, 3)
    before = model.predict(x, verbose=0)[:, 2]
    for attack in (explain.fgsm, explain.pgd):
        assert (model.predict(attack(model, x, 2, epsilon=0.2, targeted=True), verbose=0)[:, 2] > before).all()
        assert (model.predict(attack(model, x, 2, epsilon=0.2), verbose=0)[:, 2] < before).all()


def test_the_default_label_is_the_predicted_class():
    model, x = tiny_cnn(), random_array(5, 8, 8, 3)
    predicted = model.predict(x, verbose=0).argmax(axis=-1)
    for attack in (explain.fgsm, explain.pgd):
        assert_close(attack(model, x, epsilon=0.1), attack(model, x, predicted, epsilon=0.1))


@pytest.mark.parametrize(
    "build", [tiny_cnn, lambda: keras.Sequential([layers.Input((8, 8, 3)), tiny_cnn(activation=None)])]
)
@pytest.mark.parametrize("limits", [{}, {"low": (-1, -1.5, -2.0), "high": 2}])
def test_pgd_with_one_step_and_no_random_start_is_fgsm(build, limits):
    model, x = build(), np.clip(random_array(5, 8, 8, 3), -1, 2)
    one = explain.pgd(model, x, 1, epsilon=0.1, steps=1, random_start=False, batch_size=2, **limits)
    assert_close(one, explain.fgsm(model, x, 1, epsilon=0.1, **limits))
    assert np.abs(one - x).max() == pytest.approx(0.1, rel=1e-5)


@pytest.mark.parametrize("random_start", [True, False])
@pytest.mark.parametrize(("norm", "order"), [("inf", np.inf), ("l2", 2)])
def test_pgd_stays_within_epsilon_and_the_limits(norm, order, random_start):
    model, x = tiny_cnn(), np.clip(random_array(5, 8, 8, 3), 0, 1)
    adversarial = explain.pgd(model, x, 0, epsilon=0.5, norm=norm, random_start=random_start, steps=7, low=0, high=1)
    lengths = np.linalg.norm((adversarial - x).reshape(5, -1), order, axis=1)
    assert (lengths <= 0.5 + 1e-5).all()
    assert (lengths > 0.3).all()
    assert adversarial.min() >= 0 and adversarial.max() <= 1


def test_pgd_in_l2_on_a_linear_model_follows_its_weights():
    model = linear((6,), classes=1, activation="sigmoid")
    x = random_array(2, 6)
    adversarial = explain.pgd(model, x, 1, epsilon=0.5, norm="l2", random_start=False)
    expected = -0.5 * kernel_of(model)[:, 0] / np.linalg.norm(kernel_of(model))
    assert_close(adversarial - x, [expected] * 2)


def test_pgd_with_more_steps_increases_the_loss_more_than_fgsm():
    model, x = tiny_cnn(filters=(8, 8), units=(16,)), random_array(16, 8, 8, 3)
    labels = model.predict(x, verbose=0).argmax(axis=-1)
    loss = keras.losses.SparseCategoricalCrossentropy()
    fgsm_loss = loss(labels, model(explain.fgsm(model, x, labels, epsilon=0.3)))
    assert loss(labels, model(explain.pgd(model, x, labels, epsilon=0.3, steps=20, random_start=False))) > fgsm_loss


def test_the_random_start_depends_on_the_seed_and_not_on_the_batch_size():
    model, x = tiny_cnn(), random_array(3, 8, 8, 3)
    first = explain.pgd(model, x, 1, epsilon=0.1, steps=2, seed=1)
    assert_close(explain.pgd(model, x, 1, epsilon=0.1, steps=2, seed=1, batch_size=2), first)
    assert np.abs(explain.pgd(model, x, 1, epsilon=0.1, steps=2, seed=2) - first).max() > 1e-3


def test_lbfgs_on_a_linear_model_finds_the_nearest_point_across_the_decision_boundary():
    model = linear((6,), classes=2, activation="softmax")
    x = random_array(4, 6)
    target = 1 - model.predict(x, verbose=0).argmax(axis=-1)
    adversarial = explain.lbfgs(model, x, target)
    np.testing.assert_array_equal(model.predict(adversarial, verbose=0).argmax(axis=-1), target)
    normal = kernel_of(model)[:, 1] - kernel_of(model)[:, 0]
    margin = np.abs(x @ normal + model.layers[-1].bias.numpy() @ [-1, 1]) / np.linalg.norm(normal)
    np.testing.assert_allclose(np.linalg.norm(adversarial - x, axis=1), margin, rtol=0.02, atol=1e-4)


def test_lbfgs_reaches_the_target_with_a_smaller_change_than_fgsm():
    model, x = tiny_cnn(), np.clip(random_array(2, 8, 8, 3), 0, 1)
    target = model.predict(x, verbose=0).argmin(axis=-1)
    adversarial = explain.lbfgs(model, x, target, low=0, high=1, binary_search_steps=4)
    assert adversarial.min() >= 0 and adversarial.max() <= 1
    np.testing.assert_array_equal(model.predict(adversarial, verbose=0).argmax(axis=-1), target)
    signs = np.sign(explain.fgsm(model, x, target, epsilon=1e-3, targeted=True) - x)
    epsilons = np.linspace(0.02, 1, 50)[:, None, None, None]
    attacked = np.clip(x[:, None] + epsilons * signs[:, None], 0, 1)  # (2, 50, ...)
    reached = model.predict(attacked.reshape(-1, 8, 8, 3), verbose=0).argmax(axis=-1).reshape(2, 50) == target[:, None]
    assert reached.any()
    for i in np.flatnonzero(reached.any(axis=1)):
        assert np.linalg.norm(adversarial[i] - x[i]) < np.linalg.norm(attacked[i, reached[i].argmax()] - x[i])


def test_lbfgs_keeps_inputs_of_the_target_class_and_returns_nan_if_it_is_out_of_reach():
    model = linear((6,), classes=2, activation="softmax")
    x = np.clip(random_array(1, 6), 0.49, 0.5)
    predicted = model.predict(x, verbose=0).argmax()
    np.testing.assert_array_equal(explain.lbfgs(model, x, predicted), x)
    model.layers[-1].bias.assign(50.0 * (np.arange(2) == predicted))
    assert np.isnan(explain.lbfgs(model, x, 1 - predicted, low=0.4, high=0.6)).all()


def test_the_robustness_curve_starts_at_the_accuracy_and_never_rises(tmp_path):
    import matplotlib.image

    model, x = tiny_cnn(), random_array(20, 8, 8, 3)
    labels = model.predict(x, verbose=0).argmax(axis=-1)
    labels[:5] = (labels[:5] + 1) % 4
    for attack, norm in (("fgsm", "inf"), ("pgd", "inf"), ("pgd", "l2")):
        curve = explain.robustness_curve(model, x, labels, epsilons=(3, 0.01, 0.3), attack=attack, norm=norm, steps=3)
        assert_close(curve.epsilon, [0, 0.01, 0.3, 3])
        assert curve.accuracy[0] == 0.75
        assert (np.diff(curve.accuracy) <= 0).all()
        assert curve.accuracy[-1] < 0.3
    figure = curve.figure(tmp_path / "curve.png")
    np.testing.assert_array_equal(figure.axes[0].lines[0].get_ydata(), curve.accuracy)
    assert matplotlib.image.imread(tmp_path / "curve.png").std() > 0.05


def fragile_data():
    """Two classes with one reliable feature of small size and seven noisy ones; a robust model must use the seven."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 512)
    sign = 2.0 * y[:, None] - 1
    x = np.hstack([0.25 * sign, sign + 1.5 * rng.normal(size=(512, 7))])
    x[:, :1] *= 1 + 0.05 * rng.normal(size=(512, 1))
    return x.astype("float32"), y


@pytest.mark.parametrize(("steps", "fraction"), [(1, 0.5), pytest.param(3, 1.0, marks=pytest.mark.slow)])
def test_adversarial_training_makes_a_model_robust(steps, fraction):
    x, y = fragile_data()
    accuracy, options = [], {"epsilon": 0.5, "steps": steps, "fraction": fraction}
    for attack in (contextlib.nullcontext, explain.adversarial_training):
        keras.utils.set_random_seed(1)
        model = linear((8,), classes=2, activation="softmax")
        model.compile(keras.optimizers.Adam(0.3), "sparse_categorical_crossentropy", jit_compile=False)
        with attack(model, **({} if attack is contextlib.nullcontext else options)):
            model.fit(x, y, epochs=12, verbose=0, batch_size=64)
        accuracy.append(explain.robustness_curve(model, x, y, epsilons=(0.5,), attack="fgsm").accuracy[1])
    assert accuracy[1] > accuracy[0] + 0.05


def test_the_training_loss_under_attack_is_the_weighted_sum_of_both_losses():
    x, y = random_array(8, 6), np.arange(8) % 3
    model = linear((6,), activation="softmax")
    model.compile("sgd", "sparse_categorical_crossentropy", jit_compile=False)
    plain = model.evaluate(x, y, verbose=0)
    attacked = model.evaluate(explain.fgsm(model, x, y, epsilon=0.2), y, verbose=0)
    for fraction, sample_weight in ((0.3, None), (0.3, np.ones(8)), (1.0, None)):
        before = model.get_weights()
        with explain.adversarial_training(model, epsilon=0.2, fraction=fraction):
            loss = model.fit(x, y, sample_weight=sample_weight, batch_size=8, verbose=0).history["loss"][0]
        model.set_weights(before)
        assert loss == pytest.approx((1 - fraction) * plain + fraction * attacked, rel=1e-4)


def test_normal_training_is_restored_after_adversarial_training_even_after_an_error():
    x, y = random_array(8, 6), np.arange(8) % 3
    model = linear((6,), activation="softmax")
    model.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.raises(KeyError), explain.adversarial_training(model, epsilon=0.2, fraction=1):
        model.fit(x, y, verbose=0)
        raise KeyError
    plain = model.evaluate(x, y, verbose=0)
    assert model.fit(x, y, batch_size=8, verbose=0).history["loss"][0] == pytest.approx(plain, rel=1e-5)
    assert "train_step" not in vars(model)


def test_only_floating_point_inputs_are_attacked():
    numbers, tokens = layers.Input((3,), name="numbers"), layers.Input((2,), dtype="int32", name="tokens")
    embedded = layers.Flatten()(layers.Embedding(5, 2)(tokens))
    model = keras.Model(
        {"numbers": numbers, "tokens": tokens}, layers.Dense(1)(layers.Concatenate()([numbers, embedded]))
    )
    model.compile("sgd", "mse", jit_compile=False)
    x = {"numbers": random_array(8, 3), "tokens": np.arange(16).reshape(8, 2) % 5}
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
        (random_array(2, 5), 0, {}, r"`inputs` must be numbers of shape \(None, 6\)"),
        (random_array(2, 6), 3, {}, "`(labels|target)` must be a class from 0 to 2, got 3"),
        (
            random_array(2, 6),
            (0, 1, 2),
            {},
            "`(labels|target)` must be one class, or one for each example, got 3 for 2",
        ),
        (random_array(2, 6), 0, {"low": (0, 1)}, "`low` must be one number or 6, one for each band, got 2"),
        (random_array(2, 6), 0, {"low": 1, "high": 1}, "`low` must be below `high`"),
        (random_array(2, 6), 0, {"low": 0, "high": 1}, "`inputs` must be within `low` = .* and `high`"),
        (np.full((1, 6), np.inf), 0, {}, "`inputs` must be finite"),
    ],
)
def test_wrong_arguments_raise_an_error(name, x, label, limits, message):
    with pytest.raises(ValueError, match=f"{name}: {message}"):
        ATTACKS[name](linear((6,)), x, label, **limits)


def test_regressors_integer_inputs_and_contradictory_options_raise_an_error():
    x = random_array(2, 6)
    with pytest.raises(ValueError, match="fgsm: `model` must be a classifier, .* outputs one number"):
        explain.fgsm(linear((6,), classes=1), x, 0, epsilon=1)
    tokens = layers.Input((6,), dtype="int32")
    words = keras.Model(tokens, layers.Dense(2)(layers.Flatten()(layers.Embedding(3, 2)(tokens))))
    with pytest.raises(ValueError, match="pgd: gradients need floating-point inputs"):
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
def test_attacks_support_mixed_precision_and_constant_images(policy):
    keras.config.set_dtype_policy(policy)
    model = zoo.lenet5((14, 14, 1), 3)
    x = np.full((1, 14, 14, 1), 0.7, "float32")
    for attack in (explain.fgsm, explain.pgd):
        attacked = attack(model, x, epsilon=0.1)
        assert attacked.shape == x.shape and np.isfinite(attacked).all() and (attacked != x).any()


@pytest.mark.slow
@pytest.mark.parametrize("name", [n for n in zoo.names("classify") if entries[n].parent is None])
def test_every_classifier_can_be_attacked(name):
    model = build(name)
    x = batch(model, name)
    attacked = explain.fgsm(model, x, 1, epsilon=0.05)
    assert_close(explain.pgd(model, x, 1, epsilon=0.05, steps=1, random_start=False), attacked)
    assert np.abs(attacked - x).max() == pytest.approx(0.05, rel=1e-4)
