"""The head of a model: the layers between the backbone's features and the output."""

from keras import layers

# Output activations of a head; "linear" returns logits or numbers.
HEAD_ACTIVATIONS = ("softmax", "sigmoid", "linear")


def is_head(layer):
    """Whether the name of a layer marks it as part of the head: `head`, or a name that begins with `head_`."""
    return layer.name == "head" or layer.name.startswith("head_")


def head_layer(output):
    """Returns the layer that computes the logits of a model's output, or None where the model ends without a head.

    The head is the last layer before output activations, dropout and reshaping, if it is called `head`, or if it is a
    dense layer or a 1 x 1 convolution with as many units as the output, (B, units), has.

    Args:
        output: symbolic output tensor of a functional model.
    """
    layer = output._keras_history.operation
    while _keeps_logits(layer):
        layer = layer.input._keras_history.operation
    if layer.name == "head":
        return layer
    units = {layers.Dense: "units", layers.Conv2D: "filters"}.get(type(layer))
    if not units or layer.activation.__name__ not in HEAD_ACTIVATIONS:
        return None
    if len(output.shape) != 2 or getattr(layer, units) != output.shape[-1]:
        return None
    dense = isinstance(layer, layers.Dense) or set(layer.kernel.shape[:2]) == {1}
    return layer if dense else None


def _keeps_logits(operation):
    """Whether an operation may stand between a head's logits and the output."""
    if isinstance(operation, layers.Activation):
        return operation.activation.__name__ in HEAD_ACTIVATIONS
    return isinstance(operation, layers.Softmax | layers.Flatten | layers.Reshape | layers.Dropout)
