"""SHAP values of linear models, their sum, and TensorFlow's gradients after a failure of shap."""

import keras
import numpy as np
import pytest
from keras import layers

import zoo
from tests.explain.test_gradients import kernel, linear, random_array
from tests.tolerance import assert_close
from zoo import explain
from zoo.explain import model_requirements
from zoo.explain.score import Score

pytest.importorskip("shap", reason="the extra `shap` is not installed")


def test_shap_values_of_a_linear_table_model_are_weight_times_difference_from_the_mean():
    model = linear((6,), activation="softmax")
    x, background = random_array(4, 6), 3 + random_array(15, 6)
    values = explain.shap_values(model, x, 1, background=background)
    assert values.dtype == np.float32
    assert_close(values, kernel(model, 1, (6,)) * (x - background.mean(axis=0)), rtol=1e-3)
    assert_close(explain.shap_values(model, x, 1), kernel(model, 1, (6,)) * x, rtol=1e-3)


@pytest.mark.parametrize("shape", [(4, 5, 3), (7, 2)])
def test_shap_values_of_linear_image_and_series_models_are_weight_times_difference_from_the_mean(shape):
    model = linear(shape, activation="softmax")
    x, background = random_array(2, *shape), 2 + random_array(1, *shape)
    expected = (kernel(model, 2, shape) * (x - background)).sum(axis=-1)
    values = explain.shap_values(model, x, 2, background=background, samples=3)
    assert_close(values, expected, rtol=1e-3)
    several = np.concatenate([background, background + 1])
    expected = (kernel(model, 2, shape) * (x - several.mean(axis=0))).sum(axis=-1)
    values = explain.shap_values(model, x, 2, background=several, samples=2000)
    np.testing.assert_allclose(values, expected, atol=0.15)  # the mean of 2000 random draws


def test_shap_values_of_a_table_sum_to_the_difference_from_the_background():
    model = zoo.dnn((5,), 3, units=(8,), activation="softmax")
    x, background = random_array(3, 5), random_array(10, 5) - 1
    score = Score("test", model, x, None, 32)
    targets = score.predict_logits(x).argmax(axis=-1)
    difference = score.predict_logits(x)[np.arange(3), targets] - score.predict_logits(background).mean(axis=0)[targets]
    assert_close(explain.shap_values(model, x, background=background).sum(axis=1), difference, rtol=1e-4)


def test_shap_values_of_an_image_sum_approximately_to_the_difference_from_the_background():
    model = zoo.cnn((8, 8, 2), 3, filters=(4,), units=(6,))
    x, background = 3 * random_array(1, 8, 8, 2), np.zeros((1, 8, 8, 2), "float32")
    score = Score("test", model, x, None, 32)
    difference = score.predict_logits(x)[0, 1] - score.predict_logits(background)[0, 1]
    values = explain.shap_values(model, x, 1, background=background, samples=400)
    np.testing.assert_allclose(values.sum(), difference, rtol=0.1, atol=0.02)


def test_values_depend_on_the_seed_and_the_state_of_numpys_generator_is_restored():
    model = zoo.cnn((8, 8, 1), 3, filters=(2,), units=())
    x, background = random_array(2, 8, 8, 1), random_array(5, 8, 8, 1) + 1
    np.random.seed(1)  # noqa: NPY002
    expected = np.random.random()  # noqa: NPY002
    np.random.seed(1)  # noqa: NPY002
    first = explain.shap_values(model, x, (0, 2), background=background, samples=4)
    assert np.random.random() == expected  # noqa: NPY002
    np.testing.assert_array_equal(
        explain.shap_values(model, x, (0, 2), background=background, samples=4, batch_size=3), first
    )
    assert np.abs(explain.shap_values(model, x, (0, 2), background=background, samples=4, seed=1) - first).max() > 0


