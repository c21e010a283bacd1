"""LiteRT files of an export, for phones, data loggers and other small machines."""

import contextlib
import importlib.util
import os
import re
import tempfile

from zoo.export.formats.number_inputs import verify_number_inputs
from zoo.export.isolated_inference import signature_runner
from zoo.silence import silence_stderr

KINDS = ("int8", "dynamic", "float")  # smallest first


def litert_path(folder, kind):
    """Returns the path of a version's LiteRT file: PATH/VERSION/assets.extra/litert_KIND.tflite."""
    return folder / "assets.extra" / f"litert_{kind}.tflite"


def convert(graph, specs, kind, examples):
    """Converts a graph to a LiteRT file with the signature `serving_default`.

    The file of a recurrent network takes a batch of one example.

    Args:
        graph: function from tensors to a dict of tensors, with constant weights.
        specs: its TensorSpecs.
        kind: float; dynamic, with 8-bit weights; or int8, with 8-bit weights and activations, inputs and outputs in
            their own types.
        examples: list of dicts of arrays by name, one example each. int8 takes the range of every tensor from them.
    Returns:
        The content of the file, bytes.
    Raises:
        ValueError: if an input is text, or LiteRT lacks an operation of the graph.
    """
    verify_number_inputs(specs, f"LiteRT {kind}")
    try:
        return _convert(graph, specs, kind, examples)
    except Exception as error:  # the converter's own classes, and those of operations and lookup tables
        # LiteRT has the loop of a recurrent network only with a fixed batch size.
        if kind != "int8" and "TensorList" in str(error):
            with contextlib.suppress(Exception):
                return _convert(graph, [_single_example_spec(spec) for spec in specs], kind, examples)
        raise ValueError(f"the model cannot be converted to LiteRT {kind}: {_reason(error)}") from error


def _reason(error):
    """The operations that the converter lacks, out of what may be megabytes of its graph; or its first line."""
    missing = sorted(set(re.findall(r"'tf\.(\w+)' op is neither a custom op nor a flex op", str(error))))
    if missing:
        return f"it lacks TensorFlow's {', '.join(missing)} as the network needs it."
    first_line = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return first_line[:300]


def _convert(graph, specs, kind, examples):
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as folder, silence_stderr():
        function = tf.function(graph, input_signature=specs, autograph=False).get_concrete_function()
        if kind == "int8" and has_loop(function.graph.as_graph_def()):
            raise ValueError("its network has a loop, on which the 8-bit converter crashes.")
        tf.saved_model.save(tf.Module(), folder, signatures={"serving_default": function})
        converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=["serving_default"])
        if kind != "float":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if kind == "int8":
            converter.representative_dataset = lambda: (("serving_default", example) for example in examples)
        return converter.convert()


def has_loop(graph):
    """Returns whether a GraphDef or one of its functions has a loop."""
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    return any(node.op in ("While", "StatelessWhile") for node in nodes)


def _single_example_spec(spec):
    import tensorflow as tf

    return tf.TensorSpec((1, *spec.shape[1:]), spec.dtype, spec.name)


def load_runner(file):
    """Loads a LiteRT file and returns the runner of `serving_default`: arrays by name in, arrays by name out."""
    with silence_stderr():
        if importlib.util.find_spec("ai_edge_litert"):
            from ai_edge_litert.interpreter import Interpreter
        else:  # the same interpreter, in the TensorFlow wheel
            import tensorflow as tf

            Interpreter = tf.lite.Interpreter
        interpreter = Interpreter(model_path=str(file), num_threads=os.cpu_count())
        return signature_runner(interpreter, "serving_default")
