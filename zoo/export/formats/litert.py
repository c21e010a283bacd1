"""LiteRT files of an exported model, for telephones, loggers and other small machines."""

import contextlib
import importlib.util
import os
import re
import tempfile
import warnings

from zoo.export.isolated_inference import signature_runner

KINDS = ("float", "dynamic", "int8")


def path(folder, kind):
    """Where a version keeps its LiteRT file of a kind: PATH/VERSION/assets.extra/litert_KIND.tflite."""
    return folder / "assets.extra" / f"litert_{kind}.tflite"


def convert(graph, specs, kind, examples):
    """The content of a LiteRT file with the signature `serving_default`; of recurrent networks with a batch of one.

    Args:
        graph: from tensors to a dict of tensors, its weights being constants.
        specs: its TensorSpecs.
        kind: float; dynamic, with weights in 8 bits; or int8, with all in 8 bits but what goes in and comes out.
        examples: list of dicts, arrays by name, one example each: int8 takes the range of every tensor from them.
    Returns:
        bytes.
    Raises:
        ValueError: if the graph does what LiteRT cannot.
    """
    try:
        return _converted(graph, specs, kind, examples)
    except Exception as error:  # the converter's own classes, and whatever an operation or a lookup table raises
        # LiteRT has the loop of a recurrent network only where the batch is known
        if kind != "int8" and "TensorList" in str(error):
            with contextlib.suppress(Exception):
                return _converted(graph, [_single(spec) for spec in specs], kind, examples)
        raise ValueError(f"LiteRT has no such {kind} model: {_told(error)}") from error


def _told(error):
    """What the converter could not do: the operations, out of what may be megabytes of its graph; or its first line."""
    missing = sorted(set(re.findall(r"'tf\.(\w+)' op is neither a custom op nor a flex op", str(error))))
    if missing:
        return f"it lacks TensorFlow's {', '.join(missing)} as the network needs it."
    first = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return first[:300]


def _converted(graph, specs, kind, examples):
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as place, quiet():
        function = tf.function(graph, input_signature=specs, autograph=False).get_concrete_function()
        if kind == "int8" and loops(function.graph.as_graph_def()):
            raise ValueError("its network has a loop, on which the converter to 8 bits crashes.")
        tf.saved_model.save(tf.Module(), place, signatures={"serving_default": function})
        converter = tf.lite.TFLiteConverter.from_saved_model(place, signature_keys=["serving_default"])
        if kind != "float":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        if kind == "int8":
            converter.representative_dataset = lambda: (("serving_default", example) for example in examples)
        return converter.convert()


def loops(graph):
    """Whether a GraphDef has a loop, in its functions too."""
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    return any(node.op in ("While", "StatelessWhile") for node in nodes)


def _single(spec):
    """The TensorSpec of one example."""
    import tensorflow as tf

    return tf.TensorSpec((1, *spec.shape[1:]), spec.dtype, spec.name)


@contextlib.contextmanager
def quiet():
    """Holds back what converter and interpreter print from C++, and their notes on what will be moved elsewhere."""
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


def runner(file):
    """The runner of a LiteRT file's `serving_default`: arrays by name in, arrays by name out."""
    with quiet():
        if importlib.util.find_spec("ai_edge_litert"):
            from ai_edge_litert.interpreter import Interpreter
        else:  # the same interpreter, in the TensorFlow wheel
            import tensorflow as tf

            Interpreter = tf.lite.Interpreter
        small = Interpreter(model_path=str(file), num_threads=os.cpu_count())
        return signature_runner(small, "serving_default")
