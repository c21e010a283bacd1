"""Training on several devices of this machine, or on several machines, by TensorFlow's strategies.

`batch_size` stays the number of examples per step over all devices, and step k has the examples, in the order and with
the augmentation, that it has on one device. So a loss that is a mean over examples has the same curve, up to rounding.
Each worker reads and augments every batch and takes its part of it: the training step is divided, the input is not.
"""

import contextlib
import dataclasses
import functools
import json
import tempfile
from pathlib import Path
from typing import Literal

import keras

from recipes.training.cluster import Channel, read_cluster
from recipes.training.identity import differences, same_training, versions
from recipes.training.run_folder import WorkerFolder
from recipes.training.sharded_batches import shard_batches
from zoo.devices import gpus
from zoo.keras_patches import patch_distributed_fit

Distribute = Literal["mirrored", "multi_worker"]


@functools.cache
def distribution(kind):
    """Returns the `Distribution` of this process; "multi_worker" first waits for the other workers.

    `recipes.fit` calls it. TensorFlow allows one strategy per process, and that of several workers must come before
    anything is computed: call it first where models or data are made before `fit`.

    Args:
        kind: mirrored (all GPUs of this machine), multi_worker (the machines of TF_CONFIG), or None.
    Raises:
        ValueError: if there are not several devices, TF_CONFIG is wrong, or the workers differ in versions.
        OSError: if a worker cannot be reached in time (TimeoutError), or this worker's port is in use.
        RuntimeError: if TensorFlow has begun to compute, or Keras is not a tested version.
    """
    if kind is None:
        return Distribution()
    if keras.backend.backend() != "tensorflow":
        raise ValueError(f"distribute={kind!r} needs Keras' TensorFlow backend, got {keras.backend.backend()}.")
    import tensorflow as tf

    patch_distributed_fit()
    if kind == "mirrored":
        return Distribution(kind, shard_batches(_mirrored_strategy(), 1))
    cluster = read_cluster()
    _require_fresh_tensorflow()
    channel = Channel(cluster, versions())
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    return Distribution(kind, shard_batches(strategy, len(cluster.addresses)), channel)


def _mirrored_strategy():
    import tensorflow as tf

    gpus()  # sets their memory to grow, which must come first
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    if len(devices) < 2:
        kinds = ", ".join(device.name.removeprefix("/device:") for device in devices)
        raise ValueError(f"distribute='mirrored' needs two GPUs or more on this machine, got {kinds}; leave it out.")
    return tf.distribute.MirroredStrategy([device.name for device in devices])


def _require_fresh_tensorflow():
    from tensorflow.python.eager import context  # no public function says it

    if getattr(context.context(), "_context_handle", None) is not None:
        raise RuntimeError(
            "distribute='multi_worker' must be set before TensorFlow computes anything in this process, and it has "
            "begun. Start Python anew, and call recipes.distribution('multi_worker') before models and data are made."
        )


