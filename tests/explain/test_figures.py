"""Activations, filters, Gabor fits, receptive fields and latent maps compared with known results."""

import keras
import numpy as np
import pytest
from keras import layers

import zoo
from tests.cases import CASES
from tests.explain.test_gradients import linear, random_array
from tests.test_contract import batch, build
from tests.tolerance import assert_close
from zoo import explain
from zoo.explain.figures.gabor import PARAMETERS
from zoo.registry import entries


def nested():
    """A model with a nested functional backbone of five bands and a layer that is called twice."""
    backbone = zoo.cnn((12, 12, 5), 6, filters=(4,), units=(), name="backbone")
    again = layers.Dense(6, name="again")
    inputs = layers.Input((12, 12, 5))
    x = again(again(backbone(inputs)))
    return keras.Model(inputs, layers.Dense(2, activation="softmax", name="last")(x))


def test_activations_are_the_outputs_of_the_layers():
    model, x = zoo.lenet5((28, 28, 1), 10), random_array(2, 28, 28, 1)
    result = explain.activations(model, x)
    assert [a.shape[1:] for n, a in result.outputs.items() if n in ("c1", "c3")] == [(28, 28, 6), (10, 10, 16)]
    assert list(result.outputs) == [layer.name for layer in model.layers[1:]]
    for name, output in result.outputs.items():
        expected = keras.Model(model.input, model.get_layer(name).output).predict(x, verbose=0)
        assert_close(output, expected)
    assert result.passthrough_layers == ("pool",)


def test_layers_of_nested_models_and_second_calls_have_their_own_names():
    model, x = nested(), random_array(1, 12, 12, 5)
    result = explain.activations(model, x, ("head", "again", "last")).outputs
    assert list(result) == ["backbone/head", "again", "again:2", "last"]
    again = model.get_layer("again")
    assert_close(result["again:2"], again(result["again"]))
    assert list(explain.activations(model, x, "backbone/head").outputs) == ["backbone/head"]
    assert "call" not in vars(again)


@pytest.mark.parametrize(
    "name", ["lstm", pytest.param("presto", marks=pytest.mark.slow), "sequential", "subclassed", "regression"]
)
def test_activations_of_series_several_inputs_and_other_keras_models_are_drawn(name, tmp_path):
    import matplotlib.image

    class Subclassed(keras.Model):
        def __init__(self):
            super().__init__()
            self.conv = layers.Conv2D(3, 3, name="conv")

        def call(self, x):
            return self.conv(x)

    subclassed = Subclassed()
    subclassed(random_array(1, 6, 6, 2))
    model, x = {
        "lstm": lambda: (zoo.lstm((7, 3), 2, units=(4, 5)), random_array(2, 7, 3)),
        "presto": lambda: (
            zoo.presto((3, 17), 2, width=16, depth=1, units=8, heads=2, masked=False),
            presto_inputs(2, 3),
        ),
        "sequential": lambda: (
            keras.Sequential([layers.Input((9,)), layers.Dense(40), layers.Dense(1)]),
            random_array(2, 9),
        ),
        "subclassed": lambda: (subclassed, random_array(2, 6, 6, 2)),
        "regression": lambda: (linear((4, 4, 1), classes=1), random_array(2, 4, 4, 1)),
    }[name]()
    result = explain.activations(model, x)
    assert all(len(output) == 2 and output.dtype == np.float32 for output in result.outputs.values())
    result.figure(tmp_path / "inside.png", example=1)
    assert matplotlib.image.imread(tmp_path / "inside.png").std() > 0.02


def presto_inputs(examples, months):
    return {
        "x": random_array(examples, months, 17),
        "dynamic_world": np.full((examples, months), 9),
        "latlons": np.tile([47.0, 8.0], (examples, 1)),
        "month": np.zeros(examples, int),
    }


def test_a_figure_has_a_row_for_each_layer_and_at_most_sixteen_maps():
    model = zoo.cnn((8, 8, 3), 4, filters=(20,), units=())
    figure = explain.activations(model, random_array(1, 8, 8, 3)).figure()
    titles = [axes.get_title("left") for axes in figure.axes]
    assert titles[0] == "input  8 x 8 x 3"
    assert any("8 x 8 x 20, the 16 strongest of 20" in title for title in titles)
    assert len(explain.activations(model, random_array(1, 8, 8, 3)).figure(rows=2).axes) == 3


def test_filters_are_the_kernels_of_the_first_convolution_larger_than_one_pixel(tmp_path):
    model = keras.Sequential(
        [layers.Input((16, 16, 5)), layers.Conv2D(3, 1), nested_backbone := zoo.lenet5((16, 16, 3), 4)]
    )
    result = explain.filters(model)
    assert result.layer == "lenet5/c1"
    np.testing.assert_array_equal(result.kernels[2], nested_backbone.get_layer("c1").kernel.numpy()[..., 2])
    assert len(result.figure(tmp_path / "filters.png").axes) == 6
    assert explain.filters(model, "c3").kernels.shape == (16, 5, 5, 6)
    assert len([a for a in explain.filters(model, "c3").figure().axes if a.images]) == 96


