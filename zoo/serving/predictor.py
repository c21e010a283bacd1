"""Predictions of an export in this process, without a server, with TensorFlow, OpenVINO, ONNX Runtime or LiteRT."""

import importlib.util
import json
import re
import typing
import warnings
from pathlib import Path

import numpy as np

from zoo.arguments import checked, suggestion
from zoo.export import gap_refusal, isolated_inference, versions, warmup
from zoo.export.formats import litert, onnx_file
from zoo.export.input_adapter import to_named_arrays
from zoo.inputs import band_range_notes, feature_range_notes, match, match_sound, match_texts, read_schema
from zoo.inputs.questions import match_questions
from zoo.introspect.text_tokens import read_text_tokens
from zoo.serving.client import TensorInfo, decode_text

# Largest difference of OpenVINO's outputs from those of the warm-up records that `auto` accepts, as a fraction of the
# largest output.
AUTO_TOLERANCE = 1e-3
# Of recurrent networks, for which OpenVINO takes twice the time.
LOOP_OPERATIONS = ("While", "StatelessWhile", "TensorListReserve")


class Predictor:
    """A loaded export; call it, or its `predict`, with raw inputs. `zoo.predictor` makes it.

    Args:
        run: function from arrays by name to outputs by name.
        schema: `InputSchema` of the export, by which data frames are matched, or None.
        without_gaps: names of the inputs in which gaps are refused.
        tokens: `TextTokens` of a model of texts, for notes on texts that are cut, or None.

    Attributes:
        engine: tensorflow, openvino, onnx or litert.
        reason: why this engine was chosen, a sentence.
        inputs: type and shape of each input: name -> `TensorInfo`.
    """

    def __init__(self, engine, reason, run, inputs, schema=None, without_gaps=(), tokens=None):
        self.engine, self.reason, self.inputs, self.schema, self._run = engine, reason, inputs, schema, run
        self.without_gaps, self.tokens = without_gaps, tokens

    def predict(self, inputs):
        """Returns outputs by name for raw inputs.

        Args:
            inputs: arrays (N, ...) by name, a DataFrame, or one array where the export has one input; for questions
                pairs (image, question), or a table with both columns. Where the
                export has an input schema, columns are matched to it by name: further ones are left out with a warning,
                and a gap or text in a column of numbers is refused as by `Run.predict`. Gaps in arrays are refused
                where the model was trained without, whatever the engine.
        Raises:
            ValueError: if the inputs do not fit the export.
        """
        notes, kind = [], None if self.schema is None else self.schema.kind
        if kind == "table":
            inputs, notes = match(self.schema, inputs, caller="predict")
        elif kind == "question":
            batch, notes = match_questions(self.schema, inputs, tokens=self.tokens)
            if len({image.shape for image in batch["image"]}) > 1:
                raise ValueError("predict: the images of one call must have one size; call it for each size.")
            inputs = {**batch, "image": np.stack(batch["image"])}
        elif kind == "text":
            (name,) = self.inputs
            is_named = isinstance(inputs, dict) and set(inputs) == {name}
            texts, notes = match_texts(self.schema, inputs[name] if is_named else inputs, tokens=self.tokens)
            inputs = {name: texts}
        elif kind == "series":
            self._refuse_columns(inputs)
        for values in inputs.values() if isinstance(inputs, dict) else (inputs,):
            if np.ma.is_masked(values):
                raise ValueError(
                    f"predict: `inputs` must be an array without a mask, got {np.ma.count_masked(values):,} gaps."
                )
        arrays = to_named_arrays(inputs, self.inputs, prefix="predict: ")
        if kind == "series":
            notes = feature_range_notes(self.schema.columns, *arrays.values())
        elif kind == "sound":
            match_sound(self.schema, *arrays.values())
        elif kind == "image":
            (images,) = arrays.values()
            notes = band_range_notes(self.schema, [f"image {i + 1}" for i in range(len(images))], images)
        for note in notes:
            warnings.warn(note, stacklevel=2)
        gap_refusal.verify_arrays(arrays, self.without_gaps)
        outputs = self._run(arrays)
        return {n: decode_text(n, np.asarray(a)) for n, a in outputs.items()}

    __call__ = predict

    def _refuse_columns(self, inputs):
        """Raises a ValueError where inputs of a model of series are a table in place of windows."""
        features = [column.source for column in self.schema.columns]
        columns = list(inputs) if isinstance(inputs, dict) or hasattr(inputs, "columns") else []
        if hasattr(inputs, "columns") or not set(columns).isdisjoint({*features} - {*self.inputs}):
            sizes = ", ".join(map(str, self.schema.shape))
            raise ValueError(
                f"predict: `inputs` must be windows of shape (N, {sizes}), whose last axis has {', '.join(features)}, "
                f"got a table with the columns {', '.join(map(str, columns))}; cut it into windows by "
                f"table[{features}].to_numpy()[-{self.schema.shape[0]}:][None], or call the run's `predict`, which "
                "takes tables."
            )


