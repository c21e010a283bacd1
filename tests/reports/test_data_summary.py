"""`recipes.check_data`: what it says of columns, classes, splits, images, masks, series and texts."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import recipes
from recipes.reports.column_checks import similar_levels
from recipes.reports.data_summary import summarize_data
from recipes.reports.image_statistics import SAMPLE, image_statistics
from tests.tolerance import assert_close

RNG = np.random.default_rng(0)


def trees(n=120, **columns):
    """Returns a table of trees without anything suspicious, with further columns."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {
            "height": rng.normal(12, 3, n).round(2),
            "girth": rng.normal(60, 8, n).round(1),
            "soil": rng.choice(["clay", "sand", "peat"], n),
            "species": rng.choice(["oak", "elm"], n),
        }
    )
    return frame.assign(**columns)


def sentences(summary, word):
    """Returns the suspicious things that contain a word."""
    return [s for s in summary.suspicious if word in s]


def row_of(summary, name):
    return next(row for row in summary.to_json()["columns"] if row["name"] == name)


def strict(summary):
    """Returns the summary by way of strict JSON."""
    return json.loads(json.dumps(summary.to_json(), allow_nan=False))


def test_a_table_has_columns_classes_splits_and_the_source_to_read_it_again(tmp_path):
    trees().to_csv(tmp_path / "trees.csv", index=False)
    summary = recipes.check_data(f"table:{tmp_path / 'trees.csv'}?target=species")
    facts = strict(summary)
    assert facts["task"] == "classification"
    assert facts["splits"] == {"train": 84, "validation": 18, "test": 18}
    assert {c["name"]: c["train"] + c["validation"] + c["test"] for c in facts["classes"]} == (
        trees()["species"].value_counts().to_dict()
    )
    assert {row["name"]: (row["role"], row["kind"]) for row in facts["columns"]} == {
        "height": ("input", "number"),
        "girth": ("input", "number"),
        "soil": ("input", "category"),
        "species": ("target", "category"),
    }
    height = row_of(summary, "height")
    assert_close(
        [height["smallest"], height["median"], height["largest"]], trees()["height"].quantile([0, 0.5, 1]).to_numpy()
    )
    assert {entry["level"]: entry["count"] for entry in row_of(summary, "soil")["levels"]} == (
        trees()["soil"].value_counts().to_dict()
    )
    again = recipes.load(facts["data_option"])
    np.testing.assert_array_equal(again.train.targets, summary.data.train.targets)
    assert summary.suspicious == []
    assert "nothing suspicious" in str(summary)


def test_a_bare_path_is_a_table_or_a_folder(tmp_path):
    trees().to_csv(tmp_path / "trees?.csv", index=False)
    assert recipes.check_data(str(tmp_path / "trees?.csv")).facts["examples"] == 120
    summary = recipes.check_data(f"{tmp_path / 'trees%3F.csv'}".replace("%3F", "?"), target="species")
    assert summary.facts["task"] == "classification"
    for name in ("fox", "hare"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(12):
            Image.fromarray(RNG.integers(0, 255, (8, 8, 3)).astype("uint8")).save(
                tmp_path / "photos" / name / f"{i}.png"
            )
    assert recipes.check_data(str(tmp_path / "photos")).facts["task"] == "classification"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("trees.cvs", "Did you mean `.*trees.csv`"),
        ("notes.txt", "table:.* for a table, text:"),
        ("values.npy", "arrays are passed in Python"),
        ("tables", "a folder of tables"),
    ],
)
def test_a_path_that_fits_no_reader_or_several_is_an_error(tmp_path, name, message):
    trees().to_csv(tmp_path / "trees.csv", index=False)
    (tmp_path / "notes.txt").write_text("a b c")
    np.save(tmp_path / "values.npy", np.zeros(3))
    (tmp_path / "tables").mkdir()
    trees().to_csv(tmp_path / "tables" / "a.csv", index=False)
    with pytest.raises(ValueError, match=message):
        recipes.check_data(str(tmp_path / name))


def test_a_bundled_set_without_its_reader_is_suggested():
    with pytest.raises(ValueError, match="Did you mean `bundled:penguins`"):
        recipes.check_data("penguins")


def test_a_table_without_a_target_has_its_columns_and_says_how_to_name_it():
    day = pd.date_range("2020-01-01", periods=120).astype(str)
    summary = recipes.check_data(trees(day=day, empty=np.nan))
    facts = strict(summary)
    assert facts["task"] is None
    assert "target=COLUMN" in facts["advice"]
    assert row_of(summary, "empty")["kind"] == "empty"
    assert row_of(summary, "day")["looks_like"] == "date"
    assert sentences(summary, "time=day")


