"""The command `zoo data check`: text or strict JSON on stdout, a figure, and exit codes."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from tests.cli.test_cli import run


@pytest.fixture
def table(tmp_path):
    """Writes a table with a column of gaps."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"ph": rng.normal(6, 1, 60), "soil": rng.choice(["clay", "sand"], 60)})
    frame["depth"] = np.where(rng.random(60) < 0.5, np.nan, rng.normal(size=60))
    frame["species"] = rng.choice(["oak", "elm"], 60)
    frame.to_csv(tmp_path / "trees.csv", index=False)
    return tmp_path / "trees.csv"


def test_prints_columns_gaps_and_the_resolved_source_without_training(table, capsys):
    code, out, err = run(capsys, "data", "check", f"table:{table}?target=species&missing=impute")
    assert (code, err) == (0, "")
    assert "classification of table data" in out
    assert "`depth` has gaps in" in out
    assert f"--data 'table:{table}?target=species&task=classification&missing=impute'" in out


def test_json_is_strict_and_has_the_figure(table, tmp_path, capsys):
    out_folder = tmp_path / "checks"
    code, out, _ = run(capsys, "data", "check", table, "--out", out_folder, "--json")
    assert code == 0

    def refuse(name):
        raise AssertionError(name)

    facts = json.loads(out, parse_constant=refuse)
    assert facts["figure"] == str(out_folder / "batch.png")
    with Image.open(facts["figure"]) as figure:
        assert figure.format == "PNG"
    assert [row["name"] for row in facts["columns"]] == ["ph", "soil", "depth", "species"]


def test_a_table_that_cannot_be_trained_on_is_printed_and_exits_with_2(table, capsys):
    code, out, err = run(capsys, "data", "check", f"{table}?target=species")
    assert code == 2
    assert "3 columns" in out or "4 columns" in out
    assert "missing='drop'" in err
    assert len(err.splitlines()) == 1


def test_wrong_use_is_one_line(table, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    for arguments in (
        ["nothing.csv"],
        [f"{table}?tarket=species"],
        [f"table:{tmp_path / 'absent.csv'}?target=species"],
        [table, "--out", tmp_path / "file"],
        [],
    ):
        code, out, err = run(capsys, "data", "check", *arguments)
        assert (code, out) == (2, ""), arguments
        assert len(err.splitlines()) == 1, arguments


def test_help_lists_the_command(capsys):
    code, out, _ = run(capsys, "data", "--help")
    assert code == 0
    assert "check" in out
