"""The README and the documents: short, with links that lead somewhere and commands that exist."""

import ast
import re
import shlex
from pathlib import Path

import pytest
import typer

import recipes
import zoo
from recipes.cli.main import app

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
README_LINES = 150


def blocks(path, language):
    """The code blocks of a document in a language."""
    return re.findall(rf"```{language}\n(.*?)```", path.read_text("utf-8"), flags=re.DOTALL)


def zoo_commands(text):
    """The commands of `zoo` in a text of shell code or Markdown, as lists of words."""
    text = re.sub(r"\\\n", " ", text)
    commands = re.findall(r"(?:^|[|`;] ?)(zoo (?:[a-z-]+)[^`|;#\n]*)", text, flags=re.MULTILINE)
    return [shlex.split(command)[1:] for command in commands]


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= README_LINES


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_to_files_lead_somewhere(path):
    links = [link for link in LINK.findall(path.read_text("utf-8")) if not re.match(r"[a-z]+:", link)]
    assert [link for link in links if not (path.parent / link).exists()] == []


@pytest.mark.parametrize("path", [p for p in DOCUMENTS if p.stem != "CONTRIBUTING"], ids=lambda path: path.name)
def test_commands_have_only_options_that_exist(path):
    group = typer.main.get_command(app)
    text = "\n".join(blocks(path, "sh")) + "\n".join(re.findall(r"`(zoo [^`\n]+)`", path.read_text("utf-8")))
    for words in zoo_commands(text):
        command = group.commands[words[0]]
        if words[0] == "data":
            command, words = command.commands[words[1]], words[1:]
        options = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        options |= {"--help"}
        unknown = [word for word in words[1:] if re.match(r"--?[a-z]", word) and word.partition("=")[0] not in options]
        assert not unknown, (words, unknown)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_python_blocks_use_names_that_exist(path):
    for block in blocks(path, "python"):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                module = {"zoo": zoo, "recipes": recipes}.get(node.value.id)
                assert module is None or hasattr(module, node.attr), (block, node.attr)


def test_commands_are_found_in_pipes_and_text():
    text = "find . | zoo predict runs --files-from - # all\nzoo list\n`zoo export RUN out`"
    assert zoo_commands(text) == [["predict", "runs", "--files-from", "-"], ["list"], ["export", "RUN", "out"]]
