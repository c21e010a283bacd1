"""The live digit demo: its server, its page, and the page in a browser if one is installed."""

import html.parser
import http.server
import json
import re
import shutil
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request

import keras
import numpy as np
import pytest
from keras import layers

import zoo
from tests.explain.test_gradients import linear
from tests.tolerance import assert_close
from zoo import explain
from zoo.explain.figures.digit_page import page

BROWSER = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None)


@pytest.fixture
def model():
    return zoo.lenet5((28, 28, 1), 10)


def drawing(side=28):
    image = np.zeros((side, side), int)
    image[4:24, 13:16] = 255
    return image


def request_json(page, path, body=None, **headers):
    request = urllib.request.Request(page.address + path, body, headers)
    with urllib.request.urlopen(request, timeout=20) as reply:
        return json.load(reply)


def test_the_response_to_a_drawing_has_the_prediction_and_the_feature_maps_of_every_layer(model):
    with explain.digit_page(model) as running:
        response = request_json(running, "predict", json.dumps({"image": drawing().tolist()}).encode())
        assert request_json(running, "settings") == {"height": 28, "width": 28, "classes": [str(i) for i in range(10)]}
    x = drawing()[None, :, :, None] / 255
    assert_close(response["prediction"], model.predict(x, verbose=0)[0])
    assert [(m["name"], len(m["maps"]), m["height"]) for m in response["layers"]] == [
        ("c1", 6, 28),
        ("s2", 6, 14),
        ("c3", 16, 10),
        ("s4", 16, 5),
    ]
    c1 = explain.activations(model, x, "c1").outputs["c1"][0]
    expected = np.round(255 * (c1 - c1.min()) / np.ptp(c1))
    np.testing.assert_allclose(np.array(response["layers"][0]["maps"][2]).reshape(28, 28), expected[..., 2], atol=1)


def test_the_page_loads_nothing_from_other_hosts(model):
    with explain.digit_page(model) as running, urllib.request.urlopen(running.address, timeout=20) as reply:
        assert reply.headers["Content-Type"] == "text/html; charset=utf-8"
        assert reply.read().decode() == page()
    assert not re.search(r"https?://|src=|@import|url\(", page())

    class IdParser(html.parser.HTMLParser):
        ids = ()

        def handle_starttag(self, tag, attributes):
            self.ids += tuple((tag, value) for key, value in attributes if key == "id")

    parser = IdParser()
    parser.feed(page())
    expected = {("canvas", "draw"), ("canvas", "input"), ("button", "clear"), ("output", "prediction"), ("div", "bars")}
    assert expected < set(parser.ids)


def test_classes_layers_bands_and_preprocessing_can_be_set():
    inner = zoo.lenet5((20, 20, 3), 4, name="inner")
    model = keras.Sequential([layers.Input((20, 20, 3)), inner, layers.Dense(3, activation="softmax")])
    images_seen = []

    def preprocessing(images):
        images_seen.append(images)
        return images / 255 - 0.5

    arguments = {"classes": ("a", "b", "c"), "layers": "inner/c3", "channels": 5, "preprocessing": preprocessing}
    with explain.digit_page(model, **arguments) as running:
        response = request_json(running, "predict", json.dumps({"image": drawing(20).tolist()}).encode())
        assert request_json(running, "settings")["classes"] == ["a", "b", "c"]
    assert [(m["name"], m["channels"], len(m["maps"])) for m in response["layers"]] == [("inner/c3", 16, 5)]
    np.testing.assert_array_equal(images_seen[0], np.repeat(drawing(20)[None, :, :, None], 3, axis=-1))
    assert_close(response["prediction"], model.predict(images_seen[0] / 255 - 0.5, verbose=0)[0])


@pytest.mark.parametrize(
    "reply",
    [
        [[0.25, 0.5, 0.25]],
        [{"classes": ["x", "y", "z"], "probabilities": [0.25, 0.5, 0.25]}],
        [{"p": [0.25, 0.5, 0.25]}],
    ],
)
def test_a_served_model_predicts_from_the_raw_drawing(reply):
    requests = []

    class FakeServing(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            requests.append((self.path, json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
            body = json.dumps({"predictions": reply}).encode()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), FakeServing)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    model = zoo.lenet5((14, 14, 1), 3)
    address = f"http://127.0.0.1:{server.server_address[1]}/v1/models/digits"
    image = np.arange(196).reshape(14, 14).tolist()
    try:
        with explain.digit_page(model, address=address) as running:
            response = request_json(running, "predict", json.dumps({"image": image}).encode())
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    assert response["prediction"] == [0.25, 0.5, 0.25]
    assert len(response["layers"]) == 4 - 1  # S4 is a single cell
    assert requests[0][0] == "/v1/models/digits:predict"
    assert np.array(requests[0][1]["instances"])[0, :, :, 0].tolist() == image


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "message"),
    [
        ("predict", b'{"image": [[1, 2]]}', {}, 400, "`image` must be 28 x 28 numbers from 0 to 255"),
        ("predict", json.dumps({"image": np.full((28, 28), 256).tolist()}).encode(), {}, 400, "from 0 to 255"),
        ("predict", b'{"image": "abc"}', {}, 400, "`image` must be"),
        ("predict", b"[]", {}, 400, "`image` must be"),
        ("predict", b"{", {}, 400, "Expecting"),
        ("predict", b" " * (1 << 20) + b"{}", {}, 413, "at most 1048576 bytes"),
        ("elsewhere", b"{}", {}, 404, "does not exist"),
        ("../etc/passwd", None, {}, 404, "does not exist"),
        ("settings", None, {"Host": "elsewhere.example"}, 403, "its own machine only"),
    ],
)
def test_wrong_requests_get_an_error_status_and_the_page_keeps_running(model, path, body, headers, status, message):
    with explain.digit_page(model) as running:
        try:
            request_json(running, path, body, **headers)
        except urllib.error.HTTPError as error:
            assert error.code == status
            assert message in json.load(error)["error"]
            error.close()
        except (ConnectionError, urllib.error.URLError):  # the server closed the connection during the upload
            assert status == 413
        else:
            pytest.fail("the request was accepted")
        assert request_json(running, "settings")["height"] == 28


