"""Answers of an export in this process, without a server, on the engine that suits."""

import importlib.util
import typing
from pathlib import Path

import numpy as np

from zoo.arguments import checked, suggestion
from zoo.export import isolated_inference, warmup
from zoo.export.formats import litert, onnx_file
from zoo.serving.client import Taken, by_name, text

CLOSE = 1e-3  # of the largest answer: how far an engine that `auto` takes may be off the export's recorded answers
LOOPS = ("While", "StatelessWhile", "TensorListReserve")  # of recurrent networks, say: OpenVINO takes twice the time


class Predictor:
    """What `zoo.predictor` gives: call it, or its `predict`, with raw inputs.

    Attributes:
        engine: tensorflow, openvino, onnx or litert.
        why: in a sentence, why this engine.
        inputs: what it takes: name -> type and shape.
    """

    def __init__(self, engine, why, run, inputs):
        self.engine, self.why, self.inputs, self._run = engine, why, inputs, run

    def predict(self, inputs):
        """Answers by name to raw inputs: arrays by name, a DataFrame, or one array where one is taken.

        Raises:
            ValueError: if the inputs are not what the export takes.
        """
        return {n: text(n, np.asarray(a)) for n, a in self._run(by_name(inputs, self.inputs)).items()}

    __call__ = predict


@checked
def predictor(
    path: str,
    engine: typing.Literal["auto", "tensorflow", "openvino", "onnx", "litert"] = "auto",
    *,
    format: typing.Literal["float", "dynamic", "int8"] | None = None,
) -> Predictor:
    """Loads an export to answer raw inputs in this process, as `serving_default` does.

    `auto` takes OpenVINO where it is installed, reads the SavedModel, has no recurrent network before it, and answers
    the export's recorded requests as they were proved; and TensorFlow elsewhere. ONNX Runtime and LiteRT are taken only
    when asked for: they need the forms `onnx` and `litert_...` of `zoo.export`, and LiteRT may be less exact.

    Args:
        path: PATH/VERSION of an export, or PATH, whose latest version is taken.
        engine: auto, tensorflow, openvino, onnx or litert.
        format: which LiteRT file: float, dynamic or int8; None for the smallest that is there. LiteRT only.
    Returns:
        `Predictor`.
    Raises:
        ValueError: if there is no export, or the engine is not installed or cannot read it.
    """
    folder = _version(Path(path).expanduser())
    if format is not None and engine != "litert":
        raise ValueError(f"predictor: `format` is for the engine litert, got {engine!r}.")
    if engine == "litert":
        return _litert(folder, format)
    if engine == "onnx":
        return _onnx(folder)
    if engine == "openvino":
        return _openvino(folder, "asked for")
    if engine == "tensorflow":
        return _tensorflow(folder, "asked for")
    return _fastest(folder)


def _version(path):
    if (path / "saved_model.pb").is_file():
        return path
    there = path.iterdir() if path.is_dir() else ()
    numbers = [int(p.name) for p in there if p.name.isdecimal() and (p / "saved_model.pb").is_file()]
    if not numbers:
        known = [p.name for p in path.parent.iterdir() if p.is_dir()] if path.parent.is_dir() else []
        raise ValueError(f"predictor: `path` must be an export, got {path}.{suggestion(path.name, known)}")
    return path / str(max(numbers))


def _stored(folder):
    """The serving graph of a SavedModel as its file has it."""
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import saved_model_pb2

    try:
        stored = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
        return next(g for g in stored.meta_graphs if "serve" in g.meta_info_def.tags)
    except (DecodeError, StopIteration):
        raise ValueError(f"predictor: {folder} is no SavedModel, or a broken one.") from None


def _taken(folder):
    """What `serving_default` takes: name -> `Taken`."""
    import tensorflow as tf

    definition = _stored(folder).signature_def["serving_default"]
    shapes = {n: tf.TensorShape(i.tensor_shape) for n, i in definition.inputs.items()}
    return {
        n: Taken(tf.as_dtype(i.dtype).name, None if shapes[n].rank is None else tuple(shapes[n].as_list()))
        for n, i in definition.inputs.items()
    }


def _tensorflow(folder, why):
    import tensorflow as tf

    inputs = _taken(folder)
    isolated_inference.load_operations(folder)
    model = tf.saved_model.load(str(folder))

    def run(arrays):
        given = {n: tf.constant(a) for n, a in arrays.items()}
        try:
            return {n: a.numpy() for n, a in model.signatures["serving_default"](**given).items()}
        except (tf.errors.InvalidArgumentError, ValueError, TypeError) as error:
            raise ValueError(f"predict: `inputs` are not what the export takes: {error}") from None

    return Predictor("tensorflow", why, run, inputs)


