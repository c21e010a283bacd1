"""Runs the R tests, examples and vignette, if R and its packages are installed."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
VIGNETTE = ROOT / "vignettes" / "first-hour.Rmd"
FILES = sorted((ROOT / "tests" / "r").glob("test-*.R"))
SCRIPTS = sorted((ROOT / "examples" / "r").glob("*.R"))
R_ENVIRONMENT = ROOT / ".venv-r" / "bin" / "python"  # made by `make r-env`
PYTHON = os.environ.get("RETICULATE_PYTHON") or (str(R_ENVIRONMENT) if R_ENVIRONMENT.exists() else sys.executable)


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
    """Runs a command in `folder` with this project on the path, and returns its output; it must succeed."""
    process = subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "RETICULATE_PYTHON": PYTHON, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
        check=False,
    )
    assert process.returncode == 0, process.stdout[-4000:] + process.stderr[-4000:]
    return process.stdout


@pytest.fixture(scope="module")
def arrays():
    script = 'reticulate::import("sys"); cat(reticulate::py_numpy_available())'
    process = subprocess.run(
        ["Rscript", "-e", script],
        capture_output=True,
        text=True,
        env={**os.environ, "RETICULATE_PYTHON": PYTHON},
        check=False,
    )
    if not process.stdout.endswith("TRUE"):
        pytest.skip("this reticulate passes no arrays to this NumPy: `make r-env` makes a Python where it does")


@pytest.mark.parametrize("file", FILES, ids=[f.stem for f in FILES])
def test_r_test_file_passes(file, tmp_path, request):
    if not has("testthat"):
        pytest.skip("needs the R package testthat")
    if file.stem == "test-arrays":
        request.getfixturevalue("arrays")
    call = f'testthat::test_file("{file}", reporter = "summary", stop_on_failure = TRUE)'
    print(run(["Rscript", "-e", call], tmp_path))


@pytest.mark.skipif(not R_ENVIRONMENT.exists(), reason="needs the environment of `make r-env`")
def test_the_r_environment_imports_zoo_and_recipes_outside_of_the_checkout(tmp_path):
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    code = 'recipes <- reticulate::import("recipes"); stopifnot(reticulate::import("zoo")$r_check())'
    process = subprocess.run(
        ["Rscript", "-e", code],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**environment, "RETICULATE_PYTHON": str(R_ENVIRONMENT), "TF_CPP_MIN_LOG_LEVEL": "3"},
        check=False,
    )
    assert process.returncode == 0, process.stdout[-2000:] + process.stderr[-2000:]


# The last line that each script prints, in Python
PYTHON_SCRIPTS = {
    "penguins": """
run = recipes.Classification(epochs=2, batch_size=16, learning_rate=3e-3).fit(
    "dnn", "bundled:penguins", verbose=False, units=(32, 16), l2=1e-3)
print("accuracy", run.evaluate()["accuracy"], "log loss", run.evaluate()["log_loss"])
""",
    "silhouettes": """
lecture = recipes.published_settings("ecology_lecture")
try:
    data = recipes.load(lecture.data)
except ValueError:  # no internet access
    data = recipes.load("bundled:animal-silhouettes")
run = lecture.task.replace(epochs=1).fit("cnn", data, verbose=False, **lecture.arguments)
print("accuracy", run.evaluate()["accuracy"], "log loss", run.evaluate()["log_loss"])
""",
    "weather": """
run = recipes.Forecasting(epochs=2, learning_rate=3e-3, quantiles=(0.1, 0.5, 0.9)).fit(
    "lstm", "bundled:seattle-weather", verbose=False, units=(32,))
print("error", run.evaluate()["mae"], "skill", run.evaluate()["skill"])
""",
    "explain_and_export": """
task = recipes.Classification(epochs=3, batch_size=64, learning_rate=3e-3)
run = task.fit("lenet5", "bundled:mnist-5k", verbose=False)
print("accuracy", run.evaluate()["accuracy"], "log loss", run.evaluate()["log_loss"])
""",
    "nuclei": """
augment = ("flip", "flip_vertical", "rotate:0.5")
run = recipes.Segmentation(epochs=1, batch_size=8, learning_rate=2e-3, augment=augment).fit(
    "unet", "bundled:nuclei?test=0.25", verbose=False, filters=(16, 32, 64), batch_norm=True, dropout=0.0)
