"""The commands of `zoo`: results on stdout, errors in one line on stderr, and exit codes."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recipes.cli.main import main

ROOT = Path(__file__).parents[2]
OPTIONS = "--epochs 12 --batch-size 8 --learning-rate 0.002 --set report_examples=0"  # without robustness, to be short


def run(capsys, *arguments):
    """Returns (exit code, stdout, stderr) of `zoo ARGUMENTS`."""
    with pytest.raises(SystemExit) as error:
        main([str(a) for a in arguments])
    captured = capsys.readouterr()
    return error.value.code or 0, captured.out, captured.err


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Writes two classes of small images of different sizes: the upper or the lower half is bright."""
    from PIL import Image

    root, rng = tmp_path_factory.mktemp("images"), np.random.default_rng(0)
    for label in ("above", "below"):
        (root / label).mkdir()
        for i in range(20):
            side = int(rng.integers(30, 50))
            pixels = rng.integers(0, 60, (side, side + 4, 3)).astype("uint8")
            half = pixels[: side // 2] if label == "above" else pixels[side // 2 :]
            half += 150
            Image.fromarray(pixels).save(root / label / f"{i}.{'png' if i % 2 else 'jpg'}")
    return root


@pytest.fixture(scope="module")
def trained(images, tmp_path_factory):
    """Trains a run on those images with the command line."""
    out = tmp_path_factory.mktemp("runs") / "run"
    with pytest.raises(SystemExit) as error:
        main(f"train classification --model lenet5 --data folder:{images} --out {out} {OPTIONS} --json".split())
    assert not error.value.code
    return out


def test_training_on_a_folder_of_images_writes_model_export_and_report(trained):
    files = {p.name for p in trained.iterdir()}
    assert {"model.keras", "metrics.json", "report.html", "saved_model"} <= files
    metrics = json.loads((trained / "metrics.json").read_text())
    assert metrics["export"]["largest_difference"] <= metrics["export"]["tolerance"]
    page = (trained / "report.html").read_text()
    assert page.count("data:image/png;base64,") >= 3
    assert "http" not in page.replace("https://", "http://").split("<style>")[1].split("</style>")[0]
    assert 'src="http' not in page


def test_predict_prints_one_row_per_file_in_order(trained, images, capsys):
    files = [images / "above" / "3.png", images / "below" / "4.jpg"]
    code, out, _ = run(capsys, "predict", trained, *files, "--json")
    rows = json.loads(out)
    assert code == 0
    assert [r["input"] for r in rows] == [str(f) for f in files]
    assert [r["class"] for r in rows] == ["above", "below"]
    assert abs(rows[0]["above"] + rows[0]["below"] - 1) < 1e-5


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet", ".jsonl"])
def test_predict_writes_a_file_with_the_reason_of_unreadable_ones(trained, images, tmp_path, capsys, suffix):
    (tmp_path / "photos" / "deep").mkdir(parents=True)
    shutil.copy(images / "above" / "3.png", tmp_path / "photos" / "deep" / "a.png")
    (tmp_path / "photos" / "b.png").write_bytes(b"no image")
    out = tmp_path / f"predicted{suffix}"
    code, printed, _ = run(capsys, "predict", trained, tmp_path / "photos", "--out", out)
    assert code == 1 and printed == f"2 rows\t{out}\n"
    readers = {".csv": pd.read_csv, ".parquet": pd.read_parquet}
    readers |= {".tsv": lambda p: pd.read_csv(p, sep="\t"), ".jsonl": lambda p: pd.read_json(p, lines=True)}
    table = readers[suffix](out).set_index("input")
    assert table["class"].dropna().tolist() == ["above"]
    assert table["error"].notna().sum() == 1 and table.index[table["error"].notna()][0].endswith("b.png")
    assert not list(tmp_path.glob("*.part"))
    code, _, err = run(capsys, "predict", trained, tmp_path / "photos", "--out", tmp_path / "predicted.doc")
    assert code == 2 and "`out` must end in .csv" in err


def test_evaluate_uses_the_test_split_or_other_data(trained, images, capsys):
    code, out, _ = run(capsys, "evaluate", trained, "--json")
    assert code == 0
    assert json.loads(out)["examples"] == 6
    code, out, _ = run(capsys, "evaluate", trained, "--data", f"folder:{images}", "--json")
    assert json.loads(out)["examples"] == 40
    code, _, err = run(capsys, "evaluate", trained, "--data", "bundled:digits")
    assert code == 2
    assert "`data` must have the classes or targets above, below" in err


def test_explain_writes_a_figure(trained, images, tmp_path, capsys):
    from PIL import Image

    code, out, _ = run(capsys, "explain", trained, images / "above" / "1.png", "--out", tmp_path / "why.png")
    assert code == 0
    assert out.strip() == str(tmp_path / "why.png")
    with Image.open(tmp_path / "why.png") as figure:
        assert min(figure.size) > 100


@pytest.mark.slow
@pytest.mark.usefixtures("parity_check_in_process")
def test_each_export_of_a_run_is_a_new_version(trained, tmp_path, capsys):
    for version in (1, 2):
        code, out, _ = run(capsys, "export", trained, tmp_path / "served")
        assert code == 0
        assert (tmp_path / "served" / str(version) / "saved_model.pb").is_file()
        assert "differs from predict by at most" in out


def test_list_and_describe_print_text_and_json(capsys):
    code, out, _ = run(capsys, "list", "--json")
    assert code == 0
    assert {"lenet5", "dnn"} <= {r["name"] for r in json.loads(out)}
    code, out, _ = run(capsys, "list", "recipes", "--json")
    assert "lenet5_mnist" in {r["name"] for r in json.loads(out)}
    code, out, _ = run(capsys, "list", "data")
    assert code == 0
    assert "mnist-5k" in out
    code, out, _ = run(capsys, "describe", "lenet5")
    assert "61,706" in out
    assert "LeCun" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "lenet5_mnits"], "Did you mean `lenet5_mnist`?"),
        (["train", "classification", "--model", "lenet5"], "--model and --data must be given"),
        (["train", "classification", "--model", "lenet", "--data", "bundled:digits"], "Did you mean `lenet5`?"),
        (["train", "classification", "--model", "dnn", "--data", "bundled:mnist5k"], "Did you mean `mnist-5k`?"),
        (["train", "classification", "--model", "dnn", "--data", "foldr:photos"], "foldr"),
        (["train", "lenet5_mnist", "--epochs", "2.5"], "2.5"),
        (["train", "lenet5_mnist", "--epochs", "0"], "`epochs` must be a whole number of at least 1, got 0"),
        (["train", "lenet5_mnist", "--set", "optimiser=sgd"], "Did you mean `optimizer`?"),
        (["train", "lenet5_mnist", "--set", "optimizer"], "--set must be NAME=VALUE"),
        (["train", "lenet5_mnist", "--size", "big"], "--size must be HEIGHTxWIDTH"),
        (["describe", "lenet6"], "Did you mean `lenet5`?"),
        (["list", "modles"], "Did you mean `models`?"),
        (["list", "--task", "clasify"], "Did you mean `classify`?"),
        (["predict", "no_such_run", "a.jpg"], "`run` must be the folder of a run"),
        (["trian"], "trian"),
        (["train", "lenet5_mnist", "--epoch", "3"], "--epoch"),
    ],
)
def test_wrong_use_is_one_line_on_stderr_and_exit_code_2(arguments, message, capsys):
    code, out, err = run(capsys, *arguments)
    lines = [line for line in err.splitlines() if not line.startswith("note: ")]
    assert code == 2
    assert out == ""
    assert message in err
    assert len(lines) == 1
    assert "Traceback" not in err


