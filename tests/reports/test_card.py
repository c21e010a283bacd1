"""Model cards."""

import json
import re
import shutil
from html import unescape

import pytest
from markdown_it import MarkdownIt

from recipes.reports.card import card
from recipes.reports.markdown import escape_markdown
from zoo.weights import RESULTS_FOLDER


def test_a_run_without_an_export_has_a_card(tmp_path):
    for name in ("run.json", "metrics.json"):
        shutil.copyfile(RESULTS_FOLDER / "dnn_penguins" / name, tmp_path / name)
    run = json.loads((tmp_path / "run.json").read_text())
    assert "differ from those of `predict`" in card(tmp_path, "dnn_penguins")
    del run["record"]["export"]
    (tmp_path / "run.json").write_text(json.dumps(run))
    text = card(tmp_path, "dnn_penguins")
    assert "differ from those of `predict`" not in text and "Preprocessing is part of the exported model" in text


def test_the_card_has_the_verdict_where_there_is_one(tmp_path):
    for name in ("run.json", "metrics.json"):
        shutil.copyfile(RESULTS_FOLDER / "dnn_penguins" / name, tmp_path / name)
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    metrics["test"].pop("verdict", None)
    (tmp_path / "metrics.json").write_text(json.dumps(metrics))
    assert "the baseline:" not in card(tmp_path)
    metrics["test"]["verdict"] = {"sentence": "Beats the baseline: accuracy 0.98 against 0.44 (69 test examples)."}
    (tmp_path / "metrics.json").write_text(json.dumps(metrics))
    text = card(tmp_path)
    assert "\n\nBeats the baseline: accuracy 0.98 against 0.44 (69 test examples).\n" in text
    assert "\n- " in text.partition("Beats the baseline")[2]  # the diagnosis stays a list


NAMES = [
    "<script>alert(1)</script>",
    "a|b",
    "[x](https://a.b)",
    "![x](y)",
    "[x][y]",
    "[x]: https://a.b",
    "[x] box",
    "~one~ ~~",
    "`rm`",
    "ant\n# head\n- item",
    "# head",
    "- item",
    "1. one",
    "1) one",
    "> quote",
    "---",
    "__bold__",
    "*bold*",
    "~~struck~~",
    "&lt;b&gt;",
    "&#60;b>",
    "back\\slash*",
    "<img src=x onerror=alert(1)>",
    "<https://a.b>",
    "right-to-left \u202e",
    "Größe_2",
    "a & b",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_shown_as_it_is(name):
    expected = " ".join(name.replace("\u202e", " ").split())
    for before, after in (("", ""), ("- ", ""), ("classes other than ", ", and others"), ("| ", " | 1 |")):
        html = MarkdownIt().enable(["table", "strikethrough"]).render(f"{before}{escape_markdown(name)}{after}")
        text = re.sub(r"</?(p|ul|li)>", "", html)
        assert not re.search(r"<[a-z/]", text), html
        assert expected in unescape(text).replace("\\|", "|")


def test_the_card_has_the_names_of_classes_and_files_as_text(tmp_path):
    for name in ("run.json", "metrics.json"):
        shutil.copyfile(RESULTS_FOLDER / "dnn_penguins" / name, tmp_path / name)
    run = json.loads((tmp_path / "run.json").read_text())
    run["data"]["classes"] = NAMES
    run["data"]["notes"] = [f"3 rows of {name}" for name in NAMES]
    run["data"]["name"] = run["data"]["source"] = "<b>[photos](x)</b>"
    (tmp_path / "run.json").write_text(json.dumps(run))
    html = MarkdownIt().enable("table").render(card(tmp_path, "[m](x)|<i>"))
    assert not re.search(r"<(script|img|b|i|a|em|strong|del)\b", html)
    assert html.count("<h2>") == 4 and "[m](x)|&lt;i&gt;" in html
