"""Runs an exported model in a process that knows neither this package nor Keras, as a server would.

    python -I replay.py EXPORTED REQUESTS.npz ANSWERS.npz [PACKAGES]

EXPORTED is a SavedModel's folder or a LiteRT file. REQUESTS holds arrays called SIGNATURE/NUMBER/INPUT; ANSWERS gets
what the signature answers to each number, called SIGNATURE/NUMBER/OUTPUT. Strings are bytes. PACKAGES is the folder
that TensorFlow lies in, for an isolated Python does not look into the user's own.
"""

import sys

FORBIDDEN = ("zoo", "recipes", "keras")


def main(exported, requests, answers, *packages):
    """Replays `requests` on the model `exported` and writes `answers`; the arguments are paths."""
    sys.path.extend(packages)
    # TensorFlow imports Keras by itself where it can. None makes every import of these names fail.
    sys.modules.update(dict.fromkeys(FORBIDDEN))
    import numpy as np
    import tensorflow as tf

    calls = {}
    with np.load(requests, allow_pickle=False) as given:
        for key in given.files:
            signature, number, name = key.split("/", 2)
            calls.setdefault((signature, number), {})[name] = given[key]
    if exported.endswith(".tflite"):
        small = tf.lite.Interpreter(model_path=exported)
        runners = {name: small.get_signature_runner(name) for name in small.get_signature_list()}
    else:
        model = tf.saved_model.load(exported)  # kept: its functions do not keep their variables alive
        runners = model.signatures
    found = {}
    for (signature, number), arguments in calls.items():
        if not exported.endswith(".tflite"):
            arguments = {name: tf.constant(array) for name, array in arguments.items()}
        for name, value in runners[signature](**arguments).items():
            array = np.asarray(value)
            found[f"{signature}/{number}/{name}"] = array.astype("S") if array.dtype == object else array
    known = [n for n, module in sys.modules.items() if module is not None and n.split(".")[0] in FORBIDDEN]
    if known:
        sys.exit(f"the replay must not know {', '.join(known)}")
    np.savez(answers, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
