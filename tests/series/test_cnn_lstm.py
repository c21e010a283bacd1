"""CNN-LSTM: features of any classifier for every image."""

import keras
import numpy as np
import pytest

import zoo
from tests.tolerance import assert_close


def random_images(shape):
    return np.random.default_rng(2).random(shape, "float32")


def test_the_same_backbone_is_applied_to_every_image():
    model = zoo.cnn_lstm((3, 8, 10, 2), 2, units=4)
    x = random_images((2, 3, 8, 10, 2))
    lstm_inputs = keras.Model(model.input, model.get_layer("recurrent0").input)
    backbone = keras.Model(model.get_layer("block0_conv0").input, model.get_layer("pool").output)
    one_by_one = np.stack([backbone(x[:, t]) for t in range(3)], axis=1)
    assert_close(lstm_inputs(x), one_by_one)
    swapped = x[:, [1, 0, 2]]
    assert_close(lstm_inputs(swapped), one_by_one[:, [1, 0, 2]])
    assert np.abs(model(swapped) - model(x)).max() > 1e-6


@pytest.mark.parametrize(
    ("backbone", "width"),
    [("cnn", 128), ("resnet20", 64), ("vit_tiny_16", 192), ("mobilenet_v2", 1280), ("vgg16", 512)],
)
def test_every_family_of_classifiers_can_be_the_backbone(backbone, width):
    model = zoo.outline("cnn_lstm", input_shape=(2, 32, 32, 3), outputs=2, backbone=backbone, units=(4,))
    assert model.get_layer("pool").output.shape == (None, width)
    assert model.output.shape == (None, 2)


def test_a_variant_has_its_own_depth():
    small, large = (
        zoo.outline("cnn_lstm", input_shape=(2, 32, 32, 3), outputs=2, backbone=f"resnet{n}", units=(4,))
        for n in (20, 32)
    )
    lstm_and_head = 4 * 4 * (64 + 4 + 1) + 10
    for model, total in ((small, 269722), (large, 464154)):
        assert zoo.parameters(model)[1] - lstm_and_head == total - 650  # resnet_cifar's head for ten classes


def test_every_step_gives_one_output_per_image():
    model = zoo.cnn_lstm((3, 8, 8, 1), 2, units=4, every_step=True, bidirectional=True)
    assert model(random_images((2, 3, 8, 8, 1))).shape == (2, 3, 2)


def test_invalid_arguments_are_refused():
    with pytest.raises(
        ValueError, match=r"`input_shape` must be \(T, H, W, C\) with every size given, got \(None, 8, 8"
    ):
        zoo.cnn_lstm((None, 8, 8, 1), 2)
    with pytest.raises(
        ValueError, match=r"the backbone cnn does not accept the images of `input_shape`, got \(4, 4, 1\)"
    ):
        zoo.cnn_lstm((3, 4, 4, 1), 2)
    with pytest.raises(
        ValueError, match=r"`backbone` must be one of `zoo.names\('classify'\)`, got 'resnet5'. Did you mean"
    ):
        zoo.cnn_lstm((3, 8, 8, 1), 2, backbone="resnet5")
    with pytest.raises(ValueError, match="`backbone` must be one of .*, got 'unet'"):
        zoo.cnn_lstm((3, 8, 8, 1), 2, backbone="unet")
    with pytest.raises(ValueError, match="`units` must have at least one entry"):
        zoo.cnn_lstm((3, 8, 8, 1), 2, units=())
