"""Maps of rasters: as the whole at once, georeferenced, resumed after a kill, and nothing left behind by an error."""

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
from recipes.raster.tiling import axis, stripes
from tests.data.test_raster import RNG, SCENE, TRUTH, save, source_of
from tests.tolerance import assert_close

rasterio = pytest.importorskip("rasterio", reason="rasterio is in the extra `raster`")

HEIGHT, WIDTH = 301, 410  # no multiple of anything
PIXELS = RNG.normal(0, 1, (2, HEIGHT, WIDTH)).astype("float32")
PIXELS[0, 5:9, :40] = -99


def network(classes=3, sides=(None, None), **head):
    """Three convolutions over one halving; the receptive field is 14 pixels."""
    x = inputs = layers.Input((*sides, 2))
    x = layers.Conv2D(4, 5, padding="same", activation="relu")(x)
    x = layers.MaxPooling2D(2)(x)
    x = layers.UpSampling2D(2)(layers.Conv2D(4, 3, padding="same", activation="relu")(x))
    return keras.Model(inputs, layers.Conv2D(classes, 3, padding="same", **{"activation": "softmax", **head})(x))


@pytest.fixture
def raster(tmp_path):
    return save(tmp_path / "scene.tif", PIXELS, nodata=-99, names=("red", "NIR"))


def predict_batch_size(model, unit=2):
    """(classes, H, W) of the whole raster in one piece, mirrored to sides that `unit` divides."""
    valid = (PIXELS != -99).all(0)
    x = np.pad(np.where(valid, PIXELS, 0), ((0, 0), (0, -HEIGHT % unit), (0, -WIDTH % unit)), "symmetric")
    answer = model.predict(np.moveaxis(x, 0, -1)[None], verbose=0)[0, : valid.shape[0], : valid.shape[1]]
    return np.where(valid, np.moveaxis(answer, -1, 0), np.nan)


def read(path):
    with rasterio.open(path) as file:
        return file.read()


def mapped(model, raster, out, **options):
    """What `predict_raster` wrote, with small tiles unless told otherwise."""
    done = recipes.predict_raster(model, raster, out, verbose=False, **{"tile": 128, "overlap": 32, **options})
    assert {p.name for p in out.parent.iterdir() if p.name.startswith(out.name)} == {out.name}
    return done


# What is answered


@pytest.mark.parametrize("blend", ["cosine", "linear", "none"])
def test_tiles_answer_what_the_whole_raster_does(raster, tmp_path, blend):
    model = network()
    assert zoo.receptive_field(model) < 32
    done = mapped(model, raster, tmp_path / "out.tif", blend=blend, probabilities=True)
    assert done.tiles > 10 and done.empty == done.resumed == 0 and 0 < done.model <= 1
    assert_close(read(tmp_path / "out.tif"), predict_batch_size(model))


def test_stripes_do_not_change_the_answer(raster, tmp_path, monkeypatch):
    from recipes.raster import blend

    model = network()
    mapped(model, raster, tmp_path / "whole.tif", tile=32, overlap=16, probabilities=True)
    monkeypatch.setattr(blend, "BUFFER", 1)
    mapped(model, raster, tmp_path / "out.tif", tile=32, overlap=16, probabilities=True, batch=3)
    assert stripes(WIDTH, 256, 256) == [(0, 256), (256, WIDTH)]
    assert_close(read(tmp_path / "out.tif"), read(tmp_path / "whole.tif"))


def test_classes_are_written_on_the_same_grid_with_names_and_colours(raster, tmp_path):
    model = network()
    mapped(model, raster, tmp_path / "out.tif", classes=("bog", "wood", "lake"))
    answer = predict_batch_size(model)
    with rasterio.open(raster) as source, rasterio.open(tmp_path / "out.tif") as file:
        assert (file.crs, file.transform, file.shape) == (source.crs, source.transform, source.shape)
        assert (file.count, file.dtypes, file.nodata) == (1, ("uint8",), 255)
        assert file.profile["compress"] == "deflate" and file.block_shapes == [(256, 256)]
        assert file.tags()["CLASS_1"] == "wood" and file.colormap(1)[255] == (0, 0, 0, 0)
        found = file.read(1)
    gone = np.isnan(answer[0])
    assert gone.sum() == 160 and (found[gone] == 255).all()
    np.testing.assert_array_equal(found[~gone], np.nan_to_num(answer).argmax(0)[~gone])


