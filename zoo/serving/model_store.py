"""The models of a folder as TensorFlow Serving sees them: versions, labels, states; loaded, warmed up, and run."""

import re
import threading
import typing
from pathlib import Path

from zoo.arguments import suggestion
from zoo.export import isolated_inference, warmup

CONFIG = "models.config"


class Refused(Exception):
    """A request that is answered with an error; `code` is gRPC's name for it."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class State(typing.NamedTuple):
    """What TensorFlow Serving tells of a version."""

    version: int
    state: str  # AVAILABLE, or END where it could not be loaded
    message: str


class Loaded:
    """One version in memory.

    Args:
        folder: `pathlib.Path` of PATH/VERSION.
    Raises:
        Exception: whatever TensorFlow says of a folder that is none of its own, or is broken.
    """

    def __init__(self, folder):
        import tensorflow as tf
        from tensorflow.core.protobuf import saved_model_pb2

        stored = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
        graph = next(g for g in stored.meta_graphs if "serve" in g.meta_info_def.tags)
        self.definitions = {n: d for n, d in graph.signature_def.items() if d.method_name}
        self.folder, self.version = folder, int(folder.name)
        isolated_inference.load_operations(folder)
        self._model = tf.saved_model.load(str(folder))  # kept: its functions do not keep their variables alive
        for record in warmup.read(folder):
            self.run(record.signature, record.inputs)

    def definition(self, signature):
        """The SignatureDef of a name, "" being serving_default."""
        name = signature or "serving_default"
        if name not in self.definitions:
            offered = ", ".join(sorted(self.definitions))
            raise Refused("INVALID_ARGUMENT", f'signature "{name}" is not there; the model has {offered}.')
        return self.definitions[name]

    def run(self, signature, arrays):
        """Answers by name to arrays by name.

        Raises:
            Refused: if they are not what the signature takes, or the graph refuses them.
        """
        import tensorflow as tf

        definition = self.definition(signature)
        verify(definition, arrays)
        try:
            given = {n: tf.constant(a, tf.as_dtype(definition.inputs[n].dtype)) for n, a in arrays.items()}
            found = self._model.signatures[signature or "serving_default"](**given)
            return {n: found[n].numpy() for n in sorted(definition.outputs)}
        except tf.errors.InvalidArgumentError as error:
            raise Refused("INVALID_ARGUMENT", plain(error)) from None
        except tf.errors.ResourceExhaustedError as error:
            raise Refused("RESOURCE_EXHAUSTED", plain(error)) from None
        except (ValueError, TypeError) as error:
            raise Refused("INVALID_ARGUMENT", plain(error)) from None


def plain(error):
    """The sentence of a TensorFlow error without the graph's inner names."""
    text = str(getattr(error, "message", error))
    claims = re.findall(r"assertion failed: \[(.*?)\]$", text, flags=re.MULTILINE)
    if claims:
        return re.sub(r"[\[\]]", "", claims[0]) + "."
    lines = [line.strip() for line in text.splitlines()]
    own = [n for n in lines if n and not n.startswith(("Graph execution error", "Detected at", "<stack", "[[", "File"))]
    return own[0][:500] if own else type(error).__name__


def verify(definition, arrays):
    """Raises `Refused` where arrays by name are not what a SignatureDef takes."""
    import tensorflow as tf

    taken = definition.inputs
    for name in arrays:
        if name not in taken:
            raise Refused("INVALID_ARGUMENT", f'input "{name}" is not taken.{suggestion(name, taken)}')
    missing = [n for n in sorted(taken) if n not in arrays]
    if missing:
        raise Refused(
            "INVALID_ARGUMENT",
            f"missing input {', '.join(missing)}; the signature takes {', '.join(sorted(taken))}.",
        )
    for name, info in taken.items():
        found, wanted = arrays[name], tf.as_dtype(info.dtype)
        kind = tf.string if found.dtype.kind in "OSU" else tf.as_dtype(found.dtype)
        if kind != wanted:
            raise Refused("INVALID_ARGUMENT", f'input "{name}" must be {wanted.name}, got {kind.name}.')
        if not info.tensor_shape.unknown_rank:
            shape = tuple(d.size for d in info.tensor_shape.dim)
            if len(shape) != found.ndim or any(w not in (-1, s) for w, s in zip(shape, found.shape, strict=True)):
                told = ", ".join("any" if s < 0 else str(s) for s in shape)
                raise Refused(
                    "INVALID_ARGUMENT", f'input "{name}" must have the shape ({told}), got {tuple(found.shape)}.'
                )


