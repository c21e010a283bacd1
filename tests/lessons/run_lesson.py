"""Execution of a lesson in the tests' own process, which has already imported TensorFlow."""

import contextlib
import io
import runpy
from pathlib import Path

import keras

FOLDER = Path(__file__).parents[2] / "examples" / "lessons"
LESSONS = sorted(path.stem for path in FOLDER.glob("[0-9]*.py"))


def run_lesson(name):
    """Returns the variables that a lesson has set when it ends, and its printed text as `printed`.

    Args:
        name: file name of the lesson without its ending, such as "01_perceptron_and_xor".
    """
    import matplotlib.pyplot as plt

    printed, backend = io.StringIO(), plt.get_backend()
    plt.switch_backend("Agg")
    try:
        with contextlib.redirect_stdout(printed):
            variables = runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")
    finally:
        plt.close("all")
        plt.switch_backend(backend)
        keras.backend.clear_session()
    return {**variables, "printed": printed.getvalue()}