@dataclasses.dataclass(frozen=True, eq=False)
class Distribution:
    """Where a training runs: on one device (the default), on several of this machine, or on several machines.

    Args:
        kind: mirrored, multi_worker or None.
        strategy: `tf.distribute.Strategy`, or None for one device.
        channel: `Channel` to the other workers, or None.
    """

    kind: str | None = None
    strategy: object = None
    channel: Channel | None = None

    @property
    def is_chief(self):
        """Whether this process writes the run's files."""
        return self.channel is None or self.channel.cluster.is_chief

    @property
    def record(self):
        """Dict of strategy, workers and devices for the run's record; empty for one device."""
        if self.strategy is None:
            return {}
        workers = len(self.channel.cluster.addresses) if self.channel else 1
        return {"distribute": {"strategy": self.kind, "workers": workers, "devices": self.devices}}

    @property
    def devices(self):
        """Number of devices over all workers."""
        return 1 if self.strategy is None else self.strategy.num_replicas_in_sync

    def scope(self):
        """Returns the context in which models are made and compiled."""
        return contextlib.nullcontext() if self.strategy is None else self.strategy.scope()

    def check(self, task, model, data):
        """Raises a ValueError with the reason if the task cannot train this model on several devices.

        Args:
            task: with its batch size.
            model: `keras.Model`.
            data: `Data`.
        """
        if self.strategy is None:
            return
        problem = _unsuitable_model(model) or _unsuitable_task(task) or _unsuitable_sizes(task, data, self.devices)
        if problem:
            raise ValueError(f"distribute={self.kind!r} {problem}.")

    @contextlib.contextmanager
    def train(self):
        """Sets the strategy's scope for the block under `with`, and says in one line that another worker was lost.

        Raises:
            ConnectionError: if a worker ended or was not reached during the training.
        """
        if self.channel is None:
            with self.scope():
                yield
            return
        import tensorflow as tf

        try:
            with self.scope():
                yield
        except tf.errors.OpError as error:
            if not isinstance(error, tf.errors.UnavailableError | tf.errors.AbortedError | tf.errors.CancelledError):
                raise
            raise ConnectionError(
                "another worker ended or could not be reached during the training; its own messages say why. The same "
                "command on all workers resumes after the last whole epoch, where `out` is set."
            ) from error

    def callbacks(self):
        """Returns the Keras callbacks of a distributed training."""
        return [CheckCompiled()] if self.strategy is not None else []

    def replicate(self, model):
        """Returns the model to train: on several devices a copy with a replica on each, else the model itself.

        Batch normalization of the copy uses the statistics of the whole batch.

        Args:
            model: functional or Sequential `keras.Model`, the same on all workers.
        """
        if self.strategy is None:
            return model
        with self.scope():
            copy = keras.models.clone_model(model)
            copy.set_weights(model.get_weights())
        for layer in copy._flatten_layers():
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.synchronized = True
        return copy

    def begin(self, folder, description):
        """Prepares the run's folder on the chief, after all workers have the same training; sends its backup to them.

        Args:
            folder: `RunFolder` on the chief, `WorkerFolder` on other workers, or None to write nothing.
            description: what `describe_training` returns on this worker.
        Raises:
            ValueError: if another worker trains something else, or the folder has other files.
        """
        if self.channel is None:
            if folder:
                folder.begin(description)
            return
        descriptions = self.channel.gather(json.dumps(description).encode())
        error = _description_error([json.loads(text) for text in descriptions]) if descriptions else ""
        if self.is_chief and folder and not error:
            try:
                folder.begin(description)
            except ValueError as refused:
                error = str(refused)
        self.channel.agree(error)
        files = {}
        if self.is_chief and folder:
            files = {path.name: path.read_bytes() for path in folder.backup_files()}
        names = json.loads(self.channel.broadcast(json.dumps(sorted(files)).encode()))
        for name in names:
            content = self.channel.broadcast(files.get(name, b""))
            if not self.is_chief:
                folder.receive(name, content)

    @contextlib.contextmanager
    def worker_folder(self):
        """Yields the `WorkerFolder` of a worker other than the chief; it is removed after the block under `with`."""
        with tempfile.TemporaryDirectory(prefix="zoo_worker_") as path:
            yield WorkerFolder(Path(path))


def _description_error(descriptions):
    """Returns a message on the first worker whose training differs from the chief's, or "".

    The path of the data may differ between machines, as their content is compared.
    """
    chief, *others = [{name: value for name, value in d.items() if name != "data"} for d in descriptions]
    for index, other in enumerate(others, 1):
        if not same_training(chief, other):
            what = "; ".join(
                differences(chief, other, f"`{{name}}` is {{current}} on worker {index}, {{saved}} on the chief")
            )
            return f"distribute='multi_worker': all workers must train the same as the chief: {what}."
    return ""


def _unsuitable_model(model):
    name = type(model).__name__
    if type(model).train_step is not keras.Model.train_step:
        return f"needs Keras' own training step, and {name} has another one, with several losses; leave it out"
    if not (isinstance(model, keras.Sequential) or hasattr(model, "operations")):
        return f"needs a functional or Sequential model, got {name}; leave it out"
    return ""


def _unsuitable_task(task):
    if task.adversarial:
        return f"needs `adversarial` of 0, as it replaces Keras' training step, got {task.adversarial}"
    if task.accelerate == "xla":
        return "needs `accelerate` auto, mixed or off, got 'xla': XLA refuses variables of several devices"
    if any(isinstance(step, keras.Layer) for step in task.augment):
        return "needs augmentation steps by name, got a Keras layer, whose random numbers depend on what is read ahead"
    return ""


def _unsuitable_sizes(task, data, devices):
    size, examples, held_out = task.batch_size, len(data.train), len(data.validation)
    if size % devices or size < 2 * devices:
        multiple = max(2, -(-size // devices)) * devices
        return (
            f"needs a `batch_size` (examples per step over all {devices} devices) that is a multiple of {devices} from "
            f"{2 * devices} on, got {size}; set for example {multiple}"
        )
    if examples < size:
        return f"needs at least `batch_size` training examples, {size}, got {examples}"
    if 0 < held_out < devices:
        return f"needs a validation example for each of {devices} devices, got {held_out}"
    return ""


class CheckCompiled(keras.callbacks.Callback):
    """Refuses, before the first step, settings of `compile` that fail under TensorFlow's strategies."""

    def on_train_begin(self, logs=None):
        """Raises a ValueError that names the setting."""
        model, accumulated = self.model, getattr(self.model.optimizer, "gradient_accumulation_steps", None)
        settings = {
            "gradient_accumulation_steps": (accumulated, "the gradients are summed over the devices at each step"),
            "steps_per_execution": (model.steps_per_execution > 1 and model.steps_per_execution, "one step is divided"),
            "jit_compile": (model.jit_compile, "XLA refuses variables of several devices"),
        }
        for name, (value, reason) in settings.items():
            if value:
                raise ValueError(f"`distribute` needs a model compiled without `{name}`, got {value}: {reason}.")
