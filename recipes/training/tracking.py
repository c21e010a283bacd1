"""Trackers of experiments: Weights & Biases, MLflow, Trackio and TensorBoard get what a training is, does and gives."""

import json
import os
import secrets
import sys
import typing
from pathlib import Path

import keras

from recipes.reports.report import learning_curves
from zoo.atomic_write import write_text

Tracker = typing.Literal["wandb", "mlflow", "trackio", "tensorboard"]
PROJECT = "fieldzoo"
FIGURES = 6  # of the report that are sent
ID = "tracking.json"  # in the backup: the run of the tracker, which a resumed training continues


class Tracking(keras.callbacks.Callback):
    """Sends the metrics of each epoch to a tracker, and at the end the result.

    Sent are the hyperparameters, model and data with their hash and versions; metrics and learning rate of each epoch;
    at the end the metrics of each split beside the baseline, energy, figures, and the model where the run has a folder.

    Args:
        name: wandb, mlflow, trackio or tensorboard.
        out: folder of the run, or None.
    Raises:
        ImportError: if the tracker's package is not installed.
    """

    def __init__(self, name, out):
        super().__init__()
        self.name, self.out = name, None if out is None else Path(out).expanduser()
        self.client, self.is_started = CLIENTS[name](), False

    def begin(self, description, backup):
        """Starts a run of the tracker, or continues that of a training which is resumed.

        Args:
            description: what `describe_training` returns.
            backup: folder of the training's backup, or None.
        """
        path = None if backup is None else backup / ID
        saved = json.loads(path.read_text()) if path and path.is_file() else {}
        run_id = saved.get(self.name) or secrets.token_hex(8)
        title = self.out.name if self.out else f"{description['model']} {run_id[:4]}"
        if path is not None and backup.is_dir():
            write_text(path, json.dumps({**saved, self.name: run_id}))
        self.client.start(run_id, title, description, self.out, self.name in saved)
        self.is_started = True

    def on_epoch_end(self, epoch, logs=None):
        """Sends the metrics of an epoch, from 0."""
        metrics = {name: float(value) for name, value in (logs or {}).items()}
        metrics.setdefault("learning_rate", float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)))
        self.client.log(metrics, epoch)

    def finish(self, run):
        """Sends the result of a trained `Run`, and ends the tracker's run."""
        splits = [split for split in ("validation", "test") if len(getattr(run.data, split))]
        summary = {}
        for split in splits:
            metrics = run.evaluate(split)
            summary |= _numbers(f"{split}/", metrics) | _numbers(f"{split}/baseline ", metrics.get("baseline") or {})
        summary |= _numbers("energy/", run.record["energy"]) | {"seconds": run.record["seconds"]}
        figures = {"learning curves": learning_curves(run.history)}
        if splits:
            shown = run.task.figures(run, splits[-1])[:FIGURES]
            figures |= {title: figure for title, _, figure in shown if hasattr(figure, "savefig")}
        names = ("model.keras", "preprocessing.keras", "run.json", "metrics.json", "card.md", "report.html")
        files = [self.out / name for name in names if self.out and (self.out / name).is_file()]
        self.client.finish(summary, figures, files)

    def abandon(self):
        """Ends the tracker's run after an error or an interrupt, as failed."""
        if self.is_started:
            self.client.fail()


def _numbers(prefix, metrics):
    return {prefix + k: float(v) for k, v in metrics.items() if isinstance(v, int | float) and not isinstance(v, bool)}


def _say(text):
    print(f"note: {text}", file=sys.stderr, flush=True)


def _flat(description):
    """Returns one level of names, as trackers of parameters take them."""
    flat = {}
    for name, value in description.items():
        if isinstance(value, dict):
            flat |= {f"{name}.{key}": item for key, item in value.items()}
        else:
            flat[name] = value
    return {key: value if isinstance(value, int | float | str) else json.dumps(value) for key, value in flat.items()}


class _WeightsAndBiases:
    """Weights & Biases; without a login or a network the run is written to files, which `wandb sync` uploads."""

    def __init__(self):
        _require("wandb", "wandb")

    def start(self, run_id, title, description, out, is_resumed):
        import wandb

        mode = os.environ.get("WANDB_MODE") or ("online" if wandb.api.api_key else "offline")
        folder = out or Path.cwd()
        folder.mkdir(parents=True, exist_ok=True)
        settings = wandb.Settings(silent=True, console="off", save_code=False, init_timeout=30)
        options = {"project": os.environ.get("WANDB_PROJECT", PROJECT), "name": title, "id": run_id, "dir": str(folder)}
        options |= {"config": description, "settings": settings, "resume": "allow"}
        try:
            self.run = wandb.init(mode=mode, **options)
        except wandb.errors.CommError as error:
            _say(f"Weights & Biases cannot be reached ({str(error).splitlines()[0]}): the run is written to files")
            mode, self.run = "offline", wandb.init(mode="offline", **options)
        if mode == "offline":
            _say(f"Weights & Biases is offline: `wandb sync {Path(self.run.dir).parent}` uploads the run")

    def log(self, metrics, epoch):
        self.run.log({**metrics, "epoch": epoch + 1})

    def finish(self, summary, figures, files):
        import wandb

        self.run.summary.update(summary)
        self.run.log({f"figures/{title}": wandb.Image(figure) for title, figure in figures.items()})
        if files:
            artifact = wandb.Artifact(f"run-{self.run.id}", type="model")
            for path in files:
                artifact.add_file(str(path))
            self.run.log_artifact(artifact)
        self.run.finish()

    def fail(self):
        self.run.finish(exit_code=1)


