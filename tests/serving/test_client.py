"""The client over a real loopback connection, by both protocols; retries against servers that fail on purpose."""

import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pandas
import pytest
import tensorflow as tf

import zoo
from tests.serving.conftest import NAMES, photos
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
def server(shelf, tmp_path_factory):
    folder = tmp_path_factory.mktemp("labelled")
    for name in ("trees", "soil"):
        (folder / name).symlink_to(shelf.folder / name)
    (folder / "models.config").write_text(CONFIG)
    with Server(str(folder), rest_port=0, grpc_port=0, poll_seconds=0) as running:
        yield running


@pytest.fixture(params=["rest", "grpc"])
def address(server, request):
    return server.rest_address if request.param == "rest" else server.grpc_address


def test_arrays_files_and_contents_get_named_arrays(address, shelf, tmp_path):
    files = [tmp_path / f"{i}.png" for i in range(2)]
    for file, image in zip(files, photos(2), strict=True):
        file.write_bytes(tf.io.encode_png(image).numpy())
    with Client(address, "trees") as client:
        found = client.predict(photos(4))
        assert_close(found["probabilities"], shelf.answers)
        assert found["probabilities"].dtype == np.float32
        assert found["classes"][0, 0] == NAMES[shelf.answers[0].argmax()]
        for inputs in (files, [str(f) for f in files], [f.read_bytes() for f in files]):
            assert_close(client.predict(inputs)["probabilities"], shelf.answers[:2])
        assert client.predict(files[0])["skew"].shape == (1, 3)
        features = client.predict(photos(2).astype("float64"), signature="features")
        assert features["features"].shape == (2, 6)  # a single answer keeps its name


def test_a_table_goes_as_a_frame_or_by_columns(address):
    table = {"height": [100, 250], "soil": ["clay", "sand"]}
    with Client(address, "soil") as client:
        found = [client.predict(t)["values"] for t in (table, pandas.DataFrame(table))]
        assert_close(*found)
        with pytest.raises(ValueError, match="predict: `inputs` lacks 'soil'; the signature takes height, soil"):
            client.predict({"height": [1]})
        with pytest.raises(ValueError, match="predict: `inputs` has 'siol', which is not taken. Did you mean `soil`"):
            client.predict({**table, "siol": ["clay"]})


def test_versions_labels_and_states(address):
    with Client(address, "trees", label="stable") as client:
        assert client.status() == {1: "AVAILABLE"}
        assert client.predict(photos(1))["probabilities"].shape == (1, 6)
    with Client(address, "trees", version=2) as client:
        assert client.status() == {2: "AVAILABLE"}
    with Client(address, "trees") as client:
        assert client.status() == {1: "AVAILABLE", 2: "AVAILABLE"}
        taken = client.signatures()["serving_default"]
        assert taken["inputs"] == {"photo": ("uint8", (None, None, None, 3))}
        assert taken["outputs"]["classes"] == ("string", (None, 5))


def test_what_cannot_be_answered_says_why(address):
    with Client(address, "trees") as client:
        with pytest.raises(ValueError, match="photo must be uint8, got float64 with other values"):
            client.predict(photos(1) / 2)
        with pytest.raises(ValueError, match="`inputs` must be files that exist, got gone.png"):
            client.predict("gone.png")
        with pytest.raises(ServingError, match="INVALID_ARGUMENT: image_bytes must be the content of"):
            client.predict(b"no picture")
        with pytest.raises(ServingError, match="must have the shape") as caught:
            client.predict(photos(1)[0])
        assert caught.value.code == "INVALID_ARGUMENT"
        with pytest.raises(ValueError, match="`signature` must be one of .*, got 'feature'. Did you mean `features`"):
            client.predict(photos(1), signature="feature")
    with (
        Client(address, "tree") as client,
        pytest.raises(ServingError, match='NOT_FOUND: there is no model "tree". Did you mean `trees`'),
    ):
        client.predict(photos(1))


class Unwilling(BaseHTTPRequestHandler):
    """Refuses twice as busy, then tells a status; asked for the model `slow`, it takes its time."""

    asked = 0

    def do_GET(self):
        type(self).asked += 1
        if self.path.endswith("slow"):
            time.sleep(0.5)
        busy = type(self).asked < 3
        told = b'{"error": "busy"}' if busy else b'{"model_version_status": [{"version": "1", "state": "AVAILABLE"}]}'
        self.send_response(503 if busy else 200)
        self.send_header("Content-Length", str(len(told)))
        self.end_headers()
        self.wfile.write(told)

    def log_message(self, *arguments):
        pass


@pytest.fixture
def unwilling():
    Unwilling.asked = 0
    server = HTTPServer(("127.0.0.1", 0), Unwilling)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_a_busy_server_is_asked_again(unwilling):
    with Client(unwilling, "trees", retries=2) as client:
        assert client.status() == {1: "AVAILABLE"}
    assert Unwilling.asked == 3
    Unwilling.asked = 0
    with Client(unwilling, "trees", retries=1) as client, pytest.raises(ServingError, match="UNAVAILABLE: busy"):
        client.status()
    assert Unwilling.asked == 2


def test_a_slow_server_is_given_up_at_once(unwilling):
    with Client(unwilling, "slow", timeout=0.1) as client, pytest.raises(ServingError, match="DEADLINE_EXCEEDED"):
        client.status()
    assert Unwilling.asked == 1


@pytest.mark.parametrize("scheme", ["http", "grpc"])
def test_a_server_that_is_not_there_is_told(scheme):
    client = Client(f"{scheme}://127.0.0.1:1", "trees", retries=1, timeout=5)
    with client, pytest.raises(ServingError, match="UNAVAILABLE"):
        client.status()


def test_addresses_and_choices_are_checked():
    with pytest.raises(ValueError, match="Client: `address` must be http://HOST:PORT or grpc://HOST:PORT"):
        Client("localhost:8501", "trees")
    with pytest.raises(ValueError, match="Client: `version` or `label` must be given, not both"):
        zoo.serving.Client("http://localhost:8501", "trees", version=1, label="stable")
