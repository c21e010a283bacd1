"""Guided backpropagation: the gradient, kept only where every ReLU on its way is open and it speaks for the class."""

import functools

import keras
import numpy as np

from zoo.arguments import Count, Whole, checked
from zoo.explain.attribution.gradcam import gradcam, unmapped
from zoo.explain.score import Score, chosen, over_bands, refusal, without_gradients

RECTIFIERS = {
    "Relu": "FieldzooGuidedRelu",
    "Relu6": "FieldzooGuidedRelu6",
}  # TensorFlow's operation, its gated gradient


@checked
def guided_backprop(
    model: keras.Model,
    inputs: np.ndarray,
    target: tuple[Whole, ...] | None = None,
    *,
    mask: np.ndarray | None = None,
    batch_size: Count = 32,
) -> np.ndarray:
    """The size of the guided gradient of a class's logit, the largest over the bands.

    (N, H, W, C) float  ->  (N, H, W) float32, at least 0; (N, T, F)  ->  (N, T); (N, F)  ->  (N, F).

    On the way back each ReLU (and ReLU6) lets through what is positive, and only where it was open on the way forth.
    Other activations keep their own gradient; a model without any ReLU is refused, as there is nothing to guide. The
    maps are sharp, but depend on the class less than others: trust what a second method confirms.

    Args:
        model: functional or Sequential model with one input and ReLUs; a final softmax or sigmoid is undone.
        inputs: what the model takes, after preprocessing.
        target: class (or output) from 0, or one for each example; None for the predicted class.
        mask: of a model that answers for every place, true where its answer is explained; None for everywhere.
        batch_size: examples in one call of the model.
    Returns:
        |guided gradient| [logit per unit of the input]; not scaled.
    Raises:
        ValueError: if the model, the inputs, the target or the mask do not suit, or no ReLU can be gated.

    Source: Springenberg et al. 2014, https://arxiv.org/abs/1412.6806, section 3.4.
    Differs: none; the paper says nothing of GELU, SiLU, ELU or leaky ReLU, so these are not gated.
    """
    return _guided("guided_backprop", model, inputs, target, mask, batch_size)


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
    """Guided backpropagation times Grad-CAM: the detail of the one where the other sees the class.

    (N, H, W, C) float  ->  (N, H, W) float32, at least 0; (N, T, F)  ->  (N, T).

    Args:
        model: functional or Sequential model with one input, ReLUs and a spatial map.
        inputs: what the model takes, after preprocessing.
        target: class (or output) from 0, or one for each example; None for the predicted class.
        mask: of a model that answers for every place, true where its answer is explained; None for everywhere.
        layer: as `gradcam` has it.
        batch_size: examples in one call of the model.
    Returns:
        The product of `guided_backprop` and `gradcam`; not scaled.
    Raises:
        ValueError: as `guided_backprop` and `gradcam`.

    Source: Selvaraju et al. 2016, https://arxiv.org/abs/1610.02391, section 3.2.
    Differs: none
    """
    detail = _guided("guided_gradcam", model, inputs, target, mask, batch_size)
    reason = unmapped(model)
    if reason:
        raise ValueError(f"guided_gradcam: {reason}.")
    return detail * gradcam(model, inputs, target, mask=mask, layer=layer, batch_size=batch_size)


def _guided(caller, model, inputs, target, mask, batch_size):
    import tensorflow as tf

    score = Score(caller, model, inputs, target, batch_size, dense=True, mask=mask)
    reason = without_gates(model)
    if reason:
        raise ValueError(f"{caller}: {reason}.")
    _register()

    def differentiate(x, target):
        # Only a graph knows of other gradients for its operations, and only tf.gradients asks it for them.
        with tf.compat.v1.get_default_graph().gradient_override_map(RECTIFIERS):
            logits = score.logits(x)
        (gradient,) = tf.gradients(chosen(logits, target), x)
        if gradient is None:
            raise ValueError(f"{caller}: the answer of {model.name} has no gradient with respect to its input.")
        return tf.cast(gradient, "float32")

    guide = score.compiled("guided", differentiate, tf.TensorSpec((None,), "int32"))
    x, targets = score.inputs, score.targets
    found = [guide(tf.constant(x[s]), tf.constant(targets[s])).numpy() for s in score.batches(len(x))]
    return over_bands(np.abs(np.concatenate(found)), np.max)


@functools.cache
def _register():
    """Tells TensorFlow the gated gradients, under names that no one else's graph asks for."""
    import tensorflow as tf

    def relu(operation, gradient):
        (answer,) = operation.outputs
        return tf.where((answer > 0) & (gradient > 0), gradient, tf.zeros_like(gradient))

    def relu6(operation, gradient):
        (answer,) = operation.outputs
        return tf.where(answer < 6, relu(operation, gradient), tf.zeros_like(gradient))

    for kind, gated in (("Relu", relu), ("Relu6", relu6)):
        tf.RegisterGradient(RECTIFIERS[kind])(gated)


def without_gates(model):
    """Why guided backpropagation has nothing to gate in a model, or cannot; empty where it can.

    The model's graph is asked, not its layers, as a ReLU may be a layer, a layer's activation or a call within one.
    """
    import tensorflow as tf

    reason = refusal(model, dense=True) or without_gradients(model)
    if reason:
        return reason
    spec = tf.TensorSpec(model.inputs[0].shape, model.inputs[0].dtype)
    graph = tf.function(lambda x: model(x, training=False), input_signature=[spec]).get_concrete_function().graph
    if any(node.op in RECTIFIERS for inner in graph.as_graph_def().library.function for node in inner.node_def):
        return "`model` has a ReLU in a loop or a function of its own (as recurrent layers have), where it is not gated"
    if not any(operation.type in RECTIFIERS for operation in graph.get_operations()):
        return "`model` has no ReLU, and only ReLUs are gated: of GELU, SiLU, ELU or tanh the paper says nothing"
    return ""