class _MLflow:
    """MLflow; without MLFLOW_TRACKING_URI the run is written to mlflow.db and mlruns in the run's folder."""

    def __init__(self):
        _require("mlflow", "mlflow")

    def start(self, run_id, title, description, out, is_resumed):
        import mlflow

        address, artifacts = os.environ.get("MLFLOW_TRACKING_URI"), None
        if not address:
            folder = (out or Path.cwd()).resolve()
            folder.mkdir(parents=True, exist_ok=True)
            address, artifacts = f"sqlite:///{folder / 'mlflow.db'}", (folder / "mlruns").as_uri()
            _say(f"MLflow writes to {folder / 'mlflow.db'}; set MLFLOW_TRACKING_URI for a server")
        self.client = mlflow.MlflowClient(address)
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", PROJECT)
        experiment = self.client.get_experiment_by_name(name)
        experiment_id = experiment.experiment_id if experiment else self.client.create_experiment(name, artifacts)
        existing = self.client.search_runs([experiment_id], f"tags.fieldzoo_id = '{run_id}'")
        if existing:
            self.id = existing[0].info.run_id
            self.client.update_run(self.id, status="RUNNING")
            return
        self.id = self.client.create_run(experiment_id, run_name=title, tags={"fieldzoo_id": run_id}).info.run_id
        for key, value in _flat(description).items():
            self.client.log_param(self.id, _plain(key), str(value)[:500])

    def log(self, metrics, epoch):
        for name, value in metrics.items():
            self.client.log_metric(self.id, _plain(name), value, step=epoch + 1)

    def finish(self, summary, figures, files):
        for name, value in summary.items():
            self.client.log_metric(self.id, _plain(name), value)
        for title, figure in figures.items():
            self.client.log_figure(self.id, figure, f"figures/{_plain(title)}.png")
        for path in files:
            self.client.log_artifact(self.id, str(path))
        self.client.set_terminated(self.id)

    def fail(self):
        self.client.set_terminated(self.id, "FAILED")


class _Trackio:
    """Trackio, which writes to a database of this machine, or to the Space that TRACKIO_SPACE_ID names."""

    def __init__(self):
        _require("trackio", "trackio")

    def start(self, run_id, title, description, out, is_resumed):
        import trackio

        self.run = trackio.init(
            project=os.environ.get("TRACKIO_PROJECT", PROJECT), name=f"{title}-{run_id[:4]}", config=description,
            resume="allow",
        )  # fmt: skip

    def log(self, metrics, epoch):
        self.run.log({**metrics, "epoch": epoch + 1}, step=epoch + 1)

    def finish(self, summary, figures, files):
        self.run.log(summary)
        self.run.finish()

    def fail(self):
        self.run.finish()


class _TensorBoard:
    """TensorBoard: the callback of every run with a folder writes the metrics; this adds texts, results and figures."""

    def start(self, run_id, title, description, out, is_resumed):
        import tensorflow as tf

        if out is None:
            raise ValueError('fit: `track="tensorboard"` needs `out`, the folder of its files, got None.')
        self.writer = tf.summary.create_file_writer(str(out / "tensorboard" / "result"))
        rows = "\n".join(f"| {key} | {str(value)[:200]} |" for key, value in _flat(description).items())
        with self.writer.as_default():
            tf.summary.text("training", f"| name | value |\n| --- | --- |\n{rows}", step=0)

    def log(self, metrics, epoch):
        pass  # the callback of Keras does

    def finish(self, summary, figures, files):
        import numpy as np
        import tensorflow as tf
        from matplotlib.backends.backend_agg import FigureCanvasAgg

        with self.writer.as_default():
            for name, value in summary.items():
                tf.summary.scalar(name, value, step=0)
            for title, figure in figures.items():
                canvas = FigureCanvasAgg(figure)
                canvas.draw()
                tf.summary.image(title, np.asarray(canvas.buffer_rgba())[None, ..., :3], step=0)
        self.writer.close()

    def fail(self):
        self.writer.close()


def _require(package, name):
    try:
        __import__(package)
    except ImportError:
        raise ImportError(f"fit: `track={name!r}` needs the package {package}: pip install {package}.") from None


def _plain(name):
    """Returns a name of letters, digits and the marks that MLflow allows."""
    return "".join(c if c.isalnum() or c in "_-./ " else "_" for c in name)


CLIENTS = {"wandb": _WeightsAndBiases, "mlflow": _MLflow, "trackio": _Trackio, "tensorboard": _TensorBoard}
