"""Images with masks beyond the memory: the same examples as in memory, read on demand, trained and evaluated."""

import numpy as np
import pytest
from PIL import Image

import recipes
from recipes.data import load
from recipes.data.images import mask_scenes, masks
from recipes.data.images.mask_labels import IGNORE
from recipes.data.images.mask_scenes import SceneImages, tile_at

SPLITS = ("train", "validation", "test")


@pytest.fixture
def source(tmp_path):
    """A source string of 12 scenes of 20 x 14 pixels with masks of 0, 1 and 9."""
    rng = np.random.default_rng(0)
    for folder in ("images", "masks"):
        (tmp_path / folder).mkdir()
    for i in range(12):
        mask = np.kron(rng.choice([0, 1, 9], (4, 7), p=[0.5, 0.4, 0.1]), np.ones((5, 2))).astype("uint8")
        image = (mask[..., None] * 80 + rng.integers(0, 40, (20, 14, 3))).astype("uint8")
        Image.fromarray(image).save(tmp_path / "images" / f"{i}.png")
        Image.fromarray(mask).save(tmp_path / "masks" / f"{i}.png")
    return f"masks:{tmp_path / 'images'}?labels={tmp_path / 'masks'}&ignore=9&classes=bog=0&classes=wood=1"


@pytest.fixture
def on_demand(monkeypatch):
    """Makes every folder too large for the memory."""
    return lambda: monkeypatch.setattr(masks, "MAX_BYTES_IN_MEMORY", 0)


@pytest.mark.parametrize("tile", ["", "&tile=8"])
def test_scenes_on_demand_are_those_in_memory(source, on_demand, tile):
    in_memory = load(source + tile)
    on_demand()
    data = load(source + tile)
    assert isinstance(data.train.inputs, SceneImages)
    assert data.notes == ("images and masks are read from their files when they are needed", *in_memory.notes)
    assert (data.shape, data.dtype, data.classes) == (in_memory.shape, in_memory.dtype, in_memory.classes)
    assert data.split_description == in_memory.split_description
    for name in SPLITS:
        split, other = getattr(data, name), getattr(in_memory, name)
        assert list(split.names) == list(other.names) and len(split) > 0
        np.testing.assert_array_equal(split.head(99), other.inputs)
        np.testing.assert_array_equal(np.asarray(split.targets), other.targets)
        assert (other.targets == IGNORE).any()
        pairs = list(split.dataset().as_numpy_iterator())
        np.testing.assert_array_equal(np.stack([x for x, _ in pairs]), other.inputs)
        np.testing.assert_array_equal(np.stack([y for _, y in pairs]), other.targets)


def test_a_training_on_demand_is_evaluated_as_one_in_memory(source, on_demand):
    in_memory = load(source)
    on_demand()
    task = recipes.Segmentation(epochs=1, batch_size=4)
    run = task.fit("unet", load(source), verbose=False, filters=4)
    assert run.evaluate("test") == run.replace(data=in_memory).evaluate("test")
    assert len(task.figures(run, "test")) == 3


@pytest.mark.parametrize("length", range(1, 12))
def test_a_tile_beyond_the_border_is_mirrored_as_the_whole_image_is(length):
    values = np.arange(length * 3 * 2).reshape(length, 3, 2)
    side = 4
    padded = np.pad(values, ((0, -length % side), (0, 1), (0, 0)), "symmetric")
    filled = np.pad(values[..., 0], ((0, -length % side), (0, 1)), constant_values=7)
    for row in range(-(-length // side)):
        window = np.s_[row * side : (row + 1) * side, :side]
        np.testing.assert_array_equal(tile_at(values, side, row, 0), padded[window])
        np.testing.assert_array_equal(tile_at(values[..., 0], side, row, 0, 7), filled[window])


def test_bands_on_demand_are_matched_by_name():
    image = np.arange(8).reshape(1, 2, 4)
    ordered = mask_scenes.in_order(image, ("b", "a", "d", "c"), ("a", "b", "c", "d"), "x.tif")
    assert ordered[0, 0].tolist() == [1, 0, 3, 2]
    with pytest.raises(ValueError, match="all images must have the bands a, b, got a, c in x.tif"):
        mask_scenes.in_order(image, ("a", "c"), ("a", "b"), "x.tif")
