"""Backbones for red, green and blue images on other bands."""

import keras
import numpy as np
import pytest
from keras import layers

import zoo
from tests.backbones.test_transfer import RESNET, images, outputs, savedmodel_difference, small_mobilenet
from tests.tolerance import assert_close
from zoo.backbones.input_range import IMAGENET

NO_SCALING = ((0, 0, 0), (1, 1, 1))
MOMENTS = (IMAGENET["mean"], IMAGENET["deviation"])


def statistics(count):
    return [100.0 * (i + 1) for i in range(count)], [50.0 + i for i in range(count)]


@pytest.mark.parametrize("strategy", ["by_band", "zero_extra", "repeat_scaled"])
@pytest.mark.parametrize("bands", [("B04", "B03", "B02"), ("B4", "B3", "B2"), ("red", "green", "blue")])
def test_with_red_green_and_blue_the_outputs_are_unchanged(bands, strategy):
    backbone = zoo.resnet18((None, None, 3), 4, **RESNET)
    adapted = zoo.adapt_bands(backbone, bands, statistics=NO_SCALING, strategy=strategy)
    assert_close(outputs(adapted, images() / 255), outputs(backbone, images() / 255))


def test_bands_are_matched_by_name_in_any_order():
    backbone = zoo.resnet18((32, 32, 3), 4, **RESNET)
    adapted = zoo.adapt_bands(backbone, ("B02", "B04", "B03"), statistics=NO_SCALING)
    x = images() / 255
    assert_close(outputs(adapted, x[..., [2, 0, 1]]), outputs(backbone, x))
    assert [layer.name for layer in adapted.layers if layer.weights] == [x.name for x in backbone.layers if x.weights]
    twice = zoo.adapt_bands(zoo.transfer(small_mobilenet(), 2), ("red", "green", "blue"), statistics=MOMENTS)
    assert [layer.name for layer in twice.layers].count("backbone_input") == 1


@pytest.mark.parametrize("input_range", ["caffe", "torch", "tf"])
def test_imagenet_statistics_give_the_inputs_of_the_backbones_training(input_range):
    backbone = small_mobilenet()
    adapted = zoo.adapt_bands(backbone, ("red", "green", "blue"), statistics=MOMENTS, input_range=input_range)
    transferred = zoo.transfer(backbone, 2, input_range=input_range)
    stem = [keras.Model(m.input, m.get_layer("Conv1").output)(images()) for m in (adapted, transferred)]
    assert_close(stem[0], stem[1], rtol=1e-4)


def test_kernels_follow_the_strategy():
    backbone = zoo.resnet18((32, 32, 3), 4, **RESNET)
    kernel = backbone.get_layer("stem").get_weights()[0]
    bands = ("B08", "B02", "B04", "B03", "B11")
    kernels = {
        s: zoo.adapt_bands(backbone, bands, statistics=statistics(5), strategy=s).get_layer("stem").get_weights()[0]
        for s in ("by_band", "zero_extra", "repeat_scaled")
    }
    np.testing.assert_array_equal(kernels["by_band"][:, :, [2, 3, 1]], kernel)
    assert_close(kernels["by_band"][:, :, 0], kernel.mean(2))
    np.testing.assert_array_equal(kernels["by_band"][:, :, 0], kernels["by_band"][:, :, 4])
    np.testing.assert_array_equal(kernels["zero_extra"][:, :, [2, 3, 1]], kernel)
    assert not kernels["zero_extra"][:, :, [0, 4]].any()
    assert_close(kernels["repeat_scaled"], kernel[:, :, [0, 1, 2, 0, 1]] * 0.6)


def test_extra_bands_with_zero_kernels_have_no_effect():
    backbone = zoo.resnet18((32, 32, 3), 4, **RESNET)
    x = images(bands=4) / 255
    adapted = zoo.adapt_bands(
        backbone, ("red", "green", "blue", "nir"), statistics=((0,) * 4, (1,) * 4), strategy="zero_extra"
    )
    assert_close(outputs(adapted, x), outputs(backbone, x[..., :3]))


def test_statistics_are_saved_with_the_model(tmp_path):
    mean, deviation = statistics(4)
    bands = ("B04", "B03", "B02", "B08")
    model = zoo.adapt_bands(small_mobilenet(), bands, statistics=(mean, deviation))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    layer = loaded.get_layer("backbone_input")
    assert (layer.mean, layer.deviation, layer.bands) == (tuple(mean), tuple(deviation), bands)
    x = np.asarray(mean) + np.asarray(deviation) * np.random.default_rng(1).normal(size=(4, 32, 32, 4))
    np.testing.assert_array_equal(outputs(loaded, x), outputs(model, x))
    head = zoo.transfer(loaded, 2)
    assert zoo.verify_range(head, x) is head
    with pytest.raises(ValueError, match="statistics of band B04 are a mean of 100 .* Give them in the units"):
        zoo.verify_range(head, x / 1e4)
    assert savedmodel_difference(head, x, tmp_path / "served") <= 1e-5


