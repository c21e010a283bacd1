"""Is an explanation any good: curves, randomised weights and agreement, where the right answer is known."""

import keras
import numpy as np
import pytest
from keras import layers

import zoo
from tests.explain.test_gradients import draw, kernel, linear
from tests.tolerance import assert_close
from zoo import explain
from zoo.explain.quality.agreement import spearman


def exact(model, x, target):
    """What each place adds to the logit of `target`, against that of the other of two classes."""
    w = kernel(model, target, x.shape[1:]) - kernel(model, 1 - target, x.shape[1:])
    return (w * x).sum(axis=-1) if x.ndim > 2 else w * x


@pytest.mark.parametrize("shape", [(5, 6, 3), (30, 2), (24,)])
def test_the_exact_map_of_a_linear_model_is_better_than_any_other(shape):
    model, x = linear(shape, classes=2, activation="softmax"), draw(3, *shape)
    truth = exact(model, x, 1)
    best = explain.deletion(model, x, truth, 1).auc, explain.insertion(model, x, truth, 1, canvas="fill").auc
    worst = explain.deletion(model, x, -truth, 1).auc, explain.insertion(model, x, -truth, 1, canvas="fill").auc
    for seed in range(3):
        noise = np.random.default_rng(seed).normal(size=truth.shape)
        deleted = explain.deletion(model, x, noise, 1).auc
        inserted = explain.insertion(model, x, noise, 1, canvas="fill").auc
        assert (best[0] < deleted).all() and (deleted < worst[0]).all()
        assert (best[1] > inserted).all() and (inserted > worst[1]).all()


def test_curves_go_from_the_answer_to_the_input_to_that_to_the_fill_and_back():
    model, x = zoo.cnn((8, 8, 3), 4, filters=(4,), units=()), draw(2, 8, 8, 3)
    whole, nothing = model.predict(x, verbose=0)[:, 2], model.predict(np.full_like(x, 0.5), verbose=0)[:, 2]
    found = explain.deletion(model, x, draw(2, 8, 8), 2, steps=7, fill=0.5, batch_size=5)
    assert_close(found.answers[:, [0, -1]], np.stack([whole, nothing], axis=1))
    assert_close(found.shares, np.round(np.linspace(0, 64, 8)) / 64)
    back = explain.insertion(model, x, -draw(2, 8, 8), 2, steps=7, canvas="fill", fill=(0.5, 0.5, 0.5))
    assert_close(back.answers, found.answers[:, ::-1])
    assert_close(explain.insertion(model, x, draw(2, 8, 8), 2).answers[:, -1], whole)


def test_the_area_is_that_under_the_curve_by_hand():
    inputs = layers.Input((4,))
    model = keras.Model(inputs, layers.Dense(1, kernel_initializer="ones")(inputs))  # the sum of the inputs
    x = np.array([[1.0, 2.0, 3.0, 4.0]])
    found = explain.deletion(model, x, x, steps=4)
    assert_close(found.answers, [[10, 6, 3, 1, 0]])
    assert found.auc == pytest.approx([(8 + 4.5 + 2 + 0.5) / 4], rel=1e-5)
    table = explain.insertion(model, x, x)  # a table is never blurred
    assert_close(table.answers, [[0, 4, 7, 9, 10]])


def test_the_blurred_canvas_says_less_than_the_input_and_keeps_its_bands_apart():
    from zoo.explain.quality.faithfulness import _blurred

    x = np.zeros((1, 20, 30, 2), "float32")
    x[0, 10, 15, 0] = 1
    blurred = _blurred(x)
    assert blurred[..., 0].sum() == pytest.approx(1, rel=1e-3)
    assert blurred.max() < 0.05
    assert not blurred[..., 1].any()


