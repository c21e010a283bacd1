"""`predict_raster`: tiles equal the whole raster, georeferencing, resumption, and errors."""

import json
import shutil
import subprocess
import sys

import keras
import numpy as np
import pytest
from keras import layers

import recipes
import zoo
from recipes.cli.explain import explain_files
from recipes.raster.tiling import split_into_stripes, tile_axis
from recipes.runs.predict_files import evaluate_run
from tests.data.test_raster import RNG, SCENE, TRUTH, save, source_of
from tests.tolerance import assert_close

rasterio = pytest.importorskip("rasterio", reason="rasterio is in the extra `raster`")

HEIGHT, WIDTH = 301, 410  # multiples of no tile, stride or block size
PIXELS = RNG.normal(0, 1, (2, HEIGHT, WIDTH)).astype("float32")
PIXELS[0, 5:9, :40] = -99


def network(classes=3, sides=(None, None), **head):
    """Three convolutions with one downsampling; the receptive field is 14 pixels."""
    x = inputs = layers.Input((*sides, 2))
    x = layers.Conv2D(4, 5, padding="same", activation="relu")(x)
    x = layers.MaxPooling2D(2)(x)
    x = layers.UpSampling2D(2)(layers.Conv2D(4, 3, padding="same", activation="relu")(x))
    return keras.Model(inputs, layers.Conv2D(classes, 3, padding="same", **{"activation": "softmax", **head})(x))


@pytest.fixture
def raster(tmp_path):
    return save(tmp_path / "scene.tif", PIXELS, nodata=-99, names=("red", "NIR"))


def predict_whole(model, unit=2):
    """Returns the (classes, H, W) prediction of the whole raster, mirrored to sides that `unit` divides."""
    valid = (PIXELS != -99).all(0)
    x = np.pad(np.where(valid, PIXELS, 0), ((0, 0), (0, -HEIGHT % unit), (0, -WIDTH % unit)), "symmetric")
    probabilities = model.predict(np.moveaxis(x, 0, -1)[None], verbose=0)[0, : valid.shape[0], : valid.shape[1]]
    return np.where(valid, np.moveaxis(probabilities, -1, 0), np.nan)


def read(path):
    with rasterio.open(path) as file:
        return file.read()


def predict(model, raster, out, **options):
    """Calls `predict_raster` with small tiles by default and checks that it leaves only the output file."""
    prediction = recipes.predict_raster(model, raster, out, verbose=False, **{"tile": 128, "overlap": 32, **options})
    assert {p.name for p in out.parent.iterdir() if p.name.startswith(out.name)} == {out.name}
    return prediction


# Predictions


@pytest.mark.parametrize("blend", ["cosine", "linear", "none"])
def test_tiles_predict_the_same_as_the_whole_raster(raster, tmp_path, blend):
    model = network()
    assert zoo.receptive_field(model) < 32
    prediction = predict(model, raster, tmp_path / "out.tif", blend=blend, probabilities=True)
    assert prediction.tiles > 10 and prediction.skipped_tiles == prediction.resumed_rows == 0
    assert 0 < prediction.model_fraction <= 1
    assert_close(read(tmp_path / "out.tif"), predict_whole(model))


def test_stripes_do_not_change_the_prediction(raster, tmp_path, monkeypatch):
    from recipes.raster import blend

    model = network()
    predict(model, raster, tmp_path / "whole.tif", tile=32, overlap=16, probabilities=True)
    monkeypatch.setattr(blend, "BUFFER_BYTES", 1)
    predict(model, raster, tmp_path / "out.tif", tile=32, overlap=16, probabilities=True, batch_size=3)
    assert split_into_stripes(WIDTH, 256, 256) == [(0, 256), (256, WIDTH)]
    assert_close(read(tmp_path / "out.tif"), read(tmp_path / "whole.tif"))


