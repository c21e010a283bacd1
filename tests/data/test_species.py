"""Presences of a species: coordinates, rasters on one grid, background, nodata and blocks."""

import numpy as np
import pandas as pd
import pytest

import recipes
from recipes.data import reopen
from recipes.data.rasters.stack import read_stack
from tests.data.test_raster import GRID, save
from tests.tolerance import assert_close

rasterio = pytest.importorskip("rasterio", reason="rasterio is in the extra `raster`")

HEIGHT, WIDTH = 60, 80
RNG = np.random.default_rng(0)
WARMTH = (np.linspace(0, 30, WIDTH) + RNG.normal(0, 0.5, (HEIGHT, WIDTH))).astype("float32")
RAIN = (np.linspace(2000, 100, HEIGHT)[:, None] + RNG.normal(0, 30, (HEIGHT, WIDTH))).astype("float32")
SOIL = RNG.integers(1, 4, (HEIGHT, WIDTH)).astype("uint8")
RAIN[:, :5] = -9999  # the sea


def presences(count=150, seed=0):
    """Returns a table of points where it is about 20 degrees warm and wet."""
    suitable = np.exp(-(((WARMTH - 20) / 3) ** 2)) * (RAIN > 900)
    cells = np.random.default_rng(seed).choice(WARMTH.size, count, replace=False, p=(suitable / suitable.sum()).ravel())
    x, y = rasterio.transform.xy(GRID, cells // WIDTH, cells % WIDTH)
    return pd.DataFrame({"species": "Lacerta", "x": x, "y": y})


def write_rasters(folder):
    """Writes the environment: warmth in one file, rain and soil in others; returns the folder."""
    save(folder / "warmth.tif", WARMTH)
    save(folder / "rain.tif", RAIN, nodata=-9999)
    save(folder / "soil.tif", SOIL)
    return folder


@pytest.fixture(scope="module")
def rasters(tmp_path_factory):
    return write_rasters(tmp_path_factory.mktemp("rasters"))


def write_points(folder, frame=None):
    path = folder / "points.csv"
    (presences() if frame is None else frame).to_csv(path, index=False)
    return path


def source_of(folder, rasters, more=""):
    return f"species:{write_points(folder)}?rasters={rasters}&background=300&categorical=soil{more}"


def whole(data, column):
    return np.concatenate([split.inputs[column] for split in (data.train, data.validation, data.test)])


def test_environment_is_read_at_the_points_and_at_a_background(tmp_path, rasters):
    data = recipes.load(source_of(tmp_path, rasters))
    assert data.classes == ("background", "presence") and data.options["x"] == "x"
    assert data.columns == {"rain": "number", "soil": "category", "warmth": "number"}
    targets = np.concatenate([split.targets for split in (data.train, data.validation, data.test)])
    assert np.bincount(targets).tolist() == [300, 150]
    assert abs(np.median(whole(data, "warmth")[targets == 1]) - 20) < 1 < np.ptp(whole(data, "warmth")[targets == 0])
    assert set(whole(data, "soil")) == {"1", "2", "3"} and whole(data, "rain").min() > -9999
    assert any("300 background points" in note for note in data.notes)
    again = reopen(data.source_spec)
    assert (whole(again, "rain") == whole(data, "rain")).all()


def test_blocks_stay_in_one_split(tmp_path, rasters):
    data = recipes.load(source_of(tmp_path, rasters, "&block=100"))
    assert "square blocks of side 100 in x and y" in data.split_description
    units = [set(split.units) for split in (data.train, data.validation, data.test)]
    assert not units[0] & units[1] and not units[0] & units[2] and not units[1] & units[2]
    assert "blocks" not in recipes.load(source_of(tmp_path, rasters, "&block=0")).split_description
    assert recipes.load(source_of(tmp_path, rasters)).options["block"] > 0  # a tenth of the extent


def test_the_background_is_drawn_without_replacement_from_valid_cells(rasters):
    stack = read_stack((rasters,))
    rows, columns, values = stack.sample(10**6, 0)
    assert len(np.unique(rows * WIDTH + columns)) == len(rows) == HEIGHT * (WIDTH - 5) and columns.min() == 5
    assert_close(values[:, stack.names.index("warmth")], WARMTH[rows, columns])
    rows, columns, values = stack.sample(200, 1)
    assert_close(values[:, stack.names.index("rain")], RAIN[rows, columns])
    assert len(np.unique(rows * WIDTH + columns)) == 200


def test_points_on_nodata_are_named_by_row(tmp_path, rasters):
    frame = presences()
    frame.loc[3, "x"] = GRID.c + 15  # in the sea
    frame.loc[7, "y"] = GRID.f + 500  # beyond the border
    source = f"species:{write_points(tmp_path, frame)}?rasters={rasters}&background=50&categorical=soil"
    with pytest.raises(ValueError, match="2 of 150 that do not: rows 4, 8; 1 of them lie beyond the rasters' border"):
        recipes.load(source)
    with pytest.warns(UserWarning, match="left out 2 of 150 points on nodata: rows 4, 8"):
        data = recipes.load(source + "&missing=drop")
    assert sum(len(split) for split in (data.train, data.validation, data.test)) == 148 + 50


def test_coordinates_are_projected(tmp_path, rasters):
    from rasterio import warp

    frame = presences()
    frame["lon"], frame["lat"] = warp.transform("EPSG:32632", "EPSG:4326", frame.pop("x"), frame.pop("y"))
    options = f"?rasters={rasters}&background=300&categorical=soil&block=0"
    data = recipes.load(f"species:{write_points(tmp_path, frame)}{options}&crs=EPSG:4326")
    metric = recipes.load(f"species:{write_points(tmp_path)}{options}")
    assert_close(np.sort(whole(data, "rain")), np.sort(whole(metric, "rain")))
    with pytest.raises(ValueError, match="150 of them lie beyond the rasters' border"):
        recipes.load(f"species:{write_points(tmp_path, frame)}{options}")


def test_rasters_that_do_not_align_are_named(tmp_path):
    rasters = write_rasters(tmp_path)
    save(tmp_path / "soil.tif", SOIL[:, 1:], transform=rasterio.Affine(10, 0, 500_010, 0, -10, 5_000_000))
    with pytest.raises(ValueError, match="soil.tif with 60 x 79 pixels instead of 60 x 80 and the transform"):
        recipes.load(source_of(tmp_path, rasters))


def test_tables_with_their_environment_need_no_rasters():
    frame = presences().drop(columns="species")
    frame = frame.assign(warmth=RNG.normal(0, 1, 150), seen=["yes", "absence", "1"] * 50)
    data = recipes.read_species(frame, "seen", block=0)
    assert list(data.columns) == ["warmth"] and data.classes == ("background", "presence")
    data = recipes.read_species(frame, "seen", block=0, columns=("x", "y"))
    assert list(data.columns) == ["x", "y"]


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({"seen": "maybe"}, {"target": "seen"}, "`seen` must have 1, true or presence.*'maybe' in rows 1, 2, 3"),
        ({}, {}, "the points must have a background or absence, got none; `rasters` draw a background"),
        ({"x": np.nan}, {}, "every point must have coordinates, got a gap in `x` in rows 1, 2"),
        ({}, {"x": "lon", "y": "lat"}, "`x` must name columns of the table, got 'lon'"),
        ({}, {"x": "x"}, "must both name a column"),
        ({}, {"background": 10}, "`background` must be None without `rasters`"),
        ({"presence": 1}, {}, "`target` must name the column of presences"),
    ],
)
def test_what_cannot_be_read_is_refused(change, options, message):
    with pytest.raises(ValueError, match=message):
        recipes.read_species(presences().assign(warmth=range(150), **change), **options)


