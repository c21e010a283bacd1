"""Model cards."""

import json
import shutil

from recipes.reports.card import card
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
