"""Presto's fuel-moisture task: the authors' split, the released weights, and the errors of all methods."""

from pathlib import Path

import numpy as np
import pytest

from recipes.reference import fuel_moisture as task

RELEASED = Path(__file__).parents[2] / "../shared/data/presto"
FOLDER, WEIGHTS = RELEASED / "fuel_moisture", RELEASED / "default_model.pt"
released = pytest.mark.skipif(
    not (FOLDER.is_dir() and WEIGHTS.is_file()),
    reason=f"the released weights of Presto and the fuel-moisture task are not at {RELEASED}",
)


@pytest.fixture(scope="module")
def splits():
    return task.read_fuel_moisture(str(FOLDER))


def sample(split, count):
    return split.take(np.random.default_rng(0).permutation(len(split.target))[:count])


@released
def test_the_split_is_the_authors_by_site(splits):
    train, test = splits
    assert (len(train.target), len(test.target)) == (1578, 735)
    assert (len(set(train.site)), len(set(test.site))) == (100, 50)
    assert train.inputs["x"].shape == (1578, 3, 17)
    assert task.rmse(test.target, train.target.mean()) == pytest.approx(36.90, abs=0.01)


@released
def test_bands_are_in_prestos_order(splits):
    x = splits[0].inputs["x"]
    kelvin, slope = x[..., task.BANDS.index("temperature_2m")], x[..., task.BANDS.index("slope")]
    assert kelvin.min() > 250 and kelvin.max() < 320
    assert slope.min() >= 0 and slope.max() < 90
    assert x[..., 0].max() < 10  # Sentinel-1 [dB]


@released
def test_features_of_the_released_weights_are_better_than_the_mean(splits):
    train, test = splits
    mean, linear, forest = task.compare(
        sample(train, 700), sample(test, 200), str(WEIGHTS), methods=("mean", "linear", "forest on bands")
    )
    assert mean["rmse"] == mean["mean_rmse"] and mean["published_rmse"] == 25.28
    assert linear["rmse"] < 0.9 * mean["rmse"]
    assert forest["rmse"] < 0.9 * mean["rmse"]


@released
def test_fine_tuning_overfits_one_batch(splits):
    train = sample(splits[0], 24)
    model, history = task.finetune(train, str(WEIGHTS), epochs=20, patience=20)
    assert history["rmse"][-1] < 0.5 * history["rmse"][0]
    assert model(train.inputs).shape == (24, 1)


def write_files(folder, **changes):
    """Writes ten random measurements at five sites in the format of the authors' files."""
    rng = np.random.default_rng(0)
    arrays = {
        "s1_s2_era5_srtm": rng.uniform(1, 2, (10, 3, 18)),
        "dynamic_world": np.zeros((10, 3), "uint8"),
        "month": np.tile([10, 11, 0], (10, 1)),
        "latlon": np.ones((10, 2)),
        "target": rng.uniform(50, 150, 10),
        "site": np.repeat(list("abcde"), 2),
        "is_test": np.repeat([0, 0, 0, 1, 1], 2),
    }
    for name, values in {**arrays, **changes}.items():
        if values is not None:
            np.save(folder / f"{name}.npy", values)
    return str(folder)


def test_only_b9_is_dropped(tmp_path):
    x = np.broadcast_to(np.arange(18.0), (10, 3, 18))
    train, _ = task.read_fuel_moisture(write_files(tmp_path, s1_s2_era5_srtm=x))
    assert train.inputs["x"][0, 0].tolist() == [*range(10), *range(11, 18)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"site": None}, r"`folder` must contain site.npy"),
        ({"month": np.full((10, 3), 12)}, r"must be from 0 to 11, got 12 at \(0, 0\)"),
        ({"latlon": np.full((10, 2), np.nan)}, r"latlon must be finite, got NaN or infinity at \(0, 0\)"),
        ({"target": np.ones(9)}, "the same length, got .*target 9"),
        ({"s1_s2_era5_srtm": np.ones((10, 3, 17))}, r"18 bands, got shape \(10, 3, 17\)"),
        ({"is_test": np.arange(10) % 2}, "in one split, got 'a' in both"),
    ],
)
def test_invalid_files_raise(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        task.read_fuel_moisture(write_files(tmp_path, **changes))


def test_the_command_prints_which_files_are_missing(tmp_path, capsys):
    assert task.main([str(tmp_path)]) == 2
    assert "`folder` must contain" in capsys.readouterr().err