def test_statistics_ignore_missing_pixels():
    x = np.random.default_rng(2).normal(5, 3, (6, 8, 9, 2))
    x[..., 1] *= 100
    x[2, 3, 4] = np.nan
    statistics = zoo.band_statistics(x)
    assert_close(statistics.mean, np.nanmean(x, axis=(0, 1, 2)))
    assert_close(statistics.deviation, np.nanstd(x, axis=(0, 1, 2)))
    assert_close(
        zoo.band_statistics([x[0], x[1, :4]]).mean, np.r_[x[0].reshape(-1, 2), x[1, :4].reshape(-1, 2)].mean(0)
    )
    with pytest.raises(ValueError, match="must vary, and band 1 does not"):
        zoo.band_statistics(np.dstack([x[0, ..., 0], np.ones((8, 9))])[None])


def test_scaling_layers_of_the_backbone_are_replaced():
    inputs = layers.Input((8, 8, 3))
    x = layers.Rescaling(1 / 255)(inputs)
    x = layers.Normalization(mean=[0.4, 0.5, 0.6], variance=[0.04, 0.09, 0.01])(x)
    backbone = keras.Model(
        inputs, layers.Conv2D(2, 3, name="stem_conv")(layers.ZeroPadding2D(1)(x)), name="efficientnetb0"
    )
    adapted = zoo.adapt_bands(backbone, ("red", "green", "blue"), statistics=MOMENTS)
    assert not any(isinstance(x, layers.Rescaling) for x in adapted.layers)
    assert_close(outputs(adapted, images(2, 8)), outputs(backbone, images(2, 8)), rtol=1e-4)
    unknown = keras.Sequential([layers.Input((8, 8, 3)), layers.Rescaling(1 / 255), layers.Conv2D(2, 3)])
    with pytest.raises(ValueError, match="`input_range` must say how the images of .* were prepared"):
        zoo.adapt_bands(unknown, ("red", "green", "blue"), statistics=MOMENTS)


@pytest.mark.parametrize(
    ("bands", "arguments", "message"),
    [
        (("B04",), {"statistics": None}, "`statistics` must be given: mean and standard deviation of B04"),
        (("B04", "B03"), {}, "`statistics`: mean must have 2 numbers, got 3"),
        (("B04",), {"statistics": 3}, r"`statistics` must be \(mean, deviation\)"),
        (("B04",), {"statistics": ((0,), (0,))}, "`deviation` must be finite numbers above 0"),
        (("B04", "B03", "B2O"), {}, "no band is called 'B2O'"),
        (("B04", "B03", "B10"), {}, "no band is called"),
        (("B04", "B4", "B02"), {}, "no band is called"),
        (("B04", "B03", "B02"), {"sensor": "landsat8"}, "no band is called 'B04' in landsat8. Did you mean `B4`"),
        (("B04", "B03", "B04"), {}, "`bands` must be different names"),
        (("B08", "B11", "B12"), {}, "`strategy` by_band needs a band that is red, green or blue"),
        ({"a": "redd", "b": None, "c": None}, {}, "'a' must be one of .* Did you mean `red`"),
        (("B04", "B03", "B02"), {"sensor": "modis"}, "`sensor` must be one of sentinel2_l2a, landsat8, got 'modis'"),
        (("B04", "B03", "B02"), {"strategy": "mean"}, "`strategy` must be one of"),
    ],
)
def test_invalid_arguments_are_refused(bands, arguments, message):
    backbone = zoo.lenet5((14, 14, 3), 2)
    with pytest.raises(ValueError, match=message):
        zoo.adapt_bands(backbone, bands, **{"statistics": NO_SCALING, **arguments})


def test_backbones_without_a_stem_for_three_bands_are_refused():
    with pytest.raises(ValueError, match="must begin with a convolution of 3 bands; lenet5 begins with .* of 2 bands"):
        zoo.adapt_bands(zoo.lenet5((14, 14, 2), 2), ("B04", "B03", "B02"), statistics=NO_SCALING)
    with pytest.raises(ValueError, match="must begin with a convolution"):
        zoo.adapt_bands(zoo.dnn((4,), 2), ("B04", "B03", "B02"), statistics=NO_SCALING)


def test_custom_bands_and_the_tables_of_sensors():
    backbone = zoo.lenet5((14, 14, 3), 2)
    bands = {"drone_red": "red", "slope": None}
    model = zoo.adapt_bands(backbone, bands, statistics=statistics(2))
    assert model.input_shape == (None, 14, 14, 2)
    assert len(zoo.SENSORS["sentinel2_l2a"]) == 12
    assert len(zoo.SENSORS["landsat8"]) == 11
    for table in zoo.SENSORS.values():
        wavelengths = {band.common_name: band.center_wavelength for band in table.values()}
        assert wavelengths["blue"] < wavelengths["green"] < wavelengths["red"]