def test_bundled_species():
    data = recipes.load("bundled:bradypus")
    assert data.columns["ecoreg"] == "category" and len(data.columns) == 14
    targets = np.concatenate([split.targets for split in (data.train, data.validation, data.test)])
    assert np.bincount(targets).tolist() == [1000, 116]
    data = recipes.load("bundled:ariolimax")
    assert "square blocks of side 104000 in x and y" in data.split_description and len(data.columns) == 6


def test_clusters_of_environments_stay_in_one_split(tmp_path, rasters):
    data = recipes.load(source_of(tmp_path, rasters, "&clusters=12"))
    assert "12 clusters of similar examples kept whole" in data.split_description
    test, train = (set(np.round(split.inputs["warmth"] / 2)) for split in (data.test, data.train))
    spread = recipes.load(source_of(tmp_path, rasters, "&block=0"))
    random = set(np.round(spread.test.inputs["warmth"] / 2))
    assert len(test) < len(random) and train
    assert not set(data.train.units) & set(data.test.units)
    with pytest.raises(ValueError, match="`clusters` must be None with `block`, got 3"):
        recipes.load(source_of(tmp_path, rasters, "&clusters=3&block=100"))
    with pytest.raises(ValueError, match="at most the 2 distinct rows, got 3"):
        recipes.read_table({"a": [1.0, 2.0] * 5, "kind": ["x", "y"] * 5}, "kind", clusters=3)
    with pytest.raises(ValueError, match="`clusters` must be None for a table without numbers"):
        recipes.read_table({"a": ["p", "q"] * 5, "kind": ["x", "y"] * 5}, "kind", clusters=2)
