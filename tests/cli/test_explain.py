"""`zoo explain` with every method, its errors, and the page of `zoo digits`."""

import dataclasses
import importlib.util
import json
import shutil
import urllib.request

import numpy as np
import pandas as pd
import pytest

import recipes
import zoo
from recipes.cli.explain import digits_page
from recipes.cli.main import main
from recipes.reports import word_figures
from tests.tolerance import assert_close
from zoo import explain
from zoo.weights import RESULTS_FOLDER

LENET = RESULTS_FOLDER / "lenet5_mnist"
FAST_SETTINGS = {
    "smoothgrad": ["samples=2"],
    "integrated_gradients": ["steps=4", "tolerance=100"],
    "occlusion": ["patch=14", "stride=[14, 7]", "fill=0.5"],
    "rise": ["samples=8"],
    "lime": ["samples=20"],
    "shap_values": ["samples=10"],
}


def run(capsys, *arguments):
    """Returns (exit code, stdout, stderr) of `zoo ARGUMENTS`."""
    with pytest.raises(SystemExit) as error:
        main([str(a) for a in arguments])
    captured = capsys.readouterr()
    return error.value.code or 0, captured.out, captured.err


def seven():
    """Returns a (28, 28) 8-bit image of a seven."""
    image = np.zeros((28, 28), "uint8")
    image[5:8, 6:21] = 255
    for row in range(8, 24):
        image[row, 20 - row // 2 : 23 - row // 2] = 255
    return image


@pytest.fixture
def digit(tmp_path):
    from PIL import Image

    Image.fromarray(seven()).save(tmp_path / "seven.png")
    return tmp_path / "seven.png"


def test_every_method_for_images_accepts_its_arguments(digit, tmp_path, capsys):
    reasons = explain.methods(recipes.load_run(LENET).model)
    assert set(FAST_SETTINGS) < set(reasons)
    for method, reason in reasons.items():
        if method in ("lime", "shap_values") and importlib.util.find_spec(method.partition("_")[0]) is None:
            continue
        settings = [word for item in FAST_SETTINGS.get(method, []) for word in ("--set", item)]
        figure = tmp_path / f"{method}.png"
        code, out, err = run(capsys, "explain", LENET, digit, "--method", method, "--out", figure, *settings)
        if reason:
            assert code == 2 and reason in err
        else:
            assert (code, out.strip()) == (0, str(figure)), err
            assert figure.stat().st_size > 3000
    applicable = [m for m, reason in reasons.items() if not reason]
    assert {"saliency", "gradcam", "occlusion", "rise", "integrated_gradients"} <= set(applicable)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--method", "gradcm"], "got 'gradcm'. Did you mean `gradcam`?"),
        (["--method", "guided_gradcm"], "Did you mean `guided_gradcam`?"),
        (["--method", "occlusoin"], "Did you mean `occlusion`?"),
        (["--method", "attention_rollout"], "has no layer of the class keras.layers.MultiHeadAttention"),
        (["--method", "attention_rollout", "--target", "7"], "`target` must not be given for attention_rollout"),
        (["--method", "occlusion", "--set", "pach=4"], "Did you mean `patch`?"),
        (["--method", "occlusion", "--set", "patch=40"], "`patch` must be 2 sides within the sides of the input"),
        (["--out", "why.xyz"], "`out` must end in one of ."),
        (["--out", "why"], ".pdf, .pgf, .png"),
        (["--out", "no-folder/why.png"], "`out` must be a file in a folder that exists"),
        (["--target", "eleven"], "`target` must be one of 0, 1, 2"),
    ],
)
def test_errors_suggest_the_nearest_name(digit, tmp_path, arguments, message, capsys):
    code, out, err = run(capsys, "explain", LENET, digit, "--out", tmp_path / "why.png", *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert not (tmp_path / "why.png").exists()


def test_a_method_that_does_not_apply_to_the_model_raises_with_the_reason(digit, tmp_path, capsys):
    arguments = ["--method", "gradcam", "--out", tmp_path / "why.png"]
    code, _, err = run(capsys, "explain", RESULTS_FOLDER / "dnn_penguins", digit, *arguments)
    assert code == 2 and "got 'gradcam' (last_spatial: no layer of `dnn` outputs a map" in err


@pytest.mark.slow
def test_attention_rollout_of_a_transformer(digit, tmp_path, capsys):
    x, y = np.random.default_rng(0).integers(0, 255, (16, 28, 28, 1)).astype("uint8"), np.arange(16) % 2
    model = zoo.vit((28, 28, 1), 2, patch=7, width=8, depth=2, heads=2, units=8)
    recipes.Classification(epochs=1, batch_size=8).fit(model, (x, y), out=tmp_path / "run", verbose=False)
    arguments = ["--method", "attention_rollout", "--out", tmp_path / "why.png"]
    code, out, err = run(capsys, "explain", tmp_path / "run", digit, *arguments)
    assert (code, out.strip()) == (0, str(tmp_path / "why.png")), err


@pytest.fixture(scope="module")
def notes_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("notes")
    x = [f"{'a heron' if i % 2 else 'the trout'} number {i}" for i in range(40)]
    task = recipes.TextClassification(epochs=1, batch_size=8, length=5)
    run = task.fit("lstm", (x, ["bird" if i % 2 else "fish" for i in range(40)]), units=(4,), verbose=False)
    run.replace(schema=dataclasses.replace(run.schema, text="note")).save(folder)
    return folder


@pytest.mark.slow
def test_texts_are_explained_by_default_up_to_a_number_of_rows(notes_run, tmp_path, monkeypatch, capsys):
    (tmp_path / "new.csv").write_text("note,day\n" + "a heron or trout,1\n" * 30)
    (tmp_path / "other.csv").write_text("comment,day\na heron,1\n")
    figures = []
    monkeypatch.setattr(word_figures, "write_words", lambda ax, words, *a, **k: figures.append(words))
    arguments = ["explain", notes_run, tmp_path / "new.csv", "--out", tmp_path / "why.svg"]
    code, out, err = run(capsys, *arguments)
    assert (code, out.strip()) == (0, str(tmp_path / "why.svg")), err
    assert "explained the first 20 only; --examples explains more" in err
    assert figures == [["a", "heron", "[unknown]", "trout"]] * 20
    figures.clear()
    code, _, err = run(capsys, *arguments, "--examples", "30")
    assert code == 0 and "explained the first" not in err and len(figures) == 30
    code, _, err = run(capsys, "explain", notes_run, tmp_path / "other.csv", "--out", tmp_path / "why.png")
    assert code == 2 and "must have the column 'note', got 'comment', 'day'. `--text COLUMN`" in err
    code, _, err = run(
        capsys, "explain", notes_run, tmp_path / "other.csv", "--text", "comment", "--out", tmp_path / "why.png"
    )
    assert code == 0 and (tmp_path / "why.png").is_file()


def test_of_a_large_table_the_first_rows_are_explained(tmp_path, capsys):
    row = recipes.load("bundled:penguins").train.head(1)
    saved = recipes.load_run(RESULTS_FOLDER / "dnn_penguins")
    frame = pd.DataFrame({c.source: row[c.name] for c in saved.schema.columns})
    pd.concat([frame] * 20_000).to_csv(tmp_path / "many.csv", index=False)
    arguments = ["--method", "saliency", "--examples", "3", "--out", tmp_path / "why.png"]
    code, _, err = run(capsys, "explain", RESULTS_FOLDER / "dnn_penguins", tmp_path / "many.csv", *arguments)
    assert code == 0 and "explained the first 3 only" in err


def post_drawing(address, image):
    body = json.dumps({"image": np.asarray(image).tolist()}).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{address}predict", body), timeout=20) as response:
        return json.load(response)


def test_digits_serves_the_page_of_a_reference_model(monkeypatch, capsys):
    replies = []
    page = type(explain.digit_page(zoo.lenet5((14, 14, 1), 2)))
    monkeypatch.setattr(page, "wait", lambda self: replies.append(post_drawing(self.address, seven())))
    code, out, err = run(capsys, "digits", "lenet5_mnist", "--layers", "c1,c3")
    assert code == 0, err
    assert out.startswith("http://127.0.0.1:")
    assert "ctrl-c" in err
    (reply,) = replies
    assert [layer["name"] for layer in reply["layers"]] == ["c1", "c3"]
    saved = recipes.load_run(LENET)
    inputs = saved.preprocessing(seven()[None, :, :, None], training=False)
    assert_close(reply["prediction"], np.asarray(saved.model(inputs, training=False))[0])
    assert np.argmax(reply["prediction"]) == 7


def test_drawings_are_resized_to_the_raw_images(tmp_path):
    x, y = np.random.default_rng(0).integers(0, 255, (16, 20, 20, 1)).astype("uint8"), np.arange(16) % 2
    run = recipes.Classification(epochs=1, batch_size=8).fit(
        "lenet5", (x, y), out=tmp_path / "run", verbose=False, input_shape=(16, 16, 1)
    )
    with digits_page(tmp_path / "run") as page:
        reply = post_drawing(page.address, np.full((16, 16), 255))
    white = np.full((1, 20, 20, 1), 255, "uint8")
    assert_close(reply["prediction"], run.predict(white)[0])


def test_digits_needs_a_run_on_images_and_known_layers(tmp_path, capsys):
    code, _, err = run(capsys, "digits", RESULTS_FOLDER / "dnn_penguins")
    assert code == 2 and "`run` must be a classification of images, got classification of table data" in err
    code, _, err = run(capsys, "digits", tmp_path / "no_run")
    assert code == 2 and "`run` must be the folder of a run" in err
    shutil.copytree(LENET, tmp_path / "lenet", ignore=shutil.ignore_patterns("1"))
    code, _, err = run(capsys, "digits", tmp_path / "lenet", "--layers", "c9")
    assert code == 2 and "has no layer 'c9'" in err
