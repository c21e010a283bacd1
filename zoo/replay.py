"""Runs an exported model in a process that knows neither this package nor Keras, as a server would.

    python -I replay.py SAVED_MODEL REQUESTS.npz ANSWERS.npz [PACKAGES]

REQUESTS holds arrays called SIGNATURE/NUMBER/INPUT; ANSWERS gets what the signature answers to each number, called
SIGNATURE/NUMBER/OUTPUT. Strings are bytes. PACKAGES is the folder that TensorFlow lies in, for an isolated Python does
not look into the user's own.
"""

import sys

FORBIDDEN = ("zoo", "recipes", "keras")


def main(saved, requests, answers, *packages):
    """Replays `requests` on the SavedModel `saved` and writes `answers`; the arguments are paths."""
    sys.path.extend(packages)
    # TensorFlow imports Keras by itself where it can. None makes every import of these names fail.
    sys.modules.update(dict.fromkeys(FORBIDDEN))
    import numpy as np
    import tensorflow as tf

    model = tf.saved_model.load(saved)  # kept: its functions do not keep their variables alive
    calls = {}
    with np.load(requests, allow_pickle=False) as given:
        for key in given.files:
            signature, number, name = key.split("/", 2)
            calls.setdefault((signature, number), {})[name] = tf.constant(given[key])
    found = {}
    for (signature, number), arguments in calls.items():
        for name, value in model.signatures[signature](**arguments).items():
            array = value.numpy()
            found[f"{signature}/{number}/{name}"] = array.astype("S") if array.dtype == object else array
    known = [n for n, module in sys.modules.items() if module is not None and n.split(".")[0] in FORBIDDEN]
    if known:
        sys.exit(f"the replay must not know {', '.join(known)}")
    np.savez(answers, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
