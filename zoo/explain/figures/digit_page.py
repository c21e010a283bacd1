"""Live digit demo: a web page that shows every layer's feature maps and the prediction for a drawing."""

import http.server
import importlib.resources
import json
import threading
import typing
import urllib.error
import urllib.request

import keras
import numpy as np

from zoo.arguments import Count, Whole, checked
from zoo.explain.layer_outputs import record_outputs, select_layers
from zoo.introspect.layers import leaf_layers

MAX_REQUEST_BYTES = 1 << 20


class DigitPage:
    """A running page at `.address`. It stops with `.close()`, at the end of a `with` block or of the process."""

    def __init__(self, server):
        self._server = server
        self.address = f"http://127.0.0.1:{server.server_address[1]}/"
        self._thread = threading.Thread(target=server.serve_forever, name="digit page", daemon=True)
        self._thread.start()

    def wait(self):
        """Blocks until the page is closed; Ctrl-C closes it."""
        try:
            self._thread.join()
        except KeyboardInterrupt:
            self.close()

    def close(self):
        """Stops the server."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


@checked
def digit_page(
    model: keras.Model,
    *,
    classes: tuple[str, ...] | None = None,
    layers: tuple[str, ...] | None = None,
    channels: Count = 32,
    preprocessing: typing.Callable | None = None,
    address: str | None = None,
    port: Whole = 0,
) -> DigitPage:
    """Serves a page to draw a digit on, which shows the feature maps of each layer and the prediction while drawing.

    The page loads nothing from other hosts, and the server (of the standard library) accepts requests from this machine
    only. The drawing is centered and scaled like the digits of MNIST: white on black, 20 of 28 pixels large.

    Args:
        model: a classifier of images (H, W, C) of a fixed size, such as a trained `zoo.lenet5`; each band gets the same
            drawing.
        classes: names of the classes; None for 0, 1, 2, ...
        layers: names, or paths `inner/layer`, of the layers to show; None for all with new feature maps.
        channels: largest number of feature maps to show for a layer.
        preprocessing: converts images (1, H, W, C), 0 to 255, to the model's inputs, such as a run's `preprocessing`;
            None divides by 255.
        address: REST address of the same model, exported and served, `http://host:8501/v1/models/NAME`. Predictions for
            the raw drawing then come from there, and only the feature maps from `model`.
        port: port of the page; 0 for any free port.
    Returns:
        A running `DigitPage`; open its `.address` in a browser. In a script, `.wait()` keeps it running.
    Raises:
        ValueError: if the model does not output classes for one image, there is no such layer, the number of classes
            differs from the model's, or the port is in use.
    """
    if not isinstance(model, keras.Model) or not model.built or len(getattr(model, "inputs", None) or ()) != 1:
        raise ValueError("digit_page: `model` must be a built functional or Sequential model with one input.")
    input_shape, output_shapes = tuple(model.inputs[0].shape[1:]), [tuple(tensor.shape) for tensor in model.outputs]
    if len(input_shape) != 3 or None in input_shape:
        raise ValueError(f"digit_page: `model` must take (H, W, C) of a fixed size, got {input_shape}.")
    if len(output_shapes) != 1 or len(output_shapes[0]) != 2 or output_shapes[0][1] < 2:
        raise ValueError(f"digit_page: `model` must output (B, classes) with two or more, got {output_shapes}.")
    classes = classes or tuple(map(str, range(output_shapes[0][1])))
    if len(classes) != output_shapes[0][1]:
        raise ValueError(f"digit_page: `classes` must be {output_shapes[0][1]} names, got {len(classes)}.")
    selected = select_layers("digit_page", model, layers or _layers_with_new_maps(model))
    demo = _Demo(model, input_shape, classes, selected, channels, preprocessing, address, threading.Lock())
    handler = type("Handler", (_Handler,), {"demo": demo})
    try:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
    except (OSError, OverflowError) as error:
        raise ValueError(f"digit_page: `port` {port} cannot be used: {error}.") from None
    server.daemon_threads = True
    return DigitPage(server)


def _layers_with_new_maps(model):
    """Returns the paths of the layers whose output differs from that of the layer before."""
    unchanged = keras.layers.Dropout | keras.layers.Identity | keras.layers.Flatten | keras.layers.Reshape
    return tuple(path for path, layer in leaf_layers(model).items() if not isinstance(layer, unchanged))


class _Demo(typing.NamedTuple):
    """Data and predictions for the page."""

    model: keras.Model
    input_shape: tuple
    classes: tuple
    layers: dict
    channels: int
    preprocessing: typing.Callable | None
    address: str | None
    lock: typing.Any  # outputs are recorded for one drawing at a time

    def settings(self):
        """Returns the size of a drawing and the classes."""
        return {"height": self.input_shape[0], "width": self.input_shape[1], "classes": self.classes}

    def predict(self, request):
        """Returns the prediction for a drawing, and the layers' feature maps, scaled to 0 to 255 for each layer."""
        height, width, bands = self.input_shape
        image = np.asarray(request.get("image") if isinstance(request, dict) else None, dtype=object)
        values = [v for v in image.ravel() if isinstance(v, int | float) and not isinstance(v, bool) and 0 <= v <= 255]
        if image.shape != (height, width) or len(values) != image.size:
            raise ValueError(f"`image` must be {height} x {width} numbers from 0 to 255.")
        image = np.repeat(image.astype("float32")[..., None], bands, axis=-1)[None]
        with self.lock:
            inputs = image / 255 if self.preprocessing is None else np.asarray(self.preprocessing(image))
            outputs, records = record_outputs(self.model, inputs, self.layers)
        if self.address is None:
            prediction = np.asarray(keras.ops.convert_to_numpy(outputs), "float64")[0]
        else:
            prediction = self._served_prediction(image)
        layers = [self._feature_maps(path, keras.tree.flatten(output)[0]) for path, output in records]
        return {"prediction": [float(v) for v in prediction], "layers": [x for x in layers if x is not None]}

    def _feature_maps(self, path, output):
        maps = np.asarray(keras.ops.convert_to_numpy(keras.ops.cast(output, "float32")))
        if maps.ndim != 4 or max(maps.shape[1:3]) == 1:
            return None
        visible = maps[0, ..., : self.channels]
        low, high = visible.min(), visible.max()
        gray = np.round(255 * (visible - low) / (high - low or 1)).astype(int)
        rows = np.moveaxis(gray, -1, 0).reshape(gray.shape[-1], -1).tolist()
        return {"name": path, "height": maps.shape[1], "width": maps.shape[2], "channels": maps.shape[3], "maps": rows}

    def _served_prediction(self, image):
        """Returns the probabilities that the served model predicts for the raw image."""
        body = json.dumps({"instances": np.round(image).astype(int).tolist()}).encode()
        request = urllib.request.Request(
            f"{self.address.rstrip('/')}:predict", body, {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as reply:
                prediction = json.load(reply)["predictions"][0]
        except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
            raise ValueError(f"the request to {self.address} failed: {error}.") from None
        outputs = (
            [prediction] if isinstance(prediction, list) else [prediction.get("probabilities"), *prediction.values()]
        )
        for values in outputs:
            if isinstance(values, list) and len(values) == len(self.classes) and isinstance(values[0], int | float):
                return values
        raise ValueError(f"{self.address} must return {len(self.classes)} numbers.")


class _Handler(http.server.BaseHTTPRequestHandler):
    """GET / returns the page, GET /settings its settings, POST /predict the prediction for a drawing."""

    demo: _Demo

    def do_GET(self):
        if not self._check_host():
            return
        if self.path == "/":
            self._send(200, "text/html; charset=utf-8", page().encode())
        elif self.path == "/settings":
            self._send_json(200, self.demo.settings())
        else:
            self._send_json(404, {"error": f"{self.path} does not exist."})

    def do_POST(self):
        if not self._check_host():
            return
        length = self.headers.get("Content-Length", "")
        if self.path != "/predict":
            self._send_json(404, {"error": f"{self.path} does not exist."})
            return
        if not length.isdigit() or int(length) > MAX_REQUEST_BYTES:
            self._send_json(413, {"error": f"The request must have at most {MAX_REQUEST_BYTES} bytes."})
            return
        try:
            self._send_json(200, self.demo.predict(json.loads(self.rfile.read(int(length)))))
        except ValueError as error:
            self._send_json(400, {"error": str(error)})
        except Exception as error:  # any error of `preprocessing` or the model: the page shows it
            self._send_json(500, {"error": f"{type(error).__name__}: {error}"})

    def _check_host(self):
        """Returns whether the request names this machine, which prevents DNS rebinding by other pages."""
        if self.headers.get("Host", "").rsplit(":", 1)[0] in ("127.0.0.1", "localhost"):
            return True
        self._send_json(403, {"error": "This page accepts requests from its own machine only."})
        return False

    def _send_json(self, status, data):
        self._send(status, "application/json", json.dumps(data).encode())

    def _send(self, status, content_type, body):
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Logs nothing: there is a request for each stroke."""


def page():
    """Returns the page's HTML."""
    return importlib.resources.files("zoo.explain.figures").joinpath("digit_page.html").read_text("utf-8")