def test_without_a_target_the_predicted_class_is_followed_also_of_a_single_sigmoid():
    model, x = linear((6,), classes=1, activation="sigmoid"), draw(5, 6)
    predicted = (model.predict(x, verbose=0)[:, 0] > 0.5).astype(int)
    found = explain.deletion(model, x, draw(5, 6))
    assert (found.answers[:, 0] > 0.5).all()
    assert_close(found.answers, explain.deletion(model, x, draw(5, 6), predicted).answers)


def test_the_curves_are_drawn(tmp_path):
    import matplotlib.image

    model, x = linear((6,), classes=2, activation="softmax"), draw(3, 6)
    found = explain.insertion(model, x, exact(model, x, 1), 1)
    axes = found.figure(tmp_path / "curve.png").axes[0]
    assert axes.get_title() == f"Insertion: mean area {found.auc.mean():.3f} (higher is better)"
    assert_close(axes.lines[-1].get_ydata(), found.answers.mean(axis=0))
    assert matplotlib.image.imread(tmp_path / "curve.png").std() > 0.05


@pytest.mark.parametrize("way", [explain.deletion, explain.insertion])
@pytest.mark.parametrize(
    ("maps", "arguments", "message"),
    [
        (draw(2, 8, 7), {}, r"`maps` must be finite numbers of shape \(2, 8, 8\), got float32 \(2, 8, 7\)"),
        (np.full((2, 8, 8), np.nan), {}, "`maps` must be finite numbers"),
        (draw(2, 8, 8), {"fill": (0, 1)}, "`fill` must be one number or 3, one for each band, got 2"),
        (draw(2, 8, 8), {"target": 4}, "`target` must be a class from 0 to 3, got 4"),
        (draw(2, 8, 8), {"steps": 0}, "`steps` must be a whole number of at least 1"),
    ],
)
def test_bad_arguments_of_the_curves_are_named(way, maps, arguments, message):
    model = zoo.cnn((8, 8, 3), 4, filters=(4,), units=())
    with pytest.raises(ValueError, match=f"{way.__name__}: {message}"):
        way(model, draw(2, 8, 8, 3), maps, **arguments)


def edges(model, inputs, target):
    """An explanation that explains nothing: it is the input's own gradient."""
    return np.abs(np.diff(inputs[..., 0], axis=1, append=0))


def test_an_explanation_that_ignores_the_model_stays_the_same_and_saliency_does_not():
    model, x = zoo.cnn((12, 12, 1), 3, filters=(6, 6), units=(8,)), draw(3, 12, 12, 1)
    blind = explain.randomisation(model, x, edges, points=3)
    for part in (blind.spearman, blind.absolute, blind.ssim):
        assert_close(part, np.ones_like(part))
    found = explain.randomisation(model, x, explain.saliency, points=2)
    assert found.method == "saliency"
    assert_close([p[0] for p in (found.spearman, found.absolute, found.ssim)], np.ones((3, 3)))
    assert (found.spearman[-1] < 0.6).all()
    assert (found.ssim[-1] < 0.9).all()


@pytest.mark.parametrize("order", ["cascading", pytest.param("independent", marks=pytest.mark.slow)])
def test_layers_go_from_the_answer_down_also_in_a_nested_model_and_the_weights_come_back(order):
    backbone = zoo.cnn((8, 8, 3), 5, filters=(4,), units=(6,), name="backbone")
    model = keras.Sequential([layers.Input((8, 8, 3)), backbone, layers.Dense(2, activation="softmax", name="last")])
    before = [w.numpy().copy() for w in model.weights]
    seen = []

    def watch(model, inputs, target):
        seen.append([w.numpy().copy() for w in model.weights])
        return explain.saliency(model, inputs, target)

    found = explain.randomisation(model, draw(2, 8, 8, 3), watch, order=order)
    assert found.layers[:3] == ("as it is", "last", "head")
    assert found.layers[-1] == next(layer.name for layer in backbone.layers if layer.weights)
    for now, then in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(now, then)
    changed = [sum((now != then).any() for now, then in zip(s, before, strict=True)) for s in seen]
    assert changed[:2] == [0, 1]
    assert changed == sorted(changed) if order == "cascading" else max(changed) == 1
    for values, then in zip(seen[-1], before, strict=True):
        assert_close(np.sort(values.ravel()), np.sort(then.ravel()))