def test_errors_of_the_served_model_and_of_preprocessing_are_returned(model):
    body = json.dumps({"image": drawing().tolist()}).encode()
    for arguments, code, message in (
        (
            {"address": "http://127.0.0.1:9/v1/models/none"},
            400,
            "the request to http://127.0.0.1:9/v1/models/none failed",
        ),
        ({"preprocessing": lambda images: images[:, :3]}, 400, ""),
        ({"preprocessing": lambda images: 1 / 0}, 500, "ZeroDivisionError"),
    ):
        with explain.digit_page(model, **arguments) as running:
            with pytest.raises(urllib.error.HTTPError) as caught:
                request_json(running, "predict", body)
            assert caught.value.code == code
            assert message in json.load(caught.value)["error"]
            caught.value.close()


def test_the_page_is_local_and_frees_its_port_when_closed(model):
    running = explain.digit_page(model)
    port = int(running.address.split(":")[-1].strip("/"))
    assert running._server.server_address == ("127.0.0.1", port)
    with pytest.raises(ValueError, match=f"digit_page: `port` {port} cannot be used"):
        explain.digit_page(model, port=port)
    running.close()
    with socket.socket() as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free.bind(("127.0.0.1", port))


@pytest.mark.parametrize(
    ("build", "arguments", "message"),
    [
        (lambda: linear((6,)), {}, r"`model` must take \(H, W, C\) of a fixed size, got \(6,\)"),
        (lambda: linear((6, 6, 1), classes=1), {}, r"`model` must output \(B, classes\) with two or more"),
        (lambda: linear((6, 6, 1)), {"classes": ("a",)}, "`classes` must be 3 names, got 1"),
        (lambda: linear((6, 6, 1)), {"layers": ("c9",)}, "has no layer 'c9'"),
        (lambda: linear((6, 6, 1)), {"port": 99999}, "`port` 99999 cannot be used"),
        (lambda: "lenet5", {}, "`model` must be a built functional or Sequential model"),
    ],
)
def test_unsupported_models_and_arguments_raise_an_error(build, arguments, message):
    with pytest.raises(ValueError, match=f"digit_page: .*{message}"):
        explain.digit_page(build(), **arguments)


STROKES = """<script>
const start = () => document.body.dataset.ready ? strike() : setTimeout(start, 20);
function strike() {
  const box = document.getElementById("draw").getBoundingClientRect();
  const send = (kind, x, y) => document.getElementById("draw").dispatchEvent(
    new PointerEvent(kind, { clientX: box.left + x, clientY: box.top + y, bubbles: true }));
  send("pointerdown", 60, 60);
  for (const [x, y] of [[110, 60], [160, 60], [200, 62], [185, 110], [165, 160], [150, 220]]) send("pointermove", x, y);
  send("pointerup", 150, 220);
  send("pointermove", 20, 20);
}
start();
</script></body>"""


def browse(address, folder, *arguments):
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}", *arguments]
    return subprocess.run([*command, address], capture_output=True, text=True, timeout=60).stdout


@pytest.mark.skipif(BROWSER is None, reason="there is no Chromium on the path")
def test_a_browser_shows_the_feature_maps_and_the_prediction_for_a_drawing(model, monkeypatch, tmp_path):
    page_with_strokes = page().replace("</body>", STROKES)
    monkeypatch.setattr(sys.modules["zoo.explain.figures.digit_page"], "page", lambda: page_with_strokes)
    images_seen = []

    def preprocessing(images):
        images_seen.append(images)
        return images / 255

    with explain.digit_page(model, preprocessing=preprocessing) as running:
        dom = browse(running.address, tmp_path, "--virtual-time-budget=10000", "--dump-dom")
    assert re.findall(r"<figcaption>(.*?)</figcaption>", dom) == [
        "c1: 6 feature maps of 28 x 28",
        "s2: 6 feature maps of 14 x 14",
        "c3: 16 feature maps of 10 x 10",
        "s4: 16 feature maps of 5 x 5",
    ]
    layers_part = dom[dom.index('id="layers"') :]
    assert layers_part.count("<canvas") == 44
    last = images_seen[-1][0, :, :, 0]
    expected = model.predict(last[None, :, :, None] / 255, verbose=0)[0]
    assert re.search(r'<output id="prediction"[^>]*>(\d)</output>', dom)[1] == str(expected.argmax())
    probabilities = [float(v) for v in re.findall(r"<span>(\d\.\d{3})</span>", dom)]
    assert_close(probabilities, expected, rtol=6e-4, scale=1)  # the page shows three decimals
    assert re.search(r'<p id="error" role="alert"></p>', dom)
    # The seven is upright, 20 pixels high and centered by its mass.
    rows = np.nonzero(last > 30)[0]
    assert 19 <= np.ptp(rows) + 1 <= 21
    mass = (last * (np.arange(28) + 0.5)).sum() / last.sum(), (last.T * (np.arange(28) + 0.5)).sum() / last.sum()
    np.testing.assert_allclose(mass, 14, atol=0.6)
    assert last[rows.min() + 1].sum() > 2 * last[rows.max() - 1].sum()  # the bar is above
