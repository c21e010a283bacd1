"""Importing zoo is cheap, and pulls in nothing that building a model does not need."""

import subprocess
import sys

import pytest

TIMED = """
import time, sys
began = time.process_time()
import keras
keras_alone = time.process_time() - began
before = set(sys.modules)  # Keras imports pandas and others where they are
began = time.process_time()
import zoo
print((time.process_time() - began) / keras_alone)
heavy = {"pandas", "matplotlib", "sklearn", "keras_cv", "tensorflow_datasets", "tensorflow_hub", "recipes", "PIL"}
print(" ".join(sorted(heavy & (set(sys.modules) - before))))
"""


def run(code, **environment):
    import os

    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )


def test_zoo_adds_little_to_keras():
    """Keras takes about 4 s of processor time, so 0.3 s is under a twelfth of it; the best of three is compared."""
    shares, extra = [], set()
    for _ in range(3):
        done = run(TIMED)
        assert done.returncode == 0, done.stderr
        share, modules = done.stdout.splitlines()
        shares.append(float(share))
        extra |= set(modules.split())
    assert extra == set()
    assert min(shares) < 1 / 12


JAX = """
import sys
import numpy as np
import zoo, keras
from tests.cases import CASES
assert keras.backend.backend() == "jax"
for name in {names!r}:
    model = zoo.build(name, **CASES[name].arguments)
    free = CASES[name].free
    x = keras.tree.map_structure(
        lambda s: np.ones([2, *[free if d is None else d for d in s.shape[1:]]], str(s.dtype)), model.input
    )
    found = keras.tree.flatten(model.predict(x, verbose=0))
    assert all(np.isfinite(a).all() for a in found), name
assert "tensorflow" not in sys.modules
"""


@pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["one of each task", "all"])
def test_builders_run_on_keras_jax_backend_without_tensorflow(every):
    pytest.importorskip("jax", reason="jax is in the extra `dev`")
    from zoo.registry import entries

    families = {n: e.task for n, e in entries.items() if e.parent is None}
    firsts = {task: name for name, task in reversed(families.items())}
    done = run(JAX.format(names=list(families if every else firsts.values())), KERAS_BACKEND="jax", JAX_PLATFORMS="cpu")
    assert done.returncode == 0, done.stderr[-2000:]
