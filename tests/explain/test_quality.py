"""Quality measures of explanations (curves, randomized weights, agreement) where the correct result is known."""

import keras
import numpy as np
import pytest
from keras import layers

import zoo
from tests.explain.test_gradients import kernel, linear, random_array
from tests.tolerance import assert_close
from zoo import explain
from zoo.explain.quality.agreement import spearman


def exact_attributions(model, x, target):
    """Returns each pixel's contribution to the difference between the logits of `target` and of the other class."""
    w = kernel(model, target, x.shape[1:]) - kernel(model, 1 - target, x.shape[1:])
    return (w * x).sum(axis=-1) if x.ndim > 2 else w * x


@pytest.mark.parametrize("shape", [(5, 6, 3), (30, 2), (24,)])
def test_the_exact_map_of_a_linear_model_has_the_best_auc(shape):
    model, x = linear(shape, classes=2, activation="softmax"), random_array(3, *shape)
    truth = exact_attributions(model, x, 1)
    best = explain.deletion(model, x, truth, 1).auc, explain.insertion(model, x, truth, 1, canvas="fill").auc
    worst = explain.deletion(model, x, -truth, 1).auc, explain.insertion(model, x, -truth, 1, canvas="fill").auc
    for seed in range(3):
        noise = np.random.default_rng(seed).normal(size=truth.shape)
        deleted = explain.deletion(model, x, noise, 1).auc
        inserted = explain.insertion(model, x, noise, 1, canvas="fill").auc
        assert (best[0] < deleted).all() and (deleted < worst[0]).all()
        assert (best[1] > inserted).all() and (inserted > worst[1]).all()


def test_curves_go_from_the_prediction_for_the_input_to_that_for_the_fill_and_back():
    model, x = zoo.cnn((8, 8, 3), 4, filters=(4,), units=()), random_array(2, 8, 8, 3)
    original, filled = model.predict(x, verbose=0)[:, 2], model.predict(np.full_like(x, 0.5), verbose=0)[:, 2]
    result = explain.deletion(model, x, random_array(2, 8, 8), 2, steps=7, fill=0.5, batch_size=5)
    assert_close(result.predictions[:, [0, -1]], np.stack([original, filled], axis=1))
    assert_close(result.fractions, np.round(np.linspace(0, 64, 8)) / 64)
    back = explain.insertion(model, x, -random_array(2, 8, 8), 2, steps=7, canvas="fill", fill=(0.5, 0.5, 0.5))
    assert_close(back.predictions, result.predictions[:, ::-1], rtol=1e-5)  # float32 in batches of another size
    assert_close(explain.insertion(model, x, random_array(2, 8, 8), 2).predictions[:, -1], original)


def test_the_auc_equals_the_trapezoidal_area():
    inputs = layers.Input((4,))
    model = keras.Model(inputs, layers.Dense(1, kernel_initializer="ones")(inputs))  # the sum of the inputs
    x = np.array([[1.0, 2.0, 3.0, 4.0]])
    result = explain.deletion(model, x, x, steps=4)
    assert_close(result.predictions, [[10, 6, 3, 1, 0]])
    assert result.auc == pytest.approx([(8 + 4.5 + 2 + 0.5) / 4])
    table = explain.insertion(model, x, x)  # a table is never blurred
    assert_close(table.predictions, [[0, 4, 7, 9, 10]])


def test_the_blurred_canvas_is_smooth_and_keeps_bands_separate():
    from zoo.explain.quality.faithfulness import _blur

    x = np.zeros((1, 20, 30, 2), "float32")
    x[0, 10, 15, 0] = 1
    blurred = _blur(x)
    assert blurred[..., 0].sum() == pytest.approx(1, rel=5e-3)
    assert blurred.max() < 0.05
    assert not blurred[..., 1].any()


