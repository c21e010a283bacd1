"""The explanation methods that a model supports."""

import keras

from zoo.arguments import checked
from zoo.explain.attribution.gradcam import gradcam_unsupported_reason
from zoo.explain.attribution.guided import guided_unsupported_reason
from zoo.explain.attribution.lime import lime_unsupported_reason
from zoo.explain.attribution.rise import rise_unsupported_reason
from zoo.explain.model_requirements import missing_package_reason, no_gradient_reason, unsupported_reason


@checked
def methods(model: keras.Model) -> dict:
    """Lists the explanation methods, with the reason for each that the model does not support.

    Args:
        model: a Keras model, from the zoo or not.
    Returns:
        A dict from each method's name to "" if the model supports it, else to the reason why not.

    >>> import zoo
    >>> zoo.explain.methods(zoo.dnn((4,), 2))["rise"]
    '`model` must take images or series, whose neighbors are related, got (None, 4)'
    """
    unsupported = unsupported_reason(model, dense=True)
    gradients = unsupported or no_gradient_reason(model)
    gradcam = gradcam_unsupported_reason(model)
    guided = guided_unsupported_reason(model)
    return {
        "saliency": gradients,
        "smoothgrad": gradients,
        "integrated_gradients": gradients,
        "gradient_input": gradients,
        "guided_backprop": guided,
        "gradcam": gradcam,
        "guided_gradcam": guided or gradcam,
        "occlusion": unsupported,
        "rise": rise_unsupported_reason(model),
        "lime": lime_unsupported_reason(model) or missing_package_reason("lime"),
        "shap_values": gradients or missing_package_reason("shap"),
    }
