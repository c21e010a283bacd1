"""`predict_species_map`: probabilities, their spread, similarity, resumption, and errors."""

import numpy as np
import pandas as pd
import pytest

import recipes
from recipes.data.environment import Environment
from tests.data.test_raster import save
from tests.data.test_species import HEIGHT, RAIN, SOIL, WARMTH, WIDTH, source_of, write_rasters
from tests.tolerance import assert_close

rasterio = pytest.importorskip("rasterio", reason="rasterio is in the extra `raster`")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Returns (run, folder of its rasters)."""
    rasters = write_rasters(tmp_path_factory.mktemp("rasters"))
    task = recipes.SpeciesDistribution(epochs=3, baselines=False)
    source = source_of(tmp_path_factory.mktemp("points"), rasters)
    return recipes.fit(task, "dnn", source, verbose=False, units=(4,)), rasters


def read(path):
    with rasterio.open(path) as file:
        return file.read(), file.descriptions, file.crs


def test_a_map_has_the_predictions_of_its_cells_and_their_similarity(trained, tmp_path):
    run, rasters = trained
    result = recipes.predict_species_map(run, (str(rasters),), tmp_path / "map.tif", tile=32, verbose=False)
    bands, names, crs = read(tmp_path / "map.tif")
    assert bands.shape == (2, HEIGHT, WIDTH) and crs.to_epsg() == 32632 and result.tiles == 6
    assert names == ("probability of presence", "similarity to the training")
    assert np.isnan(bands[:, RAIN == -9999]).all()
    frame = pd.DataFrame({"warmth": WARMTH.ravel(), "rain": RAIN.ravel(), "soil": SOIL.ravel()})
    valid = RAIN.ravel() != -9999
    assert_close(bands[0].ravel()[valid], run.predict(frame[valid])[:, 1], rtol=1e-4)
    environment = Environment.from_json(run.record["environment"])
    similarity = environment.similarity(frame[valid].assign(soil=frame[valid].soil.astype(str)).to_dict("series"))
    assert_close(bands[1].ravel()[valid], similarity, rtol=1e-3, scale=100.0)


def test_several_runs_give_mean_and_deviation(trained, tmp_path):
    run, rasters = trained
    other = run.replace(model=run.task.build_model("dnn", run.data, units=(3,)))
    recipes.predict_species_map([run, other], (str(rasters),), tmp_path / "both.tif", verbose=False)
    recipes.predict_species_map(run, (str(rasters),), tmp_path / "one.tif", verbose=False)
    recipes.predict_species_map(other, (str(rasters),), tmp_path / "other.tif", verbose=False)
    both, names, _ = read(tmp_path / "both.tif")
    single = np.stack([read(tmp_path / f"{name}.tif")[0][0] for name in ("one", "other")])
    assert names[1] == "deviation between runs"
    assert_close(both[0], single.mean(0), rtol=1e-4)
    assert_close(both[1], single.std(0), rtol=1e-3, scale=1.0)


def test_coordinates_that_are_inputs_are_those_of_the_cells(trained, tmp_path):
    _, rasters = trained
    task = recipes.SpeciesDistribution(epochs=1, baselines=False)
    run = recipes.fit(task, "dnn", source_of(tmp_path, rasters, "&columns=x,y"), verbose=False, units=(4,))
    recipes.predict_species_map(run, (str(rasters),), tmp_path / "map.tif", verbose=False)
    rows, columns = np.array([0, 30, 59]), np.array([10, 40, 79])
    x, y = rasterio.transform.xy(rasterio.open(tmp_path / "map.tif").transform, rows, columns)
    expected = run.predict(pd.DataFrame({"x": x, "y": y}))[:, 1]
    assert_close(read(tmp_path / "map.tif")[0][0][rows, columns], expected, rtol=1e-4)


def test_rasters_and_runs_that_do_not_fit_are_refused(trained, tmp_path):
    run, rasters = trained
    save(tmp_path / "warm.tif", WARMTH)
    with pytest.raises(ValueError, match="none called 'rain'.*They have warm"):
        recipes.predict_species_map(run, (str(tmp_path / "warm.tif"),), tmp_path / "map.tif", verbose=False)
    with pytest.raises(ValueError, match="`run` must be of SpeciesDistribution, got dict"):
        recipes.predict_species_map([{}], (str(rasters),), tmp_path / "map.tif")
    with pytest.raises(ValueError, match="`out` must be a writable file.*has no folder"):
        recipes.predict_species_map(run, (str(rasters),), tmp_path / "no" / "map.tif")
