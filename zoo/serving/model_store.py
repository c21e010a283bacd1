"""The served models of a folder, as TensorFlow Serving has them: versions, labels and states; loaded and warmed up."""

import re
import threading
import typing
from pathlib import Path

import numpy as np

from zoo.arguments import suggestion
from zoo.export import isolated_inference, warmup
from zoo.export.versions import version_numbers
from zoo.serving.image_sizes import check_image_files

CONFIG_FILE = "models.config"


class RequestError(Exception):
    """A request that is refused; `code` is gRPC's name of the status."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def require_finite(name, array):
    """Returns an input of a request; a `RequestError` where a number is infinite or too large for the type."""
    if array.dtype.kind == "f" and np.isinf(array).any():
        bits = 8 * array.dtype.itemsize
        raise RequestError("INVALID_ARGUMENT", f'input "{name}" must have finite numbers that fit in {bits} bits.')
    return array


class VersionState(typing.NamedTuple):
    """The state of a version in TensorFlow Serving's terms."""

    version: int
    state: str  # AVAILABLE, or END where it could not be loaded
    message: str  # why it could not be loaded, or ""


class LoadedModel:
    """One version of a model in memory, warmed up.

    Args:
        folder: `pathlib.Path` of PATH/VERSION.
    Attributes:
        version: number.
        definitions: SignatureDefs by name.
    Raises:
        Exception: TensorFlow raises many classes for a folder that is no SavedModel or a broken one.
    """

    def __init__(self, folder):
        import tensorflow as tf

        graphs = isolated_inference.read_saved_model(folder).meta_graphs
        graph = next(g for g in graphs if "serve" in g.meta_info_def.tags)
        self.definitions = {n: d for n, d in graph.signature_def.items() if d.method_name}
        self.version = int(folder.name)
        isolated_inference.load_custom_operations(folder)
        self._model = tf.saved_model.load(str(folder))  # its functions alone do not keep their variables alive
        for record in warmup.read_records(folder):
            self.predict(record.signature, record.inputs)

    def definition(self, signature):
        """Returns the SignatureDef of a name; "" is serving_default."""
        name = signature or "serving_default"
        if name not in self.definitions:
            expected = ", ".join(sorted(self.definitions))
            raise RequestError("INVALID_ARGUMENT", f'signature "{name}" does not exist; the model has {expected}.')
        return self.definitions[name]

    def predict(self, signature, arrays):
        """Returns outputs by name for arrays by name.

        Raises:
            RequestError: if the arrays do not fit the signature, or the graph refuses them.
        """
        import tensorflow as tf

        definition = self.definition(signature)
        check_inputs(definition, arrays)
        try:
            if signature == "serving_bytes":
                check_image_files(arrays["image_bytes"].tolist())
            tensors = {n: tf.constant(a, tf.as_dtype(definition.inputs[n].dtype)) for n, a in arrays.items()}
            outputs = self._model.signatures[signature or "serving_default"](**tensors)
            return {n: outputs[n].numpy() for n in sorted(definition.outputs)}
        except tf.errors.InvalidArgumentError as error:
            message = short_message(error)
            is_file = signature == "serving_bytes" and not message.startswith(tuple(arrays))
            problem = f"image_bytes has a broken or truncated image file: {message}" if is_file else message
            raise RequestError("INVALID_ARGUMENT", problem) from None
        except tf.errors.ResourceExhaustedError as error:
            raise RequestError("RESOURCE_EXHAUSTED", short_message(error)) from None
        except (ValueError, TypeError) as error:
            raise RequestError("INVALID_ARGUMENT", short_message(error)) from None


def short_message(error):
    """Returns the sentence of a TensorFlow error without the graph's internal names."""
    text = str(getattr(error, "message", error))
    assertions = re.findall(r"assertion failed: \[(.*?)\]$", text, flags=re.MULTILINE)
    if assertions:
        return re.sub(r"[\[\]]", "", assertions[0]) + "."
    internal = ("Graph execution error", "Detected at", "<stack", "[[", "File")
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith(internal)]
    return lines[0][:500] if lines else type(error).__name__


