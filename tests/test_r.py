"""From R, where R and its packages are installed: the tests of tests/r, and the scripts of examples/r beside Python."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / "tests" / "r").glob("test-*.R"))
SCRIPTS = sorted((ROOT / "examples" / "r").glob("*.R"))
OWN = ROOT / ".venv-r" / "bin" / "python"  # what `make r-env` makes
PYTHON = os.environ.get("RETICULATE_PYTHON") or (str(OWN) if OWN.exists() else sys.executable)


def has(package):
    if not shutil.which("Rscript"):
        return False
    return subprocess.run(["Rscript", "-e", f"library({package})"], capture_output=True, check=False).returncode == 0


pytestmark = [
    pytest.mark.skipif(not has("reticulate"), reason="needs Rscript and the R package reticulate"),
    pytest.mark.skipif(
        sys.executable == PYTHON and sys.version_info[:2] != (3, 11), reason="Debian's reticulate embeds Python 3.11"
    ),
]


def run(command, folder):
    """The output of a command that must succeed, run in `folder` with this project on the path."""
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "RETICULATE_PYTHON": PYTHON, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


@pytest.fixture(scope="module")
def arrays():
    asked = 'reticulate::import("sys"); cat(reticulate::py_numpy_available())'
    done = subprocess.run(
        ["Rscript", "-e", asked],
        capture_output=True,
        text=True,
        env={**os.environ, "RETICULATE_PYTHON": PYTHON},
        check=False,
    )
    if not done.stdout.endswith("TRUE"):
        pytest.skip("this reticulate passes no arrays to this NumPy: `make r-env` makes a Python where it does")


@pytest.mark.parametrize("file", FILES, ids=[f.stem for f in FILES])
def test_r_test_file_passes(file, tmp_path, request):
    if not has("testthat"):
        pytest.skip("needs the R package testthat")
    if file.stem == "test-arrays":
        request.getfixturevalue("arrays")
    call = f'testthat::test_file("{file}", reporter = "summary", stop_on_failure = TRUE)'
    print(run(["Rscript", "-e", call], tmp_path))


# What each script says at the end, and how Python says it
TWINS = {
    "penguins": """
run = recipes.Classification(epochs=2, batch=16, rate=3e-3).fit(
    "dnn", "bundled:penguins", verbose=False, units=(32, 16), l2=1e-3)
print("accuracy", run.evaluate()["accuracy"], "log loss", run.evaluate()["log_loss"])
""",
    "silhouettes": """
run = recipes.Classification(epochs=1, batch=128, optimizer="rmsprop").fit(
    "cnn", "bundled:animal-silhouettes", verbose=False,
    filters=(32, 64, 128, 256), convolutions=1, units=(512,), max_norm=None, dropout=0.5)
print("accuracy", run.evaluate()["accuracy"], "log loss", run.evaluate()["log_loss"])
""",
    "weather": """
run = recipes.Forecasting(epochs=2, rate=3e-3, quantiles=(0.1, 0.5, 0.9)).fit(
    "lstm", "bundled:seattle-weather", verbose=False, units=(32,))
print("error", run.evaluate()["mae"], "skill", run.evaluate()["skill"])
""",
    "explain_and_export": """
run = recipes.Classification(epochs=3, batch=64, rate=3e-3).fit("lenet5", "bundled:mnist-5k", verbose=False)
print("accuracy", run.evaluate()["accuracy"], "log loss", run.evaluate()["log_loss"])
""",
}
EPOCHS = {"penguins": "2", "silhouettes": "1", "weather": "2", "explain_and_export": "3"}


def test_every_script_has_its_twin():
    assert set(TWINS) == set(EPOCHS) == {s.stem for s in SCRIPTS}


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=[s.stem for s in SCRIPTS])
def test_a_script_reaches_the_numbers_of_python(script, tmp_path, arrays):
    told = run(["Rscript", str(script), EPOCHS[script.stem]], tmp_path).strip().splitlines()[-1]
    own = run([PYTHON, "-c", "import recipes\n" + TWINS[script.stem]], tmp_path).strip().splitlines()[-1]
    numbers = [[float(n) for n in re.findall(r"-?\d+\.\d+(?:e-?\d+)?", line)] for line in (told, own)]
    assert len(numbers[0]) == 2
    assert numbers[0] == pytest.approx(numbers[1], rel=1e-4), f"{told} / {own}"