def test_a_table_that_cannot_be_trained_on_keeps_the_columns_and_the_error():
    girth = np.where(np.arange(120) < 60, np.nan, RNG.normal(size=120))
    summary = recipes.check_data(trees(girth=girth), target="species")
    assert "missing='drop'" in summary.error
    assert row_of(summary, "girth")["gaps"] == 60
    assert sentences(summary, "gaps in 50% of the rows; `drop_columns=girth`")
    imputed = recipes.check_data(trees(girth=girth), target="species", missing="impute")
    assert imputed.error is None
    assert row_of(imputed, "girth")["policy"] == "impute"
    assert "60 gaps, 50.0% (impute)" in str(imputed)


@pytest.mark.parametrize("sentinel", [-9999, -999, 99999])
@pytest.mark.parametrize("fraction", [0.02, 0.4])
def test_numbers_that_stand_for_gaps_are_suspicious(sentinel, fraction):
    girth = np.where(np.arange(120) < 120 * fraction, sentinel, RNG.normal(60, 8, 120))
    summary = recipes.check_data(trees(girth=girth), target="species")
    assert sentences(summary, f"`girth` has {sentinel:,}" if abs(sentinel) >= 10_000 else f"`girth` has {sentinel}")


@pytest.mark.parametrize(
    "girth",
    [RNG.normal(60, 8, 120), RNG.integers(0, 2, 120), RNG.integers(990, 1010, 120), -RNG.integers(80, 120, 120)],
)
def test_usual_numbers_are_not_suspicious(girth):
    assert sentences(recipes.check_data(trees(girth=girth), target="species"), "girth") == []


def test_outliers_and_codes_are_suspicious():
    girth = np.where(np.arange(120) == 7, 5200, RNG.normal(60, 8, 120))
    summary = recipes.check_data(trees(girth=girth, slope=RNG.integers(1, 4, 120)), target="species")
    assert sentences(summary, "`girth` has 1 value further than 10 interquartile ranges")
    assert sentences(summary, "`slope` has only the numbers 1, 2, 3, which may be codes; `categorical=slope`")
    categorical = recipes.check_data(trees(slope=RNG.integers(1, 4, 120)), target="species", categorical=("slope",))
    assert row_of(categorical, "slope")["kind"] == "category"
    assert sentences(categorical, "slope") == []


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("clay", "Clay"),
        ("sandy loam", "sandy_loam"),
        ("sandy loam", "sandy laom"),
        ("Quercus robur", "Quercus robor"),
        ("chestnut", "chesnut"),
        ("Sorbus é", "Sorbus e\u0301"),
    ],
)
def test_levels_that_are_written_alike(first, second):
    assert similar_levels({first: 40, second: 3, "other": 20}) == [(first, second)]


def test_levels_that_differ_by_a_number_a_letter_or_a_word_are_others():
    counts = ["plot 1", "plot 2", "A", "B", "zone I", "zone II", "north", "south", "male", "female", "2019", "2020"]
    assert similar_levels(dict.fromkeys(counts, 20)) == []


def test_columns_that_decide_the_target_or_repeat_another_are_suspicious():
    frame = trees()
    is_oak = frame["species"] == "oak"
    leaks = {
        "code": np.where(is_oak, "Q", "U"),
        "number": np.where(is_oak, 3, 7),
        "score": RNG.random(120) + 2 * is_oak,
    }
    for name, values in leaks.items():
        summary = recipes.check_data(frame.assign(**{name: values}), target="species")
        assert sentences(summary, f"`{name}` decides the class alone"), name
    summary = recipes.check_data(frame.assign(copy=frame["height"], code=frame["soil"].str[:1]), target="species")
    assert sentences(summary, "`copy` says the same as `height`; `drop_columns=copy`")
    assert sentences(summary, "`code` says the same as `soil`")
    summary = recipes.check_data(frame.assign(double=2 * frame["girth"] + 1), target="girth")
    assert sentences(summary, "`double` follows the target")


def test_rare_classes_imbalance_and_small_splits_are_suspicious():
    species = np.repeat(["oak", "elm", "Elm"], [200, 40, 5])
    summary = recipes.check_data(trees(245, species=species), target="species")
    assert sentences(summary, "1 class has fewer than 10 examples: 'Elm' (5)")
    assert sentences(summary, "unbalanced: 200 examples of 'oak', 5 of 'Elm'; `--set class_weight=balanced`")
    assert sentences(summary, "the target has levels that are written alike")
    summary = recipes.check_data(trees(40), target="species")
    assert sentences(summary, "the test split has 6 examples: metrics of it are uncertain; `test` sets the fraction")