@checked
def predictor(
    path: str,
    engine: typing.Literal["auto", "tensorflow", "openvino", "onnx", "litert"] = "auto",
    *,
    format: typing.Literal["float", "dynamic", "int8"] | None = None,
) -> Predictor:
    """Loads an export to predict from raw inputs in this process, as its signature `serving_default` does.

    `auto` uses OpenVINO where it is installed, reads the SavedModel, finds no recurrent network in it, and gives the
    outputs that the export recorded in its parity check; and TensorFlow elsewhere. ONNX Runtime and LiteRT are used on
    request only: they need the formats `onnx` and `litert_...` of `zoo.export`, and LiteRT may be less exact.

    Args:
        path: PATH/VERSION of an export, PATH for its latest version, or the folder of a run that has an export.
        engine: auto, tensorflow, openvino, onnx or litert.
        format: the LiteRT file: float, dynamic or int8; None for the smallest one of the export. LiteRT only.
    Returns:
        `Predictor`.
    Raises:
        ValueError: if there is no export, or the engine is not installed or cannot read it.
    """
    folder = _version_folder(path)
    if format is not None and engine != "litert":
        raise ValueError(f"predictor: `format` is for the engine litert, got {engine!r}.")
    if engine == "litert":
        loaded = _litert_predictor(folder, format)
    elif engine == "onnx":
        loaded = _onnx_predictor(folder)
    elif engine == "openvino":
        loaded = _openvino_predictor(folder, "as requested")
    elif engine == "tensorflow":
        loaded = _tensorflow_predictor(folder, "as requested")
    else:
        loaded = _auto_predictor(folder)
    loaded.schema, loaded.tokens = read_schema(folder), read_text_tokens(folder)
    loaded.without_gaps = _inputs_without_gaps(folder, loaded)
    return loaded


def _inputs_without_gaps(folder, loaded):
    """Returns the names of the inputs in which gaps are refused, as the export recorded them, and of images."""
    record = folder / "assets.extra" / "parity.json"
    names = json.loads(record.read_text()).get("inputs_without_gaps", []) if record.is_file() else []
    if loaded.schema is not None and loaded.schema.kind == "image" and not loaded.schema.accepts_gaps:
        names = [*loaded.inputs]  # the graph does not check every pixel
    return tuple(name for name in names if name in loaded.inputs)


def _version_folder(path):
    path = Path(path).expanduser()
    if (path / "run.json").is_file():
        path = path / "saved_model"
    if (path / "saved_model.pb").is_file():
        return path
    numbers = [n for n in versions.version_numbers(path) if (path / str(n) / "saved_model.pb").is_file()]
    if not numbers:
        siblings = [p.name for p in path.parent.iterdir() if p.is_dir()] if path.parent.is_dir() else []
        raise ValueError(f"predictor: `path` must be an export, got {path}.{suggestion(path.name, siblings)}")
    return path / str(max(numbers))


def _serving_graph(folder):
    """The MetaGraphDef of a SavedModel that servers use."""
    from google.protobuf.message import DecodeError

    try:
        graphs = isolated_inference.read_saved_model(folder).meta_graphs
        return next(g for g in graphs if "serve" in g.meta_info_def.tags)
    except (DecodeError, StopIteration):
        raise ValueError(f"predictor: {folder} is no SavedModel, or a broken one.") from None


def _input_infos(folder):
    """The inputs of `serving_default`: name -> `TensorInfo`."""
    import tensorflow as tf

    inputs = _serving_graph(folder).signature_def["serving_default"].inputs
    shapes = {n: tf.TensorShape(i.tensor_shape) for n, i in inputs.items()}
    return {
        n: TensorInfo(tf.as_dtype(i.dtype).name, None if shapes[n].rank is None else tuple(shapes[n].as_list()))
        for n, i in inputs.items()
    }


def _tensorflow_predictor(folder, reason):
    import tensorflow as tf

    inputs = _input_infos(folder)
    isolated_inference.load_custom_operations(folder)
    model = tf.saved_model.load(str(folder))

    def run(arrays):
        tensors = {n: tf.constant(a) for n, a in arrays.items()}
        try:
            return {n: t.numpy() for n, t in model.signatures["serving_default"](**tensors).items()}
        except (tf.errors.InvalidArgumentError, ValueError, TypeError) as error:
            raise _inputs_error(error) from None

    return Predictor("tensorflow", reason, run, inputs)


def _openvino_predictor(folder, reason):
    if importlib.util.find_spec("openvino") is None:
        raise ValueError("predictor: `engine` openvino is not installed: pip install openvino.")
    import openvino

    inputs = _input_infos(folder)
    try:
        # By default OpenVINO computes in bfloat16 where the processor has it, and differs in the third digit.
        options = {"INFERENCE_PRECISION_HINT": "f32"}
        compiled = openvino.Core().compile_model(openvino.Core().read_model(str(folder)), "CPU", options)
    except RuntimeError as error:
        raise ValueError(
            f"predictor: `engine` openvino cannot read {folder}: {_openvino_reason(error)}. Use auto or tensorflow."
        ) from None

    def run(arrays):
        try:
            outputs = compiled(arrays)
        except RuntimeError as error:
            raise _inputs_error(error) from None
        return {name: outputs[port] for port in compiled.outputs for name in port.names}

    return Predictor("openvino", reason, run, inputs)


