"""Runs an exported model in a process that knows neither this package nor Keras, as a server would.

    python -I replay.py EXPORTED REQUESTS.npz ANSWERS.npz [PACKAGES]

EXPORTED is a SavedModel's folder, or a LiteRT or ONNX file. REQUESTS holds arrays called SIGNATURE/NUMBER/INPUT;
ANSWERS gets what the signature answers to each number, called SIGNATURE/NUMBER/OUTPUT. Strings are bytes. PACKAGES is
the folder that TensorFlow lies in, for an isolated Python does not look into the user's own.
"""

import sys

FORBIDDEN = ("zoo", "recipes", "keras")


def main(exported, requests, answers, *packages):
    """Replays `requests` on the model `exported` and writes `answers`; the arguments are paths."""
    sys.path.extend(packages)
    # TensorFlow imports Keras by itself where it can. None makes every import of these names fail.
    sys.modules.update(dict.fromkeys(FORBIDDEN))
    import numpy as np

    calls = {}
    with np.load(requests, allow_pickle=False) as given:
        for key in given.files:
            signature, number, name = key.split("/", 2)
            calls.setdefault((signature, number), {})[name] = given[key]
    run, found = loaded(exported), {}
    for (signature, number), arguments in calls.items():
        for name, value in run(signature, arguments).items():
            array = np.asarray(value)
            found[f"{signature}/{number}/{name}"] = array.astype("S") if array.dtype == object else array
    known = [n for n, module in sys.modules.items() if module is not None and n.split(".")[0] in FORBIDDEN]
    if known:
        sys.exit(f"the replay must not know {', '.join(known)}")
    np.savez(answers, **found)


def loaded(exported):
    """A function from a signature's name and arrays by name to its answers by name."""
    if exported.endswith(".onnx"):
        import onnxruntime

        session = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        return lambda signature, arguments: dict(zip(names, session.run(names, arguments), strict=True))
    import tensorflow as tf

    if exported.endswith(".tflite"):
        small = tf.lite.Interpreter(model_path=exported)
        runners = {name: signature_runner(small, name) for name in small.get_signature_list()}
        return lambda signature, arguments: runners[signature](**arguments)
    load_operations(exported)
    model = tf.saved_model.load(exported)

    def run(signature, arguments):
        # Through the model: its functions alone do not keep its variables alive.
        return model.signatures[signature](**{name: tf.constant(array) for name, array in arguments.items()})

    return run


def signature_runner(small, name):
    """The runner of a LiteRT interpreter's signature; where its batch is fixed at one, examples go one by one."""
    import numpy as np

    answer = small.get_signature_runner(name)
    if any(given["shape_signature"][0] != 1 for given in answer.get_input_details().values()):
        return answer

    def each(**arguments):
        counts = {key: len(array) for key, array in arguments.items()}
        count = min(counts.values(), default=0)
        if count != max(counts.values(), default=0) or not count:
            raise ValueError(f"every input must have as many examples, at least one, got {counts}.")
        found = [answer(**{key: array[i : i + 1] for key, array in arguments.items()}) for i in range(count)]
        return {key: np.concatenate([one[key] for one in found]) for key in found[0]}

    return each


def foreign(exported):
    """Names of the operations in a SavedModel's graph that are none of TensorFlow's own."""
    from pathlib import Path

    import tensorflow as tf
    from tensorflow.core.protobuf import saved_model_pb2

    stored = saved_model_pb2.SavedModel.FromString((Path(exported) / "saved_model.pb").read_bytes())
    used = {op.name for graph in stored.meta_graphs for op in graph.meta_info_def.stripped_op_list.op}
    # tf.raw_ops leaves out what TensorFlow keeps for itself and for XLA
    return sorted(n for n in used if not n.startswith(("_", "Xla")) and not hasattr(tf.raw_ops, n))


def load_operations(exported):
    """Loads TensorFlow Text's operations where a SavedModel's graph has others than this process knows.

    Raises:
        ValueError: if there are some, and TensorFlow Text is not installed.
    """
    import importlib.util
    from pathlib import Path

    import tensorflow as tf
    from tensorflow.python.framework import op_def_registry

    names = [name for name in foreign(exported) if op_def_registry.get(name) is None]
    if not names:
        return
    text = importlib.util.find_spec("tensorflow_text")
    if text is None:
        raise ValueError(
            f"{exported} has operations that TensorFlow lacks: {', '.join(names)}; those of TensorFlow Text come with "
            "pip install tensorflow-text."
        )
    # What `import tensorflow_text` does too, but that needs Keras
    for library in sorted(Path(text.origin).parent.glob("python/ops/_*.so")):
        tf.load_op_library(str(library))


if __name__ == "__main__":
    main(*sys.argv[1:])