def test_the_default_target_is_the_predicted_class_also_for_a_single_sigmoid():
    model, x = linear((6,), classes=1, activation="sigmoid"), random_array(5, 6)
    predicted = (model.predict(x, verbose=0)[:, 0] > 0.5).astype(int)
    result = explain.deletion(model, x, random_array(5, 6))
    assert (result.predictions[:, 0] > 0.5).all()
    again = explain.deletion(model, x, random_array(5, 6), predicted)
    assert_close(result.predictions, again.predictions, rtol=1e-5)


def test_the_curves_are_drawn(tmp_path):
    import matplotlib.image

    model, x = linear((6,), classes=2, activation="softmax"), random_array(3, 6)
    result = explain.insertion(model, x, exact_attributions(model, x, 1), 1)
    axes = result.figure(tmp_path / "curve.png").axes[0]
    assert axes.get_title() == f"Insertion: mean AUC {result.auc.mean():.3f} (higher is better)"
    assert_close(axes.lines[-1].get_ydata(), result.predictions.mean(axis=0))
    assert matplotlib.image.imread(tmp_path / "curve.png").std() > 0.05


@pytest.mark.parametrize("metric", [explain.deletion, explain.insertion])
@pytest.mark.parametrize(
    ("maps", "arguments", "message"),
    [
        (random_array(2, 8, 7), {}, r"`maps` must be finite numbers of shape \(2, 8, 8\), got float32 \(2, 8, 7\)"),
        (np.full((2, 8, 8), np.nan), {}, "`maps` must be finite numbers"),
        (random_array(2, 8, 8), {"fill": (0, 1)}, "`fill` must be one number or 3, one for each band, got 2"),
        (random_array(2, 8, 8), {"target": 4}, "`target` must be a class from 0 to 3, got 4"),
        (random_array(2, 8, 8), {"steps": 0}, "`steps` must be a whole number of at least 1"),
    ],
)
def test_wrong_arguments_of_the_curves_raise_an_error(metric, maps, arguments, message):
    model = zoo.cnn((8, 8, 3), 4, filters=(4,), units=())
    with pytest.raises(ValueError, match=f"{metric.__name__}: {message}"):
        metric(model, random_array(2, 8, 8, 3), maps, **arguments)


def edges(model, inputs, target):
    """An explanation that ignores the model: the differences between pixels of the input."""
    return np.abs(np.diff(inputs[..., 0], axis=1, append=0))


def test_an_explanation_that_ignores_the_model_does_not_change_but_saliency_does():
    model, x = zoo.cnn((12, 12, 1), 3, filters=(6, 6), units=(8,)), random_array(3, 12, 12, 1)
    unchanged = explain.randomization(model, x, edges, layer_count=3)
    for values in (unchanged.spearman, unchanged.absolute_spearman, unchanged.ssim):
        assert_close(values, np.ones_like(values))
    result = explain.randomization(model, x, explain.saliency, layer_count=2)
    assert result.method == "saliency"
    assert_close([p[0] for p in (result.spearman, result.absolute_spearman, result.ssim)], np.ones((3, 3)))
    assert (result.spearman[-1] < 0.6).all()
    assert (result.ssim[-1] < 0.9).all()


@pytest.mark.parametrize("order", ["cascading", pytest.param("independent", marks=pytest.mark.slow)])
def test_layers_are_randomized_from_the_output_down_also_in_nested_models_and_weights_are_restored(order):
    backbone = zoo.cnn((8, 8, 3), 5, filters=(4,), units=(6,), name="backbone")
    model = keras.Sequential([layers.Input((8, 8, 3)), backbone, layers.Dense(2, activation="softmax", name="last")])
    before = [w.numpy().copy() for w in model.weights]
    recorded = []

    def recording_saliency(model, inputs, target):
        recorded.append([w.numpy().copy() for w in model.weights])
        return explain.saliency(model, inputs, target)

    result = explain.randomization(model, random_array(2, 8, 8, 3), recording_saliency, order=order)
    assert result.layers[:3] == ("original", "last", "head")
    assert result.layers[-1] == next(layer.name for layer in backbone.layers if layer.weights)
    for now, then in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(now, then)
    changed = [sum((now != then).any() for now, then in zip(s, before, strict=True)) for s in recorded]
    assert changed[:2] == [0, 1]
    assert changed == sorted(changed) if order == "cascading" else max(changed) == 1
    for values, then in zip(recorded[-1], before, strict=True):
        assert_close(np.sort(values.ravel()), np.sort(then.ravel()))