class ModelStore:
    """The served models of a folder.

    Args:
        folder: FOLDER/NAME/VERSION/saved_model.pb; or FOLDER itself is NAME. Where FOLDER has a models.config, its
            names, version policies and labels hold; else each model's latest version is served, as TensorFlow Serving
            does.
        note: function that is told, in a sentence, what was loaded and what could not be.
    Raises:
        ValueError: if there is no model in the folder.
    """

    def __init__(self, folder, note=lambda sentence: None):
        self.folder, self.note = Path(folder).expanduser().resolve(), note
        self._loaded, self._failed, self._labels = {}, {}, {}
        self._lock = threading.Lock()
        if not self._places():
            raise ValueError(f"serve: `folder` must hold NAME/VERSION/saved_model.pb, got {folder}.")
        self.look()

    def _places(self):
        """name -> (folder, policy) of each model."""
        if not self.folder.is_dir():
            return {}
        if (self.folder / CONFIG).is_file():
            return self._configured()
        if _versions(self.folder):
            return {self.folder.name: (self.folder, None)}
        return {p.name: (p, None) for p in sorted(self.folder.iterdir()) if p.is_dir() and _versions(p)}

    def _configured(self):
        from google.protobuf import text_format
        from tensorflow_serving.config import model_server_config_pb2

        told = (self.folder / CONFIG).read_text(encoding="utf-8")
        config = text_format.Parse(told, model_server_config_pb2.ModelServerConfig())
        found = {}
        for model in config.model_config_list.config:
            self._labels[model.name] = dict(model.version_labels)
            # The paths are those within the image; here each model lies under its folder's last name.
            found[model.name] = (self.folder / Path(model.base_path).name, model.model_version_policy)
        return found

    def look(self):
        """Loads versions that have appeared, then drops those that are no longer wanted."""
        with self._lock:
            for name, (folder, policy) in self._places().items():
                wanted = _wanted(_versions(folder), policy)
                for number in wanted:
                    if (name, number) not in self._loaded and self._changed(name, folder / str(number)):
                        self._load(name, folder / str(number))
                if any((name, number) in self._loaded for number in wanted):
                    self._loaded = {k: v for k, v in self._loaded.items() if k[0] != name or k[1] in wanted}
                # A version that fails leaves the one before it in service, and at the start calls it up.
                elif not any(k[0] == name for k in self._loaded):
                    for number in reversed([v for v in _versions(folder) if v not in wanted]):
                        place = folder / str(number)
                        if self._changed(name, place) and self._load(name, place):
                            break

    def _changed(self, name, folder):
        """Whether a version is new, or is another than the one that could not be loaded: a copy may take its time."""
        return self._failed.get((name, int(folder.name)), (None, None))[1] != _stamp(folder)

    def _load(self, name, folder):
        key, stamp = (name, int(folder.name)), _stamp(folder)
        # Requests read these meanwhile, so they are replaced, and never changed.
        try:
            self._loaded = {**self._loaded, key: Loaded(folder)}
            self._failed = {k: v for k, v in self._failed.items() if k != key}
            self.note(f"{name} version {folder.name} is available")
            return True
        except Exception as error:  # a broken export can fail in any way, and the others go on
            self._failed = {**self._failed, key: (plain(error), stamp)}
            self.note(f"{name} version {folder.name} cannot be loaded: {plain(error)}")
            return False

    @property
    def names(self):
        """The models known, loaded or not."""
        return sorted({name for name, _ in (*self._loaded, *self._failed)})

    def find(self, name, version=None, label=None):
        """The loaded version asked for; the latest where neither number nor label is given.

        Raises:
            Refused: if it is not there.
        """
        self._known(name)
        if label is not None:
            labels = self._labels.get(name, {})
            if label not in labels:
                raise Refused("NOT_FOUND", f'model "{name}" has no label "{label}".{suggestion(label, labels)}')
            version = labels[label]
        loaded = self._loaded
        available = [v for n, v in loaded if n == name]
        if version is None and available:
            return loaded[name, max(available)]
        if (name, version) in loaded:
            return loaded[name, version]
        failed = [f"version {v}: {m}" for (n, v), (m, _) in self._failed.items() if n == name and version in (None, v)]
        told = f" It could not be loaded: {failed[0]}" if failed else f" Available: {available}."
        raise Refused("NOT_FOUND", f'model "{name}" has no {f"version {version}" if version else "version"}.{told}')

    def _known(self, name):
        if name not in self.names:
            raise Refused("NOT_FOUND", f'there is no model "{name}".{suggestion(name, self.names)}')

    def states(self, name, version=None, label=None):
        """The `State` of each version that is known, or of the one asked for."""
        self._known(name)
        if version is not None or label is not None:
            wanted = version if label is None else self.find(name, label=label).version
        known = [State(v, "AVAILABLE", "") for n, v in self._loaded if n == name]
        known += [State(v, "END", message) for (n, v), (message, _) in self._failed.items() if n == name]
        chosen = known if version is None and label is None else [s for s in known if s.version == wanted]
        if not chosen:
            raise Refused("NOT_FOUND", f'model "{name}" has no version {wanted}.')
        return sorted(chosen, reverse=True)


def _versions(folder):
    return sorted(int(p.name) for p in folder.iterdir() if p.name.isdecimal() and p.is_dir()) if folder.is_dir() else []


def _stamp(folder):
    """When anything in a folder was last changed."""
    return max((p.stat().st_mtime_ns for p in folder.rglob("*")), default=0)


def _wanted(there, policy):
    """The versions that a policy serves, of those there."""
    kind = policy.WhichOneof("policy_choice") if policy is not None else None
    if kind == "all":
        return there
    if kind == "specific":
        return [v for v in there if v in policy.specific.versions]
    return there[-(policy.latest.num_versions or 1) if kind == "latest" else -1 :]


class Gate:
    """At most `workers` requests at work and `queue` waiting; the next is refused at once: `with gate: gate.run(f)`.

    Args:
        workers: how many run side by side.
        queue: how many may wait.
    """

    def __init__(self, workers, queue):
        self._places = threading.BoundedSemaphore(workers + queue)
        self._working = threading.BoundedSemaphore(workers)

    def __enter__(self):
        """Takes a place in the queue, without waiting for it.

        Raises:
            Refused: if there is none.
        """
        if not self._places.acquire(blocking=False):
            raise Refused("UNAVAILABLE", "the server is busy: its queue is full; try again in a moment.")

    def __exit__(self, *error):
        self._places.release()

    def run(self, work, *arguments):
        """The answer of `work(*arguments)`, once it is its turn."""
        with self._working:
            return work(*arguments)
