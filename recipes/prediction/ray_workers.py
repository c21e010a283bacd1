"""Prediction by several processes or machines with Ray: each task is a shard, and the shards are joined to one file.

Ray Data runs a pool of actors, each of which loads the model once. Where one is killed, Ray starts another, and runs
its shard again; a shard is a `PredictionFile`, so it is continued where it stopped, and a complete one stays as it is.
"""

import contextlib
import os
import pickle
import platform
import time
import warnings

from recipes.prediction.batch_predictor import BatchPredictor
from recipes.prediction.file_prediction import (
    FilePrediction,
    Prediction,
    input_unit,
    verify_no_input,
    write_prediction,
)
from recipes.prediction.input_list import ShardFiles, input_files, names_hash, shard_files
from recipes.prediction.predict import warn
from recipes.prediction.prediction_file import FileInUseError, PredictionFile, verify_out
from recipes.prediction.progress import progress_bar
from recipes.prediction.ray_cluster import parse_workers, ray_cluster, verify_versions, version_reader
from recipes.prediction.shards import attempts_path, join_shards, remove_shards, shard_counts, shard_inputs, shard_path

SHARD_PHOTOS = 1000  # photos in a shard, as long as that makes at most `MAX_SHARDS`
MAX_SHARDS = 200  # all are open when they are joined
MAX_ATTEMPTS = 5  # at the same photos, where each worker dies
IN_USE_SECONDS = 30.0  # in which the lock of a process that died on another machine must be gone


def predict_with_workers(
    run, paths, out, *, workers, files_from=None, overwrite=False, strict=False, progress=True, **options
):
    """Writes the predictions for files or rows to a file by the workers of Ray, and returns a `FilePrediction`.

    Args:
        run: `Run`, whose method `predict_files` documents the others.
    Raises:
        ValueError: if an argument does not fit, or Ray or the cluster cannot be used.
        RuntimeError: if workers die at the same inputs again and again.
    """
    address, out = parse_workers(workers), verify_out(out)
    if run.schema.series:
        raise ValueError("predict: `workers` must be None for a table of series, which is predicted as a whole.")
    BatchPredictor(run, **options)  # refuses options that do not fit before anything is started
    files = input_files(run, paths, files_from)
    verify_no_input(out, files)
    count = _begun_count(out, overwrite)
    job = {"run": pickle.dumps(run), "options": options, "out": str(out), "folder": os.getcwd(), "strict": strict}
    with ray_cluster(address, len(job["run"])) as pool:
        count = count or _new_count(run, files, pool.size)
        job |= {"threads": pool.cores, "versions": version_reader()()}
        resumed = _predict_shards(job, run, files, count, pool, progress)
    rows, failures = join_shards(out)
    remove_shards(out, count)
    return FilePrediction(str(out), rows, failures, resumed)


class ShardWorker:
    """Predicts shards, in a process of Ray.

    Args:
        job: dict: run (pickled), options, out, folder (the current one), strict, threads, versions.
    """

    def __init__(self, job):
        self.job, self.predictor, self.error = job, None, None
        try:
            self._load()
        except Exception as error:  # is raised where the prediction was started
            self.error = _picklable(error)

    def _load(self):
        import tensorflow as tf

        verify_versions(version_reader()(), self.job["versions"], platform.node())
        tf.config.threading.set_intra_op_parallelism_threads(self.job["threads"])
        try:
            os.chdir(self.job["folder"])  # for relative paths
        except OSError as error:
            raise ValueError(f"predict: all workers must see the same folders, {platform.node()}: {error}.") from None
        self.predictor = BatchPredictor(pickle.loads(self.job["run"]), **self.job["options"])

    def __call__(self, row):
        """Predicts the shard of a row.

        Args:
            row: dict: shard (i, n), count, names_hash, and files, as bytes that end in NUL each.
        Returns:
            Dict: outcome, which is (i, `FilePrediction` or exception, notes), pickled.
        """
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                outcome = self.error or self._predict(row)
            except Exception as error:
                outcome = _picklable(error)
        notes = [str(warning.message) for warning in caught if warning.category is UserWarning]
        return {"outcome": pickle.dumps((int(row["shard"][0]), outcome, notes))}

    def _predict(self, row):
        files = [os.fsdecode(file) for file in row["files"].split(b"\0")[:-1]]
        inputs = ShardFiles(files, tuple(map(int, row["shard"])), int(row["count"]), row["names_hash"])
        options = {"strict": self.job["strict"], "warns": False, "threads": self.job["threads"]}
        prediction = Prediction(self.predictor, inputs, **options)
        file = _open_shard(shard_path(self.job["out"], inputs.shard), prediction.description())
        with contextlib.closing(file):
            _count_attempt(file, files)
            return write_prediction(prediction, file)