def test_the_class_is_that_of_the_model_as_it_is_and_the_points_are_spread():
    model, x = zoo.lenet5((14, 14, 1), 4), draw(3, 14, 14, 1)
    predicted, asked = model.predict(x, verbose=0).argmax(axis=-1), []

    def watch(model, inputs, target):
        asked.append(target)
        return explain.saliency(model, inputs, target)

    found = explain.randomisation(model, x, watch, points=3)
    assert found.layers == ("as it is", "head", "c5", "c1")
    assert len(asked) == 4
    assert all((np.array(target) == predicted).all() for target in asked)


def test_weights_come_back_when_the_method_fails():
    model, x = linear((6,), classes=2), draw(2, 6)
    before, calls = model.get_weights(), []

    def fail(model, inputs, target):
        calls.append(1)
        if len(calls) > 1:
            raise RuntimeError("no")
        return inputs

    with pytest.raises(RuntimeError, match="no"):
        explain.randomisation(model, x, fail)
    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)
    with pytest.raises(ValueError, match=r"`method` must answer 2 maps, got \(\)"):
        explain.randomisation(model, x, lambda *_: 0)
    with pytest.raises(ValueError, match="`model` must have layers with weights"):
        explain.randomisation(keras.Sequential([layers.Input((6,)), layers.Activation("relu")]), x, explain.saliency)


def test_a_tables_randomisation_is_drawn_without_ssim(tmp_path):
    found = explain.randomisation(linear((6,), classes=2), draw(2, 6), explain.integrated_gradients)
    assert np.isnan(found.ssim).all()
    axes = found.figure(tmp_path / "sanity.png").axes[0]
    assert [t.get_text() for t in axes.get_legend().get_texts()] == ["Spearman", "Spearman of sizes"]
    assert axes.get_xticklabels()[0].get_text() == "as it is"


def test_the_rank_correlation_is_that_of_scipy():
    from scipy.stats import spearmanr

    one, two = draw(4, 5, 6), np.round(draw(4, 5, 6) + draw(5, 5, 6)[1:], 0)  # with ties
    expected = [spearmanr(a.ravel(), b.ravel()).statistic for a, b in zip(one, two, strict=True)]
    assert_close(spearman(one, two), expected)


def test_methods_agree_with_themselves_and_with_what_ranks_alike(tmp_path):
    maps = draw(3, 4, 5)
    found = explain.agreement({"a": maps, "same order": np.exp(maps), "opposite": -maps, "flat": np.ones((3, 4, 5))})
    assert found.names == ("a", "same order", "opposite", "flat")
    assert_close(found.matrix[:3, :3], [[1, 1, -1], [1, 1, -1], [-1, -1, 1]])
    np.testing.assert_allclose(found.deviation[:3, :3], 0, atol=1e-9)
    assert np.isnan(found.matrix[3]).all()
    figure = found.figure(tmp_path / "agreement.png")
    assert [t.get_text() for t in figure.axes[0].get_xticklabels()] == list(found.names)
    assert figure.axes[0].texts[2].get_text() == "-1.00"


@pytest.mark.parametrize(
    ("maps", "message"),
    [
        ([draw(2, 3), draw(2, 3)], "`maps` must be a dict"),
        ({"a": draw(2, 3)}, "by name, got 1 of them"),
        ({"a": draw(2, 3), "b": draw(2, 4)}, r"`b` of shape \(2, 4\)"),
        ({"a": draw(2, 3), "b": np.full((2, 3), np.nan)}, "`maps` must be finite"),
    ],
)
def test_maps_that_cannot_be_compared_are_refused(maps, message):
    with pytest.raises(ValueError, match=f"agreement: .*{message}"):
        explain.agreement(maps)