@pytest.mark.skipif(not shutil.which("gdalinfo"), reason="gdalinfo (Debian's gdal-bin) is not installed")
@pytest.mark.parametrize("probabilities", [False, True])
def test_gdalinfo_reads_size_grid_and_nodata(raster, tmp_path, probabilities):
    mapped(network(), raster, tmp_path / "out.tif", probabilities=probabilities)

    def asked(path):
        return json.loads(subprocess.check_output(["gdalinfo", "-json", path]))

    source, told = asked(raster), asked(tmp_path / "out.tif")
    assert told["driverShortName"] == "GTiff" and told["size"] == [WIDTH, HEIGHT]
    assert told["geoTransform"] == [500_000, 10, 0, 5_000_000, 0, -10]
    assert 'ID["EPSG",32632]' in told["coordinateSystem"]["wkt"]
    for what in ("size", "geoTransform", "coordinateSystem", "cornerCoordinates"):
        assert told[what] == source[what]
    nodata = {b["noDataValue"] for b in told["bands"]}
    assert [b["type"] for b in told["bands"]] == (["Float32"] * 3 if probabilities else ["Byte"])
    assert nodata == ({"NaN"} if probabilities else {255.0})


def test_logits_and_a_single_sigmoid_become_probabilities(raster, tmp_path):
    logits = network(activation=None)
    mapped(logits, raster, tmp_path / "out.tif", probabilities=True)
    want = np.moveaxis(np.asarray(keras.ops.softmax(np.moveaxis(predict_batch_size(logits), 0, -1))), -1, 0)
    assert_close(read(tmp_path / "out.tif"), want)
    single = network(1, activation="sigmoid")
    mapped(single, raster, tmp_path / "out.tif", probabilities=True)
    yes = predict_batch_size(single)[0]
    assert_close(read(tmp_path / "out.tif"), [1 - yes, yes])


def test_a_model_of_one_size_takes_tiles_of_that_size(raster, tmp_path):
    model = network(sides=(64, 64))
    mapped(model, raster, tmp_path / "out.tif", tile=None, overlap=None, probabilities=True)
    free = network()
    free.set_weights(model.get_weights())
    assert_close(read(tmp_path / "out.tif"), predict_batch_size(free, 32))
    small = save(tmp_path / "small.tif", PIXELS[:, 10:40, :20])
    assert mapped(model, small, tmp_path / "out.tif", tile=None, overlap=16).tiles == 1
    with pytest.raises(ValueError, match="`tile` must be the model's 64 pixels or None, got 128"):
        mapped(model, raster, tmp_path / "out.tif")


def test_tiles_of_nodata_are_not_asked(tmp_path):
    pixels = np.full((2, 256, 256), -99, "float32")
    pixels[:, :50, :50] = 1
    done = mapped(network(), save(tmp_path / "sea.tif", pixels, nodata=-99), tmp_path / "out.tif", overlap=0)
    assert (done.tiles, done.empty) == (1, 3)
    assert (read(tmp_path / "out.tif")[0] != 255).sum() == 2500


def test_weights_of_overlapping_tiles_sum_to_one():
    for size, tile, overlap, blend in ((100, 32, 8, "cosine"), (97, 16, 12, "linear"), (50, 16, 0, "none")):
        one, total = axis(size, tile, overlap, blend=blend, reach=2), np.zeros(size)
        for k, start in enumerate(one.starts):
            assert one.weights(k).min() >= 0
            total[start : start + tile] += one.weights(k)
        assert_close(total, 1, rtol=1e-5)
        assert one.starts[-1] + tile == size


def test_a_trained_run_and_its_folder_answer_alike(tmp_path, capsys):
    source = source_of(tmp_path, more="&tile=16&bands=2,1&classes=bog&classes=wood", names=("red", "NIR"))
    run = recipes.Segmentation(epochs=1, batch_size=8).fit("unet", source, verbose=False, filters=(4, 8))
    run.save(tmp_path / "run")
    raster = tmp_path / "scene.tif"
    windows = [np.moveaxis(SCENE[::-1, :21, :13], 0, -1), np.moveaxis(SCENE[::-1, :40, :8], 0, -1)]
    answers = run.predict(windows)  # of other sizes than the tiles of the training, and than each other
    assert [a.shape for a in answers] == [(21, 13, 2), (40, 8, 2)]
    assert_close(run.predict(windows[0][None]), answers[:1])
    mapped(run, raster, tmp_path / "a.tif", tile=32, overlap=8, probabilities=True)
    with pytest.raises(SystemExit) as stop:
        from recipes.cli.main import main

        names = [str(tmp_path / n) for n in ("run", "scene.tif", "b.tif")]
        main(["predict-raster", *names, "--tile", "32", "--overlap", "8", "--probabilities"])
    told = capsys.readouterr()
    assert not stop.value.code and told.out.startswith(f"{tmp_path / 'b.tif'}\t") and "b.tif  100%" in told.err
    assert_close(read(tmp_path / "b.tif"), read(tmp_path / "a.tif"))
    mapped(run, raster, tmp_path / "c.tif", tile=None, probabilities=True)  # in one piece
    want = np.asarray(run.model(run.preprocessing(np.moveaxis(SCENE[[1, 0]], 0, -1)[None])))[0]
    assert_close(np.moveaxis(read(tmp_path / "c.tif"), 0, -1), want)
    assert want.shape == (*TRUTH.shape, 2)
    with pytest.raises(ValueError, match=r"must have uint16, as in training, got float32 in .*other.tif"):
        mapped(run, save(tmp_path / "other.tif", PIXELS), tmp_path / "d.tif")


