"""Ray on this machine, or a cluster of machines: connection, number of workers, and versions of its packages."""

import contextlib
import importlib.util
import logging
import os
import platform
import re
import socket
import typing

from recipes.prediction.predict import warn
from zoo.silence import silence_stderr

WORKER_CORES = 2  # of a worker without a GPU
WORKER_MEMORY = 2 << 30  # bytes that a worker may need; fewer workers are started where there is less
CONNECT_SECONDS = 10.0
STARTS = 3  # attempts to start Ray on this machine, which may be busy
OBJECT_STORE = 128 << 20  # bytes, at least; results are files, and only their counts pass through Ray
PACKAGES = ("fieldzoo", "keras", "tensorflow")
# No telemetry, no lines of Ray's processes on stderr, the priority of this process, and GPUs as Ray 3 will assign them
ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_worker_niceness": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


class WorkerPool(typing.NamedTuple):
    """The workers that a cluster has room for.

    Args:
        size: their number.
        cores: of each.
        gpus: of each.
    """

    size: int
    cores: int
    gpus: int


def parse_workers(text):
    """Parses ray, or ray://HOST:PORT, and returns None or (host, port).

    Raises:
        ValueError: if it is something else, or Ray is not installed.
    """
    match = re.fullmatch(r"ray(://(?P<host>[^/]+):(?P<port>\d{1,5})/?)?", text.strip())
    if match is None:
        raise ValueError(f"predict: `workers` must be ray, or ray://HOST:PORT of a Ray cluster, got {text}.")
    if importlib.util.find_spec("ray") is None:
        raise ValueError("predict: `workers` needs Ray, which is not installed: pip install fieldzoo[ray].")
    return match["host"] and (match["host"].strip("[]"), int(match["port"]))


@contextlib.contextmanager
def ray_cluster(address, object_bytes):
    """Connects to a cluster, or starts Ray on this machine unless this process has done it; yields a `WorkerPool`.

    Args:
        address: (host, port) of the cluster's Ray Client server, or None.
        object_bytes: size of what each worker is sent [bytes].
    Raises:
        ValueError: if the cluster cannot be reached, has no cores, or one of its machines has other packages.
    """
    os.environ.update({name: value for name, value in ENVIRONMENT.items() if name not in os.environ})
    if address is not None:
        _verify_reachable(address)
    import ray

    if address is None and ray.is_initialized():
        yield _worker_pool()
        return
    if address is None:
        _start_here(max(OBJECT_STORE, 4 * object_bytes))
    else:
        _connect(address)
    try:
        if address is not None:
            _verify_machines()
        yield _worker_pool()
    finally:
        ray.shutdown()


def _start_here(object_store):
    import ray

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    for attempt in range(STARTS):
        try:
            _start("local", include_dashboard=False, num_cpus=cores, object_store_memory=object_store)
            return
        except Exception as error:  # the class that Ray raises where its processes have not started in 30 seconds
            ray.shutdown()
            if type(error) is not Exception or attempt == STARTS - 1:
                raise RuntimeError(f"predict: Ray cannot be started: {' '.join(str(error).split())}") from error


def _start(address, **options):
    import ray

    with silence_stderr():  # of a line on the level of messages, which `ENVIRONMENT` sets
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **options)


def _verify_reachable(address):
    """Raises a ValueError where nothing listens at an address; Ray itself would try for a minute."""
    try:
        socket.create_connection(address, CONNECT_SECONDS).close()
    except OSError as error:
        raise _unreachable(address, error) from None


def _connect(address):
    try:
        _start(f"ray://{address[0]}:{address[1]}")
    except (ConnectionError, RuntimeError) as error:
        raise _unreachable(address, error) from None


def _unreachable(address, error):
    return ValueError(
        "predict: `workers` must be the address of a Ray cluster that can be reached, got "
        f"ray://{address[0]}:{address[1]}: {' '.join(str(error).split())}. It must have the Python and Ray of this "
        "machine, and one with token authentication needs RAY_AUTH_MODE=token here."
    )


def _worker_pool():
    import ray

    resources = ray.cluster_resources()
    cores, gpus = int(resources.get("CPU", 0)), int(resources.get("GPU", 0))
    if not cores:
        raise ValueError("predict: `workers` must be a Ray cluster with CPU cores, got one without.")
    if gpus:
        pool = WorkerPool(gpus, max(1, cores // gpus), 1)
    else:
        worker_cores = min(WORKER_CORES, cores)
        in_memory = int(resources.get("memory", 0) // WORKER_MEMORY)
        pool = WorkerPool(max(1, min(cores // worker_cores, in_memory)), worker_cores, 0)
    free = ray.available_resources()
    if free.get("CPU", 0) < pool.cores or free.get("GPU", 0) < pool.gpus:
        warn(["all cores or GPUs of the Ray cluster are in use by other programs; the prediction waits for them"])
    return pool


def version_reader():
    """Returns a function without arguments that returns {package: version or None} of the machine that calls it.

    It is nested, because Ray sends such a function as code: a machine without fieldzoo runs it too.
    """
    packages = PACKAGES

    def read_versions():
        import importlib.metadata

        versions = {}
        for name in packages:
            try:
                versions[name] = importlib.metadata.version(name)
            except importlib.metadata.PackageNotFoundError:
                versions[name] = None
        return versions

    return read_versions


def verify_versions(versions, expected, machine):
    """Raises a ValueError where a machine has other packages than the one that started the prediction.

    Args:
        versions, expected: {package: version or None}.
        machine: its name.
    """
    other = [f"{name} {versions[name] or '(absent)'}" for name in PACKAGES if versions[name] != expected[name]]
    if other:
        requirement = ", ".join(f"{name} {expected[name] or '(absent)'}" for name in PACKAGES)
        raise ValueError(
            f"predict: all workers must have the packages of {platform.node()}, {requirement}; {machine} has "
            f"{', '.join(other)}."
        )


def _verify_machines():
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    read = version_reader()
    task = ray.remote(num_cpus=0)(read)
    nodes = [node for node in ray.nodes() if node["Alive"] and node["Resources"].get("CPU")]
    strategies = [NodeAffinitySchedulingStrategy(node["NodeID"], soft=False) for node in nodes]
    results = ray.get([task.options(scheduling_strategy=strategy).remote() for strategy in strategies])
    for node, versions in zip(nodes, results, strict=True):
        verify_versions(versions, read(), node["NodeManagerHostname"])