def check_inputs(definition, arrays):
    """Raises `RequestError` where arrays by name do not fit a SignatureDef's inputs."""
    import tensorflow as tf

    inputs = definition.inputs
    for name in arrays:
        if name not in inputs:
            raise RequestError("INVALID_ARGUMENT", f'the signature has no input "{name}".{suggestion(name, inputs)}')
    missing = [n for n in sorted(inputs) if n not in arrays]
    if missing:
        raise RequestError(
            "INVALID_ARGUMENT",
            f"missing input {', '.join(missing)}; the signature takes {', '.join(sorted(inputs))}.",
        )
    for name, info in inputs.items():
        array, dtype = arrays[name], tf.as_dtype(info.dtype)
        array_dtype = tf.string if array.dtype.kind in "OSU" else tf.as_dtype(array.dtype)
        if array_dtype != dtype:
            raise RequestError("INVALID_ARGUMENT", f'input "{name}" must be {dtype.name}, got {array_dtype.name}.')
        if not info.tensor_shape.unknown_rank:
            shape = tuple(d.size for d in info.tensor_shape.dim)
            if len(shape) != array.ndim or any(s not in (-1, n) for s, n in zip(shape, array.shape, strict=True)):
                expected = ", ".join("any" if s < 0 else str(s) for s in shape)
                raise RequestError(
                    "INVALID_ARGUMENT", f'input "{name}" must have the shape ({expected}), got {tuple(array.shape)}.'
                )
    examples = {name: len(arrays[name]) for name, info in inputs.items() if _has_free_batch(info)}
    if len(set(examples.values())) > 1:
        listed = ", ".join(f"{name} {count}" for name, count in sorted(examples.items()))
        raise RequestError("INVALID_ARGUMENT", f"all inputs must have the same number of examples, got {listed}.")


def _has_free_batch(info):
    return not info.tensor_shape.unknown_rank and len(info.tensor_shape.dim) > 0 and info.tensor_shape.dim[0].size < 0


