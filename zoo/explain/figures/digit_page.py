"""The live digit demo: draw, and see every layer's maps and the answer, in a page of one's own browser."""

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
from zoo.explain.layer_outputs import named, record
from zoo.introspect.layers import leaf_layers

LARGEST = 1 << 20  # bytes of a request


class DigitPage:
    """A page that runs; `.address` is where. It ends with `.close()`, the `with` block or the process."""

    def __init__(self, server):
        self._server = server
        self.address = f"http://127.0.0.1:{server.server_address[1]}/"
        self._thread = threading.Thread(target=server.serve_forever, name="digit page", daemon=True)
        self._thread.start()

    def wait(self):
        """Returns when the page was closed, or at Ctrl-C, which closes it."""
        try:
            self._thread.join()
        except KeyboardInterrupt:
            self.close()

    def close(self):
        """Ends the page."""
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
    prepare: typing.Callable | None = None,
    address: str | None = None,
    port: Whole = 0,
) -> DigitPage:
    """Serves a page in which one draws a digit and sees the maps of each layer and the answer, stroke by stroke.

    The page needs nothing from elsewhere, and the server, of the standard library, answers this machine only. The
    drawing is centred and scaled like the digits of MNIST: white on black, 20 of 28 pixels large.

    Args:
        model: a classifier of images (H, W, C) with H and W given, such as a trained `zoo.lenet5`; each band gets the
            same.
        classes: names of the answers; None for 0, 1, 2, ...
        layers: names, or paths `inner/layer`, of the layers that are shown; None for all that answer maps of their own.
        channels: maps of a layer that are shown at most.
        prepare: turns images (1, H, W, C), 0 to 255, into the model's inputs, such as a run's `preprocessing`; None
            divides by 255.
        address: REST address of the same model, exported and served, `http://host:8501/v1/models/NAME`: then the
            answer comes from there, to the image as it was drawn, and only the maps from `model`.
        port: of the page; 0 for any that is free.
    Returns:
        `DigitPage`, running; open its `.address` in a browser. In a script, `.wait()` keeps it up.
    Raises:
        ValueError: if the model does not answer classes for one image, there is no such layer, the number of classes is
            not the model's, or the port is taken.
    """
    if not isinstance(model, keras.Model) or not model.built or len(getattr(model, "inputs", None) or ()) != 1:
        raise ValueError("digit_page: `model` must be a built functional or Sequential model with one input.")
    shape, answers = tuple(model.inputs[0].shape[1:]), [tuple(tensor.shape) for tensor in model.outputs]
    if len(shape) != 3 or None in shape:
        raise ValueError(f"digit_page: `model` must take (H, W, C) with every size given, got {shape}.")
    if len(answers) != 1 or len(answers[0]) != 2 or answers[0][1] < 2:
        raise ValueError(f"digit_page: `model` must answer (B, classes) of two or more, got {answers}.")
    classes = classes or tuple(map(str, range(answers[0][1])))
    if len(classes) != answers[0][1]:
        raise ValueError(f"digit_page: `classes` must be {answers[0][1]} names, got {len(classes)}.")
    kept = named("digit_page", model, layers or _shown(model))
    demo = _Demo(model, shape, classes, kept, channels, prepare, address, threading.Lock())
    handler = type("Handler", (_Handler,), {"demo": demo})
    try:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", port), handler)
    except (OSError, OverflowError) as error:
        raise ValueError(f"digit_page: `port` {port} cannot be used: {error}.") from None
    server.daemon_threads = True
    return DigitPage(server)


def _shown(model):
    """The layers whose maps are not those of the layer before."""
    same = keras.layers.Dropout | keras.layers.Identity | keras.layers.Flatten | keras.layers.Reshape
    return tuple(path for path, layer in leaf_layers(model).items() if not isinstance(layer, same))


