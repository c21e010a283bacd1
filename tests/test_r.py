"""The README's first model from R, where R and reticulate are installed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = sorted((Path(__file__).parent / "r").glob("*.R"))


def has_reticulate():
    if not shutil.which("Rscript"):
        return False
    return subprocess.run(["Rscript", "-e", "library(reticulate)"], capture_output=True, check=False).returncode == 0


@pytest.mark.skipif(not has_reticulate(), reason="needs Rscript and the R package reticulate")
@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="Debian's reticulate embeds Python 3.11")
@pytest.mark.parametrize("script", SCRIPTS, ids=[s.stem for s in SCRIPTS])
def test_script_runs_to_its_end(script, tmp_path):
    done = subprocess.run(
        ["Rscript", str(script)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "RETICULATE_PYTHON": sys.executable, "TF_CPP_MIN_LOG_LEVEL": "3"},
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
