"""Which explanations a model can have."""

import keras

from zoo.anatomy import last_spatial
from zoo.arguments import checked
from zoo.explain.score import refusal


@checked
def methods(model: keras.Model) -> dict:
    """Which explanations apply to a model, and why the others do not.

    Args:
        model: a Keras model, ours or not.
    Returns:
        A dict from each method's name to "" where it applies, else to the reason why it does not.

    >>> import zoo
    >>> zoo.explain.methods(zoo.dnn((4,), 2))["gradcam"]
    'last_spatial: no layer of `dnn` answers a map, (B, H, W, C) with H or W above 1.'
    """
    reason = refusal(model)
    kind = "" if reason else model.inputs[0].dtype
    gradients = reason
    if not reason and "float" not in kind:
        gradients = f"gradients need inputs of real numbers, the model's are {kind}"
    spatial = gradients
    if not spatial:
        try:
            last_spatial(model)
        except ValueError as error:
            spatial = str(error)
    return {
        "saliency": gradients,
        "smoothgrad": gradients,
        "integrated_gradients": gradients,
        "gradcam": spatial,
        "occlusion": reason,
    }
