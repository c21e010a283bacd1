"""Boxes in images and rasters that are predicted in tiles, and layers in a raster's coordinates."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest

import recipes
from recipes.data.rasters.geotiff import raster_info
from recipes.prediction import detection_predictor, tiled_boxes
from recipes.prediction.merge_boxes import Tiles, merge_boxes
from recipes.runs.detect_files import detect_frames
from tests.prediction.box_scenes import boxes_of, save_photo, save_raster, scene
from tests.tolerance import assert_close


def test_small_animals_are_found_in_tiles_and_lost_in_the_shrunk_image(sharp, tmp_path):
    boxes = {(700, 300, 712, 314): "red", (100, 620, 112, 630): "blue"}
    photo = save_photo(tmp_path / "large.png", (768, 1024), boxes)
    recipes.detect_files(sharp, photo, tmp_path / "whole.csv", threshold=0)
    assert not len(boxes_of(pd.read_csv(tmp_path / "whole.csv")))
    recipes.detect_files(sharp, photo, tmp_path / "tiled.csv", tile_size=128)
    frame = pd.read_csv(tmp_path / "tiled.csv").sort_values("x1")
    assert frame["class"].tolist() == ["blue", "red"]
    np.testing.assert_allclose(boxes_of(frame), [[100, 620, 112, 630], [700, 300, 712, 314]], rtol=0, atol=2)


@pytest.mark.parametrize("overlap", [0, 16, 32, 96])
def test_one_object_is_one_box_wherever_the_tiles_cut_it(sharp, tmp_path, overlap):
    boxes = {
        (110, 20, 150, 60): "red",  # cut by a vertical border
        (10, 100, 60, 150): "red",  # by a horizontal one
        (100, 110, 160, 170): "blue",  # by the corner of four tiles
        (200, 10, 212, 250): "blue",  # by several borders
        (126, 230, 140, 244): "red",  # two pixels beyond a border
        (20, 200, 40, 220): "red",  # not cut
    }
    photo = save_photo(tmp_path / "large.png", (256, 256), boxes)
    recipes.detect_files(sharp, photo, tmp_path / "boxes.csv", tile_size=128, overlap=overlap, threshold=0)
    frame = pd.read_csv(tmp_path / "boxes.csv").sort_values(["x1", "y1"])
    np.testing.assert_allclose(boxes_of(frame), sorted(boxes), rtol=0, atol=4)
    assert frame["class"].tolist() == [boxes[box] for box in sorted(boxes)]


def test_no_false_boxes_at_the_edges_of_tiles_and_of_nodata(sharp, tmp_path):
    pixels = scene((256, 256), {(96, 40, 129, 72): "red"})  # one pixel wide in the second tile
    pixels[:, 200:] = 220  # nodata, as is one band of the red object
    raster = save_raster(tmp_path / "scene.tif", pixels, nodata=220)
    recipes.detect_files(sharp, raster, tmp_path / "boxes.csv", tile_size=128, overlap=64, threshold=0)
    frame = pd.read_csv(tmp_path / "boxes.csv")
    assert frame["class"].tolist() == ["red"]
    np.testing.assert_allclose(boxes_of(frame), [[96, 40, 129, 72]], rtol=0, atol=2)


def test_an_object_that_two_tiles_place_differently_is_one_box():
    boxes = np.array([[70, 20, 90, 40], [62, 22, 84, 50], [72, 22, 88, 38]], float)
    tiles = Tiles([0], [0, 48], (96, 96), (96, 144))
    arguments = boxes, np.array([0.9, 0.8, 0.7]), np.array([0, 0, 0])
    merged, scores, _ = merge_boxes(*arguments, np.array([[0, 0], [0, 48], [0, 0]]), tiles, iou=0.7)
    assert_close(merged, boxes[[0, 2]])  # the third one is of the first one's tile, whose detector has kept both
    assert_close(scores, [0.9, 0.7])
    assert len(merge_boxes(boxes, arguments[1], np.array([0, 1, 0]), np.zeros((3, 2), int), tiles, 0.7)[0]) == 3


def test_boxes_of_different_classes_do_not_suppress_each_other(run, tmp_path, monkeypatch):
    rows = np.array([[[0.2, 0.2, 0.6, 0.6, 0.9, 0], [0.2, 0.2, 0.6, 0.6, 0.8, 1]]], "float32")
    monkeypatch.setattr(tiled_boxes, "predict_batch", lambda run, images: np.repeat(rows, len(images), axis=0))
    photo = save_photo(tmp_path / "photo.png", (64, 64))
    recipes.detect_files(run, photo, tmp_path / "boxes.csv", tile_size=64)
    assert pd.read_csv(tmp_path / "boxes.csv")["class"].tolist() == ["blue", "red"]


def test_memory_does_not_grow_with_the_raster(sharp, tmp_path):
    peaks = []
    for side in (512, 2048):
        boxes = {(40, 40, 60, 70): "red", (side - 60, side - 50, side - 40, side - 30): "blue"}
        raster = save_raster(tmp_path / f"{side}.tif", scene((side, side), boxes), tiled=True)
        tracemalloc.start()
        frame = pd.concat(detect_frames(sharp, raster, tile_size=128))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        np.testing.assert_allclose(boxes_of(frame.sort_values("x1")), sorted(boxes), rtol=0, atol=2)
    assert peaks[1] < 1.5 * peaks[0]
    assert peaks[1] < 2048 * 2048 * 3 / 2


@pytest.mark.parametrize("transform", [(0.5, 0, 600_000, 0, -0.5, 5_000_000), (0.4, 0.3, 6e5, 0.3, -0.4, 5e6)])
def test_the_georeference_is_kept_to_the_pixel(tmp_path, transform):
    raster = save_raster(tmp_path / "scene.tif", scene((64, 64), {}), transform)
    crs, (corners,) = detection_predictor.map_corners(raster, np.array([[10, 20, 30, 50]]))
    assert crs == "EPSG:32632"
    a, b, c, d, e, f = transform
    expected = [(a * x + b * y + c, d * x + e * y + f) for x, y in ((10, 20), (30, 20), (30, 50), (10, 50))]
    assert_close(np.array(corners), np.array(expected))


@pytest.mark.parametrize("suffix", [".gpkg", ".geojson"])
@pytest.mark.parametrize("tile_size", [None, 64])
@pytest.mark.filterwarnings("ignore:.*no georeference")
def test_layers_have_the_boxes_in_the_coordinates_of_the_raster(sharp, tmp_path, suffix, tile_size):
    pyogrio, shapely = pytest.importorskip("pyogrio"), pytest.importorskip("shapely")
    raster = save_raster(tmp_path / "scene.tif", scene((128, 128), {(20, 30, 52, 70): "red"}))
    files, out = [raster, save_photo(tmp_path / "photo.png", (64, 64))], tmp_path / f"boxes{suffix}"
    result = recipes.detect_files(sharp, files, out, tile_size=tile_size)
    assert result.failures == 1
    meta, _, geometry, fields = pyogrio.raw.read(out)
    assert meta["crs"] == "EPSG:32632"
    assert dict(zip(meta["fields"], (list(f) for f in fields), strict=True))["class"] == ["red"]
    expected = [600_000 + 10, 5_000_000 - 35, 600_000 + 26, 5_000_000 - 15]
    np.testing.assert_allclose(shapely.bounds(shapely.from_wkb(geometry))[0], expected, rtol=0, atol=1)
    empty = save_raster(tmp_path / "empty.tif", scene((128, 128), {}))
    recipes.detect_files(sharp, empty, out, tile_size=tile_size)
    assert pyogrio.read_info(out)["features"] == 0


def test_rasters_of_several_coordinate_systems_are_refused(sharp, tmp_path):
    pytest.importorskip("pyogrio")
    files = [save_raster(tmp_path / f"{n}.tif", scene((64, 64), {}), crs=f"EPSG:{n}") for n in (32632, 32633)]
    with pytest.raises(ValueError, match="one coordinate reference system, got EPSG:32632 of .* and EPSG:32633"):
        recipes.detect_files(sharp, files, tmp_path / "boxes.gpkg")


def test_a_band_of_opacity_is_a_mask(sharp, tmp_path):
    pixels = scene((64, 64), {(8, 8, 24, 24): "red", (40, 40, 56, 56): "blue"})
    alpha = np.full((64, 64, 1), 255, np.uint8)
    alpha[32:] = 0
    raster = save_raster(tmp_path / "scene.tif", np.concatenate([pixels, alpha], -1), photometric="RGB", alpha="yes")
    assert len(raster_info(raster).bands) == 4
    recipes.detect_files(sharp, raster, tmp_path / "boxes.csv", tile_size=64)
    assert pd.read_csv(tmp_path / "boxes.csv")["class"].tolist() == ["red"]
