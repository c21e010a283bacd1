"""Boxes in many images, written to files: rows, COCO, MegaDetector's format, and layers in a raster's coordinates."""

import importlib.util
import itertools
import json
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageFile
from scipy import ndimage

import recipes
import zoo
from recipes.data.images.image_files import resize_image
from recipes.data.rasters.geotiff import raster_info
from recipes.prediction import crop_classifier, detection_predictor, predict, prediction_file, tiled_boxes
from recipes.prediction.merge_boxes import Tiles, merge_boxes
from recipes.runs.detect_files import detect_frames
from tests.box_images import COLORS, write_rectangles
from tests.tolerance import assert_close

SIDE = 64  # of the image that the stand-in detector sees [pixels]
TRUNCATED = 300  # bytes


def rectangles(run, images):
    """A stand-in for a trained detector, which sees an image as `SIDE` x `SIDE` pixels: a box around each rectangle.

    The score is 0.9; of rectangles of less than 5 pixels there, 0.3.
    """
    outputs = np.full((len(images), 20, 6), -1, "float32")
    for rows, image in zip(outputs, images, strict=True):
        small = resize_image(np.asarray(image), (SIDE, SIDE)).astype(int)
        n = 0
        for label, color in enumerate(COLORS.values()):
            components, _ = ndimage.label((np.abs(small - color) < 60).all(-1))
            for y, x in ndimage.find_objects(components):
                corners = np.array([x.start, y.start, x.stop, y.stop]) / SIDE
                rows[n] = *corners, 0.9 if (y.stop - y.start) * (x.stop - x.start) >= 5 else 0.3, label
                n += 1
    return outputs


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of one epoch."""
    root = write_rectangles(tmp_path_factory.mktemp("data") / "voc", 8, sizes=((64, 64), (48, 80)))
    task = recipes.Detection(side=64, epochs=1, score=0.0, detections=20)
    arguments = {"filters": 8, "depth": 1, "anchor_sizes": (8, 16, 24, 32, 48)}
    out = tmp_path_factory.mktemp("run") / "run"
    return task.fit("retinanet", f"voc:{root}?validation=0&test=0.25", out=out, verbose=False, **arguments)


@pytest.fixture
def sharp(run, monkeypatch):
    """The run, with `rectangles` in the place of its untrained model."""
    for module in (detection_predictor, tiled_boxes):
        monkeypatch.setattr(module, "predict_batch", rectangles)
    return run


@pytest.fixture(scope="module")
def species(tmp_path_factory):
    """A run of a classification of photos of another size."""
    folder = tmp_path_factory.mktemp("species")
    for name, i in itertools.product(("fox", "owl"), range(4)):
        save_photo(folder / name / f"{i}.png", (12, 12), {(0, 0, i + 1, 5): "red" if name == "fox" else "blue"})
    model = zoo.cnn((6, 6, 3), 2, filters=(4,), units=5)
    task = recipes.Classification(epochs=1, batch_size=4, report_examples=0)
    return task.fit(model, f"folder:{folder}", verbose=False)


def scene(size, boxes):
    """Pixels of an image of a size (height, width) with rectangles: {(x1, y1, x2, y2): color}."""
    pixels = np.random.default_rng(0).integers(90, 110, (*size, 3)).astype(np.uint8)
    for (x1, y1, x2, y2), color in boxes.items():
        pixels[y1:y2, x1:x2] = COLORS[color]
    return pixels


def save_photo(path, size, boxes=None, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(scene(size, boxes or {})).save(path, **options)
    return path


def save_raster(path, pixels, transform=(0.5, 0, 600_000, 0, -0.5, 5_000_000), crs="EPSG:32632", **profile):
    rasterio = pytest.importorskip("rasterio")
    height, width, count = pixels.shape
    options = {"driver": "GTiff", "height": height, "width": width, "count": count, "dtype": "uint8"} | profile
    if transform:
        options |= {"crs": crs, "transform": rasterio.Affine(*transform)}
    with rasterio.open(path, "w", **options) as file:
        file.write(np.moveaxis(pixels, -1, 0))
    return path


def exif(time="2024:05:17 06:30:00", latitude=((46, 30, 0), "N"), longitude=((7, 15, 36), "W"), orientation=1):
    tags = Image.Exif()
    tags[0x0112] = orientation
    tags.get_ifd(0x8769)[0x9003] = time
    tags.get_ifd(0x8825).update({1: latitude[1], 2: latitude[0], 3: longitude[1], 4: longitude[0]})
    return tags


@pytest.fixture
def photos(tmp_path):
    """A folder with an empty photo, a broken one, and one with two objects."""
    folder = tmp_path / "photos"
    save_photo(folder / "a_empty.png", (64, 64))
    (folder / "b_broken.png").write_bytes((folder / "a_empty.png").read_bytes()[:TRUNCATED])
    save_photo(folder / "c_two.jpg", (64, 128), {(8, 8, 40, 40): "blue", (80, 20, 112, 60): "red"}, quality=95)
    return folder


def boxes_of(frame):
    return frame.dropna(subset="score")[["x1", "y1", "x2", "y2"]].to_numpy()


@pytest.mark.filterwarnings("ignore:.*cannot be read")
def test_one_corrupt_file_does_not_stop_the_batch(sharp, photos, tmp_path):
    result = recipes.detect_files(sharp, photos, tmp_path / "boxes.csv")
    assert (result.inputs, result.failures, result.rows) == (3, 1, 4)
    frame = pd.read_csv(tmp_path / "boxes.csv")
    broken = frame[frame["error"].notna()]
    assert [path.rpartition("/")[2] for path in broken["file"]] == ["b_broken.png"]
    assert "truncated" in broken["error"].item()
    two = frame[frame["file"].str.endswith("c_two.jpg")]
    assert sorted(two["class"]) == ["blue", "red"]
    np.testing.assert_allclose(boxes_of(two.sort_values("x1")), [[8, 8, 40, 40], [80, 20, 112, 60]], rtol=0, atol=2)
    with pytest.raises(ValueError, match="under --strict, got .*b_broken.png: it is truncated"):
        recipes.detect_files(sharp, photos, tmp_path / "strict.csv", strict=True)


@pytest.mark.filterwarnings("ignore:.*cannot be read")
@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet", ".jsonl"])
def test_images_without_boxes_have_a_row_in_every_format(sharp, photos, tmp_path, suffix):
    out = tmp_path / f"boxes{suffix}"
    recipes.detect_files(sharp, photos, out)
    read = {
        ".csv": pd.read_csv,
        ".tsv": lambda path: pd.read_csv(path, sep="\t"),
        ".parquet": pd.read_parquet,
        ".jsonl": lambda path: pd.read_json(path, lines=True),
    }
    frame = read[suffix](out)
    empty = frame[frame["file"].str.endswith("a_empty.png")]
    assert len(empty) == 1
    assert empty[["score", "class", "x1", "error"]].isna().all(axis=None)
    assert empty[["width", "height"]].to_numpy().tolist() == [[64, 64]]
    assert frame[frame["error"].notna()][["width", "height"]].isna().all(axis=None)


@pytest.mark.filterwarnings("ignore:.*cannot be read")
@pytest.mark.parametrize("threshold", [0, 0.5, 1])
def test_the_threshold_drops_no_image(sharp, photos, tmp_path, threshold):
    recipes.detect_files(sharp, photos, tmp_path / "boxes.csv", threshold=threshold)
    frame = pd.read_csv(tmp_path / "boxes.csv")
    assert frame["file"].nunique() == 3
    assert frame["score"].notna().sum() == (0 if threshold == 1 else 2)
    for name in ("coco", "megadetector"):
        recipes.detect_files(sharp, photos, tmp_path / f"{name}.json", format=name, threshold=threshold)
    assert len(json.loads((tmp_path / "megadetector.json").read_text())["images"]) == 3
    coco = json.loads((tmp_path / "coco.json").read_text())
    assert (len(coco["images"]), len(coco["failures"])) == (2, 1)


def test_the_date_and_place_of_the_exif_are_kept(sharp, tmp_path):
    save_photo(tmp_path / "photos" / "1.jpg", (64, 128), {(8, 8, 40, 40): "red"}, exif=exif())
    save_photo(tmp_path / "photos" / "2.jpg", (64, 64), exif=exif("0000:00:00 00:00:00", ((91, 0, 0), "N")))
    for name in ("coco", "megadetector"):
        recipes.detect_files(sharp, tmp_path / "photos", tmp_path / f"{name}.json", format=name)
    recipes.detect_files(sharp, tmp_path / "photos", tmp_path / "boxes.csv")
    frame = pd.read_csv(tmp_path / "boxes.csv")
    assert frame["date_time"].tolist()[0] == "2024-05-17 06:30:00"
    assert_close(frame.loc[0, ["latitude", "longitude"]].to_numpy(float), [46.5, -7.26])
    assert frame.loc[1, ["date_time", "latitude", "longitude"]].isna().all()
    image, other = json.loads((tmp_path / "coco.json").read_text())["images"]
    assert (image["date_captured"], image["latitude"]) == ("2024-05-17 06:30:00", 46.5)
    assert "date_captured" not in other
    image, other = json.loads((tmp_path / "megadetector.json").read_text())["images"]
    assert image["datetime"] == "2024:05:17 06:30:00"
    assert "datetime" not in other


def test_boxes_are_those_of_the_upright_photo(sharp, tmp_path):
    pixels = scene((64, 128), {(8, 8, 40, 24): "red"})
    Image.fromarray(np.rot90(pixels)).save(tmp_path / "turned.jpg", exif=exif(orientation=6), quality=95)
    frame = pd.concat(detect_frames(sharp, tmp_path / "turned.jpg"))
    assert frame[["width", "height"]].to_numpy().tolist() == [[128, 64]]
    np.testing.assert_allclose(boxes_of(frame), [[8, 8, 40, 24]], rtol=0, atol=2)


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


@pytest.mark.filterwarnings("ignore:.*cannot be read")
def test_megadetector_files_have_the_required_keys(sharp, photos, tmp_path):
    recipes.detect_files(sharp, photos, tmp_path / "boxes.json", format="megadetector")
    content = json.loads((tmp_path / "boxes.json").read_text())
    assert content["info"]["format_version"] == "1.6"
    metadata = content["info"]["detector_metadata"]
    assert 0 <= metadata["conservative_detection_threshold"] <= metadata["typical_detection_threshold"] <= 1
    assert content["detection_categories"] == {"1": "blue", "2": "red"}
    empty, two, broken = content["images"]
    assert empty == {"file": "photos/a_empty.png", "detections": []}
    assert broken["detections"] is None and "truncated" in broken["failure"]
    first, second = sorted(two["detections"], key=lambda d: d["bbox"])
    assert (first["category"], second["category"]) == ("1", "2")
    np.testing.assert_allclose(first["bbox"], [8 / 128, 8 / 64, 32 / 128, 32 / 64], rtol=0, atol=0.03)
    assert isinstance(first["conf"], float) and set(first) == {"category", "conf", "bbox"}


@pytest.mark.filterwarnings("ignore:.*cannot be read", "ignore::DeprecationWarning")
def test_the_validator_of_megadetector_accepts_the_file(sharp, species, photos, tmp_path, monkeypatch):
    if importlib.util.find_spec("megadetector") is None:
        pytest.skip("megadetector is not installed")
    files = {"plain": None, "classified": species}
    for name, classifier in files.items():
        out = tmp_path / f"{name}.json"
        recipes.detect_files(sharp, photos, out, format="megadetector", classifier=classifier)
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", False)  # which megadetector sets, for all of Pillow
    validator = pytest.importorskip("megadetector.postprocessing.validate_batch_results", exc_type=ImportError)
    for name in files:
        out = tmp_path / f"{name}.json"
        options = validator.ValidateBatchResultsOptions()
        options.check_image_existence, options.relative_path_base = True, str(tmp_path)
        results = validator.validate_batch_results(str(out), options)["validation_results"]
        assert (results["errors"], results["warnings"]) == ([], [])


@pytest.mark.filterwarnings("ignore:.*cannot be read", "ignore:skipped", "ignore:.*are left out")
def test_coco_files_are_read_as_data(sharp, photos, tmp_path):
    recipes.detect_files(sharp, photos, tmp_path / "boxes.json")
    data = recipes.read_coco(tmp_path / "boxes.json", validation=0, test=0)
    assert data.classes == ("blue", "red")
    assert sorted((data.train.targets[..., 4] >= 0).sum(1)) == [0, 2]
    content = json.loads((tmp_path / "boxes.json").read_text())
    assert content["failures"] == [{"file_name": "photos/b_broken.png", "error": "it is truncated"}]
    assert all(a["score"] == 0.9 and a["area"] > 0 for a in content["annotations"])


@pytest.mark.filterwarnings("ignore:.* is continued after")
@pytest.mark.parametrize("name", ["boxes.csv", "coco.json", "megadetector.json"])
@pytest.mark.parametrize("tile_size", [None, 32])
def test_a_detection_is_continued_where_it_stopped(sharp, tmp_path, monkeypatch, name, tile_size):
    monkeypatch.setattr(predict, "VARIED_IMAGES", 2)
    monkeypatch.setattr(prediction_file, "COMMIT_SECONDS", 0)
    for i in range(7):
        save_photo(tmp_path / "photos" / f"{i}.png", (64, 64), {(8 + i, 8, 30, 30): "red"} if i % 3 else {})
    options = {"tile_size": tile_size, "format": name.removesuffix(".json") if name.endswith(".json") else None}
    recipes.detect_files(sharp, tmp_path / "photos", tmp_path / f"whole_{name}", **options)
    calls = iter(range(2))

    def write(self, *arguments, original=prediction_file.PredictionFile.write):
        next(calls)
        original(self, *arguments)

    with monkeypatch.context() as patch, pytest.raises(StopIteration):
        patch.setattr(prediction_file.PredictionFile, "write", write)
        recipes.detect_files(sharp, tmp_path / "photos", tmp_path / name, **options)
    assert not (tmp_path / name).exists()
    with pytest.raises(ValueError, match=r"begun with other options \(threshold"):
        recipes.detect_files(sharp, tmp_path / "photos", tmp_path / name, threshold=0.7, **options)
    result = recipes.detect_files(sharp, tmp_path / "photos", tmp_path / name, **options)
    assert 0 < result.resumed_inputs < result.inputs == 7
    whole, continued = ((tmp_path / n).read_text() for n in (f"whole_{name}", name))
    if name.endswith(".json"):
        whole, continued = ({**json.loads(text), "info": None} for text in (whole, continued))
    assert continued == whole
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(["photos", name, f"whole_{name}"])


def test_shards_of_rows_are_joined(sharp, tmp_path):
    for i in range(5):
        save_photo(tmp_path / "photos" / f"{i}.png", (64, 64), {(8, 8, 30, 30): "red"} if i % 2 else {})
    recipes.detect_files(sharp, tmp_path / "photos", tmp_path / "whole.csv")
    for i in (1, 2):
        recipes.detect_files(sharp, tmp_path / "photos", tmp_path / "boxes.csv", shard=f"{i}/2")
    assert recipes.join_shards(tmp_path / "boxes.csv") == (5, 0)
    assert (tmp_path / "boxes.csv").read_bytes() == (tmp_path / "whole.csv").read_bytes()
    with pytest.raises(ValueError, match="`shard` must be None for a .json file"):
        recipes.detect_files(sharp, tmp_path / "photos", tmp_path / "boxes.json", shard="1/2")


def test_predict_files_of_a_detection_writes_the_same_boxes(run, tmp_path):
    photo = save_photo(tmp_path / "photo.png", (64, 96), {(8, 8, 40, 40): "red"})
    run.predict_files(photo, tmp_path / "predict.csv")
    recipes.detect_files(run, photo, tmp_path / "detect.csv")
    assert (tmp_path / "predict.csv").read_text() == (tmp_path / "detect.csv").read_text()
    recipes.detect_files(run, photo, tmp_path / "all.csv", threshold=0)
    prediction = run.predict([photo])[0]
    frame = pd.read_csv(tmp_path / "all.csv")
    np.testing.assert_allclose(boxes_of(frame), prediction["boxes"], rtol=0, atol=0.01)
    np.testing.assert_allclose(frame["score"].to_numpy(), prediction["scores"], rtol=0, atol=1e-5)
    with pytest.raises(ValueError, match="`top_k` must be unset for a detection"):
        run.predict_files(photo, tmp_path / "x.csv", top_k=1)


def by_color(run, crops):
    """A stand-in for a trained classifier: fox where a crop is red everywhere, owl elsewhere."""
    red = [(np.abs(crop.astype(int) - COLORS["red"]) < 60).all(-1).mean() > 0.8 for crop in crops]
    return np.array([[0.75, 0.25] if is_red else [0.25, 0.75] for is_red in red], "float32")


@pytest.mark.filterwarnings("ignore:.*cannot be read")
@pytest.mark.parametrize("tile_size", [None, 64])
def test_a_classifier_names_the_class_of_the_crop_of_each_box(sharp, species, photos, tmp_path, monkeypatch, tile_size):
    monkeypatch.setattr(crop_classifier, "predict_batch", by_color)
    options = {"classifier": species, "tile_size": tile_size}
    recipes.detect_files(sharp, photos, tmp_path / "boxes.csv", **options)
    frame = pd.read_csv(tmp_path / "boxes.csv").sort_values("detected_class")
    assert frame["detected_class"].dropna().tolist() == ["blue", "red"]
    assert frame["class"].dropna().tolist() == ["owl", "fox"]
    assert frame["probability"].dropna().tolist() == [0.75, 0.75]
    assert len(frame) == 4
    recipes.detect_files(sharp, photos, tmp_path / "md.json", format="megadetector", **options)
    content = json.loads((tmp_path / "md.json").read_text())
    assert content["classification_categories"] == {"1": "fox", "2": "owl"}
    two = next(image for image in content["images"] if image["file"].endswith("c_two.jpg"))
    detections = sorted(two["detections"], key=lambda d: d["category"])
    assert [d["classifications"] for d in detections] == [[["2", 0.75]], [["1", 0.75]]]
    with pytest.raises(ValueError, match="`classifier` must be a run of a classification of images, got one of det"):
        recipes.detect_files(sharp, photos, tmp_path / "x.csv", classifier=sharp)


@pytest.fixture
def proposals(photos, tmp_path):
    """MegaDetector's output for the photos: an animal, a person, a weak animal; an image that is absent."""
    boxes = [("1", 0.9, [8 / 128, 8 / 64, 32 / 128, 32 / 64]), ("2", 0.8, [80 / 128, 20 / 64, 32 / 128, 40 / 64])]
    boxes += [("1", 0.1, [0, 0, 0.1, 0.1])]
    images = [
        {"file": "c_two.jpg", "detections": [{"category": c, "conf": s, "bbox": b} for c, s, b in boxes]},
        {"file": "a_empty.png", "detections": []},
        {"file": "b_broken.png", "failure": "image open failure", "detections": None},
        {"file": "absent.jpg", "detections": []},
    ]
    content = {"info": {"format_version": "1.5", "detector": "md_v5a.0.0.pt"}, "images": images}
    content["detection_categories"] = {"1": "animal", "2": "person", "3": "vehicle"}
    path = tmp_path / "md.json"
    path.write_text(json.dumps(content))
    return path