def test_the_target_is_the_class_of_the_original_model_and_the_layers_are_evenly_spaced():
    model, x = zoo.lenet5((14, 14, 1), 4), random_array(3, 14, 14, 1)
    predicted, targets = model.predict(x, verbose=0).argmax(axis=-1), []

    def recording_saliency(model, inputs, target):
        targets.append(target)
        return explain.saliency(model, inputs, target)

    result = explain.randomization(model, x, recording_saliency, layer_count=3)
    assert result.layers == ("original", "head", "c5", "c1")
    assert len(targets) == 4
    assert all((np.array(target) == predicted).all() for target in targets)


def test_weights_are_restored_when_the_method_fails():
    model, x = linear((6,), classes=2), random_array(2, 6)
    before, calls = model.get_weights(), []

    def fail(model, inputs, target):
        calls.append(1)
        if len(calls) > 1:
            raise RuntimeError("no")
        return inputs

    with pytest.raises(RuntimeError, match="no"):
        explain.randomization(model, x, fail)
    for now, then in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(now, then)
    with pytest.raises(ValueError, match=r"`method` must return 2 maps, got \(\)"):
        explain.randomization(model, x, lambda *_: 0)
    with pytest.raises(ValueError, match="`model` must have layers with weights"):
        explain.randomization(keras.Sequential([layers.Input((6,)), layers.Activation("relu")]), x, explain.saliency)


def test_the_randomization_test_of_a_table_is_drawn_without_ssim(tmp_path):
    result = explain.randomization(linear((6,), classes=2), random_array(2, 6), explain.integrated_gradients)
    assert np.isnan(result.ssim).all()
    axes = result.figure(tmp_path / "sanity.png").axes[0]
    assert [t.get_text() for t in axes.get_legend().get_texts()] == ["Spearman", "Spearman of absolute values"]
    assert axes.get_xticklabels()[0].get_text() == "original"


def test_the_rank_correlation_equals_scipys():
    from scipy.stats import spearmanr

    one, two = random_array(4, 5, 6), np.round(random_array(4, 5, 6) + random_array(5, 5, 6)[1:], 0)  # with ties
    expected = [spearmanr(a.ravel(), b.ravel()).statistic for a, b in zip(one, two, strict=True)]
    assert_close(spearman(one, two), expected)


def test_maps_with_equal_ranks_agree_fully(tmp_path):
    maps = random_array(3, 4, 5)
    result = explain.agreement({"a": maps, "same order": np.exp(maps), "opposite": -maps, "flat": np.ones((3, 4, 5))})
    assert result.names == ("a", "same order", "opposite", "flat")
    assert_close(result.matrix[:3, :3], [[1, 1, -1], [1, 1, -1], [-1, -1, 1]])
    assert_close(result.std[:3, :3], 0, scale=1)
    assert np.isnan(result.matrix[3]).all()
    figure = result.figure(tmp_path / "agreement.png")
    assert [t.get_text() for t in figure.axes[0].get_xticklabels()] == list(result.names)
    assert figure.axes[0].texts[2].get_text() == "-1.00"


@pytest.mark.parametrize(
    ("maps", "message"),
    [
        ([random_array(2, 3), random_array(2, 3)], "`maps` must be a dict"),
        ({"a": random_array(2, 3)}, "by name, got 1"),
        ({"a": random_array(2, 3), "b": random_array(2, 4)}, r"`b` of shape \(2, 4\)"),
        ({"a": random_array(2, 3), "b": np.full((2, 3), np.nan)}, "`maps` must be finite"),
    ],
)
def test_maps_that_cannot_be_compared_raise_an_error(maps, message):
    with pytest.raises(ValueError, match=f"agreement: .*{message}"):
        explain.agreement(maps)
