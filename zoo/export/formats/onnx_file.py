"""ONNX files of an export, for ONNX Runtime and other programs that read the format."""

import importlib.util
import logging
import os

import numpy as np

from zoo.export.formats.number_inputs import verify_number_inputs
from zoo.silence import silence_stderr

OPSET = 18  # version of ONNX's operation set: the last that tf2onnx 1.17 writes


def onnx_path(folder):
    """Returns the path of a version's ONNX file: PATH/VERSION/assets.extra/model.onnx."""
    return folder / "assets.extra" / "model.onnx"


def convert(graph, specs):
    """Converts a graph to an ONNX file whose inputs and outputs are arrays by name.

    Args:
        graph: function from tensors to a dict of tensors, with constant weights.
        specs: its TensorSpecs.
    Returns:
        The content of the file, bytes.
    Raises:
        ValueError: if the converter is not installed, or ONNX lacks an operation of the graph.
    """
    _check_installed("formats", "tf2onnx")
    import tensorflow as tf

    verify_number_inputs(specs, "ONNX")
    # Its import prints TensorFlow's start-up notes a second time; its logger counts the operations that it lacks.
    with silence_stderr():
        import onnx
        import tf2onnx

        logging.getLogger("tf2onnx").setLevel(logging.CRITICAL)
        try:
            function = tf.function(_capture_constants(graph, specs), input_signature=specs, autograph=False)
            model, _ = tf2onnx.convert.from_function(
                function, input_signature=specs, opset=OPSET, custom_op_handlers={"Erfc": (_convert_erfc, [])}
            )
        except Exception as error:  # the converter raises many classes
            first_line = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
            raise ValueError(f"the model cannot be converted to ONNX: {first_line[:300]}") from error
    missing = {node.op_type for node in model.graph.node if not node.domain and not onnx.defs.has(node.op_type)}
    if missing:
        raise ValueError(f"the model cannot be converted to ONNX: it lacks {', '.join(sorted(missing))}.")
    return model.SerializeToString()


def _capture_constants(graph, specs):
    """The graph with captured tensors, such as a normalization's mean, as constants. tf2onnx makes inputs of them."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    traced = tf.function(graph, input_signature=specs, autograph=False).get_concrete_function()
    names = sorted(traced.structured_outputs)
    constant_graph = convert_variables_to_constants_v2(traced, lower_control_flow=False, aggressive_inlining=True)
    return lambda *tensors: dict(zip(names, constant_graph(*tensors), strict=True))


def _convert_erfc(context, node, name, arguments):
    """Converts Erfc to 1 - erf(x). The exact GELU uses TensorFlow's Erfc, for which tf2onnx has no rule."""
    from tf2onnx.utils import make_name

    one = context.make_const(make_name("one"), np.ones((), "float32")).output[0]
    node.type = "Erf"
    negative = context.insert_new_node_on_output("Neg", node.output[0], name=make_name("neg")).output[0]
    context.insert_new_node_on_output("Add", negative, name=make_name("add"), inputs=[negative, one])


def load_runner(file):
    """Loads an ONNX file and returns its runner: arrays by name in, arrays by name out.

    Args:
        file: its path, or its content as bytes.
    Raises:
        ValueError: if ONNX Runtime is not installed.
    """
    _check_installed("engine", "onnxruntime")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = os.cpu_count()
    session = onnxruntime.InferenceSession(
        file if isinstance(file, bytes) else str(file), options, providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]

    def run(**arrays):
        return dict(zip(names, session.run(names, arrays), strict=True))

    return run


def _check_installed(argument, package):
    if importlib.util.find_spec(package) is None:
        raise ValueError(f"`{argument}` onnx needs {package}, which is not installed: pip install fieldzoo[onnx].")
