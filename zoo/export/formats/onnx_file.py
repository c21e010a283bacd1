"""The ONNX file of an exported model, for ONNX Runtime and whatever else reads that format."""

import importlib.util
import logging
import os

import numpy as np

from zoo.export.formats.litert import quiet

OPERATIONS = 18  # version of ONNX's operation set: the last that tf2onnx 1.17 writes


def path(folder):
    """Where a version keeps its ONNX file: PATH/VERSION/assets.extra/model.onnx."""
    return folder / "assets.extra" / "model.onnx"


def convert(graph, specs):
    """The content of an ONNX file that takes and answers arrays by name.

    Args:
        graph: from tensors to a dict of tensors, its weights being constants.
        specs: its TensorSpecs.
    Returns:
        bytes.
    Raises:
        ValueError: if the converter is not installed, or the graph does what ONNX cannot.
    """
    _verify_installed("forms", "tf2onnx")
    import tensorflow as tf

    # Its import prints TensorFlow's start-up notes a second time; its logger counts the operations that it lacks.
    with quiet():
        import onnx
        import tf2onnx

        logging.getLogger("tf2onnx").setLevel(logging.CRITICAL)
        try:
            function = tf.function(_closed(graph, specs), input_signature=specs, autograph=False)
            model, _ = tf2onnx.convert.from_function(
                function, input_signature=specs, opset=OPERATIONS, custom_op_handlers={"Erfc": (_erfc, [])}
            )
        except Exception as error:  # whatever the converter meets that it was not made for
            first = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
            raise ValueError(f"ONNX has no such model: {first[:300]}") from error
    unknown = {node.op_type for node in model.graph.node if not node.domain and not onnx.defs.has(node.op_type)}
    if unknown:
        raise ValueError(f"ONNX has no such model: it knows no {', '.join(sorted(unknown))}")
    return model.SerializeToString()


def _closed(graph, specs):
    """The graph without what it captures, such as a normalisation's mean, which tf2onnx would take for inputs."""
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    traced = tf.function(graph, input_signature=specs, autograph=False).get_concrete_function()
    names = sorted(traced.structured_outputs)
    constant = convert_variables_to_constants_v2(traced, lower_control_flow=False, aggressive_inlining=True)
    return lambda *given: dict(zip(names, constant(*given), strict=True))


def _erfc(context, node, name, arguments):
    """1 - erf(x): the exact GELU is computed with TensorFlow's Erfc, for which tf2onnx has no rule."""
    from tf2onnx.utils import make_name

    one = context.make_const(make_name("one"), np.ones((), "float32")).output[0]
    node.type = "Erf"
    less = context.insert_new_node_on_output("Neg", node.output[0], name=make_name("neg")).output[0]
    context.insert_new_node_on_output("Add", less, name=make_name("add"), inputs=[less, one])


def runner(file):
    """The runner of an ONNX file: arrays by name in, arrays by name out.

    Raises:
        ValueError: if ONNX Runtime is not installed.
    """
    _verify_installed("engine", "onnxruntime")
    import onnxruntime

    chosen = onnxruntime.SessionOptions()
    chosen.intra_op_num_threads = os.cpu_count()
    session = onnxruntime.InferenceSession(
        file if isinstance(file, bytes) else str(file), chosen, providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]

    def run(**arrays):
        return dict(zip(names, session.run(names, arrays), strict=True))

    return run


def _verify_installed(argument, package):
    if importlib.util.find_spec(package) is None:
        raise ValueError(f"`{argument}` onnx needs {package}, which is not installed: pip install fieldzoo[onnx].")
