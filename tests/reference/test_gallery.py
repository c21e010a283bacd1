"""The gallery has every architecture, its code builds it, and its pages are valid without a server."""

import ast
import re
import shlex
import shutil
import subprocess
from html.parser import HTMLParser

import pytest

import recipes
import zoo
from recipes.data.readers import parse_source
from recipes.reference import gallery, gallery_pages
from recipes.reference.recipes import reference_recipes
from zoo.introspect.graph import outline
from zoo.registry import entry

GROUPS, ROWS, RECIPES = gallery.families(), gallery.measured_rows(), reference_recipes()
BUILT = ("unet", "lenet5", "lstm", "dcgan")  # the others: slow


def page(name):
    return gallery.family_page(name, GROUPS[name], ROWS, RECIPES)


def blocks(text, language):
    return re.findall(rf"```{language}\n(.*?)```", text, re.S)


def test_every_architecture_and_variant_is_on_one_page():
    assert sorted(name for variants in GROUPS.values() for name in variants) == sorted(zoo.names())
    for name, variants in GROUPS.items():
        text = page(name)
        assert text.startswith(f"# {name}\n\n") and f"]({name}.svg)" in text
        assert all(f"| `{variant}` |" in text for variant in variants)
        assert f"{ROWS[name]['parameters']:,}" in text


@pytest.mark.parametrize(
    "name", [name if name in BUILT else pytest.param(name, marks=pytest.mark.slow) for name in GROUPS]
)
def test_the_code_of_a_page_builds_the_model_of_its_table(name):
    call = next(node for node in ast.walk(ast.parse(blocks(page(name), "python")[0])) if isinstance(node, ast.Call))
    assert call.func.attr == name and not call.args
    arguments = {keyword.arg: ast.literal_eval(keyword.value) for keyword in call.keywords}
    assert arguments == entry(name).example
    assert outline(name, **arguments).count_params() == ROWS[name]["parameters"]


def test_the_commands_name_tasks_and_sources_that_exist():
    commands = [line for name in GROUPS for line in blocks(page(name), "sh")[0].splitlines() if " --data " in line]
    assert len(commands) > 10
    for command in commands:
        _, _, task, _, name, _, data, *_ = shlex.split(command)
        assert "".join(word.title() for word in task.split("_")) in dir(recipes)
        assert parse_source(data).source and name in GROUPS
    assert set(gallery.FAMILY_STARTING_POINTS) <= set(GROUPS)


def test_results_are_those_of_the_committed_recipes_with_baseline_and_failures():
    text = page("lenet5")
    assert re.search(
        r"\| `lenet5_mnist` \| `bundled:mnist-5k` \| accuracy \| 0\.98\d \(0\.9\d+ to 0\.9\d+\) \| 0\.100 \|", text
    )
    assert re.search(r"- `lenet5_mnist`: \d is predicted as \d in \d+ of \d+ cases\.", text)
    assert "No reference recipe trains this architecture" in page("coatnet")


@pytest.mark.skipif(shutil.which("Rscript") is None, reason="R is not installed")
def test_the_code_in_r_can_be_parsed(tmp_path):
    path = tmp_path / "all.R"
    path.write_text("\n".join(block for name in GROUPS for block in blocks(page(name), "r")))
    result = subprocess.run(
        ["Rscript", "-e", f"cat(length(parse('{path}')))"], capture_output=True, text=True, timeout=120
    )
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) >= 2 * len(GROUPS)


class Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.targets, self.rows = [], 0

    def handle_starttag(self, tag, attributes):
        self.targets += [value for key, value in attributes if key in ("href", "src")]
        self.rows += tag == "tr" and "data-task" in dict(attributes)


def test_html_pages_link_to_each_other_and_to_nothing_else_but_papers(tmp_path, monkeypatch):
    monkeypatch.setattr(gallery_pages, "draw", lambda name: f"<svg>{name}</svg>")
    index = gallery_pages.write_html_gallery(tmp_path / "pages")
    links = Links()
    links.feed(index.read_text())
    assert links.rows == len(GROUPS) and links.targets == [f"{name}.html" for name in GROUPS]
    for name in GROUPS:
        links = Links()
        links.feed((index.parent / f"{name}.html").read_text())
        files = [target for target in links.targets if not target.startswith("http")]
        assert files == ["index.html", f"{name}.svg"]
        assert all((index.parent / target).is_file() for target in files)


def test_markdown_pages_that_are_the_same_are_not_written_again(tmp_path, monkeypatch):
    monkeypatch.setattr(gallery_pages, "draw", lambda name: f"<svg>{name}</svg>")
    gallery_pages.write_markdown_gallery(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    gallery_pages.write_markdown_gallery(tmp_path)
    assert before == {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert len(before) == 2 * len(GROUPS) + 1
