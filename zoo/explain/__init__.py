"""Why a model said so: `zoo.explain.NAME(model, inputs, target)` -> maps of the input's size, and pictures of them."""

from zoo.explain.activations import activations
from zoo.explain.adversarial_training import adversarial_training
from zoo.explain.agreement import agreement
from zoo.explain.attention import attention, attention_rollout
from zoo.explain.attribution import attribution
from zoo.explain.digit_page import digit_page
from zoo.explain.faithfulness import deletion, insertion
from zoo.explain.fgsm import fgsm
from zoo.explain.fields import receptive_fields
from zoo.explain.filters import filters
from zoo.explain.gabor import gabor
from zoo.explain.gradcam import gradcam
from zoo.explain.gradient_input import gradient_input
from zoo.explain.guided import guided_backprop, guided_gradcam
from zoo.explain.integrated_gradients import integrated_gradients
from zoo.explain.landscape import landscape
from zoo.explain.latent_map import latent_map
from zoo.explain.lbfgs import lbfgs
from zoo.explain.lime import lime
from zoo.explain.methods import methods
from zoo.explain.occlusion import occlusion
from zoo.explain.pgd import pgd
from zoo.explain.randomisation import randomisation
from zoo.explain.rise import rise
from zoo.explain.robustness import robustness_curve
from zoo.explain.saliency import saliency
from zoo.explain.shap_values import kept_gradients, shap_values
from zoo.explain.show import show
from zoo.explain.show_classes import show_classes
from zoo.explain.smoothgrad import smoothgrad

__all__ = [
    "activations",
    "adversarial_training",
    "agreement",
    "attention",
    "attention_rollout",
    "attribution",
    "deletion",
    "digit_page",
    "fgsm",
    "filters",
    "gabor",
    "gradcam",
    "gradient_input",
    "guided_backprop",
    "guided_gradcam",
    "insertion",
    "integrated_gradients",
    "kept_gradients",
    "landscape",
    "latent_map",
    "lbfgs",
    "lime",
    "methods",
    "occlusion",
    "pgd",
    "randomisation",
    "receptive_fields",
    "rise",
    "robustness_curve",
    "saliency",
    "shap_values",
    "show",
    "show_classes",
    "smoothgrad",
]