def gradient(model, x):
    """Returns the gradient of a loss with respect to the weights."""
    import tensorflow as tf

    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(x, training=True) ** 2)
    return np.concatenate([np.ravel(g) for g in tape.gradient(loss, [w.value for w in model.trainable_weights])])


@pytest.mark.filterwarnings("ignore")  # from DeepExplainer
def test_the_gradient_registry_is_restored_when_a_deep_explainer_fails():
    import shap

    inputs = layers.Input((4, 3))
    x = layers.MultiHeadAttention(1, 2)(inputs, inputs)
    model = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(layers.Activation("relu")(x))))
    batch = random_array(3, 4, 3)
    before = gradient(model, batch)
    with (
        pytest.raises(Exception, match="gradient registry has no entry for: shap_"),
        explain.preserve_gradient_registry(),
    ):
        shap.DeepExplainer(model, batch).shap_values(batch)
    assert_close(gradient(model, batch), before)
    model.compile("sgd", "mse")
    assert np.isfinite(model.fit(batch, np.ones((3, 2)), verbose=0).history["loss"]).all()
    assert explain.saliency(model, batch).any()


@pytest.mark.parametrize(
    ("background", "samples", "message"),
    [
        (random_array(2, 5), None, r"`background` must be numbers of shape \(M, 14\), got float32 \(2, 5\)"),
        (random_array(0, 14), None, r"`background` must be numbers of shape \(M, 14\), got float32 \(0, 14\)"),
        (np.full((1, 14), np.nan), None, "`background` must be finite"),
        (random_array(3, 14), 2, "`samples` must be some multiple of the features, got 2 for 14 features"),
    ],
)
def test_wrong_backgrounds_and_samples_raise_an_error(background, samples, message):
    with pytest.raises(ValueError, match=f"shap_values: {message}"):
        explain.shap_values(linear((14,)), random_array(1, 14), 1, background=background, samples=samples)


def test_a_missing_package_raises_an_error_with_the_install_command(monkeypatch):
    monkeypatch.setattr(model_requirements.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ModuleNotFoundError, match=r"the package shap is missing; pip install 'fieldzoo\[shap\]'"):
        explain.shap_values(linear((4,)), random_array(1, 4))
    assert "fieldzoo[shap]" in explain.methods(linear((4,)))["shap_values"]


def test_show_classes_draws_each_class_on_one_scale(tmp_path):
    import matplotlib.image

    maps = np.zeros((2, 3, 6, 5))
    maps[0, 0, 1, 1], maps[1, 2, 4, 4] = 2, -1
    figure = explain.show_classes(
        random_array(2, 6, 5, 4), maps, ["oak", "elm", "ash"], path=tmp_path / "why.png", titles=["a", "b"]
    )
    assert [a.get_title() for a in figure.axes[:8]] == ["a", "oak", "elm", "ash", "b", "", "", ""]
    scales = {a.images[1].get_clim() for a in figure.axes[:8] if len(a.images) > 1}
    assert len(scales) == 1 and next(iter(scales))[0] == -next(iter(scales))[1]
    picture = matplotlib.image.imread(tmp_path / "why.png")[..., :3]
    assert ((picture[..., 0] > 0.35) & (picture[..., 1] < 0.1)).any()  # dark red
    for wrong, message in (
        ({"images": random_array(2, 6)}, r"`images` must be \(N, H, W, C\), got \(2, 6\)"),
        ({"maps": maps[:, :2]}, r"must have the shape \(2, 3, 6, 5\), got \(2, 2, 6, 5\)"),
        ({"maps": maps * np.nan}, "`maps` must be finite"),
        ({"titles": ["a"]}, "`titles` must be one for each of 2 examples, got 1"),
    ):
        arguments = {"images": random_array(2, 6, 5, 4), "maps": maps, "classes": ["oak", "elm", "ash"], **wrong}
        with pytest.raises(ValueError, match=f"show_classes: .*{message}"):
            explain.show_classes(**arguments)