def _openvino(folder, why):
    if importlib.util.find_spec("openvino") is None:
        raise ValueError("predictor: `engine` openvino is not installed: pip install openvino.")
    import openvino

    inputs = _taken(folder)
    try:
        # Left to itself, OpenVINO computes in bfloat16 where the processor has it, and differs in the third digit.
        exact = {"INFERENCE_PRECISION_HINT": "f32"}
        compiled = openvino.Core().compile_model(openvino.Core().read_model(str(folder)), "CPU", exact)
    except RuntimeError as error:
        said = " ".join(line.strip() for line in str(error).splitlines() if "operation" in line.lower())
        raise ValueError(f"predictor: `engine` openvino cannot read {folder}: {said[:300] or error}") from None

    def run(arrays):
        try:
            found = compiled(arrays)
        except RuntimeError as error:
            raise ValueError(f"predict: `inputs` are not what the export takes: {error}") from None
        return {name: found[port] for port in compiled.outputs for name in port.names}

    return Predictor("openvino", why, run, inputs)


def _litert(folder, format):
    there = [kind for kind in ("int8", "dynamic", "float") if litert.path(folder, kind).is_file()]
    if not there or format not in (None, *there):
        wanted = format or "float"
        raise ValueError(
            f"predictor: {folder} has no LiteRT file{f' {format}' if format else ''}: export it with "
            f"forms=('litert_{wanted}',)."
        )
    answer = litert.runner(litert.path(folder, format or there[0]))
    return Predictor("litert", f"asked for: {format or there[0]}", _refusing(answer), _taken(folder))


def _onnx(folder):
    file = onnx_file.path(folder)
    if not file.is_file():
        raise ValueError(f"predictor: {folder} has no ONNX file: export it with forms=('onnx',).")
    try:
        answer = onnx_file.runner(file)
    except ValueError as error:
        raise ValueError(f"predictor: {error}") from None
    return Predictor("onnx", "asked for", _refusing(answer), _taken(folder))


def _refusing(answer):
    """A function from arrays by name that says what is wrong with them where the engine does."""

    def run(arrays):
        try:
            return answer(**arrays)
        except Exception as error:  # each engine has classes of its own
            raise ValueError(f"predict: `inputs` are not what the export takes: {error}") from None

    return run


def _fastest(folder):
    """OpenVINO where it reads the export and answers as was proved, TensorFlow elsewhere."""
    if importlib.util.find_spec("openvino") is None:
        return _tensorflow(folder, "OpenVINO is not installed")
    graph = _stored(folder)
    nodes = [*graph.graph_def.node, *(n for f in graph.graph_def.library.function for n in f.node_def)]
    # The loop over image files is not of the network.
    used = _reached(graph, "serving_default")
    if any(n.op in LOOPS for n in nodes if id(n) in used):
        return _tensorflow(folder, "a network with loops is faster on TensorFlow")
    try:
        found = _openvino(folder, "it answers single requests faster, and as was proved")
    except ValueError as error:
        return _tensorflow(folder, f"OpenVINO cannot read it: {error}")
    for record in (r for r in warmup.read(folder) if r.signature == "serving_default"):
        answers = found._run(record.inputs)
        for name, proved in sorted(record.answers.items()):
            if proved.dtype.kind == "f" and not _close(np.asarray(answers[name]), proved):
                return _tensorflow(folder, f"OpenVINO answers another `{name}` than was proved")
    return found


def _close(found, proved):
    scale = max(float(np.abs(proved).max(initial=0)), 1e-12)
    return found.shape == proved.shape and float(np.abs(found - proved).max(initial=0)) <= CLOSE * scale


def _reached(graph, signature):
    """Ids of the nodes that a signature's answer needs, through the functions that it calls."""
    functions = {f.signature.name: f for f in graph.graph_def.library.function}
    top = {n.name: n for n in graph.graph_def.node}
    wanted = [t.name.split(":")[0] for t in graph.signature_def[signature].outputs.values()]
    found, seen = set(), set()
    while wanted:
        name = wanted.pop()
        if name in seen or name not in top:
            continue
        seen.add(name)
        wanted += [i.lstrip("^").split(":")[0] for i in top[name].input]
        found |= _called(top[name], functions, seen)
    return found


def _called(node, functions, seen):
    """Ids of a node and of all nodes in the functions that it calls."""
    found = {id(node)}
    names = [a.func.name for a in node.attr.values() if a.func.name]
    for name in names:
        if name in functions and f"function {name}" not in seen:
            seen.add(f"function {name}")
            for inner in functions[name].node_def:
                found |= _called(inner, functions, seen)
    return found
