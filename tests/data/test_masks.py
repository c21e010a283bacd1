"""Images with masks: read, cut, split in space, and refused where they do not fit."""

import numpy as np
import pytest
from PIL import Image

from recipes.data import load, reopen
from recipes.data.images.mask_files import read_mask
from recipes.data.images.mask_labels import IGNORE, separated
from recipes.data.images.mask_scenes import tiles
from recipes.data.images.masks import BLOCK_TILES

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


def mask_folder(path, masks, suffix="png", **options):
    """Writes images with these masks (arrays or Pillow images); returns the source string."""
    for i, mask in enumerate(masks):
        save(path / "images", f"{i}.png", RNG.integers(0, 255, (8, 8, 3)).astype("uint8"))
        (path / "masks").mkdir(exist_ok=True)
        mask = mask if isinstance(mask, Image.Image) else Image.fromarray(mask)
        mask.save(path / "masks" / f"{i}.{suffix}", **options)
    return f"masks:{path / 'images'}?labels={path / 'masks'}&validation=0&test=0"


def disk(*values, side=8):
    """A mask of the first value with a square of the second, and of the third beside it."""
    mask = np.full((side, side), values[0], "uint8")
    for i, value in enumerate(values[1:]):
        mask[side // 4 : side // 2, i * 3 : i * 3 + 3] = value
    return mask


def test_jpeg_masks_of_0_and_255_are_thresholded_aloud_and_others_refused(tmp_path):
    binary = np.kron(disk(0, 255), np.ones((4, 4), "uint8"))
    source = mask_folder(tmp_path / "two", [binary] * 3, "jpg", quality=75)
    for i in range(3):
        save(tmp_path / "two" / "images", f"{i}.png", RNG.integers(0, 255, (32, 32, 3)).astype("uint8"))
    with pytest.warns(UserWarning, match="3 masks are JPEG, whose values were set to the nearer of 0 and 255"):
        data = load(source)
    assert data.classes == ("0", "255")
    np.testing.assert_array_equal(data.train.targets[0], binary == 255)
    for i, masks in enumerate((disk(0, 1), disk(0, 128, 255), disk(0, 60, 120))):
        source = mask_folder(tmp_path / f"more{i}", [masks] * 3, "jpg", quality=60)
        with pytest.raises(ValueError, match=r"must be a PNG, TIFF or .npy file, got a JPEG of .* values? in .*.jpg"):
            load(source)
    source = mask_folder(tmp_path / "webp", [disk(0, 1, 2)] * 3, "webp", quality=50)
    with pytest.raises(ValueError, match=r"got a JPEG|got colors"):
        load(source)


@pytest.mark.parametrize("values", [(0, 128), (0, 127, 200), (3, 90), (0, 2)])
def test_255_beside_gray_levels_must_be_named_or_ignored(tmp_path, values):
    source = mask_folder(tmp_path, [disk(*values, 255)] * 3)
    names = ", ".join(f"NAME={v}" for v in (*values, 255))
    with pytest.raises(
        ValueError, match=f"the value 255 must be a class or be ignored .* classes to {names}, or ignore"
    ):
        load(source)
    ignored = load(source + "&ignore=255")
    assert ignored.classes == tuple(map(str, values)) and (ignored.train.targets == IGNORE).any()
    assert reopen(str(ignored.source_spec)).classes == ignored.classes
    named = load(source + "".join(f"&classes=c{v}%3D{v}" for v in (*values, 255)))
    assert len(named.classes) == len(values) + 1 and not (named.train.targets == IGNORE).any()
    arrays = (np.zeros((1, 8, 8, 1), "uint8"), disk(*values, 255)[None])
    assert load(arrays, task="segmentation", ignore=(255,), validation=0, test=0).classes == ignored.classes


def test_further_values_can_be_ignored(tmp_path):
    data = load(mask_folder(tmp_path, [disk(0, 1, 9)] * 3) + "&ignore=9")
    assert data.classes == ("0", "1") and (data.train.targets[0] == IGNORE).sum() == (disk(0, 1, 9) == 9).sum()


def test_masks_of_every_mode_are_read_as_documented(tmp_path):
    expected = disk(0, 1)
    gray = Image.fromarray(expected)
    palette = Image.fromarray(expected)
    palette.putpalette([255, 255, 255, 200, 0, 0])
    modes = {
        "l.png": gray, "l.tif": gray, "p.png": palette, "p.gif": palette, "p.bmp": palette, "p.tif": palette,
        "bw.png": Image.fromarray(expected.astype(bool)), "bw.tif": Image.fromarray(expected.astype(bool)),
        "rgb.png": Image.merge("RGB", [gray] * 3), "i16.png": Image.fromarray(expected.astype("uint16")),
        "rgba.png": Image.merge("RGBA", [gray] * 3 + [Image.new("L", (8, 8), 255)]),
        "la.png": Image.merge("LA", [gray, Image.new("L", (8, 8), 255)]),
    }  # fmt: skip
    for name, mask in modes.items():
        mask.save(tmp_path / name)
        np.testing.assert_array_equal(read_mask(tmp_path / name).values, expected, err_msg=name)
    save(tmp_path, "f.npy", expected.astype("float32"))
    np.testing.assert_array_equal(read_mask(tmp_path / "f.npy").values, expected)
    Image.merge("RGBA", [gray] * 4).save(tmp_path / "clear.png")
    with pytest.raises(ValueError, match=r"a mask must be opaque, got transparency in .*clear.png"):
        read_mask(tmp_path / "clear.png")
    palette.convert("RGB").save(tmp_path / "colors.png")
    with pytest.raises(ValueError, match=r"got colors in .*colors.png: \(200, 0, 0\), \(255, 255, 255\); save it with"):
        read_mask(tmp_path / "colors.png")


def test_palettes_of_other_colors_for_the_same_values_are_refused(tmp_path):
    colors = {0: (0, 0, 0), 1: (255, 0, 0), 2: (0, 0, 255)}
    for i in range(4):
        mask = Image.fromarray(disk(0, 1, 2).astype("uint8"))
        order = (0, 1, 2) if i < 3 else (0, 2, 1)
        mask.putpalette([value for index in order for value in colors[index]])
        save(tmp_path / "images", f"{i}.png", RNG.integers(0, 256, (8, 8, 3)).astype("uint8"))
        (tmp_path / "masks").mkdir(exist_ok=True)
        mask.save(tmp_path / "masks" / f"{i}.png")
    source = f"masks:{tmp_path / 'images'}?labels={tmp_path / 'masks'}"
    with pytest.raises(ValueError, match=r"got \(255, 0, 0\) for the value 1 in .*0.png and \(0, 0, 255\) in .*3.png"):
        load(source)
    (tmp_path / "masks" / "3.png").write_bytes((tmp_path / "masks" / "2.png").read_bytes())
    assert load(source).classes == ("0", "1", "2")


def test_the_nodata_of_a_mask_is_ignored(tmp_path):
    rasterio = pytest.importorskip("rasterio", reason="rasterio is in the extra `raster`")
    with rasterio.open(tmp_path / "m.tif", "w", driver="GTiff", count=1, height=8, width=8, dtype="int16", nodata=-99,
                       crs="EPSG:32633", transform=rasterio.Affine(1, 0, 5, 0, -1, 5)) as file:  # fmt: skip
        file.write(np.where(disk(0, 1) == 1, -99, 2).astype("int16"), 1)
    np.testing.assert_array_equal(read_mask(tmp_path / "m.tif").values, np.where(disk(0, 1) == 1, -1, 2))


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("img_{}", "img_{}_mask"),
        ("{}", "{}_mask"),
        ("img{}", "mask{}"),
        ("{}_rgb", "{}-seg"),
        ("a{}b", "c{}d"),
        ("x{}", "x{}"),
    ],
)
def test_names_with_one_prefix_or_suffix_are_matched(tmp_path, image, mask):
    for i in range(12):
        save(tmp_path / "images", f"{image.format(i)}.png", np.full((8, 8), i, "uint8"))
        save(tmp_path / "masks", f"{mask.format(i)}.png", np.full((8, 8), i % 2, "uint8"))
    source = f"masks:{tmp_path / 'images'}?labels={tmp_path / 'masks'}"
    data = load(source)
    for split in splits(data):
        np.testing.assert_array_equal(split.inputs[..., 0] % 2, split.targets)
    assert any("images matched by name" in note for note in data.notes) == (image != mask)
    (tmp_path / "masks" / f"{mask.format(3)}.png").unlink()
    with pytest.raises(
        ValueError, match=r"every image must have its mask, got .* without .* as in img_1.png and img_1_mask"
    ):
        load(source)


def test_an_image_turned_by_its_exif_beside_a_mask_that_is_not(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "images").mkdir()
    Image.fromarray(np.zeros((8, 12), "uint8")).save(tmp_path / "images" / "a.png", exif=exif)
    save(tmp_path / "masks", "a.png", np.eye(8, 12).astype("uint8"))
    source = f"masks:{tmp_path / 'images'}?labels={tmp_path / 'masks'}&validation=0&test=0"
    with pytest.raises(ValueError, match=r"one size, got \(12, 8\) of .*a.png and \(8, 12\) of .*turned by its EXIF"):
        load(source)
    Image.fromarray(np.eye(8, 12).astype("uint8")).save(tmp_path / "masks" / "a.png", exif=exif)
    np.testing.assert_array_equal(load(source).train.targets[0], np.rot90(np.eye(8, 12), -1))


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