class ModelStore:
    """The served models of a folder.

    Args:
        folder: FOLDER/NAME/VERSION/saved_model.pb; or FOLDER itself is NAME. Where FOLDER has a models.config, its
            names, version policies and labels hold. Else the latest version of each model is served, as TensorFlow
            Serving does.
        note: function that is called with one sentence for each version that was loaded or could not be.
    Raises:
        ValueError: if there is no model in the folder.
    """

    def __init__(self, folder, note=lambda sentence: None):
        self.folder, self.note = Path(folder).expanduser().resolve(), note
        self._loaded, self._failed, self._labels = {}, {}, {}
        self._lock = threading.Lock()
        if not self._model_folders():
            raise ValueError(f"serve: `folder` must hold NAME/VERSION/saved_model.pb, got {folder}.")
        self.refresh()

    def _model_folders(self):
        """name -> (folder, version policy) of each model."""
        if not self.folder.is_dir():
            return {}
        if (self.folder / CONFIG_FILE).is_file():
            return self._configured_folders()
        if version_numbers(self.folder):
            return {self.folder.name: (self.folder, None)}
        return {p.name: (p, None) for p in sorted(self.folder.iterdir()) if p.is_dir() and version_numbers(p)}

    def _configured_folders(self):
        """The same of models.config; keeps its labels."""
        from google.protobuf import text_format
        from tensorflow_serving.config import model_server_config_pb2

        text = (self.folder / CONFIG_FILE).read_text(encoding="utf-8")
        config = text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
        folders = {}
        for model in config.model_config_list.config:
            self._labels[model.name] = dict(model.version_labels)
            # The paths are those within the image; here each model lies under its folder's last name.
            folders[model.name] = (self.folder / Path(model.base_path).name, model.model_version_policy)
        return folders

    def refresh(self):
        """Loads versions that have appeared, then unloads those that are no longer to be served."""
        with self._lock:
            for name, (folder, policy) in self._model_folders().items():
                numbers = _versions_to_serve(version_numbers(folder), policy)
                for number in numbers:
                    if (name, number) not in self._loaded and self._is_new(name, folder / str(number)):
                        self._load(name, folder / str(number))
                if any((name, number) in self._loaded for number in numbers):
                    self._loaded = {k: v for k, v in self._loaded.items() if k[0] != name or k[1] in numbers}
                # Where a version fails, the one before it stays in service; at the start it is loaded instead.
                elif not any(k[0] == name for k in self._loaded):
                    for number in reversed([v for v in version_numbers(folder) if v not in numbers]):
                        version = folder / str(number)
                        if self._is_new(name, version) and self._load(name, version):
                            break

    def _is_new(self, name, folder):
        """Whether a version was not tried yet, or has changed since it could not be loaded: a copy may take time."""
        _, changed_at = self._failed.get((name, int(folder.name)), (None, None))
        return changed_at != _modification_time(folder)

    def _load(self, name, folder):
        """Loads a version; returns whether that succeeded."""
        key, changed_at = (name, int(folder.name)), _modification_time(folder)
        # Requests read these dicts meanwhile, so they are replaced, and never changed.
        try:
            self._loaded = {**self._loaded, key: LoadedModel(folder)}
            self._failed = {k: v for k, v in self._failed.items() if k != key}
            self.note(f"{name} version {folder.name} is available")
            return True
        except Exception as error:  # a broken export can fail in any way; the other models stay in service
            self._failed = {**self._failed, key: (short_message(error), changed_at)}
            self.note(f"{name} version {folder.name} cannot be loaded: {short_message(error)}")
            return False

    @property
    def names(self):
        """Names of the models, loaded or not."""
        return sorted({name for name, _ in (*self._loaded, *self._failed)})

    def find(self, name, version=None, label=None):
        """Returns the `LoadedModel` of a version or label; of the latest version where both are None.

        Raises:
            RequestError: if it does not exist or is not loaded.
        """
        self._check_name(name)
        if label is not None:
            labels = self._labels.get(name, {})
            if label not in labels:
                raise RequestError("NOT_FOUND", f'model "{name}" has no label "{label}".{suggestion(label, labels)}')
            version = labels[label]
        loaded = self._loaded
        available = [v for n, v in loaded if n == name]
        if version is None and available:
            return loaded[name, max(available)]
        if (name, version) in loaded:
            return loaded[name, version]
        failed = [f"version {v}: {m}" for (n, v), (m, _) in self._failed.items() if n == name and version in (None, v)]
        reason = f"It could not be loaded: {failed[0]}" if failed else f"Available: {available}."
        subject = "version" if version is None else f"version {version}"
        raise RequestError("NOT_FOUND", f'model "{name}" has no {subject}. {reason}')

    def _check_name(self, name):
        if name not in self.names:
            raise RequestError("NOT_FOUND", f'there is no model "{name}".{suggestion(name, self.names)}')

    def states(self, name, version=None, label=None):
        """Returns the `VersionState` of each version, latest first; or of one version or label."""
        self._check_name(name)
        states = [VersionState(v, "AVAILABLE", "") for n, v in self._loaded if n == name]
        states += [VersionState(v, "END", message) for (n, v), (message, _) in self._failed.items() if n == name]
        if version is not None or label is not None:
            version = version if label is None else self.find(name, label=label).version
            states = [s for s in states if s.version == version]
        if not states:
            raise RequestError("NOT_FOUND", f'model "{name}" has no version {version}.')
        return sorted(states, reverse=True)


def _modification_time(folder):
    """The latest modification time of anything in a folder [ns]."""
    return max((p.stat().st_mtime_ns for p in folder.rglob("*")), default=0)


def _versions_to_serve(numbers, policy):
    """The version numbers that a ServableVersionPolicy selects."""
    kind = policy.WhichOneof("policy_choice") if policy is not None else None
    if kind == "all":
        return numbers
    if kind == "specific":
        return [v for v in numbers if v in policy.specific.versions]
    return numbers[-(policy.latest.num_versions or 1) if kind == "latest" else -1 :]


class RequestQueue:
    """Limits the requests in a server: `with queue: queue.run(function)`.

    At most `workers` requests run and `length` wait. The next is refused immediately.

    Args:
        workers: number of requests that run at the same time.
        length: number of requests that may wait.
    """

    def __init__(self, workers, length):
        self._places = threading.BoundedSemaphore(workers + length)
        self._workers = threading.BoundedSemaphore(workers)

    def __enter__(self):
        """Takes a place in the queue, without waiting for one.

        Raises:
            RequestError: if the queue is full.
        """
        if not self._places.acquire(blocking=False):
            raise RequestError("UNAVAILABLE", "the server is busy: its queue is full; try again in a moment.")

    def __exit__(self, *error):
        self._places.release()

    def run(self, function, *arguments):
        """Returns `function(*arguments)`, called as soon as a worker is free."""
        with self._workers:
            return function(*arguments)
