"""Live digit demo: a web page that shows every layer's feature maps and the prediction for a drawing."""

import importlib.resources
import json
import threading
import typing
import urllib.error
import urllib.request

import keras
import numpy as np

from zoo.arguments import Count, Whole, checked
from zoo.explain.figures.local_page import LocalHandler, LocalPage
from zoo.explain.layer_outputs import record_outputs, select_layers
from zoo.introspect.layers import leaf_layers


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
) -> LocalPage:
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
        A running `LocalPage`; open its `.address` in a browser. In a script, `.wait()` keeps it running.
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
    return LocalPage(type("Handler", (_Handler,), {"demo": demo}), port, "digit_page")


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


class _Handler(LocalHandler):
    """GET / returns the page, GET /settings its settings, POST /predict the prediction for a drawing."""

    demo: _Demo

    def get(self):
        if self.path == "/":
            self.send_page(page())
        elif self.path == "/settings":
            self.send_json(200, self.demo.settings())
        else:
            self.send_json(404, {"error": f"{self.path} does not exist."})

    def post(self, request):
        if self.path == "/predict":
            self.send_json(200, self.demo.predict(request))
        else:
            self.send_json(404, {"error": f"{self.path} does not exist."})


def page():
    """Returns the page's HTML."""
    return importlib.resources.files("zoo.explain.figures").joinpath("digit_page.html").read_text("utf-8")
