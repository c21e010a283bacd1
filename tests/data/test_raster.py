"""Georeferenced rasters with labels: read by tiles, split in space, and refused where they do not fit."""

import numpy as np
import pytest

from recipes.data import load
from recipes.data.images.mask_labels import IGNORE
from recipes.data.new_image import read_image_for
from recipes.data.new_inputs import file_batches
from recipes.data.preprocessing import preprocessing
from recipes.data.rasters.geotiff import open_raster, raster_info, read_window
from tests.tolerance import assert_close
from zoo.inputs import Band, InputSchema

rasterio = pytest.importorskip("rasterio", reason="rasterio is in the extra `raster`")

GRID = rasterio.Affine(10, 0, 500_000, 0, -10, 5_000_000)
RNG = np.random.default_rng(0)
TRUTH = RNG.integers(0, 2, (70, 90)).astype("uint8")
SCENE = [TRUTH * 1000.0 + RNG.integers(0, 500, TRUTH.shape), RNG.integers(0, 9000, TRUTH.shape)]
SCENE = np.stack(SCENE).astype("uint16")


def save(path, values, names=(), crs="EPSG:32632", transform=GRID, **options):
    """A GeoTIFF of (H, W) or (C, H, W)."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = values if values.ndim == 3 else values[None]
    size = {"count": len(values), "height": values.shape[1], "width": values.shape[2], "dtype": values.dtype}
    layout = {"tiled": True, "blockxsize": 16, "blockysize": 16}
    with rasterio.open(path, "w", driver="GTiff", crs=crs, transform=transform, **size, **layout, **options) as file:
        file.write(values)
        for i, name in enumerate(names, 1):
            file.set_band_description(i, name)
    return path


def source_of(path, scene=SCENE, truth=TRUTH, more="&tile=16", **options):
    """Writes one scene with its labels; returns the source string."""
    save(path / "scene.tif", scene, **options)
    save(path / "truth.tif", truth)
    return f"raster:{path / 'scene.tif'}?labels={path / 'truth.tif'}{more}"


def splits(data):
    return [data.train, data.validation, data.test]


# What is read


def test_tiles_are_read_on_demand_and_equal_the_files(tmp_path, monkeypatch):
    data = load(source_of(tmp_path))
    assert (data.task, data.kind, data.shape, data.dtype) == ("segmentation", "image", (16, 16, 2), "uint16")
    assert data.classes == ("0", "1") and data.missing == "error" and sum(map(len, splits(data))) == 5 * 6
    from recipes.data.rasters import tiles

    sizes, read_window = [], tiles.read_window
    monkeypatch.setattr(tiles, "read_window", lambda *args: sizes.append(args[-2:]) or read_window(*args))
    for split in splits(data):
        for (x, y), name in zip(split.dataset().as_numpy_iterator(), split.names, strict=True):
            row, column = map(int, np.array(name.split())[[2, 4]])
            window = np.s_[row : row + 16, column : column + 16]
            height, width = TRUTH[window].shape
            more = ((0, 16 - height), (0, 16 - width))
            inside = np.moveaxis(SCENE[(slice(None), *window)], 0, -1)
            np.testing.assert_array_equal(x, np.pad(inside, (*more, (0, 0)), "symmetric"))  # mirrored at the border
            np.testing.assert_array_equal(y, np.pad(TRUTH[window], more, constant_values=IGNORE))
    assert len(sizes) == 2 * 30 and max(map(max, sizes)) == 16  # never more than a tile
    some = data.test.take([1, 0])
    np.testing.assert_array_equal(some.head(2), np.stack([data.test.inputs.read(i) for i in (1, 0)]))
    np.testing.assert_array_equal(np.asarray(data.test.targets), [data.test.targets[i] for i in range(len(data.test))])


def test_blocks_of_tiles_are_in_one_split(tmp_path):
    data = load(source_of(tmp_path, more="&tile=8"))
    blocks = [{(r // 16, c // 16) for _, r, c in split.inputs.positions} for split in splits(data)]
    assert all(blocks) and not blocks[0] & blocks[1] and not (blocks[0] | blocks[1]) & blocks[2]
    assert "30 blocks of 2 x 2 tiles kept whole" in data.split_description and "seed 0" in data.split_description
    whole = load(source_of(tmp_path, more="&tile=8&validation=0&test=0"))
    assert len(whole.train) == 9 * 12 and len(whole.test) == 0 and "all in training" in whole.split_description


def test_nodata_in_any_band_is_ignored_and_left_out_of_the_statistics(tmp_path):
    scene = (SCENE + 1).astype("uint16")
    scene[:, :16, :16] = 0  # one tile is all nodata
    scene[1, 20, 20:24] = 0
    data = load(source_of(tmp_path, scene, nodata=0))
    assert data.missing == "pad" and data.dtype == "float32" and sum(map(len, splits(data))) == 29
    assert any("1 of 30 tiles are all nodata" in note for note in data.notes)
    gaps = 0
    for split in splits(data):
        for x, y in split.dataset().as_numpy_iterator():
            missing = np.isnan(x).any(-1)
            gaps += missing.sum()
            assert (np.isnan(x).all(-1) == missing).all() and (y[missing] == IGNORE).all()
    assert gaps == 4
    pixels = np.stack([data.train.inputs.read(i) for i in range(len(data.train))])
    prepare = preprocessing(data)
    normalized = np.asarray(prepare(pixels))
    flat = pixels.reshape(-1, 2).astype(np.float64)
    expected = (pixels - np.nanmean(flat, 0)) / np.nanstd(flat, 0)
    assert_close(normalized, np.nan_to_num(expected), rtol=1e-4)


def test_bands_are_read_by_number_or_by_name(tmp_path):
    named = load(source_of(tmp_path, more="&tile=16&bands=NIR", names=("red", "NIR")))
    assert named.shape == (16, 16, 1)
    numbered = load(source_of(tmp_path, more="&tile=16&bands=2,1"))
    np.testing.assert_array_equal(numbered.train.inputs.read(0)[..., :1], named.train.inputs.read(0))
    with pytest.raises(ValueError, match=r"`bands` must be of red, NIR, got 'NRI' for .*scene.tif. Did you mean `NIR`"):
        load(source_of(tmp_path, more="&bands=NRI", names=("red", "NIR")))
    with pytest.raises(ValueError, match=r"`bands` must be from 1 to 2, got 3 for .*scene.tif"):
        load(source_of(tmp_path, more="&bands=3"))
    with pytest.raises(ValueError, match="`bands` must be a number, got 'NIR'"):
        load("masks:images?labels=masks&bands=NIR")


def test_folders_and_patterns_pair_rasters_of_equal_names(tmp_path):
    for i in range(6):
        save(tmp_path / "x" / f"s{i}.tif", SCENE + i)
        save(tmp_path / "y" / f"s{i}.tif", TRUTH)
    data = load(f"raster:{tmp_path / 'x'}?labels={tmp_path / 'y'}&tile=16")
    again = load(f"raster:{tmp_path}/x/s*.tif?labels={tmp_path}/y/*.tif&tile=16&group=s(.).tif")
    assert sum(map(len, splits(data))) == sum(map(len, splits(again))) == 180
    files = [{name.split()[0] for name in split.names} for split in splits(again)]
    assert not set.intersection(*files) and len(set.union(*files)) == 6 and "6 groups" in again.split_description
    (tmp_path / "y" / "s1.tif").unlink()
    with pytest.raises(ValueError, match=r"every raster must have its labels, got .*s1.tif without labels"):
        load(f"raster:{tmp_path / 'x'}?labels={tmp_path / 'y'}")


def test_ignored_labels(tmp_path):
    truth = TRUTH + 1
    truth[:8], truth[8:16] = 0, 9
    more = "&tile=16&ignore=0&classes=bog=1&classes=wood=2"
    with pytest.raises(ValueError, match=r"must be 1, 2, or 255 .* got 9 in 128 pixels of truth.tif row 0 column 0"):
        load(source_of(tmp_path, truth=truth, more=more))
    data = load(source_of(tmp_path, truth=truth, more=more.replace("ignore=0", "ignore=0,9")))
    assert data.classes == ("bog", "wood") and sum(map(len, splits(data))) == 24
    assert any("6 of 30 tiles have no pixel with a label" in note for note in data.notes)
    source = source_of(tmp_path, more="&tile=16")
    save(tmp_path / "truth.tif", truth % 9, nodata=0)
    assert load(source).classes == ("1", "2")  # nodata of the labels is ignored ...
    assert load(source + "&classes=edge=0&classes=bog=1&classes=wood=2").classes[0] == "edge"  # ... unless it is named


def test_names_scale_offset_and_nodata_are_read(tmp_path):
    path = save(tmp_path / "a.tif", SCENE, ("red", "NIR"), nodata=7)
    raster = raster_info(path)
    assert (raster.names, raster.scales, raster.offsets, raster.nodata) == (("red", "NIR"), (1, 1), (0, 0), 7)
    assert not raster.is_scaled and raster_info(path, bands=("NIR",)).names == ("NIR",)
    assert load(source_of(tmp_path, names=("red", "NIR"))).bands == ("red", "NIR")
    assert load(source_of(tmp_path, names=("red",))).bands == ()


def rescaled(path, scales=(1, 1), offsets=(0, 0)):
    with rasterio.open(path, "r+") as file:
        file.scales, file.offsets = scales, offsets
    return path


def test_scale_and_offset_are_applied(tmp_path):
    source = source_of(tmp_path, SCENE + 1000)
    rescaled(tmp_path / "scene.tif", offsets=(-1000, -1000))
    data = load(source)
    assert data.dtype == "uint16" and "scale and offset of 1 rasters applied, as in scene.tif" in data.notes
    plain = load(source_of(tmp_path / "plain"))
    np.testing.assert_array_equal(data.train.inputs.read(0), plain.train.inputs.read(0))
    rescaled(tmp_path / "scene.tif", scales=(1e-4, 1e-4), offsets=(-0.1, -0.1))
    data = load(source)
    assert data.dtype == "float32" and raster_info(tmp_path / "scene.tif").dtype == "float32"
    assert_close(data.train.inputs.read(0), plain.train.inputs.read(0) * 1e-4, rtol=1e-5)
    for i in range(2):
        rescaled(save(tmp_path / "x" / f"{i}.tif", SCENE), scales=(1 if i else 1e-4, 1))
        save(tmp_path / "y" / f"{i}.tif", TRUTH)
    with pytest.raises(ValueError, match=r"same bands and depth, got 2 bands of float32 in .*0.tif and 2 of uint16 in"):
        load(f"raster:{tmp_path / 'x'}?labels={tmp_path / 'y'}&tile=16")


def test_values_below_the_range_are_clipped_and_nodata_stays(tmp_path):
    scene = np.maximum(SCENE, 1)
    scene[:, 0, 0], scene[:, 0, 1] = 0, 10
    source = source_of(tmp_path, scene, nodata=0)
    rescaled(tmp_path / "scene.tif", offsets=(-1000, -1000))
    data = load(source)
    assert data.missing == "pad" and data.dtype == "float32"
    with open_raster(tmp_path / "scene.tif") as file:
        pixels, valid = read_window(file, raster_info(tmp_path / "scene.tif"), 0, 0, 4, 4)
    assert not valid[0, 0] and valid[0, 1] and pixels.dtype == np.uint16 and pixels[0, 1].tolist() == [0, 0]


def test_rasters_with_bands_in_another_order_are_matched_by_name(tmp_path):
    for i, order in enumerate(([0, 1], [1, 0])):
        save(tmp_path / "x" / f"s{i}.tif", SCENE[order], np.array(["red", "NIR"])[order])
        save(tmp_path / "y" / f"s{i}.tif", TRUTH)
    source = f"raster:{tmp_path / 'x'}?labels={tmp_path / 'y'}&tile=16"
    data = load(source + "&validation=0&test=0")
    assert data.bands == ("red", "NIR") and "the bands of s1.tif are in another order: matched by name" in data.notes
    half = len(data.train) // 2
    for i in (0, half - 1):
        np.testing.assert_array_equal(data.train.inputs.read(i), data.train.inputs.read(half + i))
    assert load(source + "&bands=NIR").bands == ("NIR",)
    with pytest.raises(
        ValueError, match=r"the same bands, got red, NIR in .*s0.tif and NIR, red in .* names of the bands"
    ):
        load(source + "&bands=1,2")
    save(tmp_path / "x" / "s1.tif", SCENE, ("red", "SWIR"))
    with pytest.raises(ValueError, match=r"the same bands, got red, NIR in .*s0.tif and red, SWIR in .*s1.tif"):
        load(source)
    save(tmp_path / "x" / "s1.tif", SCENE)
    assert "1 rasters do not name their bands: read in the order of the file" in load(source).notes


def test_a_nodata_value_that_may_be_a_class_is_named(tmp_path):
    source = source_of(tmp_path)
    save(tmp_path / "truth.tif", TRUTH, nodata=0)
    with pytest.raises(ValueError, match="have the nodata value 0, which is ignored unless `classes` names it"):
        load(source)
    assert load(source + "&classes=background=0&classes=tree=1").classes == ("background", "tree")


# What is refused


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"crs": "EPSG:32633"}, r"one CRS, got EPSG:32632 of .*scene.tif and EPSG:32633 of .*truth.tif"),
        (
            {"transform": rasterio.Affine(10, 0, 500_005, 0, -10, 5_000_000)},
            r"one transform, got .*scene.tif and .*truth.tif",
        ),
    ],
)
def test_labels_on_another_grid_are_refused(tmp_path, options, message):
    source = source_of(tmp_path)
    save(tmp_path / "truth.tif", TRUTH, **options)
    with pytest.raises(ValueError, match=message):
        load(source)
    save(tmp_path / "truth.tif", TRUTH[1:])
    with pytest.raises(ValueError, match=r"one size, got 70 x 90 of .*scene.tif and 69 x 90 of .*truth.tif"):
        load(source)


def test_unsuitable_files_are_named_in_the_error(tmp_path):
    source = source_of(tmp_path)
    with pytest.raises(ValueError, match=r"no raster .* at .*scen.tif. Did you mean `scene.tif`"):
        load(source.replace("scene.tif", "scen.tif"))
    with pytest.raises(ValueError, match="read_raster: missing a required argument: 'labels'"):
        load(source.split("?")[0])
    with pytest.raises(ValueError, match=r"labels must have one band, got 2 in .*scene.tif"):
        load(source.replace("truth.tif", "scene.tif"))
    save(tmp_path / "truth.tif", TRUTH + np.float32(0.5))
    with pytest.raises(ValueError, match=r"labels must be whole numbers, got .* in .*truth.tif"):
        load(source)
    with pytest.raises(ValueError, match=r"must have pixels with a label, got none but nodata in .*scene.tif"):
        load(source_of(tmp_path, np.zeros((1, 70, 90), "uint8"), nodata=0))
    source = source_of(tmp_path)
    content = (tmp_path / "scene.tif").read_bytes()
    (tmp_path / "scene.tif").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"readable to its end, got .*scene.tif"):
        load(source)
    source = source_of(tmp_path)
    content = (tmp_path / "truth.tif").read_bytes()
    (tmp_path / "truth.tif").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"readable to its end, got .*truth.tif"):
        load(source)
    (tmp_path / "scene.tif").write_bytes(b"no raster")
    with pytest.raises(ValueError, match=r"readable to its end, got .*scene.tif"):
        load(source)


# New files for a trained model


SCHEMA = InputSchema(
    "image", (16, 16, 2), "uint16", bands=(Band("red"), Band("NIR")), image={"size": "tiles"}, missing="error"
)


@pytest.mark.parametrize("names", [("red", "NIR"), ("RED", "nir"), ("nir", "Red"), ()])
def test_bands_of_a_new_file_are_matched_by_name_in_any_case(tmp_path, names):
    order = [1, 0] if names[:1] == ("nir",) else [0, 1]
    path, notes = save(tmp_path / "new.tif", SCENE[order, :16, :16], names), []
    np.testing.assert_array_equal(read_image_for(SCHEMA, path, notes), SCENE[:, :16, :16].transpose(1, 2, 0))
    assert [n.partition(": ")[2] for n in notes] == ["its bands have no names; they are read as red, NIR"] * (not names)


def test_a_new_file_that_names_one_band_only_is_refused(tmp_path):
    path = save(tmp_path / "new.tif", SCENE[[1, 0], :16, :16], ("NIR",))
    with pytest.raises(ValueError, match="bands must be red, NIR, as in training, got NIR, one without a name in"):
        read_image_for(SCHEMA, path)


def test_a_new_raster_of_another_size_than_the_tiles_is_refused(tmp_path):
    files = [save(tmp_path / f"{side}.tif", SCENE[:, :side, :side], ("red", "NIR")) for side in (16, 32)]
    (batch,) = file_batches(SCHEMA, files, 4, size=(16, 16))
    assert batch.names == [str(files[0])]
    assert list(batch.failures.values()) == [
        "the image must have 16 x 16 pixels, as the tiles in training, got 32 x 32; `zoo predict-raster` predicts "
        "rasters of any size"
    ]
