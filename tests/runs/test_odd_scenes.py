"""Odd photos, masks and columns of new data that can be read in two ways: each has a note."""

import numpy as np
import pandas as pd
import pytest
import rasterio
from PIL import Image

import recipes
import zoo
from recipes.runs.predict_files import evaluate_run
from tests.box_images import write_rectangles
from tests.runs.test_odd_inputs import notes_of, write_scene

RNG = np.random.default_rng(0)
ORIENTATION = 0x0112


@pytest.fixture(scope="module")
def column_run():
    frame = pd.DataFrame({"elevation": RNG.uniform(100, 2900, 60), "depth": RNG.uniform(0, 1, 60)})
    data = recipes.load(frame.assign(y=frame["elevation"] / 1000 + RNG.normal(size=60)), target="y", missing="impute")
    return recipes.Regression(epochs=1, baselines=False).fit("dnn", data, units=(4,), verbose=False), frame


def test_a_column_outside_of_the_training_range_as_a_whole_is_noted(column_run):
    run, frame = column_run
    _, notes = notes_of(run.predict, frame.assign(elevation=frame["elevation"] / 1000))
    assert any("`elevation`: all 60 rows are outside of the training range" in note for note in notes)
    _, notes = notes_of(run.predict, frame)
    assert notes == []
    _, notes = notes_of(run.predict, frame.head(2).assign(elevation=99.0))  # single rows may be
    assert notes == []


def test_gaps_in_a_column_that_had_none_are_noted(column_run):
    run, frame = column_run
    frame = frame.copy()
    frame.loc[:3, "depth"] = np.nan
    _, notes = notes_of(run.predict, frame)
    assert any("`depth`: 4 of 60 rows have a gap, which training did not have" in note for note in notes)


@pytest.mark.filterwarnings("ignore:Dataset has no geotransform")
@pytest.mark.parametrize(("factor", "is_noted"), [(16, True), (257, False)])
def test_photos_of_12_bits_in_16_are_noted(tmp_path, factor, is_noted):
    images, labels = RNG.integers(0, 256, (12, 6, 6, 3), dtype=np.uint8), ["oak", "pine"] * 6
    task = recipes.Classification(epochs=1, batch_size=4, report_examples=0)
    run = task.fit(zoo.cnn((6, 6, 3), 2, filters=(4,), units=5), (images, labels), verbose=False)
    with rasterio.open(tmp_path / "a.png", "w", driver="PNG", width=6, height=6, count=3, dtype="uint16") as file:
        file.write(images[0].transpose(2, 0, 1).astype("uint16") * factor)
    _, notes = notes_of(run.predict, [tmp_path / "a.png"])
    assert any("the 16-bit image is dark" in note for note in notes) == is_noted


def save_pairs(folder, orientation):
    """Writes photos with an EXIF orientation, and their masks as the pixels are stored."""
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    for i in range(8):
        mask = np.zeros((16, 16), np.uint8)
        mask[:8] = 1
        image = Image.fromarray(RNG.integers(0, 256, (16, 16, 3), dtype=np.uint8))
        image.save(folder / "images" / f"{i}.png", exif=exif)
        Image.fromarray(mask).save(folder / "masks" / f"{i}.png")
    return f"masks:{folder / 'images'}?labels={folder / 'masks'}"


@pytest.mark.parametrize("orientation", [1, 3, 6])
def test_turned_photos_with_masks_that_are_not_are_noted(tmp_path, orientation):
    _, notes = notes_of(recipes.load, save_pairs(tmp_path, orientation))
    assert any("8 images are turned by their EXIF orientation" in n for n in notes) == (orientation > 1)


def test_turned_photos_with_boxes_are_noted(tmp_path):
    folder, exif = write_rectangles(tmp_path / "voc", 8), Image.Exif()
    exif[ORIENTATION] = 3
    first = folder / "JPEGImages" / "0.png"
    Image.open(first).save(first, exif=exif)
    _, notes = notes_of(recipes.load, f"voc:{folder}")
    assert any("1 images are turned by their EXIF orientation: the boxes must be those" in note for note in notes)


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """A run on a raster of three classes, its folder, and the source of its data."""
    folder = tmp_path_factory.mktemp("scene")
    write_scene(folder / "image.tif", RNG.integers(100, 200, (3, 48, 48), dtype=np.uint8))
    write_scene(folder / "labels.tif", (np.arange(48)[None, None] % 3 * np.ones((1, 48, 1))).astype(np.uint8))
    source = f"raster:{folder / 'image.tif'}?labels={folder / 'labels.tif'}&tile=16"
    options = {"filters": (2, 4), "verbose": False, "out": folder / "run"}
    recipes.Segmentation(epochs=1, batch_size=2).fit("unet", source, **options)
    return folder, source


def test_labels_whose_nodata_value_is_that_of_a_class_are_noted(scene):
    folder, source = scene
    with rasterio.open(folder / "labels.tif") as file:
        profile, values = {**file.profile, "nodata": 0}, file.read()
    with rasterio.open(folder / "nodata.tif", "w", **profile) as file:
        file.write(values)
    source = source.replace("labels.tif", "nodata.tif")
    metrics, notes = notes_of(evaluate_run, folder / "run", source)
    assert any("0, the nodata value of the labels, is the value of the class" in note for note in notes)
    assert metrics["pixels"] == 48 * 48
    without, notes = notes_of(evaluate_run, folder / "run", f"{source}&ignore=0")
    assert without["pixels"] == 32 * 48
    assert any("33.3% of the pixels are ignored" in note for note in notes)


def test_ignored_pixels_are_noted(scene):
    folder, source = scene
    values = (np.arange(48)[None, None] % 3 * np.ones((1, 48, 1))).astype(np.uint8)
    write_scene(folder / "labels255.tif", np.where(values == 1, 255, values).astype(np.uint8))
    _, notes = notes_of(evaluate_run, folder / "run", source.replace("labels.tif", "labels255.tif"))
    assert any("33.3% of the pixels are ignored" in note for note in notes)
