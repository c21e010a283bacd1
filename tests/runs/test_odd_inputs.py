"""Odd values in new data of a run: refused with row and value, or noted, by every path alike; never a silent guess."""

import decimal
import fractions
import warnings

import numpy as np
import openpyxl
import pandas as pd
import pytest
from PIL import Image

import recipes
import zoo
from recipes.runs.predict_files import evaluate_run
from tests.tolerance import assert_close

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def table():
    frame = pd.DataFrame({"height": RNG.uniform(5, 30, 120), "soil": RNG.choice(["clay", "loam"], 120)})
    return frame.assign(biomass=3 * frame["height"] + RNG.normal(size=120))


def train(frame, folder, **options):
    data = recipes.load(frame, target="biomass", **options)
    return recipes.Regression(epochs=1, baselines=False).fit("dnn", data, units=(4,), out=folder, verbose=False)


@pytest.fixture(scope="module")
def runs(table, tmp_path_factory):
    """Runs that refuse gaps and that fill them."""
    folder = tmp_path_factory.mktemp("runs")
    return {missing: train(table, folder / missing, missing=missing) for missing in ("error", "impute")}


@pytest.fixture(scope="module")
def photo_run():
    images, labels = RNG.integers(0, 256, (12, 6, 6, 3), dtype=np.uint8), ["oak", "pine"] * 6
    task = recipes.Classification(epochs=1, batch_size=4, report_examples=0)
    return task.fit(zoo.cnn((6, 6, 3), 2, filters=(4,), units=5), (images, labels), verbose=False)


