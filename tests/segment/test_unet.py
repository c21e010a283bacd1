"""U-Net: the paper's arithmetic, padded and not, and backbones of others as its encoder."""

import keras
import numpy as np
import pytest

import zoo
from tests.tolerance import assert_close
from zoo.introspect import outline
from zoo.segment.unet import border, halves

PAPER = {"input_shape": (572, 572, 1), "classes": 2, "padding": "valid"}
SMALL = {"filters": (4, 6, 8)}


def test_the_papers_sizes_and_its_23_convolutions():
    model = outline("unet", **PAPER)
    assert model.output.shape == (None, 388, 388, 2)
    kinds = [type(layer).__name__ for layer in model.layers]
    assert (kinds.count("Conv2D"), kinds.count("Conv2DTranspose"), kinds.count("MaxPooling2D")) == (19, 4, 4)
    sides = [model.get_layer(f"encoder{i}_relu1").output.shape[1] for i in range(5)]
    assert sides == [568, 280, 136, 64, 28]  # figure 1
    assert [model.get_layer(f"decoder{i}_relu1").output.shape[1] for i in range(4)] == [388, 196, 100, 52]


@pytest.mark.parametrize(("side", "answer"), [(188, 4), (204, 20), (572, 388)])
def test_valid_padding_takes_184_pixels(side, answer):
    assert border(5) == 184
    assert outline("unet", **{**PAPER, "input_shape": (side, 572, 1)}).output.shape == (None, answer, 388, 2)


@pytest.mark.parametrize(
    ("shape", "told"),
    [
        ((570, 572, 1), "must be 188 plus a multiple of 16 .pixels., got .570, 572, 1."),
        ((172, 572, 1), "must be at least 188"),
        ((572, 572), "must be .H, W, C."),
    ],
)
def test_sizes_that_valid_padding_cannot_halve_are_refused(shape, told):
    with pytest.raises(ValueError, match=told):
        zoo.unet(shape, 2, padding="valid")


def test_the_rule_for_valid_sizes_is_that_every_halved_map_is_even():
    assert [s for s in range(188, 260) if halves(s, 5)] == [188, 204, 220, 236, 252]


@pytest.mark.parametrize("shape", [(24, 40, 1), (32, 33, 1)])
def test_sizes_that_do_not_divide_are_refused(shape):
    with pytest.raises(ValueError, match="unet: H and W of `input_shape` must be at least 1 and divisible by 16"):
        zoo.unet(shape, 2)


def test_away_from_the_border_padding_changes_nothing():
    """The cropped skips lie exactly on the maps that come up; two pixels more make both halve the same pairs."""
    valid, same = (zoo.unet((None, None, 2), 3, padding=padding, **SMALL, dropout=0) for padding in ("valid", "same"))
    rng = np.random.default_rng(0)
    for weight in valid.weights:
        weight.assign(weight + 0.1 * rng.normal(size=weight.shape))
    same.set_weights(valid.get_weights())
    x = rng.random((1, 96, 104, 2), "float32")
    inner, outer = np.asarray(valid(x[:, 2:-2, 2:-2])), np.asarray(same(x))
    lost = border(3) // 2
    assert inner.shape == (1, 92 - 2 * lost, 100 - 2 * lost, 3)
    assert inner.std(axis=(1, 2)).min() > 0.01
    cut = slice(2 + lost, -2 - lost)
    assert_close(outer[:, cut, cut], inner)


def test_one_network_takes_images_of_any_size_that_divides():
    model = zoo.unet((None, None, 1), 2, **SMALL)
    for height, width in ((8, 12), (16, 4)):
        assert np.asarray(model(np.ones((1, height, width, 1)))).shape == (1, height, width, 2)


def test_dropout_is_where_the_encoder_ends_and_nowhere_at_rate_zero():
    def dropped(**changed):
        return [layer.name for layer in outline("unet", **PAPER, **changed).layers if "dropout" in layer.name]

    assert dropped() == ["encoder3_dropout", "encoder4_dropout"]
    assert dropped(dropout=0) == []


def test_it_starts_with_the_papers_deviation():
    kernel = zoo.unet((16, 16, 64), 2, filters=(64, 64)).get_layer("encoder0_conv0").kernel
    assert np.std(kernel) == pytest.approx(np.sqrt(2 / (9 * 64)), rel=0.02)


@pytest.mark.parametrize(
    ("encoder", "skips"),
    [("resnet18", 4), ("vgg16", 5), ("densenet121", 4), ("mobilenet_v2", 4), ("coatnet_0", 4), ("vit_tiny_16", 0)],
)
def test_a_backbone_joins_at_every_scale_that_it_has(encoder, skips):
    model = outline("unet", input_shape=(64, 96, 5), classes=3, encoder=encoder, filters=(4, 6, 8, 10, 12))
    assert model.output.shape == (None, 64, 96, 3)
    joined = [layer for layer in model.layers if layer.name.startswith("decoder") and layer.name.endswith("concat")]
    assert len(joined) == skips
    assert all(layer.output.shape[-1] > model.get_layer(layer.name[:-6] + "up").filters for layer in joined)


def test_a_backbone_keeps_the_names_and_numbers_of_its_variant():
    backbone = {w.path: w.shape for w in outline("resnet34", input_shape=(64, 64, 3), classes=2).weights}
    unet = {w.path: w.shape for w in outline("unet", input_shape=(64, 64, 3), classes=2, encoder="resnet34").weights}
    assert {k: v for k, v in backbone.items() if not k.startswith("head")}.items() <= unet.items()


def test_a_backbone_of_any_size_trains_saves_and_answers_again(tmp_path):
    model = zoo.unet((None, None, 2), 2, encoder="resnet20", filters=(4, 4), batch_norm=True)
    model.compile("adam", "sparse_categorical_crossentropy")
    rng = np.random.default_rng(0)
    history = model.fit(rng.random((2, 32, 64, 2)), rng.integers(0, 2, (2, 32, 64)), epochs=1, verbose=0)
    assert np.isfinite(history.history["loss"][0])
    model.save(tmp_path / "model.keras")
    x = rng.random((1, 64, 32, 2), "float32")
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "model.keras")(x), model(x))


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"encoder": "resnet"}, "must be at least 1 and divisible by 32"),
        ({"encoder": "lenet5"}, "`encoder` must halve the image at most 5 times.*lenet5 are 128, 62 wide"),
        ({"encoder": "resnet18", "filters": (4, 6)}, "at most 2 times.*128, 64, 32, 16, 8 wide"),
        ({"encoder": "dnn"}, "`encoder` must be a classifier, and dnn is of the task tabular"),
        ({"encoder": "resnet81"}, "Did you mean `resnet18`"),
        ({"encoder": "resnet18", "padding": "valid"}, "`padding` must be 'same' where there is an `encoder`"),
        ({"padding": "reflect"}, "`padding` must be one of 'same', 'valid'"),
    ],
)
def test_encoders_that_do_not_fit_are_refused(changed, told):
    with pytest.raises(ValueError, match=told):
        zoo.unet((48, 64, 3), 2, **changed)
