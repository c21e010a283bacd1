"""Models are drawn as SVG by the size of what their layers compute."""

import xml.etree.ElementTree

import keras
import pytest
from keras import layers

import zoo
from recipes.cli.main import main
from zoo.introspect.drawing import blocks_of

SVG = "{http://www.w3.org/2000/svg}"


def parsed(drawing):
    return xml.etree.ElementTree.fromstring(str(drawing))


def texts(drawing):
    return [text.text for text in parsed(drawing).iter(f"{SVG}text")]


def test_a_unet_is_a_u_with_its_skip_connections():
    model = zoo.unet((64, 64, 3), 2, filters=(4, 8, 16), padding="same")
    blocks = blocks_of(model)
    assert [block.size for block in blocks] == [(64, 64), (64, 64), (32, 32), (16, 16), (32, 32), (64, 64)]
    assert blocks[4].sources == (2, 3) and blocks[5].sources == (1, 4)
    assert sum(block.parameters for block in blocks) == model.count_params()


def test_a_resnet_has_a_box_per_stage_and_the_classes():
    drawing = zoo.draw("resnet50")
    assert [t for t in texts(drawing) if "×" in t] == [
        "224 × 224 × 3", "112 × 112 × 64", "56 × 56 × 128", "28 × 28 × 256", "14 × 14 × 512", "7 × 7 × 2,048",
    ]  # fmt: skip
    assert "1,000" in texts(drawing) and "1 Dense" in texts(drawing)
    assert texts(drawing)[0] == f"resnet50: {zoo.outline('resnet50').count_params():,} parameters"


def test_squeeze_and_excitation_starts_no_box():
    x = inputs = layers.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, padding="same")(x)
    weights = layers.Dense(4)(layers.GlobalAveragePooling2D(keepdims=True)(x))
    x = layers.Conv2D(4, 3, padding="same")(layers.Multiply()([x, weights]))
    model = keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling2D()(x)))
    assert [block.size for block in blocks_of(model)] == [(8, 8), (8, 8), ()]


@pytest.mark.parametrize(
    "name", ["lstm", "vit_tiny_16", "faster_rcnn", "vae", "dcgan", "tempcnn", "dnn", "rsvqa", "tabm", "m5", "flownet_s"]
)
def test_every_kind_of_model_is_drawn(name):
    root = parsed(zoo.draw(name))
    assert root.tag == f"{SVG}svg" and root.find(f"{SVG}title").text.startswith(name)
    width, height = (float(root.get(side)) for side in ("width", "height"))
    for box in root.iter(f"{SVG}rect"):
        if box.get("x"):
            assert 0 <= float(box.get("x")) < width and 0 <= float(box.get("y")) < height


def test_names_are_escaped_and_a_drawing_is_saved(tmp_path):
    model = keras.Sequential([layers.Input((4,)), layers.Dense(2)], name="a_model")
    model.name = "<b>&"
    drawing = zoo.draw(model)
    assert texts(drawing)[0] == "<b>&: 10 parameters" and drawing._repr_svg_() == str(drawing)
    assert drawing.save(tmp_path / "model.svg").read_text() == str(drawing)


def test_the_command_draws(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["describe", "lenet5", "--draw", str(tmp_path / "lenet5.svg")])
    assert stop.value.code == 0 and (tmp_path / "lenet5.svg").read_text().startswith("<svg")


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        (3, TypeError, "must be a name or a keras.Model, got int"),
        ("unett", ValueError, "unet"),
        (keras.Sequential([layers.Dense(2)]), ValueError, "is not built"),
    ],
)
def test_what_is_no_model_is_refused(model, error, message):
    with pytest.raises(error, match=message):
        zoo.draw(model)