class _Demo(typing.NamedTuple):
    """What the page asks."""

    model: keras.Model
    shape: tuple
    classes: tuple
    layers: dict
    channels: int
    prepare: typing.Callable | None
    address: str | None
    lock: typing.Any  # layers are watched one drawing at a time

    def about(self):
        """What the page must know beforehand."""
        return {"height": self.shape[0], "width": self.shape[1], "classes": self.classes}

    def answer(self, request):
        """The answer to a drawing, and the maps of the layers, 0 to 255 on one scale for each layer."""
        image = np.asarray(request.get("image") if isinstance(request, dict) else None, dtype=object)
        values = [v for v in image.ravel() if isinstance(v, int | float) and not isinstance(v, bool) and 0 <= v <= 255]
        if image.shape != self.shape[:2] or len(values) != image.size:
            raise ValueError(f"`image` must be {self.shape[0]} x {self.shape[1]} numbers from 0 to 255.")
        image = np.repeat(image.astype("float32")[..., None], self.shape[2], axis=-1)[None]
        with self.lock:
            inputs = image / 255 if self.prepare is None else np.asarray(self.prepare(image))
            given, seen = record(self.model, inputs, self.layers)
        answer = (
            np.asarray(keras.ops.convert_to_numpy(given), "float64")[0] if self.address is None else self._served(image)
        )
        maps = [self._maps(path, keras.tree.flatten(found)[0]) for path, found in seen]
        return {"answer": [float(v) for v in answer], "layers": [m for m in maps if m is not None]}

    def _maps(self, path, found):
        maps = np.asarray(keras.ops.convert_to_numpy(keras.ops.cast(found, "float32")))
        if maps.ndim != 4 or max(maps.shape[1:3]) == 1:
            return None
        kept = maps[0, ..., : self.channels]
        low, high = kept.min(), kept.max()
        grey = np.round(255 * (kept - low) / (high - low or 1)).astype(int)
        rows = np.moveaxis(grey, -1, 0).reshape(grey.shape[-1], -1).tolist()
        return {"name": path, "height": maps.shape[1], "width": maps.shape[2], "channels": maps.shape[3], "maps": rows}

    def _served(self, image):
        """The probabilities that the served model answers to the raw image."""
        body = json.dumps({"instances": np.round(image).astype(int).tolist()}).encode()
        asked = urllib.request.Request(
            f"{self.address.rstrip('/')}:predict", body, {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(asked, timeout=10) as reply:
                found = json.load(reply)["predictions"][0]
        except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
            raise ValueError(f"{self.address} does not answer: {error}.") from None
        answers = [found] if isinstance(found, list) else [found.get("probabilities"), *found.values()]
        for answer in answers:
            if isinstance(answer, list) and len(answer) == len(self.classes) and isinstance(answer[0], int | float):
                return answer
        raise ValueError(f"{self.address} does not answer {len(self.classes)} numbers.")


class _Handler(http.server.BaseHTTPRequestHandler):
    """GET / is the page, GET /about what it must know, POST /answer what it asks."""

    demo: _Demo

    def do_GET(self):
        if not self._own():
            return
        if self.path == "/":
            self._send(200, "text/html; charset=utf-8", page().encode())
        elif self.path == "/about":
            self._json(200, self.demo.about())
        else:
            self._json(404, {"error": "There is no such page."})

    def do_POST(self):
        if not self._own():
            return
        length = self.headers.get("Content-Length", "")
        if self.path != "/answer" or not length.isdigit() or int(length) > LARGEST:
            self._json(
                404 if self.path != "/answer" else 413, {"error": "There is no such page, or too much was sent."}
            )
            return
        try:
            self._json(200, self.demo.answer(json.loads(self.rfile.read(int(length)))))
        except ValueError as error:
            self._json(400, {"error": str(error)})
        except Exception as error:  # whatever `prepare` or the model makes of a drawing: the page shows it
            self._json(500, {"error": f"{type(error).__name__}: {error}"})

    def _own(self):
        """Whether the request names this machine; a foreign page that has its own name point here does not."""
        if self.headers.get("Host", "").rsplit(":", 1)[0] in ("127.0.0.1", "localhost"):
            return True
        self._json(403, {"error": "This page answers its own machine only."})
        return False

    def _json(self, status, told):
        self._send(status, "application/json", json.dumps(told).encode())

    def _send(self, status, kind, body):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Says nothing: a line for each stroke would drown all else."""


def page():
    """The page's HTML."""
    return importlib.resources.files("zoo.explain").joinpath("digit_page.html").read_text("utf-8")
