"""The client over a real connection with both protocols, and its retries with a server that fails on purpose."""

import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pandas
import pytest
import tensorflow as tf

import zoo
from tests.exported_models import NAMES, photos
from tests.tolerance import assert_close
from zoo.serving import Client, Server, ServingError

CONFIG = """model_config_list {
  config {
    name: "trees" base_path: "/models/trees" model_platform: "tensorflow"
    model_version_policy { specific { versions: 1 versions: 2 } }
    version_labels { key: "stable" value: 1 }
  }
  config { name: "soil" base_path: "/models/soil" model_platform: "tensorflow" }
}
"""


@pytest.fixture(scope="module")
def server(exports, tmp_path_factory):
    folder = tmp_path_factory.mktemp("labelled")
    for name in ("trees", "soil"):
        (folder / name).symlink_to(exports.folder / name)
    (folder / "models.config").write_text(CONFIG)
    with Server(str(folder), rest_port=0, grpc_port=0, poll_seconds=0) as running:
        yield running


@pytest.fixture(params=["rest", "grpc"])
def address(server, request):
    return server.rest_address if request.param == "rest" else server.grpc_address


def test_the_client_predicts_from_arrays_paths_and_file_contents(address, exports, tmp_path):
    files = [tmp_path / f"{i}.png" for i in range(2)]
    for file, image in zip(files, photos(2), strict=True):
        file.write_bytes(tf.io.encode_png(image).numpy())
    with Client(address, "trees") as client:
        outputs = client.predict(photos(4))
        assert_close(outputs["probabilities"], exports.probabilities)
        assert outputs["probabilities"].dtype == np.float32
        assert outputs["classes"][0, 0] == NAMES[exports.probabilities[0].argmax()]
        for inputs in (files, [str(f) for f in files], [f.read_bytes() for f in files]):
            probabilities = client.predict(inputs)["probabilities"]
            assert_close(probabilities, exports.probabilities[:2])
        assert client.predict(files[0])["skew"].shape == (1, 3)
        features = client.predict(photos(2).astype("float64"), signature="features")
        assert features["features"].shape == (2, 6)  # a single output keeps its name


def test_a_table_is_a_data_frame_or_a_dict_of_columns(address):
    table = {"height": [100, 250], "soil": ["clay", "sand"]}
    with Client(address, "soil") as client:
        predictions = [client.predict(t)["values"] for t in (table, pandas.DataFrame(table))]
        assert_close(*predictions)
        with pytest.raises(ValueError, match="predict: `inputs` lacks 'soil'; the model takes 'height', 'soil'"):
            client.predict({"height": [1]})
        with pytest.raises(
            ValueError, match="predict: `inputs` has 'siol', which the model does not take. Did you mean `soil`"
        ):
            client.predict({**table, "siol": ["clay"]})
        with pytest.raises(ValueError, match="predict: `inputs` must be named arrays height, soil"):
            client.predict(np.ones((2, 1)))


def test_versions_labels_and_states(address):
    with Client(address, "trees", label="stable") as client:
        assert client.status() == {1: "AVAILABLE"}
        assert client.predict(photos(1))["probabilities"].shape == (1, 6)
    with Client(address, "trees", version=2) as client:
        assert client.status() == {2: "AVAILABLE"}
    with Client(address, "trees") as client:
        assert client.status() == {1: "AVAILABLE", 2: "AVAILABLE"}
        signature = client.signatures()["serving_default"]
        assert signature["inputs"] == {"photo": ("uint8", (None, None, None, 3))}
        assert signature["outputs"]["classes"] == ("string", (None, 5))


def test_errors_say_why_a_prediction_failed(address):
    with Client(address, "trees") as client:
        with pytest.raises(ValueError, match="predict: `inputs`: photo must be uint8, got float64 with other values"):
            client.predict(photos(1) / 2)
        with pytest.raises(ValueError, match="`inputs` must be files that exist, got gone.png"):
            client.predict("gone.png")
        with pytest.raises(ServingError, match="INVALID_ARGUMENT: image_bytes must be the content of"):
            client.predict(b"no picture")
        with pytest.raises(ValueError, match="photo must have the shape"):
            client.predict(photos(1)[0])
        with pytest.raises(ValueError, match="`signature` must be one of .*, got 'feature'. Did you mean `features`"):
            client.predict(photos(1), signature="feature")
    with (
        Client(address, "tree") as client,
        pytest.raises(ServingError, match='NOT_FOUND: there is no model "tree". Did you mean `trees`'),
    ):
        client.predict(photos(1))


class BusyHandler(BaseHTTPRequestHandler):
    """Refuses two requests as busy, then returns a status; the model `slow` takes half a second."""

    requests = 0

    def do_GET(self):
        type(self).requests += 1
        if self.path.endswith("slow"):
            time.sleep(0.5)
        busy = type(self).requests < 3
        body = b'{"error": "busy"}' if busy else b'{"model_version_status": [{"version": "1", "state": "AVAILABLE"}]}'
        self.send_response(503 if busy else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def busy_address():
    BusyHandler.requests = 0
    server = HTTPServer(("127.0.0.1", 0), BusyHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_requests_to_a_busy_server_are_repeated(busy_address):
    with Client(busy_address, "trees", retries=2) as client:
        assert client.status() == {1: "AVAILABLE"}
    assert BusyHandler.requests == 3
    BusyHandler.requests = 0
    with Client(busy_address, "trees", retries=1) as client, pytest.raises(ServingError, match="UNAVAILABLE: busy"):
        client.status()
    assert BusyHandler.requests == 2


def test_a_request_that_times_out_is_not_repeated(busy_address):
    with Client(busy_address, "slow", timeout=0.1) as client, pytest.raises(ServingError, match="DEADLINE_EXCEEDED"):
        client.status()
    assert BusyHandler.requests == 1


@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_a_server_that_is_not_reached_is_unavailable(scheme):
    client = Client(f"{scheme}://127.0.0.1:1", "trees", retries=1, timeout=5)
    with client, pytest.raises(ServingError, match="UNAVAILABLE"):
        client.status()


def test_bad_addresses_and_a_version_with_a_label_are_refused():
    with pytest.raises(ValueError, match="Client: `address` must be http://HOST:PORT or grpc://HOST:PORT"):
        Client("localhost:8501", "trees")
    with pytest.raises(ValueError, match="Client: `version` or `label` must be given, not both"):
        zoo.serving.Client("http://localhost:8501", "trees", version=1, label="stable")