def test_classes_are_written_on_the_same_grid_with_names_and_colors(raster, tmp_path):
    model = network()
    predict(model, raster, tmp_path / "out.tif", classes=("bog", "wood", "lake"))
    probabilities = predict_whole(model)
    with rasterio.open(raster) as source, rasterio.open(tmp_path / "out.tif") as file:
        assert (file.crs, file.transform, file.shape) == (source.crs, source.transform, source.shape)
        assert (file.count, file.dtypes, file.nodata) == (1, ("uint8",), 255)
        assert file.profile["compress"] == "deflate" and file.block_shapes == [(256, 256)]
        assert file.tags()["CLASS_1"] == "wood" and file.colormap(1)[255] == (0, 0, 0, 0)
        classes = file.read(1)
    nodata = np.isnan(probabilities[0])
    assert nodata.sum() == 160 and (classes[nodata] == 255).all()
    np.testing.assert_array_equal(classes[~nodata], np.nan_to_num(probabilities).argmax(0)[~nodata])


@pytest.mark.skipif(not shutil.which("gdalinfo"), reason="gdalinfo (Debian's gdal-bin) is not installed")
@pytest.mark.parametrize("probabilities", [False, True])
def test_gdalinfo_reads_size_grid_and_nodata(raster, tmp_path, probabilities):
    predict(network(), raster, tmp_path / "out.tif", probabilities=probabilities)

    def gdalinfo(path):
        return json.loads(subprocess.check_output(["gdalinfo", "-json", path]))

    source, output = gdalinfo(raster), gdalinfo(tmp_path / "out.tif")
    assert output["driverShortName"] == "GTiff" and output["size"] == [WIDTH, HEIGHT]
    assert output["geoTransform"] == [500_000, 10, 0, 5_000_000, 0, -10]
    assert 'ID["EPSG",32632]' in output["coordinateSystem"]["wkt"]
    for key in ("size", "geoTransform", "coordinateSystem", "cornerCoordinates"):
        assert output[key] == source[key]
    nodata = {b["noDataValue"] for b in output["bands"]}
    assert [b["type"] for b in output["bands"]] == (["Float32"] * 3 if probabilities else ["Byte"])
    assert nodata == ({"NaN"} if probabilities else {255.0})


def test_logits_and_a_single_sigmoid_become_probabilities(raster, tmp_path):
    logits = network(activation=None)
    predict(logits, raster, tmp_path / "out.tif", probabilities=True)
    expected = np.moveaxis(np.asarray(keras.ops.softmax(np.moveaxis(predict_whole(logits), 0, -1))), -1, 0)
    assert_close(read(tmp_path / "out.tif"), expected)
    single = network(1, activation="sigmoid")
    predict(single, raster, tmp_path / "out.tif", probabilities=True)
    positive = predict_whole(single)[0]
    assert_close(read(tmp_path / "out.tif"), [1 - positive, positive])


def test_a_model_of_fixed_size_uses_tiles_of_that_size(raster, tmp_path):
    model = network(sides=(64, 64))
    predict(model, raster, tmp_path / "out.tif", tile=None, overlap=None, probabilities=True)
    any_size = network()
    any_size.set_weights(model.get_weights())
    assert_close(read(tmp_path / "out.tif"), predict_whole(any_size, 32))
    small = save(tmp_path / "small.tif", PIXELS[:, 10:40, :20])
    assert predict(model, small, tmp_path / "out.tif", tile=None, overlap=16).tiles == 1
    with pytest.raises(ValueError, match="`tile` must be the model's 64 pixels or None, got 128"):
        predict(model, raster, tmp_path / "out.tif")


def test_tiles_without_valid_pixels_are_not_predicted(tmp_path):
    pixels = np.full((2, 256, 256), -99, "float32")
    pixels[:, :50, :50] = 1
    prediction = predict(network(), save(tmp_path / "sea.tif", pixels, nodata=-99), tmp_path / "out.tif", overlap=0)
    assert (prediction.tiles, prediction.skipped_tiles) == (1, 3)
    assert (read(tmp_path / "out.tif")[0] != 255).sum() == 2500


