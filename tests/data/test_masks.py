"""Images with masks: read, cut, split in space, and refused where they do not fit."""

import numpy as np
import pytest
from PIL import Image

from recipes.data import load
from recipes.data.images.mask_labels import IGNORE, separated
from recipes.data.images.masks import BLOCK_TILES, tiles

RNG = np.random.default_rng(0)
INSTANCES = np.zeros((8, 8), int)
INSTANCES[1:5, 1:3], INSTANCES[1:5, 3:6], INSTANCES[6:, 6:] = 1, 2, 3


def save(folder, name, values):
    folder.mkdir(parents=True, exist_ok=True)
    if name.endswith(".npy"):
        np.save(folder / name, values)
    else:
        Image.fromarray(values).save(folder / name)
    return folder / name


def folders(path, count=12, side=8, values=(0, 1)):
    """Writes `count` images with masks of their bright pixels; returns the source string."""
    for i in range(count):
        mask = RNG.integers(0, 2, (side, side))
        save(path / "images", f"scene{i}.png", (mask * 100 + i).astype("uint8"))
        save(path / "masks", f"scene{i}.png", np.array(values, "uint8")[mask])
    return f"masks:{path / 'images'}?labels={path / 'masks'}"


def splits(data):
    return [data.train, data.validation, data.test]


# What is read


def test_folders_of_equal_names_become_images_with_masks(tmp_path):
    data = load(folders(tmp_path) + "&classes=ground&classes=tree&validation=0.25&test=0.25")
    assert (data.task, data.kind, data.shape, data.dtype) == ("segmentation", "image", (8, 8, 1), "uint8")
    assert data.classes == ("ground", "tree") and [len(p) for p in splits(data)] == [6, 3, 3]
    assert data.train.targets.dtype == np.uint8 and data.train.targets.shape == (6, 8, 8)
    for split in splits(data):
        np.testing.assert_array_equal(split.inputs[..., 0] >= 100, split.targets == 1)
    assert "whole images in one split" in data.split_description and "seed 0" in data.split_description
    names = np.concatenate([p.names for p in splits(data)])
    assert len(set(names)) == 12 and "scene3.png" in names
    again = load(data.name and folders(tmp_path) + "&seed=1")
    assert list(again.train.names) != list(data.train.names)


def test_masks_of_0_and_255_are_two_classes_and_255_beside_others_is_ignored(tmp_path):
    two = load(folders(tmp_path / "two", values=(0, 255)))
    assert two.classes == ("0", "255") and set(np.unique(two.train.targets)) == {0, 1}
    assert any("masks of 0 and 255" in note for note in two.notes)
    some = np.array([[0, 1], [2, 255]])
    data = load((np.zeros((3, 2, 2, 1), "uint8"), np.stack([some] * 3)), task="segmentation", validation=0, test=0)
    np.testing.assert_array_equal(data.train.targets[0], [[0, 1], [2, IGNORE]])
    assert any("25.0% of the pixels are ignored" in note for note in data.notes)
    coded = load(
        (np.zeros((3, 1, 2, 1)), np.array([[[12, 7]]] * 3)), task="segmentation", classes=("wood=12", "bog=7"),
        validation=0, test=0,
    )  # fmt: skip
    assert coded.classes == ("bog", "wood") and coded.train.targets[0].tolist() == [[1, 0]]


def test_numbered_instances_become_foreground_separated_or_boundary():
    x, y = np.zeros((2, 8, 8, 1), "uint8"), np.stack([INSTANCES, INSTANCES])

    def read(how):
        data = load((x, y), task="segmentation", instances=how, validation=0, test=0)
        return data.classes, data.train.targets[0]

    classes, labels = read("foreground")
    assert classes == ("background", "foreground")
    np.testing.assert_array_equal(labels, INSTANCES > 0)
    _, labels = read("separated")
    np.testing.assert_array_equal(labels, separated(INSTANCES))
    assert not labels[1:5, 2:4].any() and labels[1:5, 1].all() and labels[1:5, 4:6].all() and labels[6:, 6:].all()
    classes, labels = read("boundary")
    assert classes[2] == "boundary"
    np.testing.assert_array_equal(labels > 0, INSTANCES > 0)
    assert labels[2, 1] == 2 and labels[2, 4] == 1 and (labels[1:5, 2:4] == 2).all()


