"""Prediction by workers of Ray: every input once although workers are killed, and one sentence for what cannot work."""

import os
import pickle
import signal
import socket
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
from PIL import Image

import recipes
import zoo
from recipes.prediction import input_list, ray_cluster, ray_workers, shards
from tests.tolerance import assert_close

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def photo_run(tmp_path_factory):
    images, labels = RNG.integers(0, 256, (12, 6, 6, 3), dtype=np.uint8), ["oak", "pine"] * 6
    task = recipes.Classification(epochs=1, batch_size=4, report_examples=0)
    return task.fit(zoo.cnn((6, 6, 3), 2, filters=(4,), units=5), (images, labels), verbose=False)


@pytest.fixture(scope="module")
def table_run():
    frame = pd.DataFrame(
        {"mass": RNG.normal(size=40), "soil": ["clay", "loam"] * 20, "species": ["oak", "oak", "pine", "pine"] * 10}
    )
    return recipes.Classification(epochs=1, report_examples=0).fit(
        "dnn", recipes.load(frame, target="species"), units=(4,), verbose=False
    )


def save_photos(folder, count):
    """Saves photos that take some milliseconds to read each; most are links to others."""
    folder.mkdir()
    for i in range(count):
        path = folder / f"{i:04d}.png"
        if i < 10:
            Image.fromarray(RNG.integers(0, 256, (480, 480, 3), dtype=np.uint8)).save(path)
        else:
            os.link(folder / f"{i % 10:04d}.png", path)
    return sorted(map(str, folder.iterdir()))


def kill_workers(folder, times, kills, is_done):
    """Kills all workers that predict, each time that a shard has come further, and counts the processes."""
    earlier = set()
    while len(kills) < times and not is_done.wait(0.01):
        manifests = {(path.name, path.read_text()) for path in folder.glob("out-*.json") if path.is_file()}
        workers = [
            p for p in psutil.Process().children(recursive=True) if "ShardWorker.predict" in " ".join(p.cmdline())
        ]
        if workers and manifests - earlier:
            for worker in workers:
                worker.send_signal(signal.SIGKILL)
            psutil.wait_procs(workers)
            earlier |= manifests
            kills.append(len(workers))


@pytest.mark.slow
def test_workers_that_are_killed_five_times_predict_every_photo_once(photo_run, tmp_path, monkeypatch):
    files, out, kills, is_done = save_photos(tmp_path / "photos", 600), tmp_path / "out.csv", [], threading.Event()
    (tmp_path / "photos" / "broken.png").write_bytes(b"none")
    monkeypatch.setattr(ray_cluster, "WORKER_CORES", 1)
    monkeypatch.setattr(ray_cluster, "WORKER_MEMORY", 1)
    monkeypatch.setattr(ray_workers, "SHARD_PHOTOS", 20)
    killer = threading.Thread(target=kill_workers, args=(tmp_path, 5, kills, is_done), daemon=True)
    killer.start()
    result = photo_run.predict_files(tmp_path / "photos", out, workers="ray")
    is_done.set()
    killer.join()
    assert len(kills) == 5
    rows = pd.read_csv(out)
    assert rows["input"].tolist() == [*files, str(tmp_path / "photos" / "broken.png")]
    assert (result.rows, result.failures) == (601, 1)
    assert_close(rows[["oak", "pine"]].to_numpy("float32")[:5], photo_run.predict(files[:5]))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.csv", "photos"]


@pytest.mark.parametrize("workers", ["rays", "ray://", "ray://host", "ray://host:port", "dask"])
def test_other_workers_are_refused(photo_run, tmp_path, workers):
    with pytest.raises(ValueError, match=f"`workers` must be ray, or ray://HOST:PORT of a Ray cluster, got {workers}"):
        photo_run.predict_files(tmp_path, tmp_path / "out.csv", workers=workers)