def test_weights_of_overlapping_tiles_sum_to_one():
    for size, tile, overlap, blend in ((100, 32, 8, "cosine"), (97, 16, 12, "linear"), (50, 16, 0, "none")):
        axis, total = tile_axis(size, tile, overlap, blend=blend, receptive_radius=2), np.zeros(size)
        for k, start in enumerate(axis.starts):
            assert axis.weights(k).min() >= 0
            total[start : start + tile] += axis.weights(k)
        assert_close(total, 1, rtol=1e-5)
        assert axis.starts[-1] + tile == size


@pytest.mark.parametrize(("side", "tile"), [(64, None), (48, 64), (64, 16)])
def test_the_default_overlap_fits_small_rasters_and_tiles(tmp_path, side, tile):
    raster = save(tmp_path / "small.tif", np.ones((2, side, side), "float32"))
    recipes.predict_raster(network(), raster, tmp_path / "out.tif", tile=tile, verbose=False)
    assert read(tmp_path / "out.tif").shape == (1, side, side)


@pytest.mark.filterwarnings("ignore:.*its bands have no names")  # the raster to predict has none
def test_a_run_its_folder_and_the_command_line_predict_the_same(tmp_path, capsys):
    source = source_of(tmp_path, more="&tile=16&bands=2,1&classes=bog&classes=wood", names=("red", "NIR"))
    run = recipes.Segmentation(epochs=1, batch_size=8).fit("unet", source, verbose=False, filters=(4, 8))
    run.save(tmp_path / "run")
    raster = tmp_path / "scene.tif"
    windows = [np.moveaxis(SCENE[::-1, :21, :13], 0, -1), np.moveaxis(SCENE[::-1, :40, :8], 0, -1)]
    predictions = run.predict(windows)  # two sizes, both other than the training tiles'
    assert [p.shape for p in predictions] == [(21, 13, 2), (40, 8, 2)]
    assert_close(run.predict(windows[0][None]), predictions[:1])
    predict(run, raster, tmp_path / "a.tif", tile=32, overlap=8, probabilities=True)
    with pytest.raises(SystemExit) as stop:
        from recipes.cli.main import main

        names = [str(tmp_path / n) for n in ("run", "scene.tif", "b.tif")]
        main(["predict-raster", *names, "--tile", "32", "--overlap", "8", "--probabilities"])
    output = capsys.readouterr()
    assert not stop.value.code and output.out.startswith(f"{tmp_path / 'b.tif'}\t") and "b.tif  100%" in output.err
    assert_close(read(tmp_path / "b.tif"), read(tmp_path / "a.tif"))
    predict(run, raster, tmp_path / "c.tif", tile=None, probabilities=True)  # in one piece
    expected = np.asarray(run.model(run.preprocessing(np.moveaxis(SCENE[[1, 0]], 0, -1)[None])))[0]
    assert_close(np.moveaxis(read(tmp_path / "c.tif"), 0, -1), expected)
    assert expected.shape == (*TRUTH.shape, 2)
    with pytest.raises(ValueError, match=r"must be uint16, as in training, got float32 in .*other.tif"):
        predict(run, save(tmp_path / "other.tif", PIXELS), tmp_path / "d.tif")
    options = {"tile": 32, "overlap": 8, "probabilities": True}
    predict(run, raster, tmp_path / "e.tif", bands=("red", "NIR"), **options)  # by name, in any order
    assert_close(read(tmp_path / "e.tif"), read(tmp_path / "a.tif"))
    with (
        pytest.warns(UserWarning, match=r"other bands than the names in .*scene.tif say: 'red' for 'NIR', 'NIR' for"),
        pytest.warns(UserWarning, match="far outside of the training range"),
    ):
        predict(run, raster, tmp_path / "f.tif", bands=(1, 2), **options)
    labels = source.partition("labels=")[2].partition("&")[0]
    expected = evaluate_run(tmp_path / "run", f"raster:{raster}?labels={labels}")["mean_iou"]
    files = [save(tmp_path / "reordered.tif", SCENE[::-1], names=("NIR", "red")), save(tmp_path / "unnamed.tif", SCENE)]
    for file in files:  # names decide, else the numbers of the bands in training
        assert_close(evaluate_run(tmp_path / "run", f"raster:{file}?labels={labels}")["mean_iou"], expected)
    with pytest.raises(ValueError, match="must predict classes or numbers for a whole input, got Segmentation"):
        explain_files(tmp_path / "run", [raster], tmp_path / "why.png")


