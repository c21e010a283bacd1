"""Workers meet before TensorFlow connects them; a wrong TF_CONFIG, an absent worker and other versions are one line."""

import json
import re
import socket
import threading
import time

import pytest

from recipes.training import cluster as module
from recipes.training.cluster import Channel, Cluster, read_cluster, timeout
from tests.training.test_distribute import free_addresses

WORKERS = {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]}


def config(cluster=None, task=None):
    return {"TF_CONFIG": json.dumps({"cluster": cluster or WORKERS, "task": task or {"type": "worker", "index": 1}})}


def test_tf_config():
    assert read_cluster(config()) == Cluster(("10.0.0.1:2222", "10.0.0.2:2222"), 1)
    cluster = {"chief": ["a:1"], "worker": ["b:1", "[::1]:1"]}
    assert read_cluster(config(cluster)) == Cluster(("a:1", "b:1", "[::1]:1"), 2)
    assert read_cluster(config(cluster, {"type": "chief", "index": 0})).is_chief


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({}, "must be set on each worker, got none"),
        ({"TF_CONFIG": "{cluster"}, "must be JSON, got '{cluster'"),
        ({"TF_CONFIG": "[1]"}, "must have `cluster` and `task`"),
        ({"TF_CONFIG": '{"cluster": {"worker": ["a:1"]}}'}, "must have `cluster` and `task`"),
        (config({**WORKERS, "ps": ["a:1"]}), "at most one `chief`, got ps"),
        (config({**WORKERS, "chief": ["a:1", "b:1"]}), "got several chiefs"),
        (config({"worker": ["10.0.0.1"]}), "must have addresses HOST:PORT, got '10.0.0.1'"),
        (config({"worker": ["a:99999", "b:1"]}), "must have addresses HOST:PORT, got 'a:99999'"),
        (config({"worker": "a:1"}), "must have a list of addresses for each job, got 'a:1'"),
        (config({"worker": ["a:1", "a:1"]}), "a different address for each worker"),
        (config(task={"type": "worker", "index": 2}), r"of the cluster \(worker 0, worker 1\), got"),
        (config(task={"type": "worker"}), r"of the cluster \(worker 0, worker 1\), got"),
    ],
)
def test_a_wrong_tf_config_is_one_line_with_an_example(environment, message):
    with pytest.raises(ValueError, match=message) as error:
        read_cluster(environment)
    assert "\n" not in str(error.value)
    example = re.search(r"for example (\{.*\})\.$", str(error.value)).group(1)
    assert read_cluster({"TF_CONFIG": example}).is_chief


def test_a_wrong_timeout(monkeypatch):
    monkeypatch.setenv("ZOO_WORKERS_TIMEOUT", "soon")
    with pytest.raises(ValueError, match="ZOO_WORKERS_TIMEOUT must be a positive number of seconds, got 'soon'"):
        timeout()


def run_workers(work, addresses, versions=None):
    """Runs `work(channel)` for each worker in a thread of its own; returns what each returned or raised."""
    outcomes = [None] * len(addresses)

    def one(index):
        try:
            channel = Channel(Cluster(tuple(addresses), index), versions[index] if versions else {"keras": "3"})
            try:
                outcomes[index] = work(channel)
            finally:
                channel.close()
        except Exception as error:
            outcomes[index] = error

    threads = [threading.Thread(target=one, args=(index,)) for index in range(len(addresses))]
    for thread in reversed(threads):  # the chief comes last
        thread.start()
    for thread in threads:
        thread.join(30)
    return outcomes


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setenv("ZOO_WORKERS_TIMEOUT", "10")
    monkeypatch.setattr(module, "RETRY", 0.01)


def test_messages_reach_all_workers():
    def work(channel):
        gathered = channel.gather(bytes([channel.cluster.index]) * 3_000_000)
        return gathered and [len(set(g)) == 1 and g[0] for g in gathered], channel.broadcast(b"to all")

    outcomes = run_workers(work, free_addresses(3))
    assert outcomes == [([0, 1, 2], b"to all"), (None, b"to all"), (None, b"to all")]


def test_other_versions_stop_all_workers_with_the_same_line():
    versions = [{"keras": "3.15.1", "fieldzoo": "1"}, {"keras": "3.15.0", "fieldzoo": "1"}]
    errors = run_workers(lambda channel: None, free_addresses(2), versions)
    assert str(errors[0]) == str(errors[1]) and isinstance(errors[0], ValueError)
    assert "got on worker 1 keras 3.15.0 (chief 3.15.1); install the chief's" in str(errors[0])


def test_another_cluster_stops_all_workers():
    first, second, third = free_addresses(3)

    def meet(index, addresses, outcomes):
        try:
            Channel(Cluster(addresses, index), {})
        except ValueError as error:
            outcomes[index] = str(error)

    outcomes, clusters = {}, [(first, second), (first, third)]
    threads = [threading.Thread(target=meet, args=(i, c, outcomes)) for i, c in enumerate(clusters)]
    [thread.start() for thread in threads]
    [thread.join(20) for thread in threads]
    assert outcomes[0] == outcomes[1] and "the same addresses on all workers" in outcomes[0]


def test_an_absent_worker_is_named_after_the_timeout(monkeypatch, capfd):
    monkeypatch.setenv("ZOO_WORKERS_TIMEOUT", "0.3")
    monkeypatch.setattr(module, "QUIET", 0.05)
    addresses = tuple(free_addresses(2))
    with pytest.raises(TimeoutError, match=f"worker 1 \\({addresses[1]}\\) did not connect to the chief.*within 0.3 s"):
        Channel(Cluster(addresses, 0), {})
    assert f"waits up to 0.3 s for worker 1 ({addresses[1]})" in capfd.readouterr().err
    with pytest.raises(TimeoutError, match=f"the chief, {addresses[0]}, could not be reached within 0.3 s"):
        Channel(Cluster(addresses, 1), {})
    assert "waits up to 0.3 s for the chief" in capfd.readouterr().err


def test_a_port_in_use_is_named():
    with socket.create_server(("", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(OSError, match=f"the port of this worker, {address}, cannot be used"):
            Channel(Cluster((address, *free_addresses(1)), 0), {})


def test_another_program_at_the_port_is_ignored():
    addresses = free_addresses(2)

    def knock():
        host, port = addresses[0].split(":")
        for _ in range(200):
            try:
                with socket.create_connection((host, int(port)), timeout=1) as other:
                    other.sendall(b"GET / HTTP/1.0\r\n\r\n")
                return
            except OSError:
                time.sleep(0.01)

    knocking = threading.Thread(target=knock)
    knocking.start()
    time.sleep(0.05)
    assert run_workers(lambda channel: channel.broadcast(b"x"), addresses) == [b"x", b"x"]
    knocking.join(5)


def test_a_worker_that_ends_before_the_training_is_named():
    def work(channel):
        if not channel.cluster.is_chief:
            raise RuntimeError("no such file")
        return channel.gather(b"")

    addresses = free_addresses(2)
    chief, worker = run_workers(work, addresses)
    assert isinstance(worker, RuntimeError)
    assert isinstance(chief, ConnectionError)
    assert str(chief).startswith(f"worker 1, {addresses[1]}, ended before the training began")