def test_errors_name_unreadable_and_missing_files(trained, images, tmp_path, capsys):
    truncated = tmp_path / "cut.jpg"
    truncated.write_bytes((images / "above" / "0.jpg").read_bytes()[:300])
    readable = images / "above" / "3.png"
    code, out, err = run(capsys, "predict", trained, truncated, readable)
    assert code == 1
    assert "cut.jpg cannot be read: " in err and "1 files could not be read" in err
    assert [line.split("\t")[:2] for line in out.splitlines()[1:]] == [[str(readable), "above"]]
    code, _, err = run(capsys, "predict", trained, truncated, readable, "--strict")
    assert code == 2
    assert "every file must be readable under --strict, got" in err
    code, _, err = run(capsys, "predict", trained, tmp_path / "missing.jpg")
    assert code == 2
    assert "missing.jpg" in err


def test_a_diverging_training_is_exit_code_1(tmp_path, capsys):
    code, _, err = run(
        capsys, "train", "dnn_diabetes", "--learning-rate", "1e30", "--set", "optimizer=sgd", "--out", tmp_path / "run"
    )
    assert code == 1
    assert "training diverged" in err


def test_training_on_a_table_and_predicting_its_rows(tmp_path, capsys):
    rng = np.random.default_rng(0)
    site, wet = rng.integers(0, 2, 80), rng.normal(size=80)
    lines = [
        "site,wetness,species",
        *(f"{'ab'[s]},{w:.3f},{'oak' if w + s > 0.5 else 'pine'}" for s, w in zip(site, wet, strict=True)),
    ]
    table = tmp_path / "plots.csv"
    table.write_text("\n".join(lines))
    code, out, err = run(
        capsys, "train", "classification", "--model", "dnn", "--data", f"table:{table}?target=species", "--out",
        tmp_path / "run", "--epochs", "30", "--learning-rate", "0.01", "--json",
    )  # fmt: skip
    assert code == 0, err
    assert json.loads(out)["test"]["accuracy"] > 0.7
    code, out, _ = run(capsys, "predict", tmp_path / "run", table, "--json")
    rows = json.loads(out)
    assert len(rows) == 80
    assert {r["class"] for r in rows} == {"oak", "pine"}
    code, _, err = run(capsys, "train", "classification", "--model", "dnn", "--data", f"table:{table}?target=specie")
    assert code == 2
    assert "Did you mean `species`?" in err


def test_a_pipe_gets_tab_separated_plain_numbers(capsys):
    code, out, _ = run(capsys, "list", "data")
    header, *rows = [line.split("\t") for line in out.splitlines()]
    assert code == 0
    assert {row[0]: row[header.index("examples")] for row in rows}["mnist-5k"] == "5000"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [("--version", 0, ""), ("train --epoch 5", 2, "--epochs"), ("predict", 2, "RUN"), ("export --help", 0, "")],
)
def test_version_help_and_wrong_options_do_not_import_tensorflow(arguments, code, message):
    script = (
        "import sys; from recipes.cli.main import main\n"
        f"try: main({arguments.split()!r})\n"
        "finally: assert 'tensorflow' not in sys.modules"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT)
    assert (result.returncode, message in result.stderr) == (code, True), result.stderr
