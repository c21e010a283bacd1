"""The commands `zoo serve` and `zoo export`, and the packages that `import zoo` must not import."""

import signal
import subprocess
import sys

import pytest

import recipes
import zoo
from recipes.cli.main import main
from tests.exported_models import photos
from tests.tolerance import assert_close

IMPORTS = """
import sys, zoo
zoo.serving.Client, zoo.serving.Server, zoo.serving.configs, zoo.predictor
heavy = ("fastapi", "uvicorn", "httpx", "grpc", "tensorflow_serving", "openvino", "yaml")
print(*(name for name in heavy if name in sys.modules))
"""


@pytest.mark.slow  # a process that imports Keras
def test_importing_zoo_imports_no_package_that_only_serving_needs():
    process = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", IMPORTS], capture_output=True, text=True, check=True
    )
    assert process.stdout.split() == []


@pytest.mark.slow  # a server in a process of its own
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_zoo_serve_predicts_until_it_gets_a_signal(exports, number):
    command = [sys.executable, "-m", "recipes", "serve", str(exports.folder), "--port", "0", "--grpc-port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        for address in process.stdout.readline().split():
            with zoo.serving.Client(address, "trees") as client:
                outputs = client.predict(photos(4))
                assert_close(outputs["probabilities"], exports.probabilities)
        process.send_signal(number)
        _, notes = process.communicate(timeout=60)
    assert process.returncode == 0
    assert notes.endswith("those in progress get their response\nstopped\n")
    assert "trees version 2 is available" in notes
    assert "This is a development server. In production, serve the same folder with the stock" in notes


def test_serving_a_folder_without_models_exits_with_status_2(tmp_path, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["serve", str(tmp_path)])
    assert caught.value.code == 2
    assert "zoo: serve: `folder` must hold NAME/VERSION/saved_model.pb" in capsys.readouterr().err


@pytest.mark.usefixtures("parity_check_in_process")
def test_zoo_export_writes_a_format_and_the_output_skew(tmp_path, capsys):
    run = recipes.Classification(epochs=1).fit(zoo.dnn((9,), 3, units=(4,), activation="softmax"), "bundled:penguins")
    run.save(tmp_path / "run")
    with pytest.raises(SystemExit) as caught:
        main(["export", str(tmp_path / "run"), str(tmp_path / "served"), "--format", "folded", "--skew"])
    assert caught.value.code == 0, capsys.readouterr().err
    outputs = zoo.predictor(str(tmp_path / "served"), "tensorflow")(run.data.test.head(5))
    expected = run.predict(run.data.test.head(5))
    assert_close(outputs["probabilities"], expected, rtol=1e-4)
    assert outputs["skew"].shape == (5, 3)
