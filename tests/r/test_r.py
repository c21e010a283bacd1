"""From R, where R and its packages are installed: the tests of tests/r, and the scripts of examples/r beside Python."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
VIGNETTE = ROOT / "vignettes" / "first-hour.Rmd"
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
lecture = recipes.published_settings("ecology_lecture")
try:
    data = recipes.load(lecture.data)
except ValueError:  # no network: what the error names would do
    data = recipes.load("bundled:animal-silhouettes")
run = lecture.recipe.replace(epochs=1).fit("cnn", data, verbose=False, **lecture.arguments)
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
    "nuclei": """
run = recipes.Segmentation(epochs=1, batch=8, rate=2e-3, augment=("flip", "flip_vertical", "rotate:0.5")).fit(
    "unet", "bundled:nuclei?test=0.25", verbose=False, filters=(16, 32, 64), batch_norm=True, dropout=0.0)
print("IoU", run.evaluate()["iou"], "pixel accuracy", run.evaluate()["pixel_accuracy"])
""",
    "transfer": """
run = recipes.FineTuning(
    epochs=1, rate=2e-4, head_epochs=1, head_rate=3e-3, warmup=0.1, examples=300,
    augment=("flip", "rotate:0.03", "shift:0.1", "zoom:0.1"),
).fit("efficientnet_lite0", "bundled:animal-silhouettes?validation=0.02&test=0.1", verbose=False,
      input_shape=(64, 64, 3))
print("accuracy", run.evaluate()["accuracy"], "log loss", run.evaluate()["log_loss"])
""",
    # What is served is what `predict` answers here
    "serve": """
run = recipes.Classification(epochs=2, batch=16, rate=3e-3).fit(
    "dnn", "bundled:penguins", verbose=False, units=(32, 16), l2=1e-3)
answers = run.predict({
    "island": ["Torgersen", "Biscoe"], "bill_length_mm": [39, 50], "bill_depth_mm": [18.5, 15],
    "flipper_length_mm": [185, 222], "body_mass_g": [3700, 5500], "sex": ["female", "male"]})
print("probabilities", answers[0, 0], answers[1, 2])
""",
}
GIVEN = {  # to the script: few epochs
    "penguins": ["2"], "silhouettes": ["1"], "weather": ["2"], "explain_and_export": ["3"], "nuclei": ["1"],
    "transfer": ["1"], "serve": ["2", "base"],
}  # fmt: skip


def test_every_script_has_its_twin():
    assert set(TWINS) == set(GIVEN) == {s.stem for s in SCRIPTS}


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=[s.stem for s in SCRIPTS])
def test_a_script_reaches_the_numbers_of_python(script, tmp_path, arrays):
    told = run(["Rscript", str(script), *GIVEN[script.stem]], tmp_path).strip().splitlines()[-1]
    own = run([PYTHON, "-c", "import recipes\n" + TWINS[script.stem]], tmp_path).strip().splitlines()[-1]
    numbers = [[float(n) for n in re.findall(r"-?\d+\.\d+(?:e-?\d+)?", line)] for line in (told, own)]
    assert len(numbers[0]) == 2
    assert numbers[0] == pytest.approx(numbers[1], rel=1e-4), f"{told} / {own}"


# What the vignette's mistakes are answered, in their order
ANSWERED = (
    "`units`[2] must be a whole number of at least 1, got 2.5",
    "unknown argument `unit`. Did you mean `units`?",
    "got 'species'. Did you mean `Species`?",
    "zoo has no 'resnet51'. Did you mean `resnet56`?",
    "in R a named list such as list(a = 1), got c(2, 1, 1)",
    "They look 1-based, as R has them",
    "array_reshape(x, c(N, H, W, C))",
    "drop = FALSE",
    "the table has gaps in `Sepal.Width` (2)",
    "`inputs` must have no gaps",
    "day and month are ambiguous",
)


@pytest.mark.slow
def test_the_vignette_knits_and_its_mistakes_are_answered_in_words(tmp_path, arrays):
    if not has("knitr"):
        pytest.skip("needs the R package knitr")
    run(["Rscript", "-e", f'knitr::knit("{VIGNETTE}", "{tmp_path}/page.md", quiet = TRUE)'], tmp_path)
    page = (tmp_path / "page.md").read_text()
    errors = [" ".join(e.replace("#>", " ").split()) for e in re.findall(r"#> Error.*?```", page, re.DOTALL)]
    assert len(errors) == len(ANSWERED), errors
    for answer, error in zip(ANSWERED, errors, strict=True):
        assert answer in error
    assert page.count("![") + page.count("<img") == 3  # the curves and two explanations