def test_a_raster_with_a_band_without_any_value_says_that_its_map_is_empty(tmp_path):
    pixels = PIXELS[:, :40, :40].copy()
    pixels[1] = np.nan
    path = save(tmp_path / "empty.tif", pixels, nodata=np.nan)
    with pytest.warns(UserWarning, match="no pixel has a value in all bands, so the map is empty"):
        prediction = recipes.predict_raster(network(), path, tmp_path / "map.tif", verbose=False)
    assert prediction.tiles == 0 and (read(tmp_path / "map.tif")[0] == 255).all()


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_nodata_that_training_had_not_is_left_out_of_an_evaluation(tmp_path, dtype):
    source = source_of(tmp_path, SCENE.astype(dtype))
    task = recipes.Segmentation(epochs=1, learning_rate=0.01)
    run = task.fit(network(2), recipes.load(source), out=tmp_path / "run", verbose=False)
    scene = SCENE.astype(dtype)
    scene[:, 20:30, 20:40] = 9999
    new = tmp_path / "new"
    with pytest.warns(UserWarning, match="nodata in any band are left out of the evaluation"):
        metrics = evaluate_run(tmp_path / "run", source_of(new, scene, nodata=9999))
    assert metrics["pixels"] == TRUTH.size - 200
    examples = recipes.load(f"{source_of(new, scene, nodata=9999)}&validation=0&test=0").train
    tiles, labels = np.stack(examples.head(len(examples))), np.asarray(examples.targets)
    gaps = np.isnan(tiles).any(-1)
    x = np.asarray(run.preprocessing(np.where(gaps[..., None], 0, tiles).astype(dtype)))
    predicted = run.model.predict(np.where(gaps[..., None], 0, x), verbose=0).argmax(-1)  # as predict_raster does
    assert_close(metrics["pixel_accuracy"], (predicted == labels)[labels != 255].mean())


def test_a_run_with_nodata_evaluates_rasters_without(tmp_path):
    scene = SCENE.copy()
    scene[:, 20:30, 20:40] = 9999
    task = recipes.Segmentation(epochs=1)
    task.fit(network(2), recipes.load(source_of(tmp_path, scene, nodata=9999)), out=tmp_path / "run", verbose=False)
    assert evaluate_run(tmp_path / "run", source_of(tmp_path / "new", SCENE))["pixels"] == TRUTH.size


