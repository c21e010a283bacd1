"""Words that the project does not use: public names, options, help texts and documents have the field's terms."""

import ast
import importlib
import inspect
import re
from pathlib import Path

import pytest
import typer.main

import recipes
import zoo
from recipes.cli.main import app
from recipes.training.run import Run
from recipes.training.task import Task
from zoo.registry import entries

ROOT = Path(__file__).parents[1]
ARGUMENTS = [
    "answers",
    "at_once",
    "batch",
    "boundaries",
    "calm",
    "category",
    "clip",
    "compare",
    "constraint",
    "draws",
    "drop",
    "every",
    "examined",
    "false_positives",
    "form",
    "forms",
    "found",
    "given",
    "head_rate",
    "keep",
    "known",
    "largest",
    "licence",
    "made",
    "origin",
    "part",
    "pieces",
    "pixels",
    "place",
    "poll",
    "prepare",
    "rate",
    "rates",
    "reach",
    "recipe",
    "renew",
    "searches",
    "season",
    "seen",
    "share",
    "standardise",
    "taken",
    "told",
    "toward",
    "trunk",
    "trunks",
    "until",
    "wait",
    "why",
]
NAMES = [
    "answer",
    "answers",
    "BriskDropout",
    "DoublingConv",
    "DoublingTranspose",
    "Enlarge",
    "features_of",
    "Fields",
    "fused_adam",
    "fused_norm",
    "gain_of_samples",
    "HalvingConv",
    "kept_gradients",
    "Lookup",
    "more_examples",
    "papers",
    "phases",
    "proof",
    "published",
    "randomisation",
    "Recipe",
    "reopen_run",
    "replay",
    "SavedRun",
    "Seen",
    "shelf",
    "tfexplain",
    "Traced",
    "trunk",
    "TrunkInput",
    "trunks",
    "WORKED",
    "worked",
    "Worked",
]
# Participles and adverbs that name no value, alone or after underscores
PARTICIPLES = {
    "asked", "at_once", "beside", "chosen", "drawn", "found", "given", "held", "here", "kept", "known", "made",
    "opened", "own", "seen", "taken", "there", "told", "wanted",
}  # fmt: skip
MEMBERS = [  # of the classes that users meet: public ones, tasks and runs
    "answers", "assess", "at_once", "but", "contrastive", "draws", "examine", "examined", "feed", "gibbs", "headline",
    "kept_gradients", "known", "known_tokens", "licence", "mattered", "measure", "origin", "prepare", "reach", "recipe",
    "renew", "respond", "restored", "seen", "served", "signs", "told", "trivial", "trivial_loss", "validated",
    "verify_answer", "verify_task", "watchers",
]  # fmt: skip
ANSWER = r"\banswer(s|ed|ing)?\b"  # of predictions
PHRASES = (
    r"worked (recipe|row)s?",
    r"trivial",
    r"\btrunks?\b",
    r"\brenew(s|ed|ing)?\b",
    r"\bshel(f|ves)\b",
    r"\bdoors?\b",
    r"\btold\b",
    r"\bat once\b",
    r"\bknows? nothing\b",
    r"\bthe share of\b",
    ANSWER,
    r"\brivals?\b",
    r"\bproofs?\b|\bproved?\b",
    r"\bforetell|\bforetold\b",
)
DOCUMENTS = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "Makefile", "vignettes/first-hour.Rmd"]
DOCUMENTS += sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("*.md"))
DOCUMENTS += sorted(str(path.relative_to(ROOT)) for path in (ROOT / "examples").rglob("*.R"))
DOCUMENTS += sorted(str(path.relative_to(ROOT)) for path in (ROOT / "saved_models").glob("*/card.md"))


def forbidden(text):
    """The lines of a text that have a forbidden phrase; where it speaks of questions, they have answers."""
    phrases = [p for p in PHRASES if p != ANSWER] if "question" in text.lower() else PHRASES
    pattern = re.compile("|".join(phrases), re.IGNORECASE)
    return [line.strip() for line in text.splitlines() if pattern.search(line)]


