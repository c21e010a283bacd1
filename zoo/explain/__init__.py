"""Why a model said so: `zoo.explain.NAME(model, inputs, target)` -> maps of the input's size, and pictures of them."""

from zoo.explain.gradcam import gradcam
from zoo.explain.integrated_gradients import integrated_gradients
from zoo.explain.methods import methods
from zoo.explain.occlusion import occlusion
from zoo.explain.saliency import saliency
from zoo.explain.show import show
from zoo.explain.smoothgrad import smoothgrad

__all__ = ["gradcam", "integrated_gradients", "methods", "occlusion", "saliency", "show", "smoothgrad"]
