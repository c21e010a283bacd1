"""Runs an exported model in a process that imports neither this package nor Keras, as a server would.

    python -I isolated_inference.py EXPORT REQUESTS.npz OUTPUTS.npz [PACKAGES]

EXPORT is a SavedModel's folder, or a LiteRT or ONNX file. REQUESTS.npz holds arrays named SIGNATURE/NUMBER/INPUT.
OUTPUTS.npz receives the outputs of each request, named SIGNATURE/NUMBER/OUTPUT. Strings are bytes. PACKAGES is the
folder that TensorFlow is installed in, for an isolated Python does not search the user's own.
"""

import sys

FORBIDDEN = ("zoo", "recipes", "keras")


def main(export, requests, outputs, *packages):
    """Runs the requests on the exported model and writes its outputs; the arguments are paths."""
    sys.path.extend(packages)
    # TensorFlow imports Keras by itself where it can. None makes every import of these names fail.
    sys.modules.update(dict.fromkeys(FORBIDDEN))
    import numpy as np

    inputs_by_request = {}
    with np.load(requests, allow_pickle=False) as file:
        for key in file.files:
            signature, number, name = key.split("/", 2)
            inputs_by_request.setdefault((signature, number), {})[name] = file[key]
    run, arrays = load_export(export), {}
    for (signature, number), inputs in inputs_by_request.items():
        for name, value in run(signature, inputs).items():
            array = np.asarray(value)
            arrays[f"{signature}/{number}/{name}"] = array.astype("S") if array.dtype == object else array
    imported = [n for n, module in sys.modules.items() if module is not None and n.split(".")[0] in FORBIDDEN]
    if imported:
        sys.exit(f"isolated inference must not import {', '.join(imported)}")
    np.savez(outputs, **arrays)


def load_export(path):
    """Loads an export and returns a function from a signature's name and arrays by name to outputs by name."""
    if path.endswith(".onnx"):
        import onnxruntime

        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        return lambda signature, inputs: dict(zip(names, session.run(names, inputs), strict=True))
    import tensorflow as tf

    if path.endswith(".tflite"):
        interpreter = tf.lite.Interpreter(model_path=path)
        runners = {name: signature_runner(interpreter, name) for name in interpreter.get_signature_list()}
        return lambda signature, inputs: runners[signature](**inputs)
    load_custom_operations(path)
    model = tf.saved_model.load(path)

    def run(signature, inputs):
        # Through the model: its functions alone do not keep its variables alive.
        return model.signatures[signature](**{name: tf.constant(array) for name, array in inputs.items()})

    return run


def signature_runner(interpreter, name):
    """Returns the runner of a LiteRT signature: arrays by name in, arrays by name out.

    Where the batch size of the file is fixed at 1, as of recurrent networks, examples run one by one.

    Args:
        interpreter: LiteRT interpreter.
        name: the signature's.
    """
    import numpy as np

    runner = interpreter.get_signature_runner(name)
    if any(details["shape_signature"][0] != 1 for details in runner.get_input_details().values()):
        return runner

    def run_one_by_one(**arrays):
        lengths = {key: len(array) for key, array in arrays.items()}
        length = min(lengths.values(), default=0)
        if length != max(lengths.values(), default=0) or not length:
            raise ValueError(f"every input must have as many examples, at least one, got {lengths}.")
        outputs = [runner(**{key: array[i : i + 1] for key, array in arrays.items()}) for i in range(length)]
        return {key: np.concatenate([output[key] for output in outputs]) for key in outputs[0]}

    return run_one_by_one


def read_saved_model(folder):
    """Returns the SavedModel message of a folder's saved_model.pb."""
    from pathlib import Path

    from tensorflow.core.protobuf import saved_model_pb2

    return saved_model_pb2.SavedModel.FromString((Path(folder) / "saved_model.pb").read_bytes())


def custom_operations(folder):
    """Returns the names of the operations in a SavedModel's graph that are not TensorFlow's own."""
    import tensorflow as tf

    graphs = read_saved_model(folder).meta_graphs
    used = {op.name for graph in graphs for op in graph.meta_info_def.stripped_op_list.op}
    # tf.raw_ops leaves out TensorFlow's internal operations and those of XLA.
    return sorted(n for n in used if not n.startswith(("_", "Xla")) and not hasattr(tf.raw_ops, n))


def load_custom_operations(folder):
    """Loads TensorFlow Text's operations where a SavedModel's graph has operations that this process lacks.

    Raises:
        ValueError: if it has some, and TensorFlow Text is not installed.
    """
    import importlib.util
    from pathlib import Path

    import tensorflow as tf
    from tensorflow.python.framework import op_def_registry

    missing = [name for name in custom_operations(folder) if op_def_registry.get(name) is None]
    if not missing:
        return
    text = importlib.util.find_spec("tensorflow_text")
    if text is None:
        raise ValueError(
            f"{folder} has operations that TensorFlow lacks: {', '.join(missing)}; those of TensorFlow Text come with "
            "pip install tensorflow-text."
        )
    # `import tensorflow_text` does the same, but needs Keras.
    for library in sorted(Path(text.origin).parent.glob("python/ops/_*.so")):
        tf.load_op_library(str(library))


if __name__ == "__main__":
    main(*sys.argv[1:])
