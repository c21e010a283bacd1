"""R beside this Python: whether it calls, and whether what it sends can pass."""

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

# (distribution, its version, reticulate's version): from the first on, a reticulate before the second cannot read it
LIMITS = (
    ("numpy", (2,), (1, 41), "arrays, matrices and data frames cannot pass from R to Python"),
    ("pandas", (3,), (1, 45), "data frames come back to R as Python objects"),
)

if called_from_r():  # reticulate's own call, at every data frame that goes to R
    warnings.filterwarnings("ignore", "Index.format is deprecated", FutureWarning)


@checked
def r_check() -> bool:
    """Says on stdout whether R and this Python go together, and for each problem how to mend it.

    From R: `zoo$r_check()`. From Python it looks at the R that is on the path.

    Returns:
        Whether there is no problem.
    """
    reticulate = reticulate_version()
    shown = ".".join(map(str, reticulate)) if reticulate else "none"
    print(f"Python {sys.version.split()[0]} in {sys.prefix}; reticulate {shown}")
    problems = [*_of_r(reticulate), *_of_versions(reticulate, _installed), *_of_packages(_installed)]
    for problem, mend in problems:
        print(f"- {problem}\n  Mend it: {mend}")
    print("R and this Python do not go together yet." if problems else "R and this Python go together.")
    sys.stdout.flush()
    return not problems


def reticulate_version():
    """The version of the reticulate that runs this Python, else of the one that Rscript finds; () if there is none."""
    if called_from_r():
        package = Path(sys.modules["rpytools"].__file__).parents[2] / "DESCRIPTION"
        lines = package.read_text().splitlines() if package.is_file() else []
        found = next((line.split(":")[1] for line in lines if line.startswith("Version:")), "")
    elif shutil.which("Rscript"):
        asked = 'cat(as.character(packageVersion("reticulate")))'
        found = subprocess.run(["Rscript", "-e", asked], capture_output=True, text=True, check=False).stdout
    else:
        found = ""
    return _numbers(found)


def _numbers(version):
    """The leading whole numbers of a version: 1.28.0.1 is (1, 28, 0, 1), 2.0rc1 is (2,)."""
    numbers = []
    for word in version.strip().replace("-", ".").split("."):
        if not word.isdigit():
            break
        numbers.append(int(word))
    return tuple(numbers)


def _installed(distribution):
    """Its version as text, or None where it is not installed."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return None


def _of_r(reticulate):
    if not reticulate:
        where = "R runs, but its package reticulate is not there" if shutil.which("Rscript") else "there is no R"
        yield (
            f"{where}.",
            'install R, and in it install.packages("reticulate"); on Debian apt install r-cran-reticulate.',
        )
    elif called_from_r() and not os.environ.get("RETICULATE_PYTHON"):
        yield (
            "RETICULATE_PYTHON is not set, so that another R session may find another Python.",
            f"put RETICULATE_PYTHON={Path(sys.prefix, 'bin', 'python')} into ~/.Renviron.",
        )
    made = _made_with(Path(sys.prefix))
    if called_from_r() and made not in ("", sys.version.split()[0]):
        yield (
            f"R runs Python {sys.version.split()[0]}, the system's, with the modules of Python {made}: https and other "
            "parts may not load.",
            "make the environment with the system's own Python: make r-env R_PYTHON=/usr/bin/python3.",
        )


def _made_with(prefix):
    """The version of the Python that a virtual environment was made with, or "" where that is not written there."""
    file = prefix / "pyvenv.cfg"
    lines = file.read_text().splitlines() if file.is_file() else []
    return next((line.split("=")[1].strip() for line in lines if line.startswith("version =")), "")


def _of_versions(reticulate, installed):
    """(problem, mend) for each package that is too new for this reticulate."""
    for name, limit, enough, told in LIMITS:
        found = installed(name)
        if found and _numbers(found) >= limit and reticulate and reticulate < enough:
            yield (
                f"{name} {found} and reticulate {'.'.join(map(str, reticulate))}: {told}.",
                f'pip install "{name}<{limit[0]}" into this Python, `make r-env` for a Python beside it, or a '
                f"reticulate from {'.'.join(map(str, enough))} on.",
            )


def _of_packages(installed):
    """(problem, mend) for what this distribution needs and has not got."""
    needed = importlib.metadata.requires("fieldzoo") if installed("fieldzoo") else []
    names = [re.match(r"[\w.-]+", line).group() for line in needed or [] if "extra ==" not in line]
    missing = [name for name in names if not installed(name)]
    if missing:
        yield f"these packages are not installed: {', '.join(missing)}.", f"pip install {' '.join(missing)}"
