"""Requirements of the explanation methods: each function returns the reason why a model fails one, or ""."""

import importlib.util

import keras

from zoo.introspect.output_activation import layer_operations


def unsupported_reason(model, dense=False):
    """Returns the reason why the logits of `model` cannot be explained, as the end of a sentence; "" if they can.

    Args:
        model: the object to explain.
        dense: whether dense predictions, (B, ..., classes), are supported too.
    """
    if keras.backend.backend() != "tensorflow":
        return f"explanations need Keras' TensorFlow backend, got {keras.backend.backend()}"
    if not isinstance(model, keras.Model):
        return f"`model` must be a keras.Model, got {type(model).__name__}"
    if not isinstance(model, keras.Sequential) and not hasattr(model, "operations"):
        return "`model` must be functional or Sequential: the output activation of a subclassed model is unknown"
    if not model.built:
        return "`model` must be built: give it an Input or call it once"
    end = _last_operation(model)
    if isinstance(end, keras.Model):
        return f"`model` must not end in a subclassed model, whose output activation is unknown, such as {end.name}"
    if len(model.inputs) != 1:
        return f"`model` must have one input, got {len(model.inputs)}"
    if len(model.outputs) != 1 or len(model.outputs[0].shape) < 2 or (len(model.outputs[0].shape) > 2 and not dense):
        expected = "(B, classes)" + (" or (B, ..., classes)" if dense else "")
        return f"`model` must output {expected}, got {[tuple(o.shape) for o in model.outputs]}"
    return ""


def _last_operation(model):
    """Returns the operation that computes the output, or the subclassed model that contains it."""
    while isinstance(model, keras.Model) and layer_operations(model):
        model = layer_operations(model)[-1]
    return model


def no_gradient_reason(model):
    """Returns the reason why the output of `model` has no gradient with respect to its input; "" if it can have one."""
    dtype = model.inputs[0].dtype
    return "" if "float" in dtype else f"gradients need floating-point inputs, the model's inputs are {dtype}"


def missing_package_reason(package):
    """Returns a message with the install command if `package`, which an explanation needs, is missing; "" if not."""
    if importlib.util.find_spec(package) is None:
        return f"the package {package} is missing; pip install 'fieldzoo[shap]'"
    return ""
