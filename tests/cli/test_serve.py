"""`zoo serve` and `zoo export` as they are called, and what they must not import."""

import signal
import subprocess
import sys

import pytest

import recipes
import zoo
from recipes.cli.main import main
from tests.serving.conftest import photos
from tests.tolerance import assert_close

LIGHT = """
import sys, zoo
zoo.serving.Client, zoo.serving.Server, zoo.serving.configs, zoo.predictor
heavy = ("fastapi", "uvicorn", "httpx", "grpc", "tensorflow_serving", "openvino", "yaml")
print(*(name for name in heavy if name in sys.modules))
"""


@pytest.mark.slow  # a process that imports Keras
def test_zoo_is_imported_without_what_only_serving_needs():
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", LIGHT], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.slow  # a server in a process of its own
def test_zoo_serve_answers_until_it_is_interrupted(shelf):
    command = [sys.executable, "-m", "recipes", "serve", str(shelf.folder), "--port", "0", "--grpc-port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        for address in process.stdout.readline().split():
            with zoo.serving.Client(address, "trees") as client:
                found = client.predict(photos(4))
                assert_close(found["probabilities"], shelf.answers)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "trees version 2 is available" in told
    assert "This is a development server. In production, serve the same folder with the stock" in told


def test_a_folder_without_models_is_wrong_use(tmp_path, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["serve", str(tmp_path)])
    assert caught.value.code == 2
    assert "zoo: serve: `folder` must hold NAME/VERSION/saved_model.pb" in capsys.readouterr().err


@pytest.mark.usefixtures("quick")
def test_an_export_of_a_run_can_be_folded_and_answer_skew(tmp_path, capsys):
    run = recipes.Classification(epochs=1).fit(zoo.dnn((11,), 3, units=(4,), activation="softmax"), "bundled:penguins")
    run.save(tmp_path / "run")
    with pytest.raises(SystemExit) as caught:
        main(["export", str(tmp_path / "run"), str(tmp_path / "served"), "--form", "folded", "--skew"])
    assert caught.value.code == 0, capsys.readouterr().err
    answer = zoo.predictor(str(tmp_path / "served"), "tensorflow")(run.data.test.head(5))
    expected = run.predict(run.data.test.head(5))
    assert_close(answer["probabilities"], expected, rtol=1e-4)
    assert answer["skew"].shape == (5, 3)