def notes_of(function, *arguments):
    """Returns (what a function returns, its notes)."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = function(*arguments)
    return result, [str(warning.message) for warning in caught if warning.category is UserWarning]


WRONG = {
    "intervals": (lambda x: pd.cut(x, 3), "Interval"),
    "lists": (lambda x: [[v] for v in x], r"\["),
    "arrays": (lambda x: [np.array([v]) for v in x], "array"),
    "bool": (lambda x: x > 20, "got (True|False) in row 1"),
    "bool_among_numbers": (lambda x: [20.0, True, 10.0], "got True in row 2"),
    "durations": (lambda x: pd.to_timedelta(x, unit="D"), "Timedelta"),
    "periods": (lambda x: pd.period_range("2020", periods=3), "Period"),
    "dates": (lambda x: pd.date_range("2020", periods=3), "Timestamp"),
    "text": (lambda x: ["20", "10", "a"], "got '20' in row 1"),
}


@pytest.mark.parametrize("missing", ["error", "impute"])
@pytest.mark.parametrize("kind", WRONG)
def test_what_is_no_number_is_refused_and_no_gap(runs, table, kind, missing):
    rows = table[["height", "soil"]].head(3)
    make, message = WRONG[kind]
    with pytest.raises(ValueError, match=f"`height` must have numbers, as in training, .*{message}"):
        runs[missing].predict(rows.assign(height=make(rows["height"])))


@pytest.mark.parametrize("make", [fractions.Fraction, decimal.Decimal, np.array], ids=["fraction", "decimal", "array"])
def test_numbers_of_other_types_are_numbers(runs, table, make):
    rows = table[["height", "soil"]].head(3).round(2)
    values = [make(v if make is np.array else str(v)) for v in rows["height"]]
    assert_close(runs["error"].predict(rows.assign(height=values)), runs["error"].predict(rows))


def test_true_and_false_are_numbers_where_the_training_had_0_and_1(tmp_path):
    frame = pd.DataFrame({"wet": [True, False] * 30, "x": RNG.normal(size=60), "biomass": RNG.normal(size=60)})
    run = train(frame, tmp_path / "run")
    rows = frame[["wet", "x"]].head(4)
    assert_close(run.predict(rows.assign(wet=[1, 0, 1, 0])), run.predict(rows))


def test_columns_of_unequal_length_are_named(runs):
    with pytest.raises(ValueError, match="the columns must have as many values, got height 2, soil 1"):
        runs["error"].predict({"height": [1.0, 2.0], "soil": ["clay"]})


@pytest.mark.parametrize("factor", [1000, -9999])
def test_targets_far_outside_of_the_training_are_noted(runs, table, tmp_path, factor):
    runs["error"].save(tmp_path / "run")
    other = table.assign(biomass=table["biomass"] * factor if factor > 0 else float(factor))
    other.to_csv(tmp_path / "other.csv", index=False)
    _, notes = notes_of(evaluate_run, tmp_path / "run", f"table:{tmp_path / 'other.csv'}?target=biomass")
    assert any(note.startswith("the target `biomass`: 120 of 120 values are far outside") for note in notes)
    table.to_csv(tmp_path / "same.csv", index=False)
    assert notes_of(evaluate_run, tmp_path / "run", f"table:{tmp_path / 'same.csv'}?target=biomass")[1] == []


@pytest.mark.parametrize("suffix", ["csv", "xlsx"])
def test_a_target_is_read_as_in_training(runs, table, tmp_path, suffix):
    runs["error"].save(tmp_path / "run")
    path, commas = tmp_path / f"comma.{suffix}", table.round(2)
    if suffix == "csv":
        commas.to_csv(path, index=False, sep=";", decimal=",")
    else:
        commas.assign(biomass=[f"{v:.2f}".replace(".", ",") for v in commas["biomass"]]).to_excel(path, index=False)
    commas.to_csv(tmp_path / "plain.csv", index=False)
    scores = [
        notes_of(evaluate_run, tmp_path / "run", f"table:{p}?target=biomass")[0] for p in (path, tmp_path / "plain.csv")
    ]
    assert scores[0]["mae"] == scores[1]["mae"]


def test_a_target_that_is_written_in_two_ways_is_named_with_its_line(runs, table, tmp_path):
    runs["error"].save(tmp_path / "run")
    mixed = table.round(2).astype(str)
    mixed.loc[90:, "biomass"] = [f"{i},27" for i in range(30)]
    mixed.to_csv(tmp_path / "late.csv", index=False, sep=";")
    with pytest.raises(ValueError, match=r"'biomass' writes its numbers in different ways, .*\(line 92\)"):
        notes_of(evaluate_run, tmp_path / "run", f"table:{tmp_path / 'late.csv'}?target=biomass")


def test_a_target_of_another_name_is_not_called_left_out(runs, table, tmp_path):
    runs["error"].save(tmp_path / "run")
    table.rename(columns={"biomass": "dry_mass"}).to_csv(tmp_path / "other.csv", index=False)
    _, notes = notes_of(evaluate_run, tmp_path / "run", f"table:{tmp_path / 'other.csv'}?target=dry_mass")
    assert notes == []


def test_codes_with_leading_zeros_stay_text_beside_1e5(tmp_path):
    codes = ["00123", "00124", "1E5", "2E5"] * 10
    pd.DataFrame({"code": codes, "x": RNG.normal(size=40), "y": RNG.normal(size=40)}).to_csv(
        tmp_path / "t.csv", index=False
    )
    data, _ = notes_of(lambda: recipes.load(f"table:{tmp_path / 't.csv'}?target=y"))
    assert data.columns["code"] == "category" and set(data.train.inputs["code"]) == set(codes)


def test_formulas_without_a_value_are_noted(tmp_path):
    book = openpyxl.Workbook()
    book.active.append(["x", "y"])
    for i in range(30):
        book.active.append([i * i % 7, "=A2*2" if i > 24 else i * 1.5])
    book.save(tmp_path / "t.xlsx")
    _, notes = notes_of(lambda: recipes.load(f"table:{tmp_path / 't.xlsx'}?target=x&missing=impute"))
    data = recipes.load(f"table:{tmp_path / 't.xlsx'}?target=x&missing=impute")
    assert any(
        "5 cells have a formula whose value is not in the file, the first is B27" in n for n in [*notes, *data.notes]
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda x: x > 128, "must be numbers, as in training, got True and False"),
        (lambda x: np.ma.masked_greater(x, 50), "must be an array without a mask"),
        (lambda x: list(np.ma.masked_greater(x, 50)), "must be an array without a mask"),
        (lambda x: pd.DataFrame({"path": ["a.png"]}), "a list of images or of paths, got a DataFrame"),
        (lambda x: Image.fromarray(x[0]), "arrays of pixels, or paths, .* got an image of Pillow"),
        (lambda x: [Image.fromarray(image) for image in x], "arrays of pixels, or paths, .* got an image of Pillow"),
    ],
    ids=["bool", "mask", "mask_list", "frame", "Pillow", "Pillow_list"],
)
def test_images_that_are_no_numbers_are_refused(photo_run, make, message):
    with pytest.raises(ValueError, match=message):
        photo_run.predict(make(RNG.integers(0, 256, (2, 6, 6, 3), dtype=np.uint8)))


@pytest.mark.parametrize("as_files", [False, True])
def test_photos_of_0_and_1_are_noted(photo_run, tmp_path, as_files):
    images = RNG.integers(0, 2, (2, 6, 6, 3), dtype=np.uint8)
    if as_files:
        for i, image in enumerate(images):
            Image.fromarray(image).save(tmp_path / f"{i}.png")
        images = sorted(tmp_path.iterdir())
    _, notes = notes_of(photo_run.predict, images)
    assert any("2 images have the values 0 and 1 only, and those of the training up to 255" in note for note in notes)


@pytest.mark.parametrize(("name", "what"), [("a.gif", "frame of an animation"), ("a.tif", "page of several")])
def test_the_first_of_several_pages_is_noted(photo_run, tmp_path, name, what):
    pages = [Image.fromarray(RNG.integers(0, 256, (6, 6, 3), dtype=np.uint8)) for _ in range(3)]
    pages[0].save(tmp_path / name, save_all=True, append_images=pages[1:])
    _, notes = notes_of(photo_run.predict, [tmp_path / name])
    assert any(note.endswith(f"read the first {what}") for note in notes)


def test_series_of_another_window_or_unit(tmp_path):
    frame = pd.DataFrame({"day": pd.date_range("2020-01-01", periods=200), "flow": RNG.uniform(10, 20, 200)})
    frame.to_csv(tmp_path / "river.csv", index=False)
    source = f"series:{tmp_path / 'river.csv'}?time=day&target=flow&window=7&horizon=2"
    run = recipes.Forecasting(epochs=1).fit("lstm", source, units=(3,), out=tmp_path / "run", verbose=False)
    assert len(run.schema.target_ranges) == 2
    with pytest.raises(ValueError, match="`data` must have windows of 7 steps, as in training, got 5"):
        evaluate_run(tmp_path / "run", source.replace("window=7", "window=5"))
    frame.assign(flow=frame["flow"] * 1000).to_csv(tmp_path / "river.csv", index=False)
    _, notes = notes_of(evaluate_run, tmp_path / "run", source)
    assert sum("far outside" in note for note in notes) == 3  # of the input, and of the target at both steps


def save_scenes(folder, values, bands=3):
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    for i in range(6):
        pixels = RNG.integers(0, 256, (16, 16, bands), dtype=np.uint8)
        Image.fromarray(pixels if bands == 3 else pixels[..., 0]).save(folder / "images" / f"{i}.png")
        mask = np.full((16, 16), values[0], np.uint8)
        mask[4:12, 4:12] = values[-1]
        Image.fromarray(mask).save(folder / "masks" / f"{i}.png")
    return f"masks:{folder / 'images'}?labels={folder / 'masks'}"


def test_masks_of_an_evaluation(tmp_path):
    source = save_scenes(tmp_path / "train", (0, 255))
    arguments = {"input_shape": (16, 16, 3), "filters": (2, 4), "verbose": False}
    run = recipes.Segmentation(epochs=1, batch_size=2).fit("unet", source, out=tmp_path / "run", **arguments)
    assert len(run.classes) == 2
    metrics, _ = notes_of(evaluate_run, tmp_path / "run", save_scenes(tmp_path / "background", (0,)))
    assert metrics["examples"] == 6
    gray, _ = notes_of(evaluate_run, tmp_path / "run", save_scenes(tmp_path / "gray", (0, 255), bands=1))
    assert gray["examples"] == 6
    with pytest.raises(ValueError, match=r"got 1 in .* `classes` says which, such as 255=1"):
        notes_of(evaluate_run, tmp_path / "run", save_scenes(tmp_path / "other", (0, 1)))
    metrics, _ = notes_of(evaluate_run, tmp_path / "run", f"{source}&classes=0=0,255=255")
    assert metrics["examples"] == 6


def write_scene(path, bands, colorinterp=None, side=10, crs="EPSG:32632", names=None):
    import rasterio

    options = {"crs": crs, "transform": rasterio.Affine(side, 0, 0, 0, -side, 0), "dtype": bands.dtype}
    with rasterio.open(path, "w", "GTiff", bands.shape[2], bands.shape[1], bands.shape[0], **options) as file:
        file.write(bands)
        if colorinterp:
            file.colorinterp = colorinterp
        if names:
            file.descriptions = names


@pytest.fixture(scope="module")
def raster_run(tmp_path_factory):
    """A run on a raster of four unnamed bands of 8 bits, with its folder."""
    folder = tmp_path_factory.mktemp("raster")
    gray = [rasterio_gray()] * 4
    write_scene(folder / "scene.tif", RNG.integers(100, 200, (4, 64, 64), dtype=np.uint8), gray)
    labels = np.zeros((1, 64, 64), np.uint8)
    labels[:, :, ::2] = 1
    write_scene(folder / "labels.tif", labels)
    source = f"raster:{folder / 'scene.tif'}?labels={folder / 'labels.tif'}&tile=16"
    arguments = {"filters": (2, 4), "verbose": False, "out": folder / "run"}
    return recipes.Segmentation(epochs=1, batch_size=2).fit("unet", source, **arguments), folder


def rasterio_gray():
    from rasterio.enums import ColorInterp

    return ColorInterp.gray


def test_a_raster_run_is_loaded_without_a_note_on_changed_data(raster_run):
    _, notes = notes_of(lambda: recipes.load_run(raster_run[1] / "run").data)
    assert notes == []


def test_a_band_labelled_alpha_and_another_unit_of_bytes_are_noted(raster_run):
    from rasterio.enums import ColorInterp

    run, folder = raster_run
    pixels = RNG.integers(100, 200, (4, 64, 64), dtype=np.uint8)
    colors = (ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha)
    write_scene(folder / "alpha.tif", pixels, colors)
    predict = recipes.predict_raster
    _, notes = notes_of(predict, run, folder / "alpha.tif", folder / "alpha_map.tif")
    assert any("band 4, which is labelled alpha, is read as a band" in note for note in notes)
    source = f"raster:{folder / 'alpha.tif'}?labels={folder / 'labels.tif'}&tile=16"
    _, notes = notes_of(evaluate_run, folder / "run", source)
    assert any("band 4, which is labelled alpha, is read as a band" in note for note in notes)
    write_scene(folder / "small.tif", pixels // 255, [rasterio_gray()] * 4)
    _, notes = notes_of(predict, run, folder / "small.tif", folder / "small_map.tif")
    assert any("training range" in note for note in notes)


def test_a_last_band_that_is_named_alpha_masks_the_others(tmp_path):
    from rasterio.enums import ColorInterp

    colors = (ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha)
    pixels = RNG.integers(100, 200, (4, 64, 64), dtype=np.uint8)
    pixels[3] = 255
    pixels[3, :, 32:] = 0
    write_scene(tmp_path / "scene.tif", pixels, colors, names=("R", "G", "B", "Alpha"))
    labels = (np.arange(64)[None, None] % 2 * np.ones((1, 64, 1))).astype(np.uint8)
    write_scene(tmp_path / "labels.tif", labels)
    source = f"raster:{tmp_path / 'scene.tif'}?labels={tmp_path / 'labels.tif'}&tile=16"
    run = recipes.Segmentation(epochs=1, batch_size=2).fit("unet", source, filters=(2, 4), verbose=False)
    assert run.schema.shape[-1] == 3 and run.schema.band_names == ("R", "G", "B")
    recipes.predict_raster(run, tmp_path / "scene.tif", tmp_path / "map.tif", tile=16, overlap=0, verbose=False)
    import rasterio

    with rasterio.open(tmp_path / "map.tif") as file:
        mapped = file.read(1) != file.nodata
    assert mapped[:, :32].all() and not mapped[:, 32:].any()


@pytest.mark.parametrize(
    ("side", "crs", "is_noted"),
    [(10, "EPSG:32632", False), (40, "EPSG:32632", True), (10 / 111_195, "EPSG:4326", False), (0.5, "EPSG:4326", True)],
    ids=["same", "coarse", "degrees", "coarse_degrees"],
)
def test_another_pixel_size_is_noted(raster_run, tmp_path, side, crs, is_noted):
    run, folder = raster_run
    pixels = RNG.integers(100, 200, (4, 64, 64), dtype=np.uint8)
    write_scene(tmp_path / "scene.tif", pixels, [rasterio_gray()] * 4, side, crs)
    write_scene(tmp_path / "labels.tif", np.zeros((1, 64, 64), np.uint8) + np.eye(64, dtype=np.uint8), None, side, crs)
    _, notes = notes_of(recipes.predict_raster, run, tmp_path / "scene.tif", tmp_path / "map.tif")
    assert any("pixels have a side of" in note for note in notes) == is_noted
    source = f"raster:{tmp_path / 'scene.tif'}?labels={tmp_path / 'labels.tif'}&tile=16"
    _, notes = notes_of(evaluate_run, folder / "run", source)
    assert any("pixels have a side of" in note for note in notes) == is_noted


def test_masks_of_0_and_255_must_say_what_255_is_where_the_classes_are_0_and_1(raster_run):
    folder = raster_run[1]
    labels = np.zeros((1, 64, 64), np.uint8)
    labels[:, :, ::2] = 255
    write_scene(folder / "labels255.tif", labels)
    source = f"raster:{folder / 'scene.tif'}?labels={folder / 'labels255.tif'}&tile=16"
    with pytest.raises(ValueError, match="masks of 0 and 255 must say what 255 is, .* set classes to 0=0,1=255"):
        evaluate_run(folder / "run", source)
    metrics, _ = notes_of(evaluate_run, folder / "run", f"{source}&classes=0=0,1=255")
    expected, _ = notes_of(evaluate_run, folder / "run", source.replace("labels255", "labels"))
    assert metrics["mean_iou"] == expected["mean_iou"]