def test_values_far_outside_of_the_training_range_are_noted(tmp_path):
    task = recipes.Segmentation(epochs=1)
    run = task.fit(network(2), recipes.load(source_of(tmp_path, SCENE)), out=tmp_path / "run", verbose=False)
    other = source_of(tmp_path / "new", (SCENE // 100).astype(SCENE.dtype))
    path = other.partition(":")[2].partition("?")[0]
    with pytest.warns(UserWarning, match="1 images may have another unit than the training range|1 images are far"):
        predict(run, path, tmp_path / "out.tif")
    with pytest.warns(UserWarning, match="images may have another unit than the training range|images are far"):
        evaluate_run(tmp_path / "run", other)


# Resumption


def test_an_interrupted_call_resumes_from_its_last_row(raster, tmp_path, monkeypatch):
    from recipes.raster.resumable_geotiff import ResumableGeoTiff

    model, out = network(), tmp_path / "out.tif"
    predict(model, raster, tmp_path / "whole.tif", probabilities=True)
    write = ResumableGeoTiff.write

    def interrupted_write(self, values, window):
        if self.rows_written == 1:
            raise KeyboardInterrupt
        write(self, values, window)

    with monkeypatch.context() as patched:
        patched.setattr(ResumableGeoTiff, "write", interrupted_write)
        with pytest.raises(KeyboardInterrupt):
            predict(model, raster, out, probabilities=True)
    copy = shutil.copytree(tmp_path, tmp_path.parent / f"{tmp_path.name}-copy")
    assert not out.exists() and json.loads((tmp_path / "out.tif.part.json").read_text())["done"] == 1
    assert predict(model, raster, out, probabilities=True).resumed_rows == 1
    assert_close(read(out), read(tmp_path / "whole.tif"))
    other_blend = predict(model, raster, copy / "out.tif", probabilities=True, blend="none")
    assert other_blend.resumed_rows == 0


KILLED_SCRIPT = """
import os, signal, sys
import keras, recipes
from recipes.raster.resumable_geotiff import ResumableGeoTiff
write = ResumableGeoTiff.write
def write_and_kill(self, values, window):
    write(self, values, window)
    os.kill(os.getpid(), signal.SIGKILL)
ResumableGeoTiff.write = write_and_kill
model, raster, out = sys.argv[1:]
recipes.predict_raster(keras.models.load_model(model), raster, out, tile=128, overlap=32, verbose=False)
"""


@pytest.mark.slow
def test_the_next_call_resumes_after_a_killed_process(raster, tmp_path, capsys):
    model, out = network(), tmp_path / "out.tif"
    model.save(tmp_path / "model.keras")
    predict(model, raster, tmp_path / "whole.tif")
    process = subprocess.run([sys.executable, "-c", KILLED_SCRIPT, tmp_path / "model.keras", raster, out], check=False)
    assert process.returncode == -9 and not out.exists() and (tmp_path / "out.tif.part").exists()
    model = keras.models.load_model(tmp_path / "model.keras")
    assert recipes.predict_raster(model, raster, out, tile=128, overlap=32).resumed_rows == 1
    assert "out.tif.part is continued after block row 1" in capsys.readouterr().err
    assert_close(read(out), read(tmp_path / "whole.tif"))


# Errors


def test_errors_name_the_file_and_leave_no_file(raster, tmp_path):
    model, out = network(), tmp_path / "out.tif"
    cases = [
        ({"path": tmp_path / "scen.tif"}, "no raster .*scen.tif. Did you mean `scene.tif`"),
        ({"bands": (1,)}, r"`bands` must be the model's 2 bands, got 1 of .*scene.tif"),
        ({"bands": ("red", "blue")}, r"`bands` must be of red, NIR, got 'blue' for .*scene.tif"),
        ({"out": raster}, "scene.tif, which is the raster itself"),
        ({"out": tmp_path}, "which is a folder"),
        ({"out": tmp_path / "no" / "out.tif"}, "which has no folder"),
        ({"overlap": 128}, "`overlap` must be less than the tile's 128 pixels, got 128"),
        ({"classes": ("a", "b")}, "`classes` must be 3 names, got a, b"),
        ({"run": 5}, "must be a Run, a run's folder or a keras.Model, got int"),
        ({"run": tmp_path / "run"}, "`run` must be the folder of a run"),
        ({"blend": "cosin"}, "Did you mean `cosine`"),
        ({"run": keras.Sequential([layers.Input((None, None, 2)), layers.GlobalAveragePooling2D()])}, "every pixel"),
        (
            {"run": keras.Sequential([layers.Input((None, None, 2)), layers.Conv2D(2, 3)])},
            "output of the size of the image",
        ),
    ]
    before = sorted(tmp_path.iterdir())
    for options, message in cases:
        arguments = {"run": model, "path": raster, "out": out, "tile": 128, "overlap": 32, "verbose": False, **options}
        with pytest.raises(ValueError, match=message):
            recipes.predict_raster(**arguments)
    content = raster.read_bytes()
    raster.write_bytes(content[: len(content) * 3 // 4])
    with pytest.raises(ValueError, match=r"predict_raster: every raster must be readable to its end, got .*scene.tif"):
        recipes.predict_raster(model, raster, out, tile=128, overlap=32, verbose=False)
    assert sorted(tmp_path.iterdir()) == before


def test_an_output_that_cannot_be_written_raises(raster, tmp_path):
    (tmp_path / "out.tif.part").mkdir()
    with pytest.raises(ValueError, match=r"`out` must be a writable file, got .*out.tif"):
        recipes.predict_raster(network(), raster, tmp_path / "out.tif", verbose=False)
