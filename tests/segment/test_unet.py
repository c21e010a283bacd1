"""U-Net: the paper's sizes, same and valid padding, and classifiers as the encoder."""

import keras
import numpy as np
import pytest

import zoo
from tests.tolerance import assert_close
from zoo.introspect import outline
from zoo.segment.unet import is_halvable, valid_border

PAPER = {"input_shape": (572, 572, 1), "classes": 2, "padding": "valid"}
SMALL = {"filters": (4, 6, 8)}


def test_sizes_and_the_23_convolutions_are_the_papers():
    model = outline("unet", **PAPER)
    assert model.output.shape == (None, 388, 388, 2)
    kinds = [type(layer).__name__ for layer in model.layers]
    assert (kinds.count("Conv2D"), kinds.count("Conv2DTranspose"), kinds.count("MaxPooling2D")) == (19, 4, 4)
    sides = [model.get_layer(f"encoder{i}_relu1").output.shape[1] for i in range(5)]
    assert sides == [568, 280, 136, 64, 28]  # figure 1
    assert [model.get_layer(f"decoder{i}_relu1").output.shape[1] for i in range(4)] == [388, 196, 100, 52]


@pytest.mark.parametrize(("side", "output_side"), [(188, 4), (204, 20), (572, 388)])
def test_valid_padding_removes_184_pixels(side, output_side):
    assert valid_border(5) == 184
    assert outline("unet", **{**PAPER, "input_shape": (side, 572, 1)}).output.shape == (None, output_side, 388, 2)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((570, 572, 1), "must be 188 plus a multiple of 16 .pixels., got .570, 572, 1."),
        ((172, 572, 1), "must be at least 188"),
        ((572, 572), "must be .H, W, C."),
    ],
)
def test_sizes_that_valid_padding_cannot_halve_are_refused(shape, message):
    with pytest.raises(ValueError, match=message):
        zoo.unet(shape, 2, padding="valid")


def test_valid_sizes_are_those_with_even_maps_at_every_pooling():
    assert [s for s in range(188, 260) if is_halvable(s, 5)] == [188, 204, 220, 236, 252]


@pytest.mark.parametrize("shape", [(24, 40, 1), (32, 33, 1)])
def test_sizes_that_are_not_divisible_are_refused(shape):
    with pytest.raises(ValueError, match="unet: H and W of `input_shape` must be at least 1 and divisible by 16"):
        zoo.unet(shape, 2)


def test_padding_changes_only_the_border():
    """The cropped skips are aligned with the upsampled maps. With two more pixels both networks pool the same pairs."""
    valid, same = (zoo.unet((None, None, 2), 3, padding=padding, **SMALL, dropout=0) for padding in ("valid", "same"))
    rng = np.random.default_rng(0)
    for weight in valid.weights:
        weight.assign(weight + 0.1 * rng.normal(size=weight.shape))
    same.set_weights(valid.get_weights())
    x = rng.random((1, 96, 104, 2), "float32")
    inner, outer = np.asarray(valid(x[:, 2:-2, 2:-2])), np.asarray(same(x))
    margin = valid_border(3) // 2
    assert inner.shape == (1, 92 - 2 * margin, 100 - 2 * margin, 3)
    assert inner.std(axis=(1, 2)).min() > 0.01
    crop = slice(2 + margin, -2 - margin)
    assert_close(outer[:, crop, crop], inner)


def test_one_network_accepts_images_of_any_divisible_size():
    model = zoo.unet((None, None, 1), 2, **SMALL)
    for height, width in ((8, 12), (16, 4)):
        assert np.asarray(model(np.ones((1, height, width, 1)))).shape == (1, height, width, 2)


def test_dropout_is_at_the_two_coarsest_scales_and_absent_at_rate_zero():
    def dropout_layers(**changed):
        return [layer.name for layer in outline("unet", **PAPER, **changed).layers if "dropout" in layer.name]

    assert dropout_layers() == ["encoder3_dropout", "encoder4_dropout"]
    assert dropout_layers(dropout=0) == []


def test_initial_weights_have_the_papers_standard_deviation():
    kernel = zoo.unet((16, 16, 64), 2, filters=(64, 64)).get_layer("encoder0_conv0").kernel
    assert np.std(kernel) == pytest.approx(np.sqrt(2 / (9 * 64)), rel=0.02)


@pytest.mark.parametrize(
    ("encoder", "skips"),
    [("resnet18", 4), ("vgg16", 5), ("densenet121", 4), ("mobilenet_v2", 4), ("coatnet_0", 4), ("vit_tiny_16", 0)],
)
def test_an_encoder_has_a_skip_at_every_scale_of_its_features(encoder, skips):
    model = outline("unet", input_shape=(64, 96, 5), classes=3, encoder=encoder, filters=(4, 6, 8, 10, 12))
    assert model.output.shape == (None, 64, 96, 3)
    concatenations = [
        layer for layer in model.layers if layer.name.startswith("decoder") and layer.name.endswith("concat")
    ]
    assert len(concatenations) == skips
    assert all(layer.output.shape[-1] > model.get_layer(layer.name[:-6] + "up").filters for layer in concatenations)


def test_an_encoder_has_the_weight_names_and_shapes_of_its_classifier():
    backbone = {w.path: w.shape for w in outline("resnet34", input_shape=(64, 64, 3), classes=2).weights}
    unet = {w.path: w.shape for w in outline("unet", input_shape=(64, 64, 3), classes=2, encoder="resnet34").weights}
    assert {k: v for k, v in backbone.items() if not k.startswith("head")}.items() <= unet.items()


@pytest.mark.slow
def test_a_unet_with_an_encoder_trains_and_predicts_the_same_after_loading(tmp_path):
    model = zoo.unet((None, None, 2), 2, encoder="resnet20", filters=(4, 4), batch_norm=True)
    model.compile("adam", "sparse_categorical_crossentropy")
    rng = np.random.default_rng(0)
    history = model.fit(rng.random((2, 32, 64, 2)), rng.integers(0, 2, (2, 32, 64)), epochs=1, verbose=0)
    assert np.isfinite(history.history["loss"][0])
    model.save(tmp_path / "model.keras")
    x = rng.random((1, 64, 32, 2), "float32")
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "model.keras")(x), model(x))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"encoder": "resnet"}, "must be at least 1 and divisible by 32"),
        (
            {"encoder": "lenet5"},
            "`encoder` must halve the image at most 5 times.*got lenet5, whose maps have strides of 2, 4.1",
        ),
        ({"encoder": "resnet18", "filters": (4, 6)}, "at most 2 times.*strides of 2, 4, 8, 16, 32"),
        ({"encoder": "dnn"}, "`encoder` must be one of `zoo.names.*, got 'dnn'"),
        ({"encoder": "resnet81"}, "Did you mean `resnet18`"),
        ({"encoder": "resnet18", "padding": "valid"}, "`padding` must be 'same' with an `encoder`"),
        ({"padding": "reflect"}, "`padding` must be one of 'same', 'valid'"),
    ],
)
def test_encoders_that_do_not_fit_are_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        zoo.unet((48, 64, 3), 2, **changed)