def test_depth_bands_and_palettes_are_unchanged(tmp_path):
    for i in range(3):
        save(tmp_path / "x", f"{i}.npy", RNG.integers(0, 4000, (4, 4, 5)).astype("uint16"))
        mask = Image.fromarray(RNG.integers(0, 2, (4, 4)).astype("uint8"), mode=None).convert("P")
        mask.putpalette([9, 9, 9, 200, 0, 0, 0, 0, 0])
        (tmp_path / "y").mkdir(exist_ok=True)
        mask.save(tmp_path / "y" / f"{i}.png")
    source = f"masks:{tmp_path / 'x'}?labels={tmp_path / 'y'}&validation=0&test=0"
    data = load(source)
    assert (data.shape, data.dtype, data.classes) == ((4, 4, 5), "uint16", ("0", "1"))
    some = load(source + "&bands=4,1")
    np.testing.assert_array_equal(some.train.inputs, data.train.inputs[..., [3, 0]])
    deep = save(tmp_path / "deep", "a.tif", (RNG.random((4, 4)) * 60000).astype("uint16"))
    one = load(f"masks:{deep}?labels={tmp_path / 'y' / '0.png'}&validation=0&test=0")
    assert one.dtype == "uint16" and one.train.inputs.max() > 255


# Tiles and the split in space


def test_tiles_lie_side_by_side_and_the_rest_is_mirrored_and_ignored():
    image = np.arange(35).reshape(5, 7, 1)
    cut = list(tiles(image, np.zeros((5, 7), "uint8"), 4))
    assert [place for *_, place in cut] == [(0, 0), (0, 1), (1, 0), (1, 1)]
    np.testing.assert_array_equal(cut[0][0], image[:4, :4])
    pixels, mask, _ = cut[3]
    np.testing.assert_array_equal(pixels[0, :, 0], [32, 33, 34, 34])
    assert (mask == IGNORE).sum() == 16 - 3
    assert sum((mask != IGNORE).sum() for _, mask, _ in cut) == 35  # every pixel once