def forbidden_in_document(text):
    """The same, for each paragraph, list item and row of a table."""
    return [line for part in re.split(r"\n(?=\s*\n|- |\||```)", text) for line in forbidden(part)]


def public_objects():
    """Every public function and class of the index of zoo, zoo.explain, zoo.serving and recipes, by its name."""
    objects = {f"recipes.{name}": getattr(recipes, name) for name in recipes.WHERE}
    for module in (zoo, zoo.explain, zoo.serving):
        names = getattr(module, "__all__", None) or [n for n in vars(module) if not n.startswith("_")]
        objects |= {
            f"{module.__name__}.{n}": getattr(module, n) for n in names if not inspect.ismodule(getattr(module, n))
        }
    return objects


OBJECTS = public_objects()
CALLABLES = {name: value for name, value in OBJECTS.items() if callable(value)}


def test_a_forbidden_word_is_found():
    assert forbidden("A worked recipe.\nA reference recipe.") == ["A worked recipe."]
    assert forbidden("the model's answer") and not forbidden("the answer to a question")
    assert forbidden_in_document("- a question and its answer\n- the model's answer") == ["- the model's answer"]


def test_public_names():
    assert [name for name in OBJECTS if name.rpartition(".")[2] in NAMES] == []


@pytest.mark.parametrize("cls", [*filter(inspect.isclass, OBJECTS.values()), Task, Run], ids=lambda cls: cls.__name__)
def test_members_of_public_classes(cls):
    fields = getattr(cls, "__dataclass_fields__", {})
    assert [name for name in {*dir(cls), *fields} if name in MEMBERS] == []


def assigned_names(tree):
    """Yields (line, name) of every variable, attribute, argument, function and class that code defines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.lineno, node.id if isinstance(node, ast.Name) else node.attr
        elif isinstance(node, ast.arg):
            yield node.lineno, node.arg
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.lineno, node.name


@pytest.mark.parametrize("folder", ["zoo", "recipes", "tests", "benchmarks", "examples", "docs"])
def test_a_name_says_what_its_value_is(folder):
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files
    names = ((path, *item) for path in files for item in assigned_names(ast.parse(path.read_text())))
    bare = [f"{path.name}:{line} {name}" for path, line, name in names if name.strip("_").lower() in PARTICIPLES]
    assert bare == []


@pytest.mark.parametrize("name", sorted(CALLABLES))
def test_public_arguments(name):
    try:
        parameters = inspect.signature(CALLABLES[name]).parameters
    except (TypeError, ValueError):
        pytest.skip("has no signature")
    assert [p for p in parameters if p in ARGUMENTS] == []


@pytest.mark.parametrize("name", sorted(CALLABLES))
def test_public_docstrings(name):
    if name.rpartition(".")[2] in entries and entries[name.rpartition(".")[2]].parent:
        pytest.skip("a variant has its family's docstring")
    assert forbidden(inspect.getdoc(CALLABLES[name]) or "") == []


@pytest.mark.parametrize("command", sorted(typer.main.get_command(app).commands))
def test_command_line(command):
    parsed = typer.main.get_command(app).commands[command]
    texts = [parsed.help or "", *(getattr(p, "help", None) or "" for p in parsed.params)]
    assert forbidden("\n".join(texts)) == []
    options = [option.lstrip("-").replace("-", "_") for p in parsed.params for option in p.opts]
    assert [option for option in options if option in ARGUMENTS] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_documents(document):
    text = (ROOT / document).read_text()
    if document == "CONTRIBUTING.md":  # its last section is the table of old and new names
        text = text[: text.index("## Renamed")]
    assert (forbidden if document == "docs/questions.md" else forbidden_in_document)(text) == []


@pytest.mark.parametrize("package", ["zoo", "recipes"])
def test_error_messages(package):
    """String constants of raise statements, wherever they stand."""
    lines = []
    for path in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Raise):
                texts = [n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
                lines += [f"{path.name}: {line}" for text in texts for line in forbidden(text)]
    assert lines == []


def test_the_index_of_recipes_has_no_stale_module():
    assert [name for name, module in recipes.WHERE.items() if not hasattr(importlib.import_module(module), name)] == []
