"""The structure of the packages: imports run one way, without cycles, and no module has a name that says nothing."""

import ast
from pathlib import Path

import pytest

from recipes.training.task import Task

ROOT = Path(__file__).parents[1]
# A room may import the rooms after it. Rooms on one line do not import each other.
ORDER = (
    ("recipes.cli",),
    ("recipes.labels", "recipes.tuning"),
    ("recipes.reference",),
    ("recipes.raster",),
    ("recipes.runs",),
    ("recipes.tasks",),
    ("recipes.training",),
    ("recipes.prediction", "recipes.reports"),
    ("recipes.average_precision", "recipes.metrics"),
    ("recipes.losses",),
    ("recipes.data",),
    ("zoo.serving",),
    ("zoo.export",),
    ("zoo.backbones", "zoo.explain"),
    ("zoo.weights",),
    ("zoo.convert",),
    (
        "zoo.detect",
        "zoo.generate",
        "zoo.motion",
        "zoo.question",
        "zoo.restore",
        "zoo.segment",
        "zoo.series",
        "zoo.sound",
        "zoo.tabular",
    ),
    ("zoo.classify",),
    ("zoo.introspect",),
    ("zoo.blocks",),
    ("zoo.layers",),
    ("zoo.registry",),
    ("zoo.published_weights",),
    ("zoo.bundled_weights", "zoo.file_download"),
    ("zoo.inputs", "zoo.keras_patches", "zoo.package_files", "zoo.r_setup"),
    ("zoo.arguments", "zoo.atomic_write", "zoo.conformal", "zoo.devices", "zoo.silence", "zoo.strict_json"),
    ("zoo.r_interop",),
)
LEVELS = {room: level for level, rooms in enumerate(ORDER) for room in rooms}
OTHER_TASKS = ("recipes.prediction.ray_cluster", "recipes.training.cluster")  # their `task` is of Ray and of TF_CONFIG
INDEX = ("zoo", "recipes", "recipes.__main__")  # they only gather names


def module_files():
    files = [path for package in ("zoo", "recipes") for path in (ROOT / package).rglob("*.py")]
    names = (".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__") for path in files)
    return dict(zip(names, files, strict=True))


FILES = module_files()


def imported_modules(name):
    """Modules of the packages that a module imports, at its top or inside of functions."""
    for node in ast.walk(ast.parse(FILES[name].read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in FILES)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                submodule = f"{node.module}.{alias.name}"
                yield from (m for m in (submodule if submodule in FILES else node.module,) if m in FILES)


IMPORTS = {name: sorted(set(imported_modules(name)) - {name}) for name in FILES}


def room(name):
    """The room of a module: its package, or the module itself where it stands directly in `zoo` or `recipes`."""
    return ".".join(name.split(".")[:2])


def test_every_module_has_a_place_in_the_order():
    assert sorted({room(name) for name in FILES if name not in INDEX} - set(LEVELS)) == []


@pytest.mark.parametrize("name", sorted(set(FILES) - set(INDEX)))
def test_imports_run_one_way(name):
    level = LEVELS[room(name)]
    against = [m for m in IMPORTS[name] if room(m) != room(name) and (m in INDEX or LEVELS[room(m)] <= level)]
    allowed = [m for m in against if m in ("zoo", "recipes") and name.startswith("recipes.") and m == "zoo"]
    assert sorted(set(against) - set(allowed)) == []


def test_no_imports_in_a_circle():
    remaining = {name: set(imports) for name, imports in IMPORTS.items()}
    while leaves := [name for name, imports in remaining.items() if not imports]:
        remaining = {name: imports - set(leaves) for name, imports in remaining.items() if name not in leaves}
    assert remaining == {}


def test_a_circle_would_be_found(monkeypatch):
    monkeypatch.setitem(IMPORTS, "zoo.arguments", ["zoo.layers"])
    with pytest.raises(AssertionError):
        test_no_imports_in_a_circle()


def test_module_names_say_what_they_define():
    vague = {"utils", "util", "common", "helpers", "helper", "base", "misc"}
    assert [name for name in FILES if vague & set(name.split("."))] == []


def test_a_file_is_one_idea():
    assert [str(path) for path in FILES.values() if len(path.read_text().splitlines()) > 400] == []


def undeclared_hooks(tree):
    """Yields (line, name) of each method that code calls on `task` or `....task` and `Task` does not declare."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = ast.unparse(node.func.value)
            if (owner == "task" or owner.endswith(".task")) and not hasattr(Task, node.func.attr):
                yield node.lineno, node.func.attr


def test_a_task_has_at_most_eight_abstract_methods():
    assert len(Task.__abstractmethods__) <= 8


@pytest.mark.parametrize("name", sorted(name for name in FILES if name.startswith("recipes.")))
def test_no_undeclared_method_of_a_task_is_called(name):
    if room(name) == "recipes.tasks" or name in OTHER_TASKS:
        pytest.skip("a module of a task may call that task's methods")
    assert list(undeclared_hooks(ast.parse(FILES[name].read_text()))) == []


def test_an_undeclared_method_of_a_task_would_be_found():
    assert list(undeclared_hooks(ast.parse("run.task.examine(1)\nrun.task.evaluate(run, 'test')"))) == [(1, "examine")]