def _openvino_reason(error):
    """Returns the operations that OpenVINO cannot convert, out of its long report on a model; or the report's start."""
    text = str(error)
    operations = re.findall(r"-- (\w+) with a message", text)
    for names in re.findall(r"No conversion rule found for operations?: *([^\n]+)", text):
        operations += re.findall(r"\w+", names)
    if operations:
        return f"it cannot convert TensorFlow's {', '.join(sorted(set(operations)))}"
    return " ".join(text.split())[:300]


def _litert_predictor(folder, format):
    kinds = [kind for kind in litert.KINDS if litert.litert_path(folder, kind).is_file()]
    if not kinds or format not in (None, *kinds):
        raise ValueError(
            f"predictor: {folder} has no LiteRT file{f' {format}' if format else ''}: export it with "
            f"formats=('litert_{format or 'float'}',)."
        )
    kind = format or kinds[0]
    runner = litert.load_runner(litert.litert_path(folder, kind))
    return Predictor("litert", f"as requested: {kind}", _with_inputs_error(runner), _input_infos(folder))


def _onnx_predictor(folder):
    file = onnx_file.onnx_path(folder)
    if not file.is_file():
        raise ValueError(f"predictor: {folder} has no ONNX file: export it with formats=('onnx',).")
    try:
        runner = onnx_file.load_runner(file)
    except ValueError as error:
        raise ValueError(f"predictor: {error}") from None
    return Predictor("onnx", "as requested", _with_inputs_error(runner), _input_infos(folder))


def _inputs_error(error):
    reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return ValueError(f"predict: `inputs` do not fit the export: {reason}")


def _with_inputs_error(runner):
    """A function from a dict of arrays to the runner's outputs, whose errors are ValueErrors about `inputs`."""

    def run(arrays):
        try:
            return runner(**arrays)
        except Exception as error:  # each engine has its own classes
            raise _inputs_error(error) from None

    return run


def _auto_predictor(folder):
    """OpenVINO where it reads the export and gives the outputs of its parity check, TensorFlow elsewhere."""
    if importlib.util.find_spec("openvino") is None:
        return _tensorflow_predictor(folder, "OpenVINO is not installed")
    graph = _serving_graph(folder)
    nodes = [*graph.graph_def.node, *(n for f in graph.graph_def.library.function for n in f.node_def)]
    # The loop over image files belongs to `serving_bytes`, not to the network.
    serving_nodes = _nodes_of_signature(graph, "serving_default")
    if any(n.op in LOOP_OPERATIONS for n in nodes if id(n) in serving_nodes):
        return _tensorflow_predictor(folder, "a network with loops is faster on TensorFlow")
    try:
        candidate = _openvino_predictor(folder, "it is faster for single requests, and passed the parity check")
    except ValueError as error:
        return _tensorflow_predictor(folder, f"OpenVINO cannot read it: {error}")
    for record in (r for r in warmup.read_records(folder) if r.signature == "serving_default"):
        outputs = candidate._run(record.inputs)
        for name, expected in sorted(record.outputs.items()):
            if expected.dtype.kind == "f" and not _is_close(np.asarray(outputs[name]), expected):
                return _tensorflow_predictor(folder, f"OpenVINO differs from the parity check in `{name}`")
    return candidate


def _is_close(output, expected):
    scale = max(float(np.abs(expected).max(initial=0)), 1e-12)
    return output.shape == expected.shape and float(np.abs(output - expected).max(initial=0)) <= AUTO_TOLERANCE * scale


def _nodes_of_signature(graph, signature):
    """Ids of the nodes that a signature's outputs need, with those of the functions that they call."""
    functions = {f.signature.name: f for f in graph.graph_def.library.function}
    nodes = {n.name: n for n in graph.graph_def.node}
    queue = [t.name.split(":")[0] for t in graph.signature_def[signature].outputs.values()]
    ids, visited = set(), set()
    while queue:
        name = queue.pop()
        if name in visited or name not in nodes:
            continue
        visited.add(name)
        queue += [i.lstrip("^").split(":")[0] for i in nodes[name].input]
        ids |= _called_nodes(nodes[name], functions, visited)
    return ids


def _called_nodes(node, functions, visited):
    """Ids of a node and of all nodes in the functions that it calls; adds the functions to `visited`."""
    ids = {id(node)}
    names = [a.func.name for a in node.attr.values() if a.func.name]
    for name in names:
        if name in functions and f"function {name}" not in visited:
            visited.add(f"function {name}")
            for inner in functions[name].node_def:
                ids |= _called_nodes(inner, functions, visited)
    return ids
