"""Guided backpropagation: gradients that pass a ReLU only if they are positive and the ReLU is active."""

import functools

import keras
import numpy as np

from zoo.arguments import Count, Whole, checked
from zoo.explain.attribution.gradcam import gradcam, gradcam_unsupported_reason
from zoo.explain.attribution.reduce_bands import reduce_bands
from zoo.explain.model_requirements import no_gradient_reason, unsupported_reason
from zoo.explain.score import Score, target_logits

# TensorFlow's operation: the name of its guided gradient.
GUIDED_GRADIENTS = {"Relu": "FieldzooGuidedRelu", "Relu6": "FieldzooGuidedRelu6"}


@checked
def guided_backprop(
    model: keras.Model,
    inputs: np.ndarray,
    target: tuple[Whole, ...] | None = None,
    *,
    mask: np.ndarray | None = None,
    batch_size: Count = 32,
) -> np.ndarray:
    """Absolute guided gradient of a class's logit, the maximum over the bands.

    (N, H, W, C) float  ->  (N, H, W) float32, at least 0; (N, T, F)  ->  (N, T); (N, F)  ->  (N, F).

    In the backward pass each ReLU (and ReLU6) passes only positive gradients, and only where it was active in the
    forward pass. Other activations keep their gradient. A model without any ReLU is refused. The maps are sharp, but
    depend less on the class than those of other methods: confirm them with a second method.

    Args:
        model: functional or Sequential model with one input and ReLUs; a final softmax or sigmoid is removed.
        inputs: inputs of the model, after preprocessing.
        target: class (or output) from 0, or one for each example; None for the predicted class.
        mask: for a model with a dense output, the positions to explain, nonzero where they count; None for all.
        batch_size: examples in one call of the model.
    Returns:
        |guided gradient| [logit per unit of the input]; not rescaled.
    Raises:
        ValueError: if the model, the inputs, the target or the mask do not fit, or no ReLU can be guided.

    Source: Springenberg et al. 2014, https://arxiv.org/abs/1412.6806, section 3.4.
    Differs: none; the paper does not define the rule for GELU, SiLU, ELU or leaky ReLU, so these are not guided.
    """
    return _guided_gradients("guided_backprop", model, inputs, target, mask, batch_size)


@checked
def guided_gradcam(
    model: keras.Model,
    inputs: np.ndarray,
    target: tuple[Whole, ...] | None = None,
    *,
    mask: np.ndarray | None = None,
    layer: str | None = None,
    batch_size: Count = 32,
) -> np.ndarray:
    """Guided backpropagation times Grad-CAM: the detail of the first where the second locates the class.

    (N, H, W, C) float  ->  (N, H, W) float32, at least 0; (N, T, F)  ->  (N, T).

    Args:
        model: functional or Sequential model with one input, ReLUs and a spatial feature map.
        inputs: inputs of the model, after preprocessing.
        target: class (or output) from 0, or one for each example; None for the predicted class.
        mask: for a model with a dense output, the positions to explain, nonzero where they count; None for all.
        layer: as for `gradcam`.
        batch_size: examples in one call of the model.
    Returns:
        The product of `guided_backprop` and `gradcam`; not rescaled.
    Raises:
        ValueError: as for `guided_backprop` and `gradcam`.

    Source: Selvaraju et al. 2016, https://arxiv.org/abs/1610.02391, section 3.2.
    Differs: none
    """
    gradients = _guided_gradients("guided_gradcam", model, inputs, target, mask, batch_size)
    reason = gradcam_unsupported_reason(model)
    if reason:
        raise ValueError(f"guided_gradcam: {reason}.")
    return gradients * gradcam(model, inputs, target, mask=mask, layer=layer, batch_size=batch_size)


def _guided_gradients(caller, model, inputs, target, mask, batch_size):
    import tensorflow as tf

    score = Score(caller, model, inputs, target, batch_size, dense=True, mask=mask)
    reason = guided_unsupported_reason(model)
    if reason:
        raise ValueError(f"{caller}: {reason}.")
    _register_gradients()

    def differentiate(x, target):
        # Only graphs support other gradients for their operations, and only tf.gradients uses them.
        with tf.compat.v1.get_default_graph().gradient_override_map(GUIDED_GRADIENTS):
            logits = score.logits(x)
        (gradient,) = tf.gradients(target_logits(logits, target), x)
        if gradient is None:
            raise ValueError(f"{caller}: the output of {model.name} has no gradient with respect to its input.")
        return tf.cast(gradient, "float32")

    compute = score.compile_function("guided", differentiate, tf.TensorSpec((None,), "int32"))
    x, targets = score.inputs, score.targets
    gradients = [
        compute(tf.constant(x[rows]), tf.constant(targets[rows])).numpy() for rows in score.batch_slices(len(x))
    ]
    return reduce_bands(np.abs(np.concatenate(gradients)), np.max)


@functools.cache
def _register_gradients():
    """Registers the guided gradients with TensorFlow, under names that no other graph uses."""
    import tensorflow as tf

    def relu(operation, gradient):
        (output,) = operation.outputs
        return tf.where((output > 0) & (gradient > 0), gradient, tf.zeros_like(gradient))

    def relu6(operation, gradient):
        (output,) = operation.outputs
        return tf.where(output < 6, relu(operation, gradient), tf.zeros_like(gradient))

    for operation, guided_gradient in (("Relu", relu), ("Relu6", relu6)):
        tf.RegisterGradient(GUIDED_GRADIENTS[operation])(guided_gradient)


def guided_unsupported_reason(model):
    """Returns the reason why guided backpropagation does not work on a model; "" if it does.

    It looks for ReLUs in the model's graph, because a ReLU can be a layer, a layer's activation or a call in a layer.
    """
    import tensorflow as tf

    reason = unsupported_reason(model, dense=True) or no_gradient_reason(model)
    if reason:
        return reason
    spec = tf.TensorSpec(model.inputs[0].shape, model.inputs[0].dtype)
    graph = (
        tf.function(lambda x: model(x, training=False), input_signature=[spec], autograph=False)
        .get_concrete_function()
        .graph
    )
    functions = graph.as_graph_def().library.function
    if any(node.op in GUIDED_GRADIENTS for function in functions for node in function.node_def):
        return "`model` has a ReLU in a loop or an inner function (as recurrent layers have), which cannot be guided"
    if not any(operation.type in GUIDED_GRADIENTS for operation in graph.get_operations()):
        return "`model` has no ReLU; the method is not defined for other activations, such as GELU, SiLU, ELU or tanh"
    return ""
