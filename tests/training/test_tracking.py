"""Trackers get settings, metrics of each epoch, results and files, without a network; a resumed training is one run."""

import json
import socket
import struct
import time
import typing

import keras
import numpy as np
import pytest

import recipes
from recipes.training.tracking import CLIENTS, Tracking

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3)).astype("float32")
TASK = recipes.Regression(epochs=2, batch_size=16, baselines=False)


def data():
    return recipes.read_arrays((X, X.sum(1, keepdims=True)), task="regression")


@pytest.fixture
def no_network(monkeypatch):
    """Refuses connections from Python to other machines; a tracker's process on this machine is reached."""
    connect = socket.socket.connect

    def refuse(self, address):
        if isinstance(address, tuple) and address[0] not in ("127.0.0.1", "localhost", "::1"):
            raise OSError(f"no network: {address}")
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", refuse)
    for name in ("WANDB_API_KEY", "WANDB_MODE", "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "WANDB_PROJECT"):
        monkeypatch.delenv(name, raising=False)


class StopAfterFirst(keras.callbacks.Callback):
    """Interrupts in the second epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt


class Recorder:
    """A tracker that remembers what it gets."""

    calls: typing.ClassVar[list] = []

    def start(self, run_id, title, description, out, is_resumed):
        self.calls.append(("start", run_id, title, description, is_resumed))

    def log(self, metrics, epoch):
        self.calls.append(("log", epoch, metrics))

    def finish(self, summary, figures, files):
        self.calls.append(("finish", summary, figures, files))

    def fail(self):
        self.calls.append(("fail",))


@pytest.fixture
def recorder(monkeypatch):
    monkeypatch.setitem(CLIENTS, "wandb", Recorder)
    monkeypatch.setattr(Recorder, "calls", [])
    return Recorder.calls


def test_a_tracker_gets_settings_epochs_and_results(recorder, tmp_path):
    run = TASK.fit("dnn", data(), units=(4,), out=tmp_path / "run", verbose=False, track="wandb")
    start, first, second, finish = recorder
    assert start[2] == "run" and start[3]["hyperparameters"]["learning_rate"] == TASK.learning_rate
    assert start[3]["content"]["train"] and not start[4]
    assert [first[1], second[1]] == [0, 1]
    assert first[2]["val_loss"] == pytest.approx(run.history["val_loss"][0])
    assert 0 < first[2]["learning_rate"] < TASK.learning_rate and second[2]["learning_rate"] == 0  # cosine
    _, summary, figures, files = finish
    assert summary["test/mae"] == pytest.approx(run.evaluate("test")["mae"])
    assert summary["test/baseline mae"] == pytest.approx(run.evaluate("test")["baseline"]["mae"])
    assert summary["energy/kwh"] >= 0 if "energy/kwh" in summary else any(k.startswith("energy/") for k in summary)
    assert "learning curves" in figures and len(figures) > 1
    assert {path.name for path in files} >= {"model.keras", "run.json", "metrics.json"}


def test_a_resumed_training_is_one_run_of_the_tracker(recorder, tmp_path):
    arguments = {"units": (4,), "out": tmp_path / "run", "verbose": False, "track": "wandb"}
    with pytest.raises(KeyboardInterrupt):
        TASK.fit("dnn", data(), callbacks=(StopAfterFirst(),), **arguments)
    assert [call[0] for call in recorder] == ["start", "log", "fail"]
    TASK.fit("dnn", data(), **arguments)
    again = recorder[3]
    assert again[0] == "start" and again[1] == recorder[0][1] and again[4]
    assert [call[1] for call in recorder if call[0] == "log"] == [0, 1]
    assert not (tmp_path / "run" / "backup").exists()


def test_weights_and_biases_offline_is_read_back(no_network, tmp_path, capsys):
    pytest.importorskip("wandb")
    run = TASK.fit("dnn", data(), units=(4,), out=tmp_path / "run", verbose=False, track="wandb")
    assert "Weights & Biases is offline" in capsys.readouterr().err
    (path,) = (tmp_path / "run" / "wandb").glob("offline-run-*/*.wandb")
    history, summary, config = read_wandb(path)
    losses = [json.loads(row["loss"]) for row in history if "loss" in row]
    np.testing.assert_allclose(losses, run.history["loss"], rtol=1e-6)
    assert float(summary["test/mae"]) == pytest.approx(run.evaluate("test")["mae"])
    assert json.loads(config["model"]) == "dnn"
    assert list((tmp_path / "run" / "wandb").glob("offline-run-*/files/media/images/**/*.png"))


def log_records(content):
    """Yields the records of a file in LevelDB's log format, as Weights & Biases writes it after a header of 7 bytes."""
    place, parts = 7, []
    while place + 7 <= len(content):
        if 32768 - place % 32768 < 7:  # the rest of a block is padding
            place += 32768 - place % 32768
            continue
        _, size, kind = struct.unpack("<IHB", content[place : place + 7])
        if place + 7 + size > len(content):  # not yet written
            return
        parts.append(content[place + 7 : place + 7 + size])
        place += 7 + size
        if kind in (1, 4):  # whole, or the last part
            yield b"".join(parts)
            parts = []


def complete_records(path):
    """Returns the records of a file of Weights & Biases, whose own process may still write the last ones."""
    from wandb.proto import wandb_internal_pb2

    for _ in range(240):
        records = [wandb_internal_pb2.Record.FromString(content) for content in log_records(path.read_bytes())]
        if any(record.WhichOneof("record_type") == "exit" for record in records):
            return records
        time.sleep(0.5)
    raise AssertionError(f"{path} has no last record")


def read_wandb(path):
    """Returns (rows of the history, summary, configuration) of a file of Weights & Biases."""
    history, summary, config = [], {}, {}
    for record in complete_records(path):
        kind = record.WhichOneof("record_type")
        if kind == "history":
            history.append({item.key or "/".join(item.nested_key): item.value_json for item in record.history.item})
        elif kind == "summary":
            summary |= {i.key or "/".join(i.nested_key): i.value_json for i in record.summary.update}
        elif kind == "run":
            config |= {i.key or "/".join(i.nested_key): i.value_json for i in record.run.config.update}
    return history, summary, config


@pytest.mark.filterwarnings("ignore:.*loader strategy is deprecated")  # of SQLAlchemy, by MLflow
def test_mlflow_without_a_server_is_read_back(no_network, tmp_path):
    mlflow = pytest.importorskip("mlflow")
    run = TASK.fit("dnn", data(), units=(4,), out=tmp_path / "run", verbose=False, track="mlflow")
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'run' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("fieldzoo")
    (saved,) = client.search_runs([experiment.experiment_id])
    assert saved.info.status == "FINISHED"
    assert saved.data.params["model"] == "dnn"
    losses = [m.value for m in client.get_metric_history(saved.info.run_id, "loss")]
    np.testing.assert_allclose(losses, run.history["loss"], rtol=1e-6)
    assert saved.data.metrics["test/mae"] == pytest.approx(run.evaluate("test")["mae"])
    assert {f.path for f in client.list_artifacts(saved.info.run_id)} >= {"figures", "model.keras"}


def test_tensorboard_gets_the_result(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    TASK.fit("dnn", data(), units=(4,), out=tmp_path / "run", verbose=False, track="tensorboard")
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard" / "result"), size_guidance={"tensors": 0}).Reload()
    assert {"training", "test/mae", "learning curves"} <= set(events.Tags()["tensors"])
    with pytest.raises(ValueError, match="needs `out`"):
        TASK.fit("dnn", data(), units=(4,), verbose=False, track="tensorboard")


def test_a_tracker_that_is_not_installed_says_what_to_install(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "trackio", None)
    with pytest.raises(ImportError, match="pip install trackio"):
        Tracking("trackio", None)


def test_an_unknown_tracker_is_refused():
    with pytest.raises(ValueError, match="`track`"):
        TASK.fit("dnn", data(), units=(4,), track="wandbb")
