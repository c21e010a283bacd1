"""The example scripts run and do what they say; they and the benchmarks import names that exist."""

import ast
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPTS = sorted([*ROOT.glob("benchmarks/*.py"), *ROOT.glob("examples/**/*.py")])


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_import_names_that_exist(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module.partition(".")[0] in ("zoo", "recipes", "tests"):
            module = importlib.import_module(node.module)
            for alias in node.names:
                if not hasattr(module, alias.name):
                    importlib.import_module(f"{node.module}.{alias.name}")


def defined_names(path):
    """Returns the names that a script defines at its top level."""
    names = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {name.id for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name)}
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
    return names


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts_import_names_that_the_scripts_beside_them_define(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (sibling := path.with_name(f"{node.module}.py")).exists():
            assert {alias.name for alias in node.names} <= defined_names(sibling), node.module


def losses(devices):
    environment = {
        **os.environ,
        "JAX_PLATFORMS": "cpu",
        "PYTHONPATH": str(ROOT),
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}",
    }
    command = [sys.executable, ROOT / "examples" / "jax_data_parallel.py"]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr[-2000:]
    first, *lines = result.stdout.splitlines()
    assert first == f"{devices} devices"
    return [float(line.split()[1]) for line in lines]


@pytest.mark.slow
def test_two_devices_of_the_jax_backend_have_the_loss_of_one():
    pytest.importorskip("jax", reason="jax is in the extra `dev`")
    alone, parallel = losses(1), losses(2)
    assert parallel == pytest.approx(alone, rel=1e-5)
    assert alone[-1] < alone[0] / 2
