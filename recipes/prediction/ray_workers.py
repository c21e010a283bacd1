"""Prediction by several processes or machines with Ray: each task is a shard, and the shards are joined to one file.

Actors load the model once. Where one is killed, another is started, and its shard is predicted again by the next that
is free; a shard is a `PredictionFile`, so it is continued where it stopped. Ray Data would do the same, but does not
run through Ray Client, by which ray://HOST:PORT is reached.
"""

import collections
import contextlib
import os
import pickle
import platform
import time
import warnings

from recipes.prediction.file_prediction import (
    FilePrediction,
    Prediction,
    input_unit,
    make_predictor,
    verify_no_input,
    write_prediction,
)
from recipes.prediction.input_list import FILES_BELOW, input_files, names_hash, shard_files
from recipes.prediction.predict import warn
from recipes.prediction.prediction_file import FileInUseError, PredictionFile, verify_out
from recipes.prediction.progress import progress_bar
from recipes.prediction.ray_cluster import parse_workers, ray_cluster, verify_versions, version_reader
from recipes.prediction.shards import join_shards, remove_shards, shard_counts, shard_inputs, shard_path

SHARD_PHOTOS = 1000  # photos in a shard, as long as that makes at most `MAX_SHARDS`
MAX_SHARDS = 200  # all are open when they are joined
MAX_DEATHS = 5  # of workers at the same position
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
    make_predictor(run, out, **options)  # refuses options that do not fit before anything is started
    files = input_files(run, paths, files_from)
    verify_no_input(out, files)
    count = _begun_count(out, overwrite)
    job = {"run": pickle.dumps(run), "options": options, "out": str(out), "folder": os.getcwd(), "strict": strict}
    with ray_cluster(address, len(job["run"])) as pool:
        count = count or _new_count(run, files, pool.size)
        job |= {"threads": pool.cores, "versions": version_reader()()}
        resumed, inputs = _predict_shards(job, run, files, count, pool, progress)
    rows, failures = join_shards(out)
    remove_shards(out, count)
    return FilePrediction(str(out), rows, failures, resumed, inputs)


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
        self.predictor = make_predictor(pickle.loads(self.job["run"]), self.job["out"], **self.job["options"])

    def is_ready(self):
        """Returns True, once the model is loaded."""
        return True

    def predict(self, inputs):
        """Predicts a shard.

        Args:
            inputs: `ShardFiles`.
        Returns:
            (`FilePrediction` or exception, list of notes).
        """
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                outcome = self.error or self._predict(inputs)
            except Exception as error:
                outcome = _picklable(error)
        return outcome, [str(warning.message) for warning in caught if warning.category is UserWarning]

    def _predict(self, inputs):
        options = {"strict": self.job["strict"], "warns": False, "threads": self.job["threads"]}
        prediction = Prediction(self.predictor, inputs, **options)
        file = _open_shard(shard_path(self.job["out"], inputs.shard), prediction.description())
        with contextlib.closing(file):
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


def _picklable(error):
    """Returns an exception that any process can read."""
    is_simple = isinstance(error, ValueError | OSError) or type(error) is RuntimeError
    return error if is_simple else RuntimeError(f"{type(error).__name__}: {error}")


def _predict_shards(job, run, files, count, pool, progress):
    """Predicts all shards; returns the numbers of inputs that an earlier call had predicted, and of all."""
    is_split, hash_of_names = run.schema.kind in FILES_BELOW, names_hash(files)
    shards = [shard_files(files, (i, count), is_split, hash_of_names) for i in range(1, count + 1)]
    before = {shard.shard: shard_inputs(shard_path(job["out"], shard.shard)) for shard in shards}
    resumed, inputs, shown = sum(before.values()), 0, set()
    if resumed:
        warn([f"{job['out']} is continued after {resumed:,} inputs"])
    total = len(files) if is_split else None
    with progress_bar(lambda: total, resumed, input_unit(run, files), progress) as advance:
        for shard, outcome, notes in _outcomes(job, shards, pool):
            sentences = {note.rpartition(": ")[2]: note for note in reversed(notes)}
            warn(note for sentence, note in sentences.items() if sentence not in shown)
            shown |= set(sentences)
            if isinstance(outcome, Exception):
                raise outcome
            advance(outcome.inputs - before[shard.shard])
            inputs += outcome.inputs
    return resumed, inputs


def _outcomes(job, shards, pool):
    """Yields (`ShardFiles`, outcome, notes) of each shard as it is complete; workers that die are replaced."""
    import ray

    worker = ray.remote(num_cpus=pool.cores, num_gpus=pool.gpus)(ShardWorker)
    job, pending, idle, deaths = ray.put(job), collections.deque(shards), [], _Deaths(job["out"])

    def start():
        actor = worker.remote(job)
        return {actor.is_ready.remote(): (actor, None)}

    running = {task: work for _ in range(min(pool.size, len(shards))) for task, work in start().items()}
    while running:
        (task, *_), _ = ray.wait(list(running), num_returns=1)
        actor, shard = running.pop(task)
        try:
            result = ray.get(task)
        except ray.exceptions.RayError as error:  # the worker died, or its machine did
            deaths.count(shard, error)
            pending.extendleft([shard] if shard else [])
            running |= start()
        else:
            idle.append(actor)
            if shard:
                deaths.positions.pop(None, None)  # workers can load the model
                yield shard, *result
        while idle and pending:
            actor, shard = idle.pop(), pending.popleft()
            running[actor.predict.remote(shard)] = actor, shard
        if not pending and not any(shard for _, shard in running.values()):
            return  # workers that are still starting have nothing to do


class _Deaths:
    """Counts of workers that died at one position, in order not to start others without end."""

    def __init__(self, out):
        self.out, self.positions = out, collections.Counter()

    def count(self, shard, error):
        """Raises a RuntimeError if too many workers died while they loaded the model, or at the same inputs."""
        position = shard and (shard.shard, shard_inputs(shard_path(self.out, shard.shard)))
        self.positions[position] += 1
        if self.positions[position] < MAX_DEATHS:
            return
        if shard is None:
            reason = " ".join(str(error).split())
            raise RuntimeError(f"predict: {MAX_DEATHS} workers died before they had loaded the model: {reason}")
        nearest = shard.files[min(position[1], len(shard.files) - 1)]
        raise RuntimeError(
            f"predict: {MAX_DEATHS} workers died after {position[1]:,} inputs of the shard {shard.shard[0]}/"
            f"{shard.shard[1]}, at {nearest} or soon after it; remove the input, or free some memory. The rows before "
            "it stay, and the same call continues them."
        )


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
    if run.schema.kind not in FILES_BELOW:
        return workers
    return min(len(files), MAX_SHARDS, max(workers, -(-len(files) // SHARD_PHOTOS)))
