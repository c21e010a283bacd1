"""Prediction of many files to one file: every input once, whatever stops it, in shards, from lists and by options."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import recipes
import zoo
from recipes.data import new_inputs
from recipes.data.input_schema import input_schema
from recipes.prediction import file_prediction, predict, prediction_file
from tests.tolerance import assert_close

RNG = np.random.default_rng(0)
KILLED = """
import sys
from recipes.cli.main import main
from recipes.prediction import predict, prediction_file
prediction_file.COMMIT_SECONDS = 0
predict.VARIED_IMAGES = 4
main(sys.argv[1:])
"""


def save_photos(folder, count, sizes=((12, 9), (9, 12))):
    for i in range(count):
        path = folder / f"{i % 3}" / f"{i:04d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(RNG.integers(0, 256, (*sizes[i % len(sizes)], 3), dtype=np.uint8)).save(path)
    return sorted(map(str, folder.rglob("*.png")))


@pytest.fixture(scope="module")
def photo_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photo_run")
    save_photos(folder / "photos" / "oak", 6), save_photos(folder / "photos" / "pine", 6)
    model = zoo.cnn((6, 6, 3), 2, filters=(4,), units=5)
    run = recipes.Classification(epochs=1, batch_size=4, report_examples=0).fit(
        model, f"folder:{folder / 'photos'}", verbose=False
    )
    run.save(folder / "run")
    return run


@pytest.fixture(scope="module")
def table_run():
    frame = pd.DataFrame(
        {"mass": RNG.uniform(0, 10, 40), "soil": ["clay", "loam"] * 20, "species": ["oak", "oak", "pine", "pine"] * 10}
    )
    return recipes.Classification(epochs=1, report_examples=0).fit(
        "dnn", recipes.load(frame, target="species"), units=(4,), verbose=False
    )


@pytest.fixture
def small_batches(monkeypatch):
    monkeypatch.setattr(predict, "VARIED_IMAGES", 4)
    monkeypatch.setattr(new_inputs, "TABLE_ROWS", 4)
    monkeypatch.setattr(predict, "TABLE_ROWS", 4)
    monkeypatch.setattr(new_inputs, "CHUNK_ROWS", 8)
    monkeypatch.setattr(prediction_file, "COMMIT_SECONDS", 0)


def save_table(path, rows):
    pd.DataFrame({"mass": RNG.uniform(2, 8, rows), "soil": ["clay", "loam"] * (rows // 2)}).to_csv(path, index=False)
    return path


@pytest.fixture
def run_and_inputs(photo_run, table_run):
    """Function of a kind, a folder and numbers of inputs: the run, and a folder of photos or two tables."""

    def save(kind, folder, photos, rows):
        if kind == "photos":
            save_photos(folder / "photos", photos)
            return photo_run, [folder / "photos"]
        return table_run, [save_table(folder / "a.csv", rows), save_table(folder / "b.csv", 6)]

    return save


def stop_after(monkeypatch, batches):
    """Makes the writing of a prediction fail after so many batches."""
    calls = iter(range(batches))

    def write(self, *arguments, original=prediction_file.PredictionFile.write):
        next(calls)
        original(self, *arguments)

    monkeypatch.setattr(prediction_file.PredictionFile, "write", write)


@pytest.mark.filterwarnings("ignore:.* is continued after")
@pytest.mark.parametrize("kind", ["photos", "table"])
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_prediction_is_continued_where_it_stopped(run_and_inputs, tmp_path, monkeypatch, small_batches, kind, suffix):
    run, paths = run_and_inputs(kind, tmp_path, photos=21, rows=22)
    run.predict_files(paths, tmp_path / f"whole{suffix}")
    for _ in range(2):
        with monkeypatch.context() as patch, pytest.raises(StopIteration):
            stop_after(patch, 2)
            run.predict_files(paths, tmp_path / f"out{suffix}")
    with pytest.warns(UserWarning, match="is continued after"):
        result = run.predict_files(paths, tmp_path / f"out{suffix}")
    assert result.resumed_inputs > 8
    assert (tmp_path / f"out{suffix}").read_bytes() == (tmp_path / f"whole{suffix}").read_bytes()


@pytest.mark.parametrize("kind", ["photos", "table"])
@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".parquet"])
@pytest.mark.parametrize("count", [2, 7])
def test_joined_shards_equal_a_single_process(run_and_inputs, tmp_path, small_batches, kind, suffix, count):
    run, paths = run_and_inputs(kind, tmp_path, photos=5, rows=44)
    run.predict_files(paths, tmp_path / f"whole{suffix}")
    out = tmp_path / f"out{suffix}"
    for i in range(count, 0, -1):
        run.predict_files(paths, out, shard=f"{i}/{count}")
    with pytest.warns(UserWarning, match="is complete"):
        run.predict_files(paths, out, shard=f"1/{count}")
    rows, failures = recipes.join_shards(out)
    read = {".csv": pd.read_csv, ".parquet": pd.read_parquet, ".jsonl": lambda p: pd.read_json(p, lines=True)}[suffix]
    whole, joined = read(tmp_path / f"whole{suffix}"), read(out)
    assert (rows, failures) == (len(whole), 0)
    assert joined["input"].tolist() == whole["input"].tolist()
    assert_close(joined[["oak", "pine"]].to_numpy("float32"), whole[["oak", "pine"]].to_numpy("float32"))


def test_shards_of_other_options_or_unfinished_ones_are_not_joined(table_run, tmp_path, small_batches):
    table, out = save_table(tmp_path / "a.csv", 24), tmp_path / "out.csv"
    with pytest.raises(ValueError, match=r"shards of .*out.csv beside it, got none"):
        recipes.join_shards(out)
    table_run.predict_files(table, out, shard="1/2")
    with pytest.raises(ValueError, match="all 2 shards must be complete, got none .* for .*out-00002-of-00002.csv"):
        recipes.join_shards(out)
    table_run.predict_files(table, out, shard="2/2", top_k=1)
    with pytest.raises(ValueError, match="with other options than"):
        recipes.join_shards(out)
    for shard in ("0/2", "3/2", "1", "a/b"):
        with pytest.raises(ValueError, match="`shard` must be I/N"):
            table_run.predict_files(table, out, shard=shard)


def test_changed_inputs_and_options_are_refused(photo_run, tmp_path, monkeypatch, small_batches):
    files, out = save_photos(tmp_path / "photos", 10), tmp_path / "out.csv"
    with monkeypatch.context() as patch, pytest.raises(StopIteration):
        stop_after(patch, 1)
        photo_run.predict_files(tmp_path / "photos", out)
    with pytest.raises(ValueError, match=r"begun with other options \(top_k None, now 1\)"):
        photo_run.predict_files(tmp_path / "photos", out, top_k=1)
    os.utime(files[0], ns=(1, 1))
    with pytest.raises(ValueError, match="begun with other inputs; choose another file, or start anew"):
        photo_run.predict_files(tmp_path / "photos", out)
    Path(files[1]).unlink()
    with pytest.raises(ValueError, match=r"begun with other inputs \(files 10, now 9\)"):
        photo_run.predict_files(tmp_path / "photos", out)
    assert photo_run.predict_files(tmp_path / "photos", out, overwrite=True).rows == 9


def test_lists_name_files_once_and_may_come_from_stdin(photo_run, tmp_path, monkeypatch):
    files, out = save_photos(tmp_path / "photos", 6), tmp_path / "out.csv"
    (tmp_path / "list.txt").write_text("\n".join([*files[:3], "", str(tmp_path / "absent.png")]) + "\n")
    with pytest.warns(UserWarning, match=r"absent.png cannot be read: no such file"):
        result = photo_run.predict_files([], out, files_from=tmp_path / "list.txt")
    assert (result.rows, result.failures) == (4, 1)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\0".join(map(os.fsencode, files)))))
    with pytest.warns(UserWarning, match="2 files are named twice"):
        assert photo_run.predict_files(files[:2], out, files_from="-").rows == 6
    (tmp_path / "empty.txt").write_text("\n")
    for problem in ("empty.txt", "nothing.txt"):
        with pytest.raises(ValueError, match=problem):
            photo_run.predict_files([], out, files_from=tmp_path / problem)


def test_bad_paths_are_one_sentence(photo_run, table_run, tmp_path):
    (tmp_path / "empty").mkdir()
    save_table(tmp_path / "plots.csv", 4)
    for run, path, message in (
        (photo_run, "empty", "images or folders of images, got .*empty without any"),
        (photo_run, "empti", r"`files` must exist, got .*empti.*Did you mean `empty`"),
        (table_run, "plot.csv", r"`files` must exist, got .*plot.csv.*Did you mean `plots.csv`"),
        (table_run, "empty", "must be the file of a table, got a folder"),
    ):
        with pytest.raises(ValueError, match=message):
            run.predict_files(tmp_path / path, tmp_path / "out.csv")
    with pytest.raises(ValueError, match="must be another file than the inputs"):
        table_run.predict_files(tmp_path / "plots.csv", tmp_path / "plots.csv")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["empty", "plots.csv"]


def test_a_table_that_changes_midway_keeps_the_rows_before(table_run, tmp_path, small_batches):
    save_table(tmp_path / "a.csv", 20)
    with (tmp_path / "a.csv").open("a") as file:
        file.write("heavy,clay\n")
    with pytest.raises(ValueError, match="mass"):
        table_run.predict_files(tmp_path / "a.csv", tmp_path / "out.csv")
    assert json.loads((tmp_path / "out.csv.part.json").read_text())["inputs"] == 16
    save_table(tmp_path / "first.csv", 8)
    pd.DataFrame({"soil": ["clay"], "weight": [1.0]}).to_csv(tmp_path / "second.csv", index=False)
    with pytest.raises(ValueError, match=r"second.csv: the table must have the columns .* none called 'mass'"):
        table_run.predict_files([tmp_path / "first.csv", tmp_path / "second.csv"], tmp_path / "two.csv")


def test_top_classes_and_features(photo_run, table_run, tmp_path):
    photos = save_photos(tmp_path / "photos", 5)
    whole = pd.concat(file_prediction.predict_frames(photo_run, photos))
    top = pd.concat(file_prediction.predict_frames(photo_run, photos, top_k=2))
    assert list(top) == ["input", "class", "probability", "class_2", "probability_2", "error"]
    assert top["class"].tolist() == whole["class"].tolist()
    assert_close(top["probability_2"].to_numpy(), whole[["oak", "pine"]].min(axis=1).to_numpy())
    features = pd.concat(file_prediction.predict_frames(photo_run, photos, features=True))
    head = photo_run.model.get_layer("head")
    logits = features.filter(like="feature_").to_numpy("float32") @ head.kernel.numpy() + head.bias.numpy()
    odds = np.exp(logits - logits.max(1, keepdims=True))
    assert_close(odds / odds.sum(1, keepdims=True), whole[["oak", "pine"]].to_numpy("float32"))
    for options, message in (
        ({"top_k": 3}, "at most the 2 classes"),
        ({"top_k": 1, "features": True}, "without `top_k`"),
        ({"engine": "onnx"}, "`export` must be the path"),
    ):
        with pytest.raises(ValueError, match=message):
            next(file_prediction.predict_frames(table_run, photos, **options))


def test_photos_of_a_split_are_read_in_batches(photo_run, monkeypatch):
    examples, sizes = photo_run.data.train, []

    def predict_batch(run, batch, original=predict.predict_batch):
        sizes.append(len(batch))
        return original(run, batch)

    expected = photo_run.predict(examples.head(len(examples)))
    monkeypatch.setattr(predict, "predict_batch", predict_batch)
    monkeypatch.setattr(predict, "VARIED_IMAGES", 4)
    assert_close(photo_run.predict(examples), expected)
    assert max(sizes) <= 4 and len(sizes) > 1


def test_bands_beside_those_of_the_run_are_noted_once(tmp_path):
    rasterio = pytest.importorskip("rasterio")

    def save(path, bands, lowest=500, highest=2500):
        path.parent.mkdir(parents=True, exist_ok=True)
        profile = {"driver": "GTiff", "width": 8, "height": 8, "count": len(bands), "dtype": "uint16"}
        with rasterio.open(
            path, "w", transform=rasterio.Affine(10, 0, 5e5, 0, -10, 5e6), crs="EPSG:32632", **profile
        ) as file:
            file.write(RNG.integers(lowest, highest, (len(bands), 8, 8), dtype=np.uint16))
            file.descriptions = bands
        return str(path)

    for i in range(8):
        save(tmp_path / "train" / "ab"[i % 2] / f"{i}.tif", ("red", "nir"), 0, 3000)
    schema = input_schema(recipes.load(f"folder:{tmp_path / 'train'}"))
    files = [save(tmp_path / f"{i}.tif", ("red", "blue", "nir")) for i in range(3)]
    batches = list(new_inputs.file_batches(schema, files, 2))
    assert [batch.notes for batch in batches] == [
        [f"{files[0]}: left out the bands blue, which training did not have"],
        [],
    ]
    assert [image.shape for batch in batches for image in batch.inputs] == [(8, 8, 2)] * 3


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_process_that_is_killed_five_times_predicts_every_photo_once(photo_run, tmp_path, suffix):
    files, out = save_photos(tmp_path / "photos", 3000), tmp_path / f"out{suffix}"
    photo_run.save(tmp_path / "run")
    command = [sys.executable, "-c", KILLED, "predict", tmp_path / "run", tmp_path / "photos", "--out", out]
    manifest, counts = tmp_path / f"out{suffix}.part.json", [0]
    for _ in range(5):
        process = subprocess.Popen(list(map(str, command)))
        while not manifest.is_file() or json.loads(manifest.read_text())["inputs"] < counts[-1] + 100:
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        counts.append(json.loads(manifest.read_text())["inputs"])
    assert counts == sorted(set(counts)) and counts[-1] < 3000
    subprocess.run(list(map(str, command)), check=True)
    rows = (pd.read_csv if suffix == ".csv" else pd.read_parquet)(out)
    assert rows["input"].tolist() == files
    assert_close(rows[["oak", "pine"]].to_numpy("float32")[:50], photo_run.predict(files[:50]))
