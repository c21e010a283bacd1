"""Explainers and callbacks of tf-explain for Keras 3, with tf-explain's names and arguments.

    from zoo.explain.attribution.tf_explain import GradCAM, GradCAMCallback  # instead of tf_explain.core and .callbacks

The computation is that of tf-explain 0.3.1. Only its access to models is adapted: it gets a view of the model whose
layers have a symbolic output, also in a Sequential and in nested models. Its Grad-CAM, SmoothGrad and integrated
gradients explain the probability, and it fills hidden patches with 127.5. The functions of `zoo.explain` explain the
logit, return arrays instead of pictures, and support any precision.
"""

import typing

import cv2
import keras
import numpy as np
import tensorflow as tf
from tf_explain import callbacks, core
from tf_explain.utils.display import grid_display, heatmap_display

from zoo.arguments import suggestion
from zoo.explain.figures.show import stretch_contrast
from zoo.explain.model_requirements import unsupported_reason
from zoo.introspect import last_spatial
from zoo.introspect.output_activation import as_logits

IntegratedGradients = core.IntegratedGradients  # works without changes


class LayerView(typing.NamedTuple):
    """A layer with the attributes that tf-explain uses."""

    name: str
    output: keras.KerasTensor
    output_shape: tuple


class ModelView:
    """A model with the attributes that tf-explain uses: one flat graph, in which every layer has one symbolic output.

    Args:
        model: functional or Sequential, built, with one input and one output. A view is returned unchanged.
    Raises:
        ValueError: if it is not.
    """

    def __new__(cls, model):
        return model if isinstance(model, ModelView) else super().__new__(cls)

    def __init__(self, model):
        if model is self:
            return
        reason = unsupported_reason(model, dense=True)
        if reason:
            raise ValueError(f"tf_explain: {reason}.")
        self.model, self.layers = model, []
        self.inputs = keras.Input(batch_shape=model.inputs[0].shape, dtype=model.inputs[0].dtype)
        (self.output,) = self._flatten(_graph(model), [self.inputs])

    def __call__(self, inputs):
        return self.model(inputs, training=False)

    def predict(self, inputs, batch_size=None):
        """Returns predictions, without a progress bar on stdout."""
        return self.model.predict(inputs, batch_size=batch_size, verbose=0)

    def get_layer(self, name):
        """Returns the last layer with this name, also in a nested model."""
        layers = {layer.name: layer for layer in self.layers}
        if name not in layers:
            raise ValueError(
                f"tf_explain: {self.model.name} has no layer {name!r}.{suggestion(name, layers)} "
                f"Its layers are {', '.join(layers)}."
            )
        return layers[name]

    def _flatten(self, graph, inputs):
        """Calls the operations of a graph again, those of nested models one by one, and returns its outputs."""
        tensors = {id(symbol): tensor for symbol, tensor in zip(graph._inputs, inputs, strict=True)}
        for depth in sorted(graph._nodes_by_depth, reverse=True):
            for node in graph._nodes_by_depth[depth]:
                if node.is_input:
                    continue
                args, kwargs = node.arguments.fill_in(tensors)
                inner = _graph(node.operation)
                if inner is None:
                    outputs = keras.tree.flatten(node.operation(*args, **kwargs))
                else:
                    outputs = self._flatten(inner, keras.tree.flatten(args[0] if args else kwargs["inputs"]))
                tensors.update(zip(map(id, node.outputs), outputs, strict=True))
                self.layers.append(LayerView(node.operation.name, outputs[-1], tuple(outputs[-1].shape)))
        return [tensors[id(tensor)] for tensor in graph._outputs]


def _graph(operation):
    """Returns the graph of a functional or Sequential model, None for any other layer."""
    if isinstance(operation, keras.Sequential):
        return operation._functional
    return operation if isinstance(operation, keras.Model) and hasattr(operation, "_nodes_by_depth") else None


class GradCAM(core.GradCAM):
    """Grad-CAM; without `layer_name` it uses the layer that `zoo.last_spatial` returns."""

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
        """Returns tf-explain's picture, for images with any number of bands."""
        images, _ = validation_data
        view = ModelView(model)
        layer = view.get_layer(layer_name or last_spatial(view.model).layer.name)
        if len(layer.output_shape) != 4 or layer.output.dtype != "float32":
            got = f"{layer.output.dtype} {layer.output_shape}"
            raise ValueError(
                f"tf_explain: Grad-CAM needs a feature map, float32 (B, H, W, C); {layer.name} outputs {got}."
            )
        maps, gradients = self.get_gradients_and_filters(view, images, layer.name, class_index, use_guided_grads)
        heatmaps = [np.asarray(heatmap) for heatmap in self.generate_ponderated_output(maps, gradients)]
        return _draw_heatmaps(heatmaps, images, colormap, image_weight)


class OcclusionSensitivity(core.OcclusionSensitivity):
    """Occlusion, also for images that are not square."""

    def explain(self, validation_data, model, class_index, patch_size, colormap=cv2.COLORMAP_VIRIDIS):
        """Returns tf-explain's picture, for images with any number of bands."""
        images, _ = validation_data
        heatmaps = [self.get_sensitivity_map(model, image, class_index, patch_size) for image in images]
        return _draw_heatmaps(heatmaps, images, colormap)

    def get_sensitivity_map(self, model, image, class_index, patch_size):
        """Returns (H, W): 1 minus the probability when a patch at this pixel is filled with 127.5."""
        rows, columns = (range(0, side, patch_size) for side in image.shape[:2])
        hidden = np.repeat(np.asarray(image, "float32")[None], len(rows) * len(columns), axis=0)
        for n, (row, column) in enumerate((r, c) for r in rows for c in columns):
            hidden[n, row : row + patch_size, column : column + patch_size] = 127.5
        probabilities = ModelView(model).predict(hidden, batch_size=self.batch_size)[:, class_index]
        coarse = 1 - probabilities.reshape(len(rows), len(columns)).astype("float64")
        return cv2.resize(coarse, (image.shape[1], image.shape[0]))


