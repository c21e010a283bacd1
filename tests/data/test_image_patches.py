"""Images in memory: whole images in one split, patches, and errors."""

import numpy as np
import pytest

import recipes
from recipes.data.examples import SPLITS, Examples
from recipes.data.images.image_patches import ImageList, cut_patches, from_image_list, in_patches
from recipes.data.split import SplitOptions


def photos(*sizes):
    rng = np.random.default_rng(0)
    return [rng.integers(0, 255, (*size, 3), dtype="uint8") for size in sizes]


def test_the_bundled_photos_are_whole():
    data = recipes.load("bundled:photos?test=0.3")
    assert (data.task, data.shape, data.dtype, data.classes) == ("restoration", (None, None, 3), "uint8", ())
    names = [str(n) for split in SPLITS for n in getattr(data, split).names]
    assert len(names) == len(set(names)) == 7
    assert [len(getattr(data, split)) for split in SPLITS] == [4, 1, 2]
    assert dict(zip(names, [p.shape for q in SPLITS for p in getattr(data, q).inputs.images], strict=True)) == {
        "astronaut.png": (512, 512, 3), "chelsea.png": (300, 451, 3), "coffee.png": (400, 600, 3),
        "ihc.png": (512, 512, 3), "rocket.jpg": (427, 640, 3), "china.jpg": (427, 640, 3), "flower.jpg": (427, 640, 3),
    }  # fmt: skip
    assert recipes.load("bundled:photos?test=0.3&seed=1").split_description != data.split_description
    with pytest.raises(ValueError, match="`tile` in .* takes validation, test, seed"):
        recipes.load("bundled:photos?tile=48")


def test_training_and_validation_images_become_patches_and_test_images_stay_whole():
    images = photos(*[(20, 30)] * 3, *[(16, 17)] * 4)
    data = from_image_list(images, [f"p{i}" for i in range(7)], SplitOptions(test=0.3), name="seven")
    cut = in_patches(data, 8)
    assert cut.train.inputs.shape[1:] == (8, 8, 3) and len(cut.test) == 2
    for split in ("train", "validation"):
        for patch, name in zip(getattr(cut, split).inputs, getattr(cut, split).names, strict=True):
            image = images[int(name[1:])]
            corners = [(r, c) for r in range(0, 13, 8) for c in range(0, 23, 8)]
            assert any(np.array_equal(patch, image[r : r + 8, c : c + 8]) for r, c in corners)
    assert cut.test.inputs.read(0).shape in ((20, 30, 3), (16, 17, 3))
    assert in_patches(cut, 8) is cut
    assert [x.shape for x, _ in data.train.dataset().as_numpy_iterator()] == [x.shape for x in data.train.inputs.images]


def test_patches_lie_side_by_side_and_the_rest_is_left_out():
    (image,) = photos((9, 13))
    patches = cut_patches(Examples(ImageList((image,)), np.zeros(1)), 4)
    assert len(patches) == 2 * 3
    np.testing.assert_array_equal(patches.inputs[4], image[4:8, 4:8])
    assert len(cut_patches(Examples(image[None], np.zeros(1)), 4, 1)) == 6 * 10
    with pytest.raises(ValueError, match="`patch` must be at most 9, the side of the smallest image, got 10"):
        cut_patches(Examples(image[None], np.zeros(1)), 10)


def test_identical_images_are_in_one_split_and_other_bands_are_an_error():
    images = photos(*[(8, 8)] * 6)
    data = from_image_list([*images, images[0]], list("abcdefg"), SplitOptions(), name="twins")
    splits = [split for split in SPLITS for n in getattr(data, split).names if n in "ag"]
    assert len(set(splits)) == 1
    with pytest.raises(ValueError, match=r"images must be \(H, W, 3\) uint8, got \(8, 8, 1\) uint8: grey"):
        from_image_list([*images, images[0][..., :1]], [*"abcdef", "grey"], SplitOptions(), name="mixed")