def with_filters(kernels):
    model = keras.Sequential(
        [layers.Input((12, 12, kernels.shape[2])), layers.Conv2D(kernels.shape[3], kernels.shape[0])]
    )
    model.layers[0].kernel.assign(kernels)
    return model


def gabor_function(size, x0, y0, angle, width, height, frequency, phase):
    y, x = np.indices((size, size))
    along = (x - x0) * np.cos(angle) + (y - y0) * np.sin(angle)
    across = (y - y0) * np.cos(angle) - (x - x0) * np.sin(angle)
    return np.exp(-((along / width) ** 2 + (across / height) ** 2) / 2) * np.cos(2 * np.pi * frequency * along + phase)


def test_gabor_functions_are_recovered_and_noise_has_a_low_r2(tmp_path):
    true = np.stack(
        [gabor_function(9, 4.2, 3.8, 0.6, 1.8, 2.5, 0.2, 0.3), 0.5 * gabor_function(9, 4, 4, 2.1, 2.0, 2.0, 0.15, 1.5)],
        axis=-1,
    )
    noise = np.random.default_rng(0).normal(size=(9, 9, 1))
    result = explain.gabor(with_filters(np.concatenate([true, noise], axis=-1)[:, :, None]))
    assert (result.r2[:2] > 0.999).all()
    assert result.r2[2] < 0.6
    assert (result.shuffled_r2 < 0.6).all()
    assert_close(result.fits[:2], result.patterns[:2], rtol=0.02)
    parameters = dict(zip(PARAMETERS, result.parameters[0], strict=True))
    assert parameters["angle"] % np.pi == pytest.approx(0.6, abs=0.02)
    assert parameters["frequency"] == pytest.approx(0.2, abs=0.005)
    assert [parameters["x"], parameters["y"]] == pytest.approx([4.2, 3.8], abs=0.05)
    figure = result.figure(tmp_path / "gabor.png")
    assert figure.axes[0].get_title() == f"r² 1.00\nshuffled {result.shuffled_r2[0]:.2f}"


def test_the_pattern_of_several_bands_is_their_first_principal_component():
    pattern = gabor_function(7, 3, 3, 0.4, 1.5, 2.0, 0.2, 0.0)
    kernels = pattern[:, :, None, None] * np.array([0.5, 1.0, 2.0])[:, None] + np.zeros((1, 1, 1, 2))
    result = explain.gabor(with_filters(kernels))
    assert_close(result.pattern_fraction, 1)
    assert_close(result.patterns[0], pattern * np.sqrt(5.25), rtol=1e-5)  # the filters are float32
    flat = explain.gabor(with_filters(np.ones((5, 5, 1, 1))))
    assert flat.r2[0] == 1 and np.isfinite(flat.fits).all()


@pytest.mark.parametrize("build", ["lenet5", "cnn", "series", "nested", "upsampled"])
def test_the_measured_receptive_field_of_every_layer_equals_the_theoretical_one(build):
    def upsampled():
        x = inputs = layers.Input((48, 48, 2))
        for part in (layers.Conv2D(3, 3), layers.MaxPooling2D(2), layers.UpSampling2D(4), layers.Conv2D(2, 3)):
            x = part(x)
        return keras.Model(inputs, x)

    model = {
        "lenet5": lambda: zoo.lenet5((64, 48, 1), 10),
        "cnn": lambda: zoo.cnn((64, 64, 5), 3, filters=(4, 8, 8), units=()),
        "series": lambda: zoo.tempcnn((60, 3), 2, filters=(4, 4, 4), units=4),
        "nested": lambda: keras.Sequential([layers.Input((40, 40, 3)), zoo.lenet5((40, 40, 3), 4), layers.Dense(2)]),
        "upsampled": upsampled,
    }[build]()
    result = explain.receptive_fields(model)
    limited = ~np.isnan(result.theoretical)
    assert limited.sum() >= 3
    np.testing.assert_array_equal(result.measured[limited], result.theoretical[limited])


def test_the_border_limits_the_measured_field_and_attention_has_an_unlimited_one():
    result = explain.receptive_fields(zoo.lenet5((16, 16, 1), 3))
    assert (result.theoretical[-1], result.measured[-1]) == (16, 14)
    assert result.input_size == 16
    vit = zoo.vit((16, 16, 3), 2, patch=4, depth=2, width=8, units=8, heads=2)
    result = explain.receptive_fields(vit, "map")
    assert np.isnan(result.theoretical[0])
    assert result.measured[0] == 16


def test_receptive_fields_are_drawn(tmp_path):
    figure = explain.receptive_fields(zoo.lenet5((28, 28, 1), 3)).figure(tmp_path / "fields.png")
    assert [line.get_label() for line in figure.axes[0].lines] == [
        "theoretical",
        "measured by gradient",
        "size of the input",
    ]


