"""tf-explain's explainers and callbacks under the names and with the arguments that tf-explain has, for Keras 3.

    from zoo.explain.tfexplain import GradCAM, GradCAMCallback  # instead of tf_explain.core and tf_explain.callbacks

tf-explain 0.3.1 computes; here its models are adapted, not its code: it gets a view of the model whose layers have a
symbolic output, also in a Sequential and in models within the model. What it explains stays its own: its Grad-CAM,
SmoothGrad and integrated gradients are of the probability, and it hides patches behind 127.5. The functions of
`zoo.explain` explain the logit, answer arrays instead of pictures, and take any precision.
"""

import typing

import cv2
import keras
import numpy as np
import tensorflow as tf
from tf_explain import callbacks, core
from tf_explain.utils.display import grid_display, heatmap_display

from zoo.arguments import suggestion
from zoo.explain.figures.show import stretched
from zoo.explain.score import refusal
from zoo.introspect import last_spatial
from zoo.introspect.output_activation import as_logits

IntegratedGradients = core.IntegratedGradients  # works as it is


class Part(typing.NamedTuple):
    """A layer as tf-explain reads it."""

    name: str
    output: keras.KerasTensor
    output_shape: tuple


class View:
    """A model as tf-explain reads it: one flat graph, in which every layer has one symbolic output.

    Args:
        model: functional or Sequential, built, with one input and one output; a view is itself again.
    Raises:
        ValueError: if it is not.
    """

    def __new__(cls, model):
        return model if isinstance(model, View) else super().__new__(cls)

    def __init__(self, model):
        if model is self:
            return
        reason = refusal(model, dense=True)
        if reason:
            raise ValueError(f"tfexplain: {reason}.")
        self.model, self.layers = model, []
        self.inputs = keras.Input(batch_shape=model.inputs[0].shape, dtype=model.inputs[0].dtype)
        (self.output,) = self._flat(_graph(model), [self.inputs])

    def __call__(self, inputs):
        return self.model(inputs, training=False)

    def predict(self, inputs, batch_size=None):
        """The answers to `inputs`, without a bar on stdout."""
        return self.model.predict(inputs, batch_size=batch_size, verbose=0)

    def get_layer(self, name):
        """The last of the layers of that name, in a model within the model too."""
        found = {layer.name: layer for layer in self.layers}
        if name not in found:
            raise ValueError(
                f"tfexplain: no layer of {self.model.name} is called {name!r}.{suggestion(name, found)} "
                f"Its layers are {', '.join(found)}."
            )
        return found[name]

    def _flat(self, graph, inputs):
        """Calls the operations of a graph anew, those of the models in it one by one, and answers its outputs."""
        known = {id(place): tensor for place, tensor in zip(graph._inputs, inputs, strict=True)}
        for depth in sorted(graph._nodes_by_depth, reverse=True):
            for node in graph._nodes_by_depth[depth]:
                if node.is_input:
                    continue
                args, kwargs = node.arguments.fill_in(known)
                inner = _graph(node.operation)
                if inner is None:
                    outputs = keras.tree.flatten(node.operation(*args, **kwargs))
                else:
                    outputs = self._flat(inner, keras.tree.flatten(args[0] if args else kwargs["inputs"]))
                known.update(zip(map(id, node.outputs), outputs, strict=True))
                self.layers.append(Part(node.operation.name, outputs[-1], tuple(outputs[-1].shape)))
        return [known[id(tensor)] for tensor in graph._outputs]


def _graph(operation):
    """The graph of a functional or Sequential model, None of any other layer."""
    if isinstance(operation, keras.Sequential):
        return operation._functional
    return operation if isinstance(operation, keras.Model) and hasattr(operation, "_nodes_by_depth") else None


class GradCAM(core.GradCAM):
    """Grad-CAM; without `layer_name` on the map that `zoo.last_spatial` finds."""

    def explain(
        self,
        validation_data,
        model,
        class_index,
        layer_name=None,
        use_guided_grads=True,
        colormap=cv2.COLORMAP_VIRIDIS,
        image_weight=0.7,
    ):
        """As tf-explain's, for images of any number of bands."""
        images, _ = validation_data
        view = View(model)
        layer = view.get_layer(layer_name or last_spatial(view.model).layer.name)
        if len(layer.output_shape) != 4 or layer.output.dtype != "float32":
            got = f"{layer.output.dtype} {layer.output_shape}"
            raise ValueError(f"tfexplain: Grad-CAM needs a map, float32 (B, H, W, C); {layer.name} answers {got}.")
        maps, gradients = self.get_gradients_and_filters(view, images, layer.name, class_index, use_guided_grads)
        found = [np.asarray(one) for one in self.generate_ponderated_output(maps, gradients)]
        return _heat(found, images, colormap, image_weight)


class OcclusionSensitivity(core.OcclusionSensitivity):
    """Occlusion, also of images that are not square."""

    def explain(self, validation_data, model, class_index, patch_size, colormap=cv2.COLORMAP_VIRIDIS):
        """As tf-explain's, for images of any number of bands."""
        images, _ = validation_data
        found = [self.get_sensitivity_map(model, image, class_index, patch_size) for image in images]
        return _heat(found, images, colormap)

    def get_sensitivity_map(self, model, image, class_index, patch_size):
        """(H, W): 1 less the probability that is left when a patch of 127.5 lies there."""
        rows, columns = (range(0, side, patch_size) for side in image.shape[:2])
        hidden = np.repeat(np.asarray(image, "float32")[None], len(rows) * len(columns), axis=0)
        for n, (row, column) in enumerate((r, c) for r in rows for c in columns):
            hidden[n, row : row + patch_size, column : column + patch_size] = 127.5
        left = View(model).predict(hidden, batch_size=self.batch_size)[:, class_index]
        coarse = 1 - left.reshape(len(rows), len(columns)).astype("float64")
        return cv2.resize(coarse, (image.shape[1], image.shape[0]))