def test_one_large_image_is_split_in_space():
    y, x = np.mgrid[:64, :64]
    image = np.stack([y, x], -1)[None].astype("uint8")  # the value of each pixel is its position
    data = load((image, RNG.integers(0, 2, (1, 64, 64))), task="segmentation", tile=8, validation=0.25, test=0.25)
    split_index = np.full((64, 64), -1)
    for i, split in enumerate(splits(data)):
        for tile in split.inputs.astype(int):
            assert (split_index[tile[..., 0], tile[..., 1]] == -1).all()  # no pixel is there twice
            split_index[tile[..., 0], tile[..., 1]] = i
    assert (split_index >= 0).all() and len(data.train) == 32
    blocks = (
        split_index.reshape(64 // (8 * BLOCK_TILES), 8 * BLOCK_TILES, -1, 8 * BLOCK_TILES)
        .swapaxes(1, 2)
        .reshape(-1, (8 * BLOCK_TILES) ** 2)
    )
    assert (blocks.min(1) == blocks.max(1)).all()  # blocks of tiles are in one split
    assert "tiles of 8 x 8 pixels without overlap, in 16 blocks of 2 x 2 tiles kept whole" in data.split_description


def test_many_images_stay_whole_and_groups_too(tmp_path):
    source = folders(tmp_path, 12, 8)
    tiled = load(source + "&tile=4")
    owners = [{n.split()[0] for n in split.names} for split in splits(tiled)]
    assert sum(map(len, owners)) == 12 and len(tiled.train.names) == 4 * len(owners[0])
    grouped = load(source + r"&group=scene(\d)")  # scene1, scene10 and scene11 are one group
    split_index = [i for i, split in enumerate(splits(grouped)) for n in split.names if n.startswith("scene1")]
    assert len(split_index) == 3 and len(set(split_index)) == 1
    assert "10 groups" in grouped.split_description


def test_given_parts_stay_as_they_are_and_shared_images_are_noted():
    x, y = RNG.integers(0, 255, (6, 4, 4, 1)).astype("uint8"), np.stack([np.eye(4, dtype=int)] * 6)
    data = load(((x[:4], y[:4]), (x[3:], y[3:])), task="segmentation", validation=0)
    assert [len(p) for p in splits(data)] == [4, 0, 3]
    assert any("1 images of the test split are also in training" in note for note in data.notes)


@pytest.mark.parametrize(("name", "count", "fraction"), [("nuclei", 64, 0.199), ("footprints", 81, 0.042)])
def test_bundled_scenes_are_as_counted(name, count, fraction):
    data = load(f"bundled:{name}")
    assert sum(map(len, splits(data))) == count and data.dtype == "uint16"
    assert np.mean(np.concatenate([p.targets for p in splits(data)]) == 1) == pytest.approx(fraction, abs=5e-4)
    side = data.shape[0] * 2
    other = load(f"bundled:{name}?tile={side}")
    assert other.shape == (side, side, 1) and len(other.train) and len(other.test)


# What is refused


def test_files_that_do_not_fit_are_named_in_the_error(tmp_path):
    source = folders(tmp_path)
    (tmp_path / "masks" / "scene3.png").rename(tmp_path / "scene3.png")
    with pytest.raises(ValueError, match=r"every image must have its mask, got .*scene3.png without mask"):
        load(source)
    save(tmp_path / "masks", "scene3.png", np.zeros((9, 8), "uint8"))
    with pytest.raises(
        ValueError, match=r"one size, got \(8, 8\) of .*images.scene3.png and \(9, 8\) of .*masks.scene3"
    ):
        load(source)
    save(tmp_path / "masks", "scene3.png", np.full((8, 8), 4, "uint8"))
    with pytest.raises(ValueError, match=r"values of a mask must be 0, 1, or 255 .*, got 4 in 64 pixels of scene3.png"):
        load(source + "&classes=a&classes=b")
    save(tmp_path / "masks", "scene3.png", np.zeros((8, 8, 3), "uint8") + np.arange(3, dtype="uint8"))
    with pytest.raises(ValueError, match=r"one whole number per pixel, got colors in .*scene3.png"):
        load(source)
    whole = (tmp_path / "masks" / "scene4.png").read_bytes()
    save(tmp_path / "masks", "scene3.png", np.ones((8, 8), "uint8"))
    (tmp_path / "images" / "scene4.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"every image must be readable, got .*scene4.png"):
        load(source)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("&bands=2", r"`bands` must be from 1 to 1, got 2 for .*scene0.png"),
        ("&classes=a", r"values of a mask must be 0, or 255 .*, got 1"),
        ("&instances=cells", r"`instances` must be one of 'foreground'"),
        ("&missing=drop", r"unknown option `missing` in .* masks: takes labels, classes"),
        ("&group=plot", r"`group` must match every image's name, got 'plot' not in scene0.png"),
    ],
)
def test_unsuitable_options_are_errors(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        load(folders(tmp_path) + options)


def test_images_of_different_sizes_need_a_tile(tmp_path):
    source = folders(tmp_path)
    save(tmp_path / "images", "wide.png", np.zeros((8, 12), "uint8"))
    save(tmp_path / "masks", "wide.png", np.ones((8, 12), "uint8"))
    with pytest.raises(ValueError, match=r"`tile` must be given where images differ in size.*8 x 12 of wide.png"):
        load(source)
    assert load(source + "&tile=8").shape == (8, 8, 1)
    save(tmp_path / "images", "wide.png", np.zeros((8, 12, 3), "uint8"))
    with pytest.raises(ValueError, match=r"the same bands and depth, got 1 bands .* and 3 bands of uint8 in wide.png"):
        load(source + "&tile=8")


def test_unsuitable_arrays_and_paths_are_errors(tmp_path):
    x, y = np.zeros((4, 8, 8, 1), "uint8"), np.zeros((4, 8, 8), int)
    for arrays, message in (
        ((x, y[:, :4]), r"x must be \(N, H, W, C\) numbers and the masks \(N, H, W\)"),
        ((x, y), "two classes or more, got only '0'|`classes` must be given for masks of 1 values"),
        ((x, np.arange(256).reshape(4, 8, 8)), "masks of 255 values; where each number is an instance"),
        ((x * np.float32("nan"), y), "x must be finite"),
    ):
        with pytest.raises(ValueError, match=message):
            load(arrays, task="segmentation")
    with pytest.raises(ValueError, match="read_masks: missing a required argument: 'labels'"):
        load(f"masks:{tmp_path}")
    folders(tmp_path)
    with pytest.raises(ValueError, match=r"there is no folder or file .*image.Did you mean|no folder or file .*image"):
        load(f"masks:{tmp_path / 'image'}?labels={tmp_path / 'masks'}")
