"""Checks that R, its package reticulate and this Python work together."""

import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

from zoo.arguments import checked
from zoo.r_interop import called_from_r

# (package, its first version that needs a newer reticulate, that version of reticulate, problem with an older one)
RETICULATE_LIMITS = (
    ("numpy", (2,), (1, 41), "arrays, matrices and data frames cannot pass from R to Python"),
    ("pyarrow", (21,), (1, 41), "tables cannot be read, as newer ones need NumPy 2"),
    ("pandas", (3,), (1, 45), "data frames come back to R as Python objects"),
)

if called_from_r():  # reticulate itself makes the deprecated call for every data frame that it converts
    warnings.filterwarnings("ignore", "Index.format is deprecated", FutureWarning)


@checked
def r_check() -> bool:
    """Prints whether R and this Python work together, and how to solve each problem.

    From R: `zoo$r_check()`. From Python, it checks the R on the PATH.

    Returns:
        True if there is no problem.
    """
    reticulate = reticulate_version()
    version = ".".join(map(str, reticulate)) if reticulate else "none"
    print(f"Python {sys.version.split()[0]} in {sys.prefix}; reticulate {version}")
    problems = [
        *_r_problems(reticulate),
        *_version_problems(reticulate, _installed_version),
        *_missing_packages(_installed_version),
    ]
    for problem, solution in problems:
        print(f"- {problem}\n  Solution: {solution}")
    print("R and this Python do not work together yet." if problems else "R and this Python work together.")
    sys.stdout.flush()
    return not problems


def reticulate_version():
    """Returns the version of the reticulate that runs this Python, or that Rscript finds; () if there is none."""
    if called_from_r():
        package = Path(sys.modules["rpytools"].__file__).parents[2] / "DESCRIPTION"
        lines = package.read_text().splitlines() if package.is_file() else []
        version = next((line.split(":")[1] for line in lines if line.startswith("Version:")), "")
    elif shutil.which("Rscript"):
        code = 'cat(as.character(packageVersion("reticulate")))'
        version = subprocess.run(["Rscript", "-e", code], capture_output=True, text=True, check=False).stdout
    else:
        version = ""
    return _parse_version(version)


def _parse_version(version):
    """Returns the leading integers of a version: (1, 28, 0, 1) for 1.28.0.1, (2,) for 2.0rc1."""
    numbers = []
    for word in version.strip().replace("-", ".").split("."):
        if not word.isdigit():
            break
        numbers.append(int(word))
    return tuple(numbers)


def _installed_version(distribution):
    """Returns the version of a package as text, or None if it is not installed."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _r_problems(reticulate):
    """Yields (problem, solution) for the installation of R and its Python."""
    if not reticulate:
        has_r = shutil.which("Rscript")
        yield (
            "R is installed, but its package reticulate is not." if has_r else "R is not installed.",
            'install R, and in it install.packages("reticulate"); on Debian apt install r-cran-reticulate.',
        )
    elif called_from_r() and not os.environ.get("RETICULATE_PYTHON"):
        yield (
            "RETICULATE_PYTHON is not set, so another R session may use another Python.",
            f"put RETICULATE_PYTHON={Path(sys.prefix, 'bin', 'python')} into ~/.Renviron.",
        )
    environment_python = _environment_python(Path(sys.prefix))
    if called_from_r() and environment_python not in ("", sys.version.split()[0]):
        yield (
            f"R runs Python {sys.version.split()[0]}, the system's, with the modules of Python {environment_python}: "
            "https and other modules may not load.",
            "make the environment with the system's own Python: make r-env R_PYTHON=/usr/bin/python3.",
        )


def _environment_python(prefix):
    """Returns the version of the Python that created a virtual environment, or "" if it is unknown."""
    file = prefix / "pyvenv.cfg"
    lines = file.read_text().splitlines() if file.is_file() else []
    return next((line.split("=")[1].strip() for line in lines if line.startswith("version =")), "")


def _version_problems(reticulate, installed_version):
    """Yields (problem, solution) for each package that is too new for this reticulate."""
    for name, limit, needed_reticulate, problem in RETICULATE_LIMITS:
        version = installed_version(name)
        if version and _parse_version(version) >= limit and reticulate and reticulate < needed_reticulate:
            yield (
                f"{name} {version} and reticulate {'.'.join(map(str, reticulate))}: {problem}.",
                f'pip install "{name}<{limit[0]}" into this Python, use another Python (`make r-env`), or install '
                f"reticulate {'.'.join(map(str, needed_reticulate))} or newer.",
            )


def _missing_packages(installed_version):
    """Yields (problem, solution) for required packages that are not installed."""
    requirements = importlib.metadata.requires("fieldzoo") if installed_version("fieldzoo") else []
    names = [re.match(r"[\w.-]+", line).group() for line in requirements or [] if "extra ==" not in line]
    missing = [name for name in names if not installed_version(name)]
    if missing:
        yield f"these packages are not installed: {', '.join(missing)}.", f"pip install {' '.join(missing)}"
