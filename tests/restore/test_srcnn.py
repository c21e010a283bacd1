"""SRCNN: the paper's number of weights and the border that valid padding removes."""

import numpy as np
import pytest

import zoo
from tests.tolerance import assert_close
from zoo.introspect import outline


@pytest.mark.parametrize(
    ("name", "weights", "border"), [("srcnn", 8032, 12), ("srcnn_935", 24416, 14), ("srcnn_955", 57184, 16)]
)
def test_number_of_weights_and_removed_border_are_the_papers(name, weights, border):
    model = outline(name, input_shape=(33, 40, 1))
    assert sum(int(np.prod(w.shape)) for w in model.weights if w.name == "kernel") == weights
    assert model.output.shape == (None, 33 - border, 40 - border, 1)
    assert outline(name, input_shape=(33, 40, 1), padding="same").output.shape == (None, 33, 40, 1)


def test_padding_changes_only_the_border():
    valid, same = (zoo.srcnn((20, 22, 1), padding=padding) for padding in ("valid", "same"))
    same.set_weights(valid.get_weights())
    x = np.random.default_rng(0).random((1, 20, 22, 1), "float32")
    assert_close(np.asarray(same(x))[:, 6:-6, 6:-6], valid(x), rtol=1e-4)


def test_initial_weights_have_the_papers_standard_deviation():
    kernels = [w.numpy() for w in zoo.srcnn((33, 33, 1)).weights if w.name == "kernel"]
    assert [round(1e3 * float(k.std()), 1) for k in kernels] == [1.0, 1.0, 1.0]


def test_the_smallest_image_leaves_one_pixel():
    assert zoo.srcnn((13, 13, 1)).output.shape == (None, 1, 1, 1)
    with pytest.raises(ValueError, match=r"H and W of `input_shape` must be at least 13 \[pixels\], got \(12, 13, 1\)"):
        zoo.srcnn((12, 13, 1))


def test_even_kernel_sizes_are_refused():
    with pytest.raises(ValueError, match=r"srcnn: `kernel_sizes` must be odd, got \(9, 2, 5\)"):
        zoo.srcnn((33, 33, 1), kernel_sizes=(9, 2, 5))