class SmoothGrad(core.SmoothGrad):
    """SmoothGrad."""

    def explain(self, validation_data, model, class_index, num_samples=5, noise=1.0):
        """Returns tf-explain's picture."""
        return super().explain(validation_data, ModelView(model), class_index, num_samples, noise)


class _LogitGradients:
    """Gradients of the logit, with or without a final softmax or sigmoid."""

    def get_score_model(self, model):
        """Returns a model that outputs the logits of `model` and has its weights."""
        model = ModelView(model).model

        class Logits(keras.layers.Layer):
            def call(self, inputs):
                with as_logits(model):
                    return model(inputs, training=False)

        inputs = keras.Input(batch_shape=model.inputs[0].shape, dtype=model.inputs[0].dtype)
        return keras.Model(inputs, Logits(dtype="float32", autocast=False)(inputs))


class VanillaGradients(_LogitGradients, core.VanillaGradients):
    """Saliency maps."""


class GradientsInputs(_LogitGradients, core.GradientsInputs):
    """Gradient x input."""


class ExtractActivations(core.ExtractActivations):
    """Feature maps of layers, also in nested models."""

    def explain(self, validation_data, model, layers_name):
        """Returns tf-explain's picture; several layers are stacked vertically, each with its own scale."""
        view = ModelView(model)
        names = [layers_name] if isinstance(layers_name, str) else layers_name
        for layer in map(view.get_layer, names):
            if len(layer.output_shape) != 4:
                raise ValueError(
                    f"tf_explain: {layer.name} must output feature maps (B, H, W, C), got {layer.output_shape}."
                )
        with np.errstate(invalid="ignore"):  # a constant map has a range of 0 and is drawn black
            grids = [super(ExtractActivations, self).explain(validation_data, view, [name]) for name in names]
        width = max(grid.shape[1] for grid in grids)
        return np.concatenate([np.pad(grid, ((0, 0), (0, width - grid.shape[1]))) for grid in grids])

    @staticmethod
    def generate_activations_graph(model, layers_name):
        """Returns a view that outputs the feature maps of one layer."""
        view = ModelView(model)
        return ModelView(keras.Model(view.inputs, view.get_layer(layers_name[0]).output))


def _draw_heatmaps(heatmaps, images, colormap, *image_weight):
    """Returns tf-explain's picture of heatmaps over images; three bands in [0, 1], [-1, 1] or bytes are RGB."""
    overlays = []
    for heatmap, image in zip(heatmaps, images, strict=True):
        if image.shape[-1] != 3:
            picture = stretch_contrast(image)
            image = picture if picture.ndim == 3 else np.dstack([picture] * 3)
        with np.errstate(invalid="ignore"):  # a constant map has a range of 0 and gets one color
            overlays.append(heatmap_display(heatmap, np.asarray(image), colormap, *image_weight))
    return grid_display(np.array(overlays))


class _DrawEachEpoch:
    """Writes the picture of `grid` to the callback's TensorBoard folder after every epoch."""

    @property
    def view(self):
        """One view for the whole training, because tf-explain compiles some of its functions for each model object."""
        if getattr(self, "_view", None) is None or self._view.model is not self.model:
            self._view = ModelView(self.model)
        return self._view

    def on_epoch_end(self, epoch, logs=None):
        picture = np.atleast_3d(self.grid())
        with self.file_writer.as_default():
            tf.summary.image(self.tag, picture[None], step=epoch)

    def on_train_end(self, logs=None):
        self.file_writer.flush()


class ActivationsVisualizationCallback(_DrawEachEpoch, callbacks.ActivationsVisualizationCallback):
    """Draws the feature maps of layers after every epoch."""

    tag = "Activations Visualization"

    def grid(self):
        return ExtractActivations().explain(self.validation_data, self.view, self.layers_name)


class GradCAMCallback(_DrawEachEpoch, callbacks.GradCAMCallback):
    """Draws Grad-CAM after every epoch."""

    tag = "Grad CAM"

    def grid(self):
        return GradCAM().explain(
            self.validation_data, self.view, self.class_index, self.layer_name, self.use_guided_grads
        )


class IntegratedGradientsCallback(_DrawEachEpoch, callbacks.IntegratedGradientsCallback):
    """Draws integrated gradients after every epoch."""

    tag = "IntegratedGradients"

    def grid(self):
        return IntegratedGradients().explain(self.validation_data, self.view, self.class_index, self.n_steps)


class OcclusionSensitivityCallback(_DrawEachEpoch, callbacks.OcclusionSensitivityCallback):
    """Draws occlusion after every epoch."""

    tag = "Occlusion Sensitivity"

    def grid(self):
        return OcclusionSensitivity().explain(self.validation_data, self.view, self.class_index, self.patch_size)


class SmoothGradCallback(_DrawEachEpoch, callbacks.SmoothGradCallback):
    """Draws SmoothGrad after every epoch."""

    tag = "SmoothGrad"

    def grid(self):
        return SmoothGrad().explain(self.validation_data, self.view, self.class_index, self.num_samples, self.noise)


class VanillaGradientsCallback(_DrawEachEpoch, callbacks.VanillaGradientsCallback):
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
