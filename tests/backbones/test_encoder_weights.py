"""Pretrained weights in the encoder of a detector and of a segmentation model, and the normalization they need."""

import numpy as np
import pytest
from PIL import Image

import recipes
import zoo
from tests.box_images import write_rectangles
from tests.tolerance import assert_close

LITE = "efficientnet_lite0"


def test_the_encoder_has_the_weights_of_the_classifier():
    model = zoo.load_encoder_weights(zoo.retinanet((64, 64, 3), 2, encoder=LITE, filters=4, depth=1), LITE)
    classifier = zoo.load(LITE, "bundled")
    layers = {layer.name: layer for layer in model.layers}
    for layer in classifier.layers:
        if layer.weights and layer.name != "head":
            for a, b in zip(layers[layer.name].get_weights(), layer.get_weights(), strict=True):
                np.testing.assert_array_equal(a, b)


def test_moments_are_those_of_the_bundle_or_of_imagenet():
    assert zoo.encoder_moments(LITE) == ((127.0,) * 3, (128.0,) * 3)
    assert zoo.encoder_moments("resnet50", "resnet50.pth")[0] == (123.675, 116.28, 103.53)
    with pytest.raises(ValueError, match="'bundled' is available for efficientnet_lite0"):
        zoo.encoder_moments("resnet34")


def test_another_model_and_other_bands_are_refused():
    with pytest.raises(ValueError, match="must be built with encoder='efficientnet_lite0' for three bands, got unet"):
        zoo.load_encoder_weights(zoo.unet((32, 32, 3), 2, filters=(4, 4)), LITE)
    with pytest.raises(ValueError, match="for three bands, got retinanet, whose layer stem has other sizes"):
        zoo.load_encoder_weights(zoo.retinanet((64, 64, 4), 2, encoder=LITE, filters=4, depth=1), LITE)


@pytest.mark.slow
def test_a_detector_and_its_preprocessing(tmp_path):
    source = f"voc:{write_rectangles(tmp_path / 'voc', 6)}?validation=0.2&test=0.3"
    settings = {"encoder": LITE, "encoder_weights": "bundled", "augment": ("flip", "brightness:0.1")}
    task, data = recipes.Detection(side=64, **settings), recipes.load(source)
    model = task.build_model("retinanet", data, filters=8, depth=1)
    preprocessing = task.preprocessing(data, model)
    assert_close(preprocessing(np.full((1, 64, 64, 3), 255, "uint8"))[0, 0, 0], [1.0] * 3)  # (255 - 127) / 128
    assert_close(task.value_range(preprocessing), (-127 / 128, 1.0))
    assert_has_pretrained_stem(model)
    assert not any(layer.trainable for layer in model.layers if "norm" in layer.name)
    images, _ = next(iter(task.pipeline(data.train, True, preprocessing, 2)))
    assert -1 <= images.numpy().min() < 0 < images.numpy().max() <= 1


def assert_has_pretrained_stem(model):
    expected = zoo.load(LITE, "bundled").get_layer("stem").get_weights()[0]
    stem = next(layer for layer in model._flatten_layers() if layer.name == "stem")
    np.testing.assert_array_equal(stem.get_weights()[0], expected)


def test_a_segmentation(tmp_path):
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    rng = np.random.default_rng(0)
    for i in range(8):
        mask = np.zeros((64, 64), np.uint8)
        mask[8 * (i % 4) :, :32] = 1
        Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(tmp_path / "images" / f"{i}.png")
        Image.fromarray(mask).save(tmp_path / "masks" / f"{i}.png")
    source = f"masks:{tmp_path / 'images'}?labels={tmp_path / 'masks'}"
    task, data = recipes.Segmentation(encoder=LITE, encoder_weights="bundled"), recipes.load(source)
    model = task.build_model("unet", data, filters=(4, 4, 4, 4, 4, 4))
    assert_close(task.preprocessing(data, model)(np.zeros((1, 64, 64, 3), "uint8"))[0, 0, 0], [-127 / 128] * 3)
    assert_has_pretrained_stem(model)


@pytest.mark.parametrize(
    ("settings", "model", "message"),
    [
        ({"encoder_weights": "bundled"}, "unet", "must be None without an `encoder`"),
        ({"encoder_weights": "bundled", "encoder": LITE}, None, "for a model that is built already"),
        ({"encoder_weights": "bundled", "encoder": "resnet34"}, "unet", "'bundled' is available for"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings, model, message):
    images = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3), dtype=np.uint8)
    x = images, np.arange(8 * 32 * 32).reshape(8, 32, 32) % 2
    model = model or zoo.unet((32, 32, 3), 2, filters=(4, 4))
    with pytest.raises(ValueError, match=message):
        recipes.Segmentation(epochs=1, **settings).fit(model, x, verbose=False)
