"""Notes on images and tables whose values are not those of the training: other units, zeros for no data, constants."""

import warnings

import numpy as np
import pandas as pd
import pytest

import recipes
from recipes.data.input_schema import input_schema
from zoo.inputs import band_range_notes, match, match_texts
from zoo.inputs.ranges import Range, feature_range_notes
from zoo.inputs.schema import Band, InputSchema

RNG = np.random.default_rng(0)
BANDS = (Band("red", minimum=160.0, maximum=1165.0), Band("nir", minimum=220.0, maximum=3000.0))
SCHEMA = InputSchema(kind="image", shape=(None, None, 2), dtype="uint16", bands=BANDS, image={"size": "tiles"})


def scene():
    red, nir = RNG.integers(200, 1100, (20, 20)), RNG.integers(300, 2900, (20, 20))
    return np.stack([red, nir], axis=-1).astype(float)


def notes_on(image):
    return " ".join(band_range_notes(SCHEMA, ["scene.tif"], [image]))


def test_a_scene_like_the_training_has_no_note():
    image = scene()
    image[0, :2] = 0  # a few pixels are always beyond
    assert notes_on(image) == ""


@pytest.mark.parametrize("factor", [0.1, 255 / 4096, 0.5])
def test_values_in_a_smaller_unit_are_noted(factor):
    assert "outside of the training range; are they in another unit?" in notes_on(scene() * factor)


def test_a_single_band_in_a_smaller_unit_is_noted():
    image = scene()
    image[..., 1] /= 50
    assert "100.0% of its pixels outside of 220 to 3000 in band nir" in notes_on(image)


def test_pixels_of_zero_in_all_bands_are_noted_as_nodata():
    image = scene()
    image[:5] = 0
    assert "0 in all bands" in notes_on(image) and "25.0% of them" in notes_on(image)
    image[:5] = np.nan  # declared
    assert notes_on(image) == ""


def test_a_band_of_one_value_is_noted():
    image = scene()
    image[..., 0] = 500
    assert "one value in a whole band, which varied in training: scene.tif has 500 in band red" in notes_on(image)


def photo_schema():
    """The schema of a data set of colored photos."""
    photos = RNG.integers(0, 256, (12, 6, 6, 3)).astype("uint8")
    return input_schema(recipes.read_arrays((photos, np.arange(12) % 2)))


def test_photos_without_color_and_of_one_value_are_noted_where_training_had_none():
    schema = photo_schema()
    colored = RNG.integers(0, 256, (20, 20, 3)).astype("uint8")
    gray, white = np.repeat(colored[..., :1], 3, axis=-1), np.full((20, 20, 3), 255, "uint8")
    notes = band_range_notes(schema, ["a.png", "b.png", "c.png", "d.png"], [colored, gray, white, gray])
    assert notes == [
        "1 images have one value in all pixels, as a transparent or empty image has, and training had none: c.png",
        "2 images have no color, and those of the training had: b.png",
    ]
    assert band_range_notes(schema, ["a.png"], [colored]) == []


def test_photos_without_color_are_not_noted_where_training_had_some():
    gray = np.repeat(RNG.integers(0, 256, (12, 6, 6, 1)), 3, axis=-1).astype("uint8")
    schema = input_schema(recipes.read_arrays((gray, np.arange(12) % 2)))
    assert band_range_notes(schema, ["a.png"], [gray[0]]) == []


@pytest.mark.parametrize(
    ("kind", "words"), [("image", "images"), ("vector", "vectors"), ("series", "series"), ("sound", "sound")]
)
@pytest.mark.parametrize("inputs", [None, 3, {"a": [1.0]}, {1}, "x", iter(())])
def test_inputs_that_are_no_array_are_one_sentence(kind, words, inputs):
    schema = InputSchema(kind=kind, shape=(4, 1), dtype="float32")
    message = f"must be an array, or a list of examples, for a model of {words}, got {type(inputs).__name__}"
    with pytest.raises(ValueError, match=message):
        match(schema, inputs)


@pytest.mark.parametrize("entry", [["an", "owl"], np.array(["an owl"]), {"a": 1}, 3])
def test_texts_that_are_no_strings_are_named_by_their_row(entry):
    with pytest.raises(ValueError, match="must be strings, got .* in row 2"):
        match_texts(InputSchema(kind="text", shape=(), dtype="string", classes=("a", "b")), ["an owl", entry])


@pytest.fixture(scope="module")
def run():
    table = pd.DataFrame({"height": RNG.uniform(2, 30, 80), "birds": RNG.integers(0, 15, 80)})
    table["label"] = np.where(table["height"] > 15, "tall", "low")
    data = recipes.load(table, target="label")
    return recipes.Classification(epochs=1, baselines=False, report_examples=0).fit("dnn", data, units=(2,))


@pytest.mark.parametrize(
    "heights, birds, message",
    [
        ([0.01] * 39 + [20], [3] * 40, "39 of 40 rows are outside of the training range.*another unit"),
        ([0.01, 0.012, 0.02], [3] * 3, "`height`: all 3 rows are outside of the training range"),
        ([10.0, 20.0], [3, -1], "`birds`: 1 of 2 rows are outside of the training range.*had no negative number"),
    ],
)
def test_rows_outside_of_the_training_range_are_noted(run, heights, birds, message):
    with pytest.warns(UserWarning, match=message):
        run.predict(pd.DataFrame({"height": heights, "birds": birds}))


def test_a_single_row_a_little_outside_is_not_noted(run):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run.predict(pd.DataFrame({"height": [31.0, 5.0], "birds": [16, 2]}))


def test_windows_that_lie_outside_of_the_training_range_with_all_values_are_noted():
    columns = [Range("flow", 10.0, 30.0), Range("rain", 0.0, 9.0)]
    windows = np.full((3, 14, 2), [20.0, 1.0], "float32")
    assert feature_range_notes(columns, windows) == []
    windows[1, :, 0] = 5.0  # within half of the range below it, as of another station
    windows[2, :13, 0] = 5.0  # but one value
    (note,) = feature_range_notes(columns, windows)
    assert note == ("`flow`: all values of 1 of 3 windows are outside of the training range, 10 to 30, the first is 5")
    assert feature_range_notes(columns, windows[1:2, :4]) == []  # a few values are often a little outside
