"""Which explanations a model can have."""

import keras

from zoo.arguments import checked
from zoo.explain.attribution.gradcam import unmapped
from zoo.explain.attribution.guided import without_gates
from zoo.explain.attribution.lime import not_images
from zoo.explain.attribution.rise import unmaskable
from zoo.explain.score import missing, refusal, without_gradients


@checked
def methods(model: keras.Model) -> dict:
    """Which explanations apply to a model, and why the others do not.

    Args:
        model: a Keras model, ours or not.
    Returns:
        A dict from each method's name to "" where it applies, else to the reason why it does not.

    >>> import zoo
    >>> zoo.explain.methods(zoo.dnn((4,), 2))["gradcam"]
    'last_spatial: no layer of `dnn` outputs a map, (B, H, W, C) with H or W above 1'
    """
    reason = refusal(model, dense=True)
    gradients = reason or without_gradients(model)
    spatial = unmapped(model)
    guided = without_gates(model)
    return {
        "saliency": gradients,
        "smoothgrad": gradients,
        "integrated_gradients": gradients,
        "gradient_input": gradients,
        "guided_backprop": guided,
        "gradcam": spatial,
        "guided_gradcam": guided or spatial,
        "occlusion": reason,
        "rise": unmaskable(model),
        "lime": not_images(model) or missing("lime"),
        "shap_values": gradients or missing("shap"),
    }