def test_repeated_and_contradictory_examples_are_suspicious():
    x = RNG.normal(size=(60, 4)).astype("float32")
    x[50:] = x[:10]
    y = np.arange(60) % 2
    y[50:55] = 1 - y[:5]
    y[55:] = y[5:10]
    summary = recipes.check_data((x, y))
    assert sentences(summary, "examples that repeat another one: 10")
    assert sentences(summary, "examples that are identical to one of another class: 10")
    both = recipes.check_data([(x[:40], y[:40]), (x[30:], y[30:])])
    assert len(sentences(both, "also in the train split")) == 1


def test_notes_of_the_reader_are_in_the_list_and_not_warned_of_again(recwarn):
    summary = recipes.check_data(trees(constant=1), target="species")
    assert sentences(summary, "left out `constant`")
    assert row_of(summary, "constant")["role"] == "left out"
    assert [w for w in recwarn if "constant" in str(w.message)] == []


def test_images_have_sizes_bands_and_what_is_suspicious(tmp_path):
    for name, suffix in (("fox", "jpg"), ("hare", "png")):
        (tmp_path / name).mkdir()
        for i in range(14):
            side = 40 if i == 0 else 12
            pixels = RNG.integers(0, 255, (side, side, 3)).astype("uint8")
            pixels = np.full_like(pixels, 90) if i in (1, 2, 3) else pixels // 10 if i in (4, 5, 6) else pixels
            Image.fromarray(pixels).save(tmp_path / name / f"{i}.{suffix}")
    summary = recipes.check_data(f"folder:{tmp_path}?validation=0&test=0")
    images = strict(summary)["images"]
    assert images["sizes"] == {"smallest": [12, 12], "median": [12, 12], "largest": [40, 40]}
    assert [band["band"] for band in images["bands"]] == [1, 2, 3]
    assert sentences(summary, "images of one value: 6 of 28")
    assert sentences(summary, "dark images (95% of the pixels below 50 of 255): 6 of 28")
    assert sentences(summary, "differ in size from 12 x 12 to 40 x 40 pixels")
    assert sentences(summary, "the file format of an image tells its class (.jpg for fox and .png for hare)")


def test_statistics_of_images_leave_nodata_out_and_name_constant_and_equal_bands():
    images = list(RNG.normal(10, 1, (5, 6, 6, 4)).astype("float32"))
    for image in images:
        image[..., 2] = 4
        image[..., 3] = image[..., 0]
        image[0] = np.nan
    statistics = image_statistics(images, bands=("red", "nir", "empty", "copy"))
    assert statistics["bands"][1]["name"] == "nir"
    assert_close(statistics["bands"][0]["nodata_fraction"], 1 / 6)
    assert_close(statistics["bands"][0]["mean"], np.nanmean([image[..., 0] for image in images]), rtol=1e-5)
    assert statistics["equal_bands"] == [[1, 4]]


def test_many_images_are_sampled_with_a_seed():
    x, y = RNG.integers(0, 255, (SAMPLE + 300, 4, 4, 1)).astype("uint8"), np.arange(SAMPLE + 300) % 2
    first, second = (recipes.check_data((x, y), validation=0, test=0).to_json()["images"] for _ in range(2))
    assert first == second
    assert first["sample"] == SAMPLE


def test_class_folders_of_images_and_masks_are_suspicious(tmp_path):
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
        for i in range(12):
            Image.fromarray(RNG.integers(0, 255, (8, 8)).astype("uint8")).save(tmp_path / name / f"tile{i}.png")
    assert sentences(recipes.check_data(str(tmp_path)), f"masks:{tmp_path / 'images'}?labels={tmp_path / 'masks'}")


def test_masks_have_the_fraction_of_every_class():
    masks = np.zeros((20, 8, 8), int)
    masks[:, :2] = 1
    masks[:, 7] = 255
    masks[[3, 7], 4, 4] = 2
    x = RNG.integers(0, 255, (20, 8, 8, 3)).astype("uint8")
    summary = recipes.check_data((x, masks), task="segmentation", validation=0, test=0)
    rows = {row["name"]: row for row in strict(summary)["masks"]}
    assert_close(rows["1"]["fraction"], 16 / 56)
    assert_close(rows["(ignored)"]["fraction"], 8 / 64)
    assert rows["2"]["examples"] == 2
    assert sentences(summary, "the class '2' has 0.18% of the pixels, in 2 images")