print("IoU", run.evaluate()["iou"], "pixel accuracy", run.evaluate()["pixel_accuracy"])
""",
    "transfer": """
run = recipes.FineTuning(
    epochs=1, learning_rate=2e-4, head_epochs=1, head_learning_rate=3e-3, warmup=0.1, train_examples=300,
    augment=("flip", "rotate:0.03", "shift:0.1", "zoom:0.1"),
).fit("efficientnet_lite0", "bundled:animal-silhouettes?validation=0.02&test=0.1", verbose=False,
      input_shape=(64, 64, 3))
print("accuracy", run.evaluate()["accuracy"], "log loss", run.evaluate()["log_loss"])
""",
    "sound": """
task = recipes.SoundClassification(
    epochs=8, batch_size=8, learning_rate=3e-3, spectrogram={"bands": 32, "low": 200})
run = task.fit("cnn", "sound:recordings/labels.csv?seconds=1&background=none", verbose=False,
               backbone_arguments={"filters": (16, 32), "convolutions": 1})
print("accuracy", run.evaluate()["accuracy"], "log loss", run.evaluate()["log_loss"])
""",
    "serve": """
run = recipes.Classification(epochs=2, batch_size=16, learning_rate=3e-3).fit(
    "dnn", "bundled:penguins", verbose=False, units=(32, 16), l2=1e-3)
probabilities = run.predict({
    "island": ["Torgersen", "Biscoe"], "bill_length_mm": [39, 50], "bill_depth_mm": [18.5, 15],
    "flipper_length_mm": [185, 222], "body_mass_g": [3700, 5500], "sex": ["female", "male"]})
print("probabilities", probabilities[0, 0], probabilities[1, 2])
""",
}
ARGUMENTS = {  # of the scripts: few epochs
    "penguins": ["2"], "silhouettes": ["1"], "weather": ["2"], "explain_and_export": ["3"], "nuclei": ["1"],
    "transfer": ["1"], "serve": ["2", "base"], "sound": ["8"],
}  # fmt: skip


def test_every_script_has_its_python_version():
    assert set(PYTHON_SCRIPTS) == set(ARGUMENTS) == {s.stem for s in SCRIPTS}


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=[s.stem for s in SCRIPTS])
def test_a_script_prints_the_same_numbers_as_python(script, tmp_path, arrays):
    from_r = run(["Rscript", str(script), *ARGUMENTS[script.stem]], tmp_path).strip().splitlines()[-1]
    from_python = (
        run([PYTHON, "-c", "import recipes\n" + PYTHON_SCRIPTS[script.stem]], tmp_path).strip().splitlines()[-1]
    )
    numbers = [[float(n) for n in re.findall(r"-?\d+\.\d+(?:e-?\d+)?", line)] for line in (from_r, from_python)]
    assert len(numbers[0]) == 2
    assert numbers[0] == pytest.approx(numbers[1], rel=1e-4), f"{from_r} / {from_python}"


# Error messages in the vignette, in order
VIGNETTE_ERRORS = (
    "`units`[2] must be a whole number of at least 1, got 2.5",
    "unknown argument `unit`. Did you mean `units`?",
    "got 'species'. Did you mean `Species`?",
    "zoo has no 'resnet51'. Did you mean `resnet56`?",
    "in R a named list such as list(a = 1), got c(2, 1, 1)",
    "They look 1-based, as R has them",
    "array_reshape(x, c(N, H, W, C))",
    "the table has gaps in `Sepal.Width` (2)",
    "the column `Petal.Width` must have no gaps",
    "day and month are ambiguous",
)


@pytest.mark.slow
def test_the_vignette_knits_with_the_expected_error_messages(tmp_path, arrays):
    if not has("knitr"):
        pytest.skip("needs the R package knitr")
    run(["Rscript", "-e", f'knitr::knit("{VIGNETTE}", "{tmp_path}/page.md", quiet = TRUE)'], tmp_path)
    page = (tmp_path / "page.md").read_text()
    errors = [" ".join(e.replace("#>", " ").split()) for e in re.findall(r"#> Error.*?```", page, re.DOTALL)]
    assert len(errors) == len(VIGNETTE_ERRORS), errors
    for message, error in zip(VIGNETTE_ERRORS, errors, strict=True):
        assert message in error
    assert page.count("![") + page.count("<img") == 3  # learning curves and two explanations
