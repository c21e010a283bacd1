"""Importing zoo is fast, and imports nothing that building a model does not need."""

import subprocess
import sys

import pytest

NEW_MODULES = """
import sys
import keras
before = set(sys.modules)  # Keras imports pandas and others if they are installed
import zoo
print(" ".join(sorted(name for name in set(sys.modules) - before if name.split(".")[0] != "zoo")))
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


def test_zoo_imports_no_module_that_keras_does_not():
    result = run(NEW_MODULES)
    assert result.returncode == 0, result.stderr
    heavy = {"pandas", "matplotlib", "sklearn", "keras_cv", "tensorflow_datasets", "tensorflow_hub", "recipes", "PIL"}
    added = {name.split(".")[0] for name in result.stdout.split()}
    assert added & heavy == set()
    assert added <= sys.stdlib_module_names


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
    outputs = keras.tree.flatten(model.predict(x, verbose=0))
    assert all(np.isfinite(a).all() for a in outputs), name
    assert name == {last!r} or "tensorflow" not in sys.modules, name
"""


@pytest.mark.parametrize(
    "all_builders", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["one of each task", "all"]
)
def test_builders_run_on_keras_jax_backend_without_tensorflow(all_builders):
    pytest.importorskip("jax", reason="jax is in the extra `dev`")
    from zoo.registry import entries

    families = {n: e.task for n, e in entries.items() if e.parent is None}
    first_of_task = {task: name for name, task in reversed(families.items())}
    last = "crnn"  # Keras' Bidirectional imports TensorFlow
    names = sorted(families if all_builders else first_of_task.values(), key=lambda name: name == last)
    result = run(
        JAX.format(names=names, last=last),
        KERAS_BACKEND="jax",
        JAX_PLATFORMS="cpu",
    )
    assert result.returncode == 0, result.stderr[-2000:]
