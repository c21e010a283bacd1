"""Boxes in many images, written to files: rows, COCO and MegaDetector's format; resumed, in shards, classified."""

import importlib.util
import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageFile

import recipes
from recipes.prediction import crop_classifier, predict, prediction_file
from recipes.runs.detect_files import detect_frames
from tests.box_images import COLORS
from tests.prediction.box_scenes import boxes_of, save_photo, scene
from tests.tolerance import assert_close


def exif(time="2024:05:17 06:30:00", latitude=((46, 30, 0), "N"), longitude=((7, 15, 36), "W"), orientation=1):
    tags = Image.Exif()
    tags[0x0112] = orientation
    tags.get_ifd(0x8769)[0x9003] = time
    tags.get_ifd(0x8825).update({1: latitude[1], 2: latitude[0], 3: longitude[1], 4: longitude[0]})
    return tags


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
    for run_used, options, message in (
        (sharp, {"overlap": 5}, "`overlap` needs `tile_size`"),
        (sharp, {"tile_size": 32, "overlap": 32}, "`overlap` must be from 0 to less than the tile's 32 pixels, got 32"),
        (sharp, {"format": "coco"}, "`format` must be coco or megadetector for a .json file and unset for others"),
        (species, {}, "`run` must be of the task detection, got one of classification"),
        (sharp, {"proposals": proposals}, "`run` must be of the task classification with `proposals`, got one of det"),
        (species, {"proposals": photos / "c_two.jpg"}, "`proposals` must be JSON"),
        (species, {"proposals": proposals, "tile_size": 32}, "`tile_size` must be unset with `proposals`"),
    ):
        with pytest.raises(ValueError, match=message):
            recipes.detect_files(run_used, photos, tmp_path / "boxes.csv", **options)
    with pytest.raises(ValueError, match=r"`out` must end in .csv, .*\.gpkg"):
        recipes.detect_files(sharp, photos, tmp_path / "boxes.xml")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["md.json", "photos"]
