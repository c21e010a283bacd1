"""Training on several devices and machines equals training on one; what cannot is refused with the reason."""

import dataclasses
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

import recipes
from recipes.training.accelerate import choose_acceleration
from recipes.training.distribute import CheckCompiled, Distribution, _description_error, distribution
from recipes.training.sharded_batches import ShardedBatches
from tests.tolerance import assert_close

ROOT = Path(__file__).parents[2]


@pytest.fixture
def start():
    """A function that starts a process of `train_worker`; all are ended after the test."""
    processes = []

    def start_process(options, environment=None):
        command = [sys.executable, "-m", "tests.training.train_worker", json.dumps(options)]
        variables = {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "", **(environment or {})}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        processes.append(subprocess.Popen(command, cwd=ROOT, env=variables, **pipes))
        return processes[-1]

    yield start_process
    for process in processes:
        with process:
            process.kill()


@pytest.fixture
def start_workers(start):
    """A function that starts two processes that train together, by the options of each."""

    def start_processes(*options):
        cluster = {"worker": free_addresses(len(options))}
        tasks = ({"type": "worker", "index": i} for i in range(len(options)))
        configs = [json.dumps({"cluster": cluster, "task": task}) for task in tasks]
        return [start(one, {"TF_CONFIG": config}) for one, config in zip(options, configs, strict=True)]

    return start_processes


def results(process):
    """The results of a worker that ends well."""
    output, errors = process.communicate(timeout=240)
    assert process.returncode == 0, errors
    return json.loads(output.rpartition("RESULT")[2])


def free_addresses(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    addresses = [f"127.0.0.1:{s.getsockname()[1]}" for s in sockets]
    for s in sockets:
        s.close()
    return addresses


def assert_same_training(one, other):
    assert one["history"].keys() == other["history"].keys()
    for metric, values in one["history"].items():
        assert_close(values, other["history"][metric], rtol=1e-5, err_msg=metric)
    assert_close(one["weights"], other["weights"], rtol=1e-5)


def test_two_devices_equal_one(start):
    """With batch normalization, augmentation, class weights, clipping, and a validation split of one batch and one."""
    alone, mirrored = results(start({"distribute": [None, "mirrored"], "devices": 2}))
    assert_same_training(alone, mirrored)
    assert mirrored["record"] == {"strategy": "mirrored", "workers": 1, "devices": 2}
    assert alone["record"] is None and len(set(alone["history"]["loss"])) == 3


@pytest.mark.slow
def test_a_process_trains_on_several_devices_more_than_once(start):
    first, second = results(start({"distribute": ["mirrored", "mirrored"], "devices": 4}))
    assert first == second


@pytest.mark.slow
def test_two_processes_equal_one(tmp_path, start, start_workers):
    (alone,) = results(start({"distribute": [None]}))
    options = {"distribute": ["multi_worker"], "out": str(tmp_path / "run")}
    for worker in start_workers(options, options):
        (result,) = results(worker)
        assert_same_training(alone, result)
        assert result["record"] == {"strategy": "multi_worker", "workers": 2, "devices": 2}


@pytest.mark.slow
@pytest.mark.parametrize("killed", [0, 1])
def test_killed_worker_resumes(tmp_path, killed, start_workers):
    out = str(tmp_path / "run")
    options = {"distribute": ["multi_worker"], "epochs": 4}
    whole = [results(worker)[0] for worker in start_workers(options, options)]
    workers = start_workers(*({**options, "out": out, **({"kill_after": 2} if i == killed else {})} for i in range(2)))
    outputs = [worker.communicate(timeout=240) for worker in workers]
    assert workers[killed].returncode == -9
    assert "ConnectionError: another worker ended or could not be reached" in outputs[1 - killed][1]
    progress = json.loads((tmp_path / "run" / "backup" / "progress.json").read_text())
    assert progress["epoch"] == 2
    options = {**options, "out": out}
    resumed = [results(worker)[0] for worker in start_workers(options, options)]
    assert resumed == whole


@pytest.mark.slow
def test_workers_that_train_something_else_stop(start_workers):
    workers = start_workers(*({"distribute": ["multi_worker"], "seed": seed} for seed in (0, 5)))
    for worker in workers:
        _, errors = worker.communicate(timeout=240)
        assert worker.returncode == 1
        assert "must train the same as the chief: `seed` is 5 on worker 1, 0 on the chief" in errors


def test_the_first_difference_is_named_but_not_the_path_of_the_data():
    chief = {"hyperparameters": {"seed": 0}, "data": "folder:/a", "content": {"train": "1234"}}
    assert _description_error([chief, {**chief, "data": "folder:/b"}]) == ""
    other = {**chief, "content": {"train": "9876"}}
    assert "the train content differs (1234, now 9876)" in _description_error([chief, chief, other])


# What cannot be distributed


def two_devices():
    return Distribution("mirrored", SimpleNamespace(num_replicas_in_sync=2))


def arrays(count=40, validation=0.2):
    x = np.random.default_rng(0).normal(size=(count, 3)).astype("float32")
    return recipes.load((x, np.arange(count) % 2), task="classification", validation=validation)


def dense():
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, "softmax")])


class OwnStep(keras.Model):
    def train_step(self, data):
        return {}