def _open_shard(path, description):
    deadline = time.monotonic() + IN_USE_SECONDS
    while True:
        try:
            return PredictionFile(path, description, is_shard=True)
        except FileInUseError:
            if time.monotonic() > deadline:
                raise
        time.sleep(0.5)


def _count_attempt(file, files):
    """Raises a RuntimeError where too many workers died at the same position of a shard, else counts one more."""
    path = attempts_path(file.out)
    position, attempts = map(int, path.read_text().split()) if path.exists() else (0, 0)
    attempts = attempts + 1 if position == file.inputs else 1
    if attempts > MAX_ATTEMPTS:
        raise RuntimeError(
            f"predict: {MAX_ATTEMPTS} workers died after the {file.inputs:,} inputs of {file.part}, at "
            f"{files[min(file.inputs, len(files) - 1)]} or soon after it; remove the input, or free some memory."
        )
    path.write_text(f"{file.inputs} {attempts}")


def _picklable(error):
    """Returns an exception that any process can read."""
    is_simple = isinstance(error, ValueError | OSError) or type(error) is RuntimeError
    return error if is_simple else RuntimeError(f"{type(error).__name__}: {error}")


def _predict_shards(job, run, files, count, pool, progress):
    """Predicts all shards, and returns the number of inputs that an earlier call had predicted."""
    paths = {i: shard_path(job["out"], (i, count)) for i in range(1, count + 1)}
    before = {i: shard_inputs(path) for i, path in paths.items()}
    for path in paths.values():
        attempts_path(path).unlink(missing_ok=True)
    resumed, shown = sum(before.values()), set()
    if resumed:
        warn([f"{job['out']} is continued after {resumed:,} inputs"])
    total = len(files) if run.schema.kind == "image" else None
    with progress_bar(lambda: total, resumed, input_unit(run, files), progress) as advance, _naming_deaths(job["out"]):
        for row in _shard_dataset(job, run, files, count, pool).iter_rows():
            i, outcome, notes = pickle.loads(row["outcome"])
            sentences = {note.rpartition(": ")[2]: note for note in reversed(notes)}
            warn(note for sentence, note in sentences.items() if sentence not in shown)
            shown |= set(sentences)
            if isinstance(outcome, Exception):
                raise outcome
            advance(outcome.rows - before[i])
    return resumed


def _shard_dataset(job, run, files, count, pool):
    """Returns the `ray.data.Dataset` of the shards' outcomes, which are computed as it is read."""
    import ray.data

    hash_of_names = names_hash(files)
    parts = [shard_files(files, (i, count), run.schema.kind == "image", hash_of_names) for i in range(1, count + 1)]
    rows = [
        {
            "shard": list(part.shard),
            "count": part.count,
            "names_hash": part.names_hash,
            "files": b"".join(os.fsencode(file) + b"\0" for file in part.files),
        }
        for part in parts
    ]
    return ray.data.from_items(rows, override_num_blocks=count).map(
        ShardWorker,
        fn_constructor_args=(job,),
        compute=ray.data.ActorPoolStrategy(size=min(pool.size, count), max_tasks_in_flight_per_actor=1),
        num_cpus=pool.cores,
        num_gpus=pool.gpus,
    )  # Ray Data starts a worker that died again, and repeats its shard, without limit; `_count_attempt` sets one


@contextlib.contextmanager
def _naming_deaths(out):
    import ray

    try:
        yield
    except ray.exceptions.RayError as error:
        reason = next((line.strip() for line in reversed(str(error).splitlines()) if line.strip()), "")
        raise RuntimeError(
            f"predict: the workers of Ray died: {reason} What is predicted stays beside {out}, and the same call "
            "continues it."
        ) from error


def _begun_count(out, overwrite):
    """Returns the number of shards of an interrupted call, which are continued; None where there are none."""
    counts = shard_counts(out)
    if overwrite:
        for count in counts:
            remove_shards(out, count)
        return None
    manifest = out.with_name(f"{out.name}.part.json")
    if manifest.exists() or len(counts) > 1:
        begun = (
            f"without workers ({manifest})" if manifest.exists() else f"in {' and in '.join(map(str, counts))} shards"
        )
        raise ValueError(
            f"`out` must be continued as it was begun, and {out} was begun {begun}; choose another file, or start anew "
            "with --overwrite (overwrite=True)."
        )
    return counts[0] if counts else None


def _new_count(run, files, workers):
    """Returns the number of shards: of photos enough for all workers, else one for each, as each reads whole tables."""
    if run.schema.kind != "image":
        return workers
    return min(len(files), MAX_SHARDS, max(workers, -(-len(files) // SHARD_PHOTOS)))