def test_series_have_times_step_window_horizon_and_gaps(tmp_path):
    times = pd.date_range("2020-01-01", periods=120, freq="h").delete([50, 51])
    river = pd.DataFrame({"time": times, "flow": np.sin(np.arange(118)), "rain": RNG.random(118)})
    options = {"time": "time", "target": "flow", "window": 6, "horizon": 2}
    assert "equal steps" in recipes.check_data(river, **options).error
    summary = recipes.check_data(river, **options, step="1h", missing="drop")
    series = strict(summary)["series"]
    assert (series["window"], series["horizon"], series["step"]) == (6, [1, 2], "1 hour")
    assert (series["first"], series["missing_steps"]) == ("2020-01-01 00:00:00", 2)
    assert sentences(summary, "2 steps (1.7%) between the first and the last time have no row")
    assert row_of(summary, "time")["role"] == "time"


def test_series_in_arrays_and_vectors_have_a_row_for_every_channel():
    y = np.arange(40) % 2
    summary = recipes.check_data((RNG.normal(size=(40, 7, 3)), y))
    assert [row["name"] for row in strict(summary)["columns"]] == ["channel 0", "channel 1", "channel 2"]
    summary = recipes.check_data((RNG.normal(size=(40, 3)), y))
    assert [row["name"] for row in strict(summary)["columns"]] == ["input 0", "input 1", "input 2"]


def test_texts_have_lengths_and_repetitions():
    notes = [f"a note on bird {i}" for i in range(38)] + ["a note on bird 0", "a note on bird 1"]
    summary = recipes.check_data((notes, np.arange(40) % 2), validation=0, test=0)
    texts = strict(summary)["texts"]
    assert texts["words"] == {"smallest": 5, "median": 5.0, "largest": 5}
    assert sentences(summary, "texts that repeat another one: 2")


def test_one_raster_is_described_by_its_bands(tmp_path):
    rasterio = pytest.importorskip("rasterio")
    profile = {"driver": "GTiff", "height": 12, "width": 10, "count": 2, "dtype": "uint16", "nodata": 0}
    transform = rasterio.Affine(10, 0, 500000, 0, -10, 5000000)
    with rasterio.open(tmp_path / "scene.tif", "w", crs="EPSG:32633", transform=transform, **profile) as file:
        pixels = RNG.integers(500, 2000, (2, 12, 10)).astype("uint16")
        pixels[:, 0] = 0
        file.write(pixels)
        file.descriptions = ("red", "nir")
    facts = strict(recipes.check_data(str(tmp_path / "scene.tif")))
    assert facts["raster"] == {"crs": "EPSG:32633", "pixel_size": [10.0, 10.0], "nodata": 0.0}
    assert [band["name"] for band in facts["images"]["bands"]] == ["red", "nir"]
    assert_close(facts["images"]["bands"][0]["nodata_fraction"], 1 / 12)
    assert facts["dtype"] == "uint16"
    assert "labels=MASK" in facts["advice"]


def test_every_kind_of_data_has_a_figure(tmp_path):
    y = np.arange(12) % 2
    images = RNG.integers(0, 255, (12, 6, 6, 3)).astype("uint8")
    river = pd.DataFrame({"t": pd.date_range("2020-01-01", periods=60), "a $1$": RNG.random(60), "b": RNG.random(60)})
    summaries = [
        recipes.check_data(trees(day=pd.Timestamp("2020-01-01"))),
        recipes.check_data(trees(), target="species"),
        recipes.check_data((images, y)),
        recipes.check_data((RNG.normal(size=(12, 6, 6, 5)), y)),
        recipes.check_data((images, (images[..., 0] > 100).astype(int)), task="segmentation"),
        recipes.check_data((RNG.normal(size=(12, 7, 9)), y)),
        recipes.check_data(river, time="t", target="a $1$", window=4, horizon=(1, 3)),
        recipes.check_data(([f"text {i} of $x$" for i in range(12)], y)),
        recipes.check_data((RNG.normal(size=(60, 3)), RNG.normal(size=60))),
    ]
    for i, summary in enumerate(summaries):
        with Image.open(summary.save_figure(tmp_path / str(i))) as figure:
            assert min(figure.size) > 100


def test_data_are_summarized_as_they_are():
    data = recipes.load(trees(), target="species")
    assert summarize_data(data)["splits"] == recipes.check_data(data).to_json()["splits"]