REFUSED = {
    "an odd batch": ({"batch_size": 9}, dense, r"multiple of 2 from 4 on, got 9; set for example 10"),
    "one example each": ({"batch_size": 2}, dense, r"multiple of 2 from 4 on, got 2; set for example 4"),
    "a batch of more than all": ({"batch_size": 64}, dense, r"at least `batch_size` training examples, 64, got"),
    "XLA": ({"accelerate": "xla"}, dense, r"XLA refuses variables of several devices"),
    "adversarial": ({"adversarial": 0.1}, dense, r"`adversarial` of 0"),
    "a layer": ({"augment": (keras.layers.RandomFlip(),)}, dense, r"augmentation steps by name"),
    "a training step": ({}, OwnStep, r"Keras' own training step, and OwnStep has another one"),
    "a subclass": ({}, lambda: type("Plain", (keras.Model,), {})(), r"functional or Sequential model, got Plain"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_the_reason(case):
    changes, model, message = REFUSED[case]
    task = recipes.Classification(**{"batch_size": 8, **changes})
    with pytest.raises(ValueError, match=rf"^distribute='mirrored' needs .*{message}"):
        two_devices().check(task, model(), arrays())


def test_suitable_trainings_are_not_refused():
    two_devices().check(recipes.Classification(batch_size=8), dense(), arrays())
    Distribution().check(recipes.Classification(batch_size=9, accelerate="xla"), OwnStep(), arrays())


def test_a_validation_split_of_fewer_examples_than_devices_is_refused():
    data = arrays()
    data = dataclasses.replace(data, validation=data.validation.take(slice(0, 1)))
    with pytest.raises(ValueError, match="a validation example for each of 2 devices, got 1"):
        two_devices().check(recipes.Classification(batch_size=8), dense(), data)


@pytest.mark.parametrize(
    ("optimizer", "settings", "name"),
    [
        (keras.optimizers.SGD(gradient_accumulation_steps=2), {}, "gradient_accumulation_steps"),
        (keras.optimizers.SGD(), {"steps_per_execution": 3}, "steps_per_execution"),
        (keras.optimizers.SGD(), {"jit_compile": True}, "jit_compile"),
    ],
)
def test_compiled_settings_that_fail_are_refused_before_the_first_step(optimizer, settings, name):
    model = dense()
    model.compile(optimizer, "mse", **{"jit_compile": False, **settings})
    x = np.zeros((4, 3), "float32")
    with pytest.raises(ValueError, match=f"compiled without `{name}`"):
        model.fit(x, np.zeros((4, 2)), callbacks=[CheckCompiled()], verbose=0)
    assert model.optimizer.iterations.numpy() == 0


def test_acceleration_of_several_devices_is_one_that_works():
    for mode in ("auto", "off", "mixed"):
        choice = choose_acceleration(dense(), 100, mode, devices=2)
        assert choice.settings == {"jit_compile": False, "steps_per_execution": 1}
        assert choice.record["reason"].startswith("2 devices")


def test_one_device_is_not_mirrored():
    with pytest.raises(ValueError, match="needs two GPUs or more on this machine, got CPU:0; leave it out"):
        dense(), distribution("mirrored")


def test_several_workers_after_tensorflow_has_begun_are_refused(monkeypatch):
    config = {"cluster": {"worker": free_addresses(2)}, "task": {"type": "worker", "index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(config))
    tf.constant(0)
    with pytest.raises(RuntimeError, match="before TensorFlow computes anything in this process"):
        distribution("multi_worker")


# The parts of a batch


class EachDevice:
    """A strategy of which a batch is the list of its parts, by device."""

    def __init__(self, devices):
        self.num_replicas_in_sync = devices

    def experimental_distribute_values_from_function(self, part):
        contexts = (SimpleNamespace(replica_id_in_sync_group=i) for i in range(self.num_replicas_in_sync))
        return [part(context).numpy().tolist() for context in contexts]


@pytest.mark.parametrize(
    ("examples", "batch_size", "devices"), [(13, 4, 2), (16, 4, 2), (19, 6, 3), (13, 8, 4), (3, 8, 3)]
)
def test_each_example_is_once_on_one_device_and_none_is_without(examples, batch_size, devices):
    dataset = tf.data.Dataset.range(examples).batch(batch_size)
    batches = list(ShardedBatches(dataset, EachDevice(devices), 1))
    assert len(batches) == int(dataset.cardinality())
    assert [x for batch in batches for part in batch for x in part] == list(range(examples))
    assert all(part for batch in batches for part in batch)


def test_parts_are_in_the_order_in_which_keras_joins_predictions():
    """The first device of each worker, then the second of each."""
    dataset = tf.data.Dataset.range(8).batch(8, drop_remainder=True)
    (batch,) = ShardedBatches(dataset, EachDevice(4), 2)
    assert batch == [[0, 1], [4, 5], [2, 3], [6, 7]]


def test_an_iterator_that_is_not_read_reads_nothing():
    """Keras makes one per epoch; reading would advance the augmentation."""
    read = []
    dataset = tf.data.Dataset.range(4).map(lambda x: tf.py_function(lambda v: read.append(int(v)) or v, [x], tf.int64))
    batches = iter(ShardedBatches(dataset.batch(2), EachDevice(2), 1))
    assert read == []
    assert len(list(batches)) == 2 and sorted(read) == [0, 1, 2, 3]
