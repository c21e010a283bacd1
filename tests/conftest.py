"""TensorFlow in one thread, short garbage collection, one seed for every test, parity checks in the test process."""

import gc
import os
import sys
import zlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
# Two processes of tests have a core each; threads of tiny models would wait for each other
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")

import keras
import numpy as np
import pytest

pytest_plugins = ["tests.exported_models"]  # fixtures of tests/export, tests/serving and tests/cli
PACKAGES = (
    "cli",
    "data",
    "inputs",
    "prediction",
    "raster",
    "reference",
    "reports",
    "runs",
    "series",
    "tasks",
    "training",
)
CHECKED_HERE = tuple(f"tests.{package}." for package in PACKAGES)
ISOLATED = ("tests.cli.test_cli", "tests.tasks.test_preset_tokens")


gc.set_threshold(100_000, 50, 100)


@pytest.fixture(scope="module", autouse=True)
def few_objects_to_collect():
    """Keeps garbage collection short: what lives on after a module is not looked at again.

    Tracing makes millions of objects. Looking at all of them again and again took a tenth of the time of all tests.
    """
    yield
    gc.collect()
    gc.freeze()


INITIAL_STATES = {}  # name of a test module -> state of its generator `RNG` before its first test


def set_random_seeds(name=""):
    """Starts all random numbers anew, so that they do not depend on the tests before in this process.

    Args:
        name: of a fixture, which has other numbers than the tests and other fixtures.
    """
    keras.utils.set_random_seed(7)
    for module_name, module in list(sys.modules.items()):
        rng = vars(module).get("RNG") if module_name.startswith("tests.") else None
        if isinstance(rng, np.random.Generator):
            rng.bit_generator.state = INITIAL_STATES.setdefault(module_name, rng.bit_generator.state)
            rng.bit_generator.advance(zlib.crc32(name.encode()))


@pytest.hookimpl(tryfirst=True)
def pytest_fixture_setup(fixturedef):
    if fixturedef.scope != "function":
        set_random_seeds(fixturedef.argname)


@pytest.fixture(autouse=True)
def seed():
    set_random_seeds()
    yield
    keras.config.set_dtype_policy("float32")


@pytest.fixture(scope="module", autouse=True)
def parity_check_in_this_process(request):
    """Replaces the process that checks each export of a run: it starts TensorFlow again, which takes seconds."""
    name = request.module.__name__
    if not name.startswith(CHECKED_HERE) or name in ISOLATED:
        yield
        return
    from tests.exported_models import run_in_process
    from zoo.export import parity_check

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parity_check, "run_isolated", run_in_process)
        yield
