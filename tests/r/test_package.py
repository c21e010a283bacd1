"""The R package: installed into a library of its own, its tests pass, and its numbers are Python's."""

import os
import shutil
import subprocess

import pytest

from tests.r.test_r import PYTHON, ROOT, has

PACKAGE = ROOT / "r"

pytestmark = pytest.mark.skipif(
    not (has("reticulate") and has("testthat")), reason="needs Rscript and the R packages reticulate and testthat"
)


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    folder = tmp_path_factory.mktemp("library")
    source = shutil.copytree(PACKAGE, tmp_path_factory.mktemp("source") / "r")
    command = ["R", "CMD", "INSTALL", "--no-docs", "--no-test-load", f"--library={folder}", str(source)]
    process = subprocess.run(command, capture_output=True, text=True, check=False)
    assert process.returncode == 0, process.stdout[-2000:] + process.stderr[-2000:]
    return folder


def run_r(code, library, folder):
    """Runs R code with the package, and returns its output; it must succeed."""
    environment = {**os.environ, "RETICULATE_PYTHON": PYTHON, "TF_CPP_MIN_LOG_LEVEL": "3", "R_LIBS": str(library)}
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    process = subprocess.run(
        ["Rscript", "-e", code], capture_output=True, text=True, cwd=folder, env=environment, check=False
    )
    assert process.returncode == 0, process.stdout[-6000:] + process.stderr[-4000:]
    return process.stdout


def run_tests(library, folder, pattern):
    """Runs the files of tests whose names match a pattern, in one R session."""
    tests = shutil.copytree(PACKAGE / "tests" / "testthat", folder / "testthat")
    code = (
        f'library(fieldzoo); testthat::test_dir("{tests}", filter = "{pattern}", package = "fieldzoo", '
        'load_package = "none", reporter = "summary", stop_on_failure = TRUE)'
    )
    print(run_r(code, library, folder))


def test_formulas_values_and_numbers_are_right(library, tmp_path):
    run_tests(library, tmp_path, "^(formula|values|numbers)$")


@pytest.mark.slow
def test_all_tests_of_the_package_pass(library, tmp_path):
    run_tests(library, tmp_path, "")


def test_loading_the_package_starts_no_python(library, tmp_path):
    code = "library(fieldzoo); cat(reticulate::py_available())"
    assert run_r(code, library, tmp_path).endswith("FALSE")


def test_without_python_the_error_says_what_to_run(library, tmp_path):
    code = (
        f'Sys.unsetenv("RETICULATE_PYTHON"); Sys.setenv(WORKON_HOME = "{tmp_path}"); library(fieldzoo); '
        "cat(tryCatch(zoo_fit(Species ~ ., iris), error = conditionMessage)); stopifnot(!zoo_check())"
    )
    assert "Run fieldzoo::zoo_install() once" in run_r(code, library, tmp_path)
