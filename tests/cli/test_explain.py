"""`zoo explain` and `zoo digits` as a person uses them: every method, typos, and the page in which one draws."""

import importlib.util
import json
import shutil
import urllib.request

import numpy as np
import pytest

import recipes
import zoo
from recipes.cli.explain import digits_page
from recipes.cli.main import main
from recipes.reference.recipes import RESULTS
from zoo import explain

LENET = RESULTS / "lenet5_mnist"
CHEAP = {
    "smoothgrad": ["samples=2"],
    "integrated_gradients": ["steps=4", "tolerance=100"],
    "occlusion": ["patch=14", "stride=[14, 7]", "fill=0.5"],
    "rise": ["samples=8"],
    "lime": ["samples=20"],
    "shap_values": ["samples=10"],
}


def run(capsys, *arguments):
    """(exit code, stdout, stderr) of `zoo ARGUMENTS`."""
    with pytest.raises(SystemExit) as stop:
        main([str(a) for a in arguments])
    captured = capsys.readouterr()
    return stop.value.code or 0, captured.out, captured.err


def seven():
    """(28, 28) 8-bit, a seven of straight strokes."""
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


def test_every_method_for_images_is_reached_with_its_numbers(digit, tmp_path, capsys):
    told = explain.methods(recipes.load_run(LENET).model)
    assert set(CHEAP) < set(told)
    for method, reason in told.items():
        if method in ("lime", "shap_values") and importlib.util.find_spec(method.partition("_")[0]) is None:
            continue
        numbers = [word for item in CHEAP.get(method, []) for word in ("--set", item)]
        picture = tmp_path / f"{method}.png"
        code, out, err = run(capsys, "explain", LENET, digit, "--method", method, "--out", picture, *numbers)
        if reason:
            assert code == 2 and reason in err
        else:
            assert (code, out.strip()) == (0, str(picture)), err
            assert picture.stat().st_size > 3000
    shown = [m for m, reason in told.items() if not reason]
    assert {"saliency", "gradcam", "occlusion", "rise", "integrated_gradients"} <= set(shown)


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
        (["--target", "eleven"], "`target` must be one of 0, 1, 2"),
    ],
)
def test_what_cannot_be_explained_is_one_line_with_the_nearest(digit, tmp_path, arguments, message, capsys):
    code, out, err = run(capsys, "explain", LENET, digit, "--out", tmp_path / "why.png", *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert not (tmp_path / "why.png").exists()


def test_a_method_that_does_not_suit_the_model_is_refused_with_the_reason(digit, tmp_path, capsys):
    arguments = ["--method", "gradcam", "--out", tmp_path / "why.png"]
    code, _, err = run(capsys, "explain", RESULTS / "dnn_penguins", digit, *arguments)
    assert code == 2 and "got 'gradcam' (last_spatial: no layer of `dnn` answers a map" in err


def test_attention_rollout_of_a_transformer(digit, tmp_path, capsys):
    x, y = np.random.default_rng(0).integers(0, 255, (16, 28, 28, 1)).astype("uint8"), np.arange(16) % 2
    model = zoo.vit((28, 28, 1), 2, patch=7, width=8, depth=2, heads=2, units=8)
    recipes.Classification(epochs=1, batch_size=8).fit(model, (x, y), out=tmp_path / "run", verbose=False)
    arguments = ["--method", "attention_rollout", "--out", tmp_path / "why.png"]
    code, out, err = run(capsys, "explain", tmp_path / "run", digit, *arguments)
    assert (code, out.strip()) == (0, str(tmp_path / "why.png")), err


def asked(address, image):
    body = json.dumps({"image": np.asarray(image).tolist()}).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{address}predict", body), timeout=20) as reply:
        return json.load(reply)


def test_zoo_digits_serves_the_page_of_a_trained_model(monkeypatch, capsys):
    answers = []
    page = type(explain.digit_page(zoo.lenet5((14, 14, 1), 2)))
    monkeypatch.setattr(page, "wait", lambda self: answers.append(asked(self.address, seven())))
    code, out, err = run(capsys, "digits", "lenet5_mnist", "--layers", "c1,c3")
    assert code == 0, err
    assert out.startswith("http://127.0.0.1:")
    assert "ctrl-c" in err
    (told,) = answers
    assert [layer["name"] for layer in told["layers"]] == ["c1", "c3"]
    expected = recipes.load_run(LENET)
    prepared = expected.preprocessing(seven()[None, :, :, None], training=False)
    np.testing.assert_allclose(told["prediction"], np.asarray(expected.model(prepared, training=False))[0], atol=1e-6)
    assert np.argmax(told["prediction"]) == 7


def test_drawings_are_brought_to_the_raw_images_size_and_bands(tmp_path):
    x, y = np.random.default_rng(0).integers(0, 255, (16, 20, 20, 1)).astype("uint8"), np.arange(16) % 2
    run = recipes.Classification(epochs=1, batch_size=8).fit(
        "lenet5", (x, y), out=tmp_path / "run", verbose=False, input_shape=(16, 16, 1)
    )
    with digits_page(tmp_path / "run") as page:
        told = asked(page.address, np.full((16, 16), 255))
    whole = np.full((1, 20, 20, 1), 255, "uint8")
    np.testing.assert_allclose(told["prediction"], run.predict(whole)[0], atol=1e-5)


def test_runs_without_images_or_without_a_folder_have_no_page(tmp_path, capsys):
    code, _, err = run(capsys, "digits", RESULTS / "dnn_penguins")
    assert code == 2 and "`run` must be of images with classes, got one on table data for classification" in err
    code, _, err = run(capsys, "digits", tmp_path / "no_run")
    assert code == 2 and "`run` must be the folder of a run" in err
    shutil.copytree(LENET, tmp_path / "lenet", ignore=shutil.ignore_patterns("1"))
    code, _, err = run(capsys, "digits", tmp_path / "lenet", "--layers", "c9")
    assert code == 2 and "has no layer 'c9'" in err