# What is interrupted


def test_a_call_that_was_stopped_goes_on_from_its_last_row(raster, tmp_path, monkeypatch):
    from recipes.raster.resumable_geotiff import Unfinished

    model, out = network(), tmp_path / "out.tif"
    mapped(model, raster, tmp_path / "whole.tif", probabilities=True)
    write = Unfinished.write

    def stopped(self, values, place):
        if self.done == 1:
            raise KeyboardInterrupt
        write(self, values, place)

    with monkeypatch.context() as patched:
        patched.setattr(Unfinished, "write", stopped)
        with pytest.raises(KeyboardInterrupt):
            mapped(model, raster, out, probabilities=True)
    left = shutil.copytree(tmp_path, tmp_path.parent / f"{tmp_path.name}-left")
    assert not out.exists() and json.loads((tmp_path / "out.tif.part.json").read_text())["done"] == 1
    done = mapped(model, raster, out, probabilities=True)
    assert done.resumed == 1
    assert_close(read(out), read(tmp_path / "whole.tif"))
    other = mapped(model, raster, left / "out.tif", probabilities=True, blend="none")  # other arguments: from the start
    assert other.resumed == 0


KILLED = """
import os, signal, sys
import keras, recipes
from recipes.unfinished import Unfinished
write = Unfinished.write
def killed(self, values, place):
    write(self, values, place)
    os.kill(os.getpid(), signal.SIGKILL)
Unfinished.write = killed
model, raster, out = sys.argv[1:]
recipes.predict_raster(keras.models.load_model(model), raster, out, tile=128, overlap=32, verbose=False)
"""


@pytest.mark.slow
def test_a_process_that_was_killed_leaves_what_the_next_call_goes_on_from(raster, tmp_path):
    model, out = network(), tmp_path / "out.tif"
    model.save(tmp_path / "model.keras")
    mapped(model, raster, tmp_path / "whole.tif")
    done = subprocess.run([sys.executable, "-c", KILLED, tmp_path / "model.keras", raster, out], check=False)
    assert done.returncode == -9 and not out.exists() and (tmp_path / "out.tif.part").exists()
    assert mapped(keras.models.load_model(tmp_path / "model.keras"), raster, out).resumed == 1
    assert_close(read(out), read(tmp_path / "whole.tif"))


# What is refused


def test_errors_name_the_file_and_leave_nothing_behind(raster, tmp_path):
    model, out = network(), tmp_path / "out.tif"
    cases = [
        ({"path": tmp_path / "scen.tif"}, "no raster .*scen.tif. Did you mean `scene.tif`"),
        ({"bands": (1,)}, r"`bands` must be the 2 that the model takes, got 1 of .*scene.tif"),
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
        ({"run": keras.Sequential([layers.Input((None, None, 2)), layers.Conv2D(2, 3)])}, "every pixel of an image"),
    ]
    before = sorted(tmp_path.iterdir())
    for options, message in cases:
        asked = {"run": model, "path": raster, "out": out, "tile": 128, "overlap": 32, "verbose": False, **options}
        with pytest.raises(ValueError, match=message):
            recipes.predict_raster(**asked)
    content = raster.read_bytes()
    raster.write_bytes(content[: len(content) * 3 // 4])
    with pytest.raises(ValueError, match=r"predict_raster: every raster must be readable to its end, got .*scene.tif"):
        recipes.predict_raster(model, raster, out, tile=128, overlap=32, verbose=False)
    assert sorted(tmp_path.iterdir()) == before


def test_an_answer_that_cannot_be_written_is_an_error_of_its_own(raster, tmp_path):
    (tmp_path / "out.tif.part").mkdir()
    with pytest.raises(ValueError, match=r"`out` must be a file that can be written, got .*out.tif"):
        recipes.predict_raster(network(), raster, tmp_path / "out.tif", verbose=False)
