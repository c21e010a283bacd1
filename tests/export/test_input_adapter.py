"""The conversion of a user's inputs to named arrays, for exports, clients and predictors."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas
import pytest

from zoo.export.input_adapter import make_batches, signature_name, to_named_arrays

SPECS = {
    "height": SimpleNamespace(dtype="float32", shape=(None, 1)),
    "soil": SimpleNamespace(dtype="string", shape=(None, 1)),
}
IMAGE = {"photo": SimpleNamespace(dtype="uint8", shape=(None, None, None, 3))}


@pytest.mark.parametrize("kind", [dict, pandas.DataFrame])
def test_columns_become_typed_columns_in_the_order_of_the_signature(kind):
    arrays = to_named_arrays(kind({"soil": ["clay", "ßand"], "height": [1, 2]}), SPECS)
    assert list(arrays) == ["height", "soil"]
    assert arrays["height"].dtype == np.float32 and arrays["height"].tolist() == [[1.0], [2.0]]
    assert arrays["soil"].dtype == object and arrays["soil"].tolist() == [[b"clay"], ["ßand".encode()]]


def test_one_array_without_a_name_is_the_one_input():
    assert to_named_arrays(np.zeros((2, 4, 4, 3)), IMAGE)["photo"].dtype == np.uint8
    with pytest.raises(ValueError, match="predict: `inputs` must be named arrays height, soil"):
        to_named_arrays(np.zeros((2, 1)), SPECS, prefix="predict: ")


def test_truth_values_are_no_pixels():
    with pytest.raises(ValueError, match="photo must be uint8, got True and False; write numbers, such as 0 and 255"):
        to_named_arrays(np.zeros((2, 4, 4, 3), bool), IMAGE)


def test_names_with_other_characters_are_accepted_as_the_user_has_them():
    assert signature_name("Höhe (m)") == "H_he__m_"
    specs = {"H_he__m_": SPECS["height"]}
    for name in ("Höhe (m)", "H_he__m_"):
        assert to_named_arrays({name: [3.0]}, specs)["H_he__m_"].tolist() == [[3.0]]


def test_bytes_keep_their_trailing_zeros():
    specs = {"image_bytes": SimpleNamespace(dtype="string", shape=(None,))}
    assert to_named_arrays(np.array([b"GIF\0\0"], object), specs)["image_bytes"].tolist() == [b"GIF\0\0"]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    ("inputs", "specs", "message"),
    [
        ({"height": [1.0], "soil": [7]}, SPECS, "`inputs`: soil must be text or bytes, got int64"),
        ({"height": ["a"], "soil": ["a"]}, SPECS, "`inputs`: height must be float32, got <U1"),
        ({"height": [1.0]}, SPECS, "`inputs` lacks 'soil'; the model takes 'height', 'soil'"),
        ({"height": [1.0], "sol": ["a"]}, SPECS, "`inputs` has 'sol', which the model does not take.*`soil`"),
        (np.full((1, 4, 4, 3), 0.5), IMAGE, "`inputs`: photo must be uint8, got float64 with other values"),
        (np.full((1, 4, 4, 3), 1e6), IMAGE, "`inputs`: photo must be uint8, got float64 with other values"),
        (
            np.full((1, 4, 4, 3), np.nan),
            IMAGE,
            r"`inputs`: photo must be whole numbers \(uint8\), got NaN or an infinite",
        ),
        (Path("a.tif"), IMAGE, "`inputs`: photo must be an array, got the path 'a.tif'; read the file, or call"),
        ([Path("a.tif")], IMAGE, "`inputs`: photo must be an array, got the path 'a.tif'; read the file, or call"),
        (
            [np.zeros((4, 4, 3)), np.zeros((4, 6, 3))],
            IMAGE,
            r"`inputs`: photo must be examples of one shape, got \(4, 4, 3\) and \(4, 6, 3\); give the examples",
        ),
        (
            {"height": np.array([1, "yes"], object), "soil": ["a", "b"]},
            SPECS,
            r"`inputs`: height must be numbers \(float32\), got 'yes' in row 2; write numbers, for yes and no 1 and 0",
        ),
        ({"height": [1.0, {}], "soil": ["a", "b"]}, SPECS, r"height must be numbers \(float32\), got {} in row 2"),
    ],
)
def test_an_error_names_the_input_and_what_is_expected(inputs, specs, message):
    with pytest.raises(ValueError, match=message):
        to_named_arrays(inputs, specs)


def test_batches_are_the_first_example_and_all_and_images_that_differ_in_size_singly():
    structure = {"Höhe (m)": None}
    specs = {"H_he__m_": SPECS["height"]}
    batches = make_batches(structure, specs, {"Höhe (m)": [1.0, 2.0, 3.0]})
    assert [len(batch["H_he__m_"]) for batch in batches] == [1, 3]
    images = [np.zeros((4, 5, 3)), np.zeros((6, 5, 3))]
    assert [b["photo"].shape for b in make_batches(None, IMAGE, images)] == [(1, 4, 5, 3), (1, 6, 5, 3)]
    texts = make_batches(None, {"soil": SPECS["soil"]}, np.array(["clay"]))
    assert [batch["soil"].dtype.kind for batch in texts] == ["S"]