@pytest.mark.filterwarnings("ignore:.*cannot be read")
def test_boxes_of_megadetector_are_named_by_a_classifier(species, photos, proposals, tmp_path, monkeypatch):
    monkeypatch.setattr(crop_classifier, "predict_batch", by_color)
    result = recipes.detect_files(species, photos, tmp_path / "boxes.csv", proposals=proposals)
    assert (result.inputs, result.failures) == (4, 2)
    frame = pd.read_csv(tmp_path / "boxes.csv")
    two = frame[frame["file"].str.endswith("c_two.jpg")]
    assert two["class"].tolist() == ["owl", "person"]
    assert two["detected_class"].tolist() == ["animal", "person"]
    assert_close(boxes_of(two), [[8, 8, 40, 40], [80, 20, 112, 60]])
    errors = frame.set_index(frame["file"].str.rpartition("/")[2])["error"]
    assert errors["b_broken.png"] == "md_v5a.0.0.pt: image open failure"
    assert "no such file" in errors["absent.jpg"]
    recipes.detect_files(species, photos, tmp_path / "out.json", proposals=proposals, format="megadetector")
    content = json.loads((tmp_path / "out.json").read_text())
    assert content["detection_categories"] == {"1": "animal", "2": "person", "3": "vehicle"}
    assert content["info"]["detector"] == "md_v5a.0.0.pt"


def test_wrong_options_are_one_sentence(sharp, species, photos, proposals, tmp_path):
    for chosen, options, message in (
        (sharp, {"overlap": 5}, "`overlap` needs `tile_size`"),
        (sharp, {"tile_size": 32, "overlap": 32}, "`overlap` must be from 0 to less than the tile's 32 pixels, got 32"),
        (sharp, {"format": "coco"}, "`format` must be coco or megadetector for a .json file and unset for others"),
        (species, {}, "`run` must be of the task detection, got one of classification"),
        (sharp, {"proposals": proposals}, "`run` must be of the task classification with `proposals`, got one of det"),
        (species, {"proposals": photos / "c_two.jpg"}, "`proposals` must be JSON"),
        (species, {"proposals": proposals, "tile_size": 32}, "`tile_size` must be unset with `proposals`"),
    ):
        with pytest.raises(ValueError, match=message):
            recipes.detect_files(chosen, photos, tmp_path / "boxes.csv", **options)
    with pytest.raises(ValueError, match=r"`out` must end in .csv, .*\.gpkg"):
        recipes.detect_files(sharp, photos, tmp_path / "boxes.xml")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["md.json", "photos"]
