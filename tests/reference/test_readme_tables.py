"""The README's tables are written from the registry, and a stale one is noticed."""

import pytest

import recipes
from recipes.reference import readme_tables
from recipes.reference.readme_tables import cell, filled, link, main, short, table
from zoo.introspect.architecture_table import measure

ROWS = [{"name": name, **measure(name)} for name in ("lenet5", "dnn")]


def test_architectures_are_a_markdown_table():
    head, rule, dnn, lenet = readme_tables.architectures(ROWS).split("\n")
    assert head == "| architecture | task | what | input | parameters | MACs | receptive field | paper |"
    assert rule == "| --- | --- | --- | --- | ---: | ---: | ---: | --- |"
    assert dnn.startswith("| `dnn` | tabular | ") and "| 669,706 | 669 k |  | [deeplearningbook.org]" in dnn
    assert lenet.endswith("28 x 28 x 1 | 61,706 | 417 k | 16 | [yann.lecun.com](" + link_of("lenet5") + ") |")


def link_of(name):
    return readme_tables.registry_row(name)["source"]


def test_families_stand_together_from_small_to_large():
    names = ("vit_large_16", "vit_tiny_16", "vit", "lenet5")
    text = readme_tables.architectures([{"name": name, **measure(name)} for name in names])
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
def test_large_counts_have_three_figures(count, text):
    assert short(count) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (61706, "61,706"),
        (0.98314, "0.983"),
        (3.0, "3"),
        (None, ""),
        (float("nan"), ""),
        (True, "True"),
        ({"epochs": 60, "rate": 3e-3, "augment": ("flip", "zoom")}, "epochs=60, rate=0.003, augment=(flip, zoom)"),
        (("flip", 2), "flip, 2"),
        ("a | b", r"a \| b"),
        ("https://arxiv.org/abs/1512.03385", "[arXiv:1512.03385](https://arxiv.org/abs/1512.03385)"),
        ("https://www.example.org/x", "[example.org](https://www.example.org/x)"),
    ],
)
def test_cells_are_for_people(value, text):
    assert cell(value) == text


def test_links_name_the_paper():
    assert link("https://arxiv.org/abs/2010.11929v2").startswith("[arXiv:2010.11929]")


def test_columns_of_numbers_stand_to_the_right():
    assert table([{"a": 1, "b": "x"}, {"a": None, "b": 2}]).split("\n")[1] == "| ---: | --- |"
    assert table([]) == ""


def test_blocks_fill_only_their_markers():
    text = "before\n<!-- data -->\nold\n<!-- /data -->\nafter\n"
    blocks = {"data": lambda: "new", "recipes": lambda: pytest.fail("there is no marker for it")}
    assert filled(text, blocks) == "before\n<!-- data -->\nnew\n<!-- /data -->\nafter\n"
    assert filled(filled(text, blocks), blocks) == filled(text, blocks)


@pytest.mark.parametrize(
    "text",
    ["<!-- data -->", "<!-- /data -->", "<!-- /data --> <!-- data -->", "<!-- data --><!-- data --><!-- /data -->"],
)
def test_a_marker_without_its_partner_is_an_error(text):
    with pytest.raises(ValueError, match=r"README.md must have one <!-- data --> and then one <!-- /data -->"):
        filled(text, {"data": lambda: "new"})


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A README and a CSV of their own, and a registry of two."""
    monkeypatch.setattr(readme_tables, "names", lambda: ["dnn", "lenet5"])
    monkeypatch.setattr(readme_tables, "CSV", tmp_path / "architectures.csv")
    monkeypatch.setattr(recipes, "worked", lambda: [{"name": "digits", "model": "lenet5", "accuracy": 0.98}])
    monkeypatch.setattr(recipes.data, "sources", lambda: [{"name": "digits", "rows": 5000}])
    readme = tmp_path / "README.md"
    readme.write_text("\n".join(f"<!-- {n} -->\n<!-- /{n} -->" for n in ("architectures", "recipes", "data")), "utf-8")
    return readme


def test_the_command_writes_and_then_finds_nothing_to_do(place, capsys):
    assert main([], place) == 0
    assert capsys.readouterr().out == "wrote architectures.csv\nwrote README.md\n"
    text = place.read_text("utf-8")
    assert "| `digits` | `lenet5` | 0.98 |" in text and "| `bundled:digits` | 5,000 |" in text and "| 61,706 |" in text
    assert readme_tables.CSV.read_text("utf-8").startswith(
        "name,example,input,parameters,trainable,macs,receptive_field\ndnn,"
    )
    assert main([], place) == 0
    assert main(["--check"], place) == 0
    assert capsys.readouterr().out == ""


def test_check_shows_what_differs_and_writes_nothing(place, capsys):
    main([], place)
    stale = place.read_text("utf-8").replace("61,706", "61,707")
    place.write_text(stale, "utf-8")
    capsys.readouterr()
    assert main(["--check"], place) == 1
    out = capsys.readouterr().out
    assert "-| `lenet5`" in out and "+| `lenet5`" in out and "README.md as it is" in out
    assert place.read_text("utf-8") == stale