def test_a_latent_map_is_the_pca_of_the_inputs_of_the_head(tmp_path):
    from sklearn.decomposition import PCA

    model, x = zoo.lenet5((14, 14, 1), 3), random_array(20, 14, 14, 1)
    result = explain.latent_map(model, x, batch_size=7)
    f6 = keras.Model(model.input, model.get_layer("f6").output).predict(x, verbose=0)
    assert_close(result.features, f6)
    pca = PCA(2).fit(f6)
    assert_close(result.explained_variance_ratio, pca.explained_variance_ratio_, rtol=1e-4)
    assert_close(np.abs(result.points), np.abs(pca.transform(f6)), rtol=1e-4)
    assert result.layer == "the input of head"
    axes = result.figure(tmp_path / "latent.png", np.arange(20) % 3, ("a", "b", "c")).axes[0]
    assert [t.get_text() for t in axes.get_legend().get_texts()] == ["a", "b", "c"]
    result.figure(labels=np.linspace(0, 1, 20))
    with pytest.raises(ValueError, match="`labels` must be 20 numbers"):
        result.figure(labels=np.arange(3))


def test_feature_maps_are_averaged_over_pixels_and_models_may_have_several_inputs():
    model, x = zoo.lenet5((14, 14, 1), 3), random_array(5, 14, 14, 1)
    expected = keras.Model(model.input, model.get_layer("s4").output).predict(x, verbose=0).mean(axis=(1, 2))
    assert_close(explain.latent_map(model, x, layer="s4").features, expected)
    presto = zoo.presto((3, 17), 2, width=16, depth=1, units=8, heads=2, masked=False)
    assert explain.latent_map(presto, presto_inputs(4, 3), batch_size=3).features.shape == (4, 16)


def test_umap_is_used_if_installed_and_otherwise_raises_an_error_with_the_install_command(monkeypatch):
    import builtins
    import sys

    model, x, real_import = linear((6,)), random_array(30, 6), builtins.__import__

    def import_without_umap(name, *args, **kwargs):
        if name == "umap":
            raise ImportError
        return real_import(name, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.delitem(sys.modules, "umap", raising=False)
        patch.setattr(builtins, "__import__", import_without_umap)
        with pytest.raises(ValueError, match="needs the package UMAP: pip install umap-learn"):
            explain.latent_map(model, x, method="umap")
    pytest.importorskip("umap", reason="umap-learn is not installed")
    assert explain.latent_map(model, x, method="umap").points.shape == (30, 2)


@pytest.mark.parametrize(
    ("explain_function", "message"),
    [
        (lambda m, x: explain.activations(m, x[0]), "activations: the input `.*` must be numbers .*inputs.None."),
        (lambda m, x: explain.activations(m, x, "c2"), "activations: `lenet5` has no layer 'c2'. Did you mean `"),
        (lambda m, x: explain.activations("m", x), "activations: `model` must be a built keras.Model, got str"),
        (
            lambda m, x: explain.filters(linear((4,))),
            "filters: `.*` has no Conv2D layer with kernels larger than 1 x 1",
        ),
        (lambda m, x: explain.filters(m, "f6"), "filters: `layer` must be a Conv2D layer, f6 is a Dense"),
        (lambda m, x: explain.gabor(zoo.cnn((8, 8, 1), 2, filters=(2,))), "gabor: .* at least 5 x 5, .* are 3 x 3"),
        (
            lambda m, x: explain.receptive_fields(linear((4,))),
            r"receptive_fields: `model` must take floating-point inputs, \(H",
        ),
        (lambda m, x: explain.receptive_fields(m, "f6"), "receptive_fields: none of the selected layers of `lenet5`"),
        (lambda m, x: explain.latent_map(m, x), "latent_map: at least 3 examples with 2 features are needed"),
        (lambda m, x: explain.latent_map(m, x, method="tsne"), "`method` must be one of 'pca', 'umap'"),
        (lambda m, x: explain.activations(linear((2, 3)), {"y": x}), "activations: `inputs` must have "),
    ],
)
def test_wrong_arguments_raise_an_error(explain_function, message):
    with pytest.raises(ValueError, match=message):
        explain_function(zoo.lenet5((14, 14, 1), 3), random_array(1, 14, 14, 1))


FAMILIES = [pytest.param(n, marks=[pytest.mark.slow] * (n != "unet")) for n in sorted(CASES) if not entries[n].parent]


@pytest.mark.parametrize("name", FAMILIES)
def test_every_architecture_has_activations_and_fields_no_larger_than_the_theoretical_ones(name):
    model = build(name)
    x = batch(model, name)
    result = explain.activations(model, x)
    assert len(result.outputs) >= 2
    assert all(np.isfinite(output).all() for output in result.outputs.values())
    if len(model.inputs) == 1 and len(model.inputs[0].shape) == 4:
        fields = explain.receptive_fields(model, samples=1)
        limited = ~np.isnan(fields.theoretical)
        assert (fields.measured[limited] <= fields.theoretical[limited]).all()
        assert (fields.measured <= fields.input_size).all()
