"""Explanations of predictions: `zoo.explain.METHOD(model, inputs, target)` returns maps of the input's size."""

from zoo.explain.attacks.adversarial_training import adversarial_training
from zoo.explain.attacks.fgsm import fgsm
from zoo.explain.attacks.lbfgs import lbfgs
from zoo.explain.attacks.pgd import pgd
from zoo.explain.attacks.robustness import robustness_curve
from zoo.explain.attribution.attention import attention, attention_rollout
from zoo.explain.attribution.attribution import attribution
from zoo.explain.attribution.gradcam import gradcam
from zoo.explain.attribution.gradient_input import gradient_input
from zoo.explain.attribution.guided import guided_backprop, guided_gradcam
from zoo.explain.attribution.integrated_gradients import integrated_gradients
from zoo.explain.attribution.lime import lime
from zoo.explain.attribution.occlusion import occlusion
from zoo.explain.attribution.rise import rise
from zoo.explain.attribution.saliency import saliency
from zoo.explain.attribution.shap_values import preserve_gradient_registry, shap_values
from zoo.explain.attribution.smoothgrad import smoothgrad
from zoo.explain.figures.activations import activations
from zoo.explain.figures.digit_page import digit_page
from zoo.explain.figures.filters import filters
from zoo.explain.figures.gabor import gabor
from zoo.explain.figures.landscape import landscape
from zoo.explain.figures.latent_map import latent_map
from zoo.explain.figures.receptive_fields import receptive_fields
from zoo.explain.figures.show import show
from zoo.explain.figures.show_classes import show_classes
from zoo.explain.methods import methods
from zoo.explain.quality.agreement import agreement
from zoo.explain.quality.faithfulness import deletion, insertion
from zoo.explain.quality.randomization import randomization

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
    "landscape",
    "latent_map",
    "lbfgs",
    "lime",
    "methods",
    "occlusion",
    "pgd",
    "preserve_gradient_registry",
    "randomization",
    "receptive_fields",
    "rise",
    "robustness_curve",
    "saliency",
    "shap_values",
    "show",
    "show_classes",
    "smoothgrad",
]