def test_what_workers_cannot_predict_is_refused(photo_run, tmp_path, monkeypatch):
    save_photos(tmp_path / "photos", 1)
    with pytest.raises(ValueError, match="`shard` must be None with `workers`"):
        photo_run.predict_files(tmp_path / "photos", tmp_path / "out.csv", workers="ray", shard="1/2")
    (tmp_path / "out.csv.part.json").write_text("{}")
    with pytest.raises(ValueError, match=r"was begun without workers .*--overwrite"):
        photo_run.predict_files(tmp_path / "photos", tmp_path / "out.csv", workers="ray")
    monkeypatch.setattr(ray_cluster.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install fieldzoo\[ray\]"):
        photo_run.predict_files(tmp_path / "photos", tmp_path / "out.csv", workers="ray")


def test_a_cluster_that_is_not_there_is_named(photo_run, tmp_path):
    save_photos(tmp_path / "photos", 1)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # without listening
        address = f"ray://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(ValueError, match=f"a Ray cluster that can be reached, got {address}: .*refused"):
            photo_run.predict_files(tmp_path / "photos", tmp_path / "out.csv", workers=address)


def test_a_worker_with_other_packages_is_named():
    worker = ray_workers.ShardWorker({"versions": {**ray_cluster.version_reader()(), "keras": "2.0"}})
    error, _ = worker.predict(input_list.shard_files(["a.png"], (1, 1), True))
    with pytest.raises(ValueError, match=r"all workers must have the packages of .*, keras 2.0, .* has keras 3"):
        raise error


def test_inputs_at_which_workers_die_again_and_again_are_named(photo_run, tmp_path):
    files, out = save_photos(tmp_path / "photos", 6), tmp_path / "out.csv"
    photo_run.predict_files(files, out, shard="1/2")
    shards_of_files = [input_list.shard_files(files, (i, 2), True) for i in (1, 2)]
    deaths = ray_workers._Deaths(out)
    for _ in range(ray_workers.MAX_DEATHS - 1):
        for shard in (*shards_of_files, None):
            deaths.count(shard, ValueError())
    for shard, place in zip(
        shards_of_files, ("3 inputs of the shard 1/2, at .*02", "0 inputs .* 2/2, at .*03"), strict=True
    ):
        with pytest.raises(RuntimeError, match=f"5 workers died after {place}.png or soon after it"):
            deaths.count(shard, ValueError())
    with pytest.raises(RuntimeError, match="5 workers died before they had loaded the model: no module"):
        deaths.count(None, ValueError("no\nmodule"))


@pytest.mark.parametrize("kind", ["photo", "table"])
def test_a_pickled_run_predicts_the_same_without_its_data(kind, request):
    run = request.getfixturevalue(f"{kind}_run")
    inputs = run.data.train.head(5)
    loaded = pickle.loads(pickle.dumps(run))
    assert_close(loaded.predict(inputs), run.predict(inputs))
    assert loaded.data is None and run.data is not None


def test_an_interrupted_call_is_continued_with_its_number_of_shards(photo_run, tmp_path):
    out = tmp_path / "out.csv"
    files = save_photos(tmp_path / "photos", 12)
    assert ray_workers._begun_count(out, overwrite=False) is None
    photo_run.predict_files(files, out, shard="2/3")
    assert ray_workers._begun_count(out, overwrite=False) == 3
    assert [shards.shard_inputs(shards.shard_path(out, (i, 3))) for i in (1, 2, 3)] == [0, 4, 0]
    photo_run.predict_files(files, out, shard="2/4")
    with pytest.raises(ValueError, match="was begun in 3 and in 4 shards"):
        ray_workers._begun_count(out, overwrite=False)
    assert ray_workers._begun_count(out, overwrite=True) is None
    assert [path for path in Path(tmp_path).iterdir() if path.is_file()] == []


@pytest.mark.parametrize(("files", "workers", "expected"), [(3, 8, 3), (100, 4, 4), (20_000, 4, 20), (10**7, 4, 200)])
def test_number_of_shards(photo_run, table_run, files, workers, expected):
    assert ray_workers._new_count(photo_run, range(files), workers) == expected
    assert ray_workers._new_count(table_run, range(files), workers) == workers