class SmoothGrad(core.SmoothGrad):
    """SmoothGrad."""

    def explain(self, validation_data, model, class_index, num_samples=5, noise=1.0):
        """As tf-explain's."""
        return super().explain(validation_data, View(model), class_index, num_samples, noise)


class _OfLogits:
    """The gradient of the logit, however the model ends."""

    def get_score_model(self, model):
        """A model that answers the logits of `model`, with its weights."""
        model = View(model).model

        class Logits(keras.layers.Layer):
            def call(self, inputs):
                with as_logits(model):
                    return model(inputs, training=False)

        inputs = keras.Input(batch_shape=model.inputs[0].shape, dtype=model.inputs[0].dtype)
        return keras.Model(inputs, Logits(dtype="float32", autocast=False)(inputs))


class VanillaGradients(_OfLogits, core.VanillaGradients):
    """Saliency."""


class GradientsInputs(_OfLogits, core.GradientsInputs):
    """Gradient x input."""


class ExtractActivations(core.ExtractActivations):
    """The maps of layers, in models within the model too."""

    def explain(self, validation_data, model, layers_name):
        """As tf-explain's; the maps of several layers stand below one another, each layer on its own scale."""
        view = View(model)
        wanted = [layers_name] if isinstance(layers_name, str) else layers_name
        for layer in map(view.get_layer, wanted):
            if len(layer.output_shape) != 4:
                raise ValueError(f"tfexplain: {layer.name} answers no maps (B, H, W, C) but {layer.output_shape}.")
        with np.errstate(invalid="ignore"):  # a map that is the same everywhere has no scale, and is shown black
            grids = [super(ExtractActivations, self).explain(validation_data, view, [name]) for name in wanted]
        width = max(grid.shape[1] for grid in grids)
        return np.concatenate([np.pad(grid, ((0, 0), (0, width - grid.shape[1]))) for grid in grids])

    @staticmethod
    def generate_activations_graph(model, layers_name):
        """What answers the maps of one layer."""
        view = View(model)
        return View(keras.Model(view.inputs, view.get_layer(layers_name[0]).output))


def _heat(maps, images, colormap, *weight):
    """tf-explain's picture of maps over images; it draws red, green and blue in [0, 1], [-1, 1] or bytes."""
    drawn = []
    for one, image in zip(maps, images, strict=True):
        if image.shape[-1] != 3:
            picture = stretched(image)
            image = picture if picture.ndim == 3 else np.dstack([picture] * 3)
        with np.errstate(invalid="ignore"):  # a map that is the same everywhere has no scale, and gets one colour
            drawn.append(heatmap_display(one, np.asarray(image), colormap, *weight))
    return grid_display(np.array(drawn))


class _EachEpoch:
    """Writes what `grid` answers as a picture into the callback's TensorBoard folder, after every epoch."""

    @property
    def view(self):
        """One view for the whole training: tf-explain compiles some of its functions for each model it meets."""
        if getattr(self, "_view", None) is None or self._view.model is not self.model:
            self._view = View(self.model)
        return self._view

    def on_epoch_end(self, epoch, logs=None):
        picture = np.atleast_3d(self.grid())
        with self.file_writer.as_default():
            tf.summary.image(self.tag, picture[None], step=epoch)

    def on_train_end(self, logs=None):
        self.file_writer.flush()


class ActivationsVisualizationCallback(_EachEpoch, callbacks.ActivationsVisualizationCallback):
    """Draws the maps of layers after every epoch."""

    tag = "Activations Visualization"

    def grid(self):
        return ExtractActivations().explain(self.validation_data, self.view, self.layers_name)


class GradCAMCallback(_EachEpoch, callbacks.GradCAMCallback):
    """Draws Grad-CAM after every epoch."""

    tag = "Grad CAM"

    def grid(self):
        return GradCAM().explain(
            self.validation_data, self.view, self.class_index, self.layer_name, self.use_guided_grads
        )


class IntegratedGradientsCallback(_EachEpoch, callbacks.IntegratedGradientsCallback):
    """Draws integrated gradients after every epoch."""

    tag = "IntegratedGradients"

    def grid(self):
        return IntegratedGradients().explain(self.validation_data, self.view, self.class_index, self.n_steps)


class OcclusionSensitivityCallback(_EachEpoch, callbacks.OcclusionSensitivityCallback):
    """Draws occlusion after every epoch."""

    tag = "Occlusion Sensitivity"

    def grid(self):
        return OcclusionSensitivity().explain(self.validation_data, self.view, self.class_index, self.patch_size)


class SmoothGradCallback(_EachEpoch, callbacks.SmoothGradCallback):
    """Draws SmoothGrad after every epoch."""

    tag = "SmoothGrad"

    def grid(self):
        return SmoothGrad().explain(self.validation_data, self.view, self.class_index, self.num_samples, self.noise)


class VanillaGradientsCallback(_EachEpoch, callbacks.VanillaGradientsCallback):
    """Draws the gradient of the logit after every epoch."""

    explainer = VanillaGradients()
    tag = "VanillaGradients"

    def set_model(self, model):
        keras.callbacks.Callback.set_model(self, model)  # the model may not be built yet

    def grid(self):
        if self.score_model is None:
            self.score_model = self.explainer.get_score_model(self.model)
        return self.explainer.explain_score_model(self.validation_data, self.score_model, self.class_index)


class GradientsInputsCallback(VanillaGradientsCallback):
    """Draws the gradient of the logit times the input after every epoch."""

    explainer = GradientsInputs()
    default_output_subdir = "gradients_inputs"
    tag = "GradientsInputs"
