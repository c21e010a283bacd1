"""What a model's last layer means: probabilities, or numbers."""

import keras


def activation(model):
    """The activation that a model's answer ends in: softmax, sigmoid or linear; looked up in its last layer, not guessed.

    Args:
        model: built `keras.Model`, ours or not, Sequential, functional or nested.
    Returns:
        The activation's Keras name; linear where the last layer has none.
    """
    last = model
    while isinstance(last, keras.Model):
        last = _last_layer(last)
    if isinstance(last, keras.layers.Softmax):
        return "softmax"
    function = getattr(last, "activation", None)
    return getattr(function, "__name__", "linear") if function is not None else "linear"


def _last_layer(model):
    if isinstance(model, keras.Sequential):
        return model.layers[-1]
    operation = getattr(model.outputs[0], "_keras_history", None) if model.built and hasattr(model, "outputs") else None
    return operation.operation if operation is not None else model.layers[-1]
