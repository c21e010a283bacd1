"""The documents' tables, and the check that they are up to date."""

import pytest

from recipes.reference import document_tables
from recipes.reference.document_tables import cell, fill_blocks, format_count, link, main, table
from zoo.introspect.architecture_table import measure

ROWS = [{"name": name, **measure(name)} for name in ("lenet5", "dnn")]


def test_architectures_form_a_markdown_table():
    head, rule, dnn, lenet = document_tables.architecture_table(ROWS).split("\n")
    assert head == "| architecture | task | what | input | parameters | MACs | receptive field | weights | paper |"
    assert rule == "| --- | --- | --- | --- | ---: | ---: | ---: | ---: | --- |"
    assert dnn.startswith("| `dnn` | tabular | ") and "| 669,706 | 669 k |  |  | [deeplearningbook.org]" in dnn
    assert lenet.endswith("28 x 28 x 1 | 61,706 | 417 k | 16 |  | [yann.lecun.com](" + source("lenet5") + ") |")


def source(name):
    return document_tables.registry_row(name)["source"]


def test_variants_follow_their_architecture_from_small_to_large():
    names = ("vit_large_16", "vit_tiny_16", "vit", "lenet5")
    text = document_tables.architecture_table([{"name": name, **measure(name)} for name in names])
    assert [line.split("`")[1] for line in text.split("\n")[2:]] == ["lenet5", "vit", "vit_tiny_16", "vit_large_16"]


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (None, ""),
        (0, "0"),
        (999, "999"),
        (1000, "1.00 k"),
        (40740864, "40.7 M"),
        (999499999, "999 M"),
        (999500001, "1.00 G"),
        (4089184256, "4.09 G"),
        (457872592896, "458 G"),
        (2586e12, "2586 T"),
    ],
)
def test_large_numbers_have_three_digits_and_a_unit_prefix(count, text):
    assert format_count(count) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (61706, "61,706"),
        (0.98314, "0.983"),
        (3.0, "3"),
        (None, ""),
        (float("nan"), ""),
        (True, "True"),
        (
            {"epochs": 60, "dropout": 3e-3, "augment": ("flip", "zoom")},
            "epochs=60, dropout=0.003, augment=(flip, zoom)",
        ),
        (("flip", 2), "flip, 2"),
        ("a | b", r"a \| b"),
        ("https://arxiv.org/abs/1512.03385", "[arXiv:1512.03385](https://arxiv.org/abs/1512.03385)"),
        ("https://www.example.org/x", "[example.org](https://www.example.org/x)"),
    ],
)
def test_cells_are_formatted_by_type(value, text):
    assert cell(value) == text


def test_the_text_of_a_link_is_the_arxiv_number():
    assert link("https://arxiv.org/abs/2010.11929v2").startswith("[arXiv:2010.11929]")


def test_numeric_columns_are_right_aligned():
    assert table([{"a": 1, "b": "x"}, {"a": None, "b": 2}]).split("\n")[1] == "| ---: | --- |"
    assert table([]) == ""


def test_blocks_are_replaced_only_between_their_markers():
    text = "before\n<!-- data -->\nold\n<!-- /data -->\nafter\n"
    blocks = {"data": lambda: "new", "recipes": lambda: pytest.fail("there is no marker for it")}
    assert fill_blocks(text, blocks) == "before\n<!-- data -->\nnew\n<!-- /data -->\nafter\n"
    assert fill_blocks(fill_blocks(text, blocks), blocks) == fill_blocks(text, blocks)


@pytest.mark.parametrize(
    "text",
    ["<!-- data -->", "<!-- /data -->", "<!-- /data --> <!-- data -->", "<!-- data --><!-- data --><!-- /data -->"],
)
def test_a_marker_without_its_counterpart_raises(text):
    with pytest.raises(ValueError, match=r"a document must have one <!-- data --> and then one <!-- /data -->"):
        fill_blocks(text, {"data": lambda: "new"})


@pytest.fixture
def document(tmp_path, monkeypatch):
    """Path of a document with markers, beside a CSV of two architectures."""
    monkeypatch.setattr(document_tables, "names", lambda: ["dnn", "lenet5"])
    monkeypatch.setattr(document_tables, "CSV", tmp_path / "architectures.csv")
    monkeypatch.setattr(
        "recipes.reference.recipes.reference_recipes", lambda: [{"name": "digits", "model": "lenet5", "accuracy": 0.98}]
    )
    monkeypatch.setattr("recipes.data.sources", lambda: [{"name": "digits", "rows": 5000}])
    path = tmp_path / "tables.md"
    path.write_text("\n".join(f"<!-- {n} -->\n<!-- /{n} -->" for n in ("architectures", "recipes", "data")), "utf-8")
    return path


def test_the_command_writes_both_files_once(document, capsys):
    assert main([], (document,)) == 0
    assert capsys.readouterr().out == "wrote architectures.csv\nwrote tables.md\n"
    text = document.read_text("utf-8")
    assert "| `digits` | `lenet5` | 0.98 |" in text and "| `bundled:digits` | 5,000 |" in text and "| 61,706 |" in text
    assert document_tables.CSV.read_text("utf-8").startswith(
        "name,task,parameters,trainable,macs,receptive_field,input,parent,weights,source,summary,example\ndnn,"
    )
    assert main([], (document,)) == 0
    assert main(["--check"], (document,)) == 0
    assert capsys.readouterr().out == ""


def test_check_prints_the_differences_and_writes_nothing(document, capsys):
    main([], (document,))
    outdated = document.read_text("utf-8").replace("61,706", "61,707")
    document.write_text(outdated, "utf-8")
    capsys.readouterr()
    assert main(["--check"], (document,)) == 1
    out = capsys.readouterr().out
    assert "-| `lenet5`" in out and "+| `lenet5`" in out and "tables.md (current)" in out
    assert document.read_text("utf-8") == outdated
