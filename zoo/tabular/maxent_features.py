"""Maxent: a regularized log-linear model of transformed environmental variables."""

import keras
from keras import layers

from zoo.arguments import Activation, Count, Shape
from zoo.layers.lasso_dense import LassoDense
from zoo.layers.maxent_features import FeatureClass, MaxentFeatures
from zoo.registry import register
from zoo.tabular.tabm import table_inputs


@register(
    task="tabular",
    source="https://doi.org/10.1111/j.0906-7590.2008.5203.x",
    example={"input_shape": (14,), "classes": 2},
)
def maxent_features(
    input_shape: Shape,
    classes: Count,
    *,
    levels: tuple[Count, ...] = (),
    feature_classes: tuple[FeatureClass, ...] = ("linear", "quadratic", "product", "hinge"),
    hinges: Count = 50,
    thresholds: Count = 50,
    activation: Activation = "softmax",
    name: str = "maxent_features",
) -> keras.Model:
    """Maxent's features of environmental variables, and a linear layer with an L1 penalty for each feature.

    (B, F) float  ->  (B, classes) probabilities.

    With the loss of `recipes.SpeciesDistribution` it is the maximum entropy model of a species' distribution. Recipes
    set the ranges of the variables and the penalties from the training split, and choose the feature classes by the
    number of presences: linear; from 10 on quadratic; from 15 on hinge; from 80 on product.

    Args:
        input_shape: (F,) numbers and one-hot categories.
        classes: number of classes: background and presence.
        levels: number of levels of each category, whose one-hot inputs are the last of F. Recipes set it for tables.
        feature_classes: linear, quadratic, product, hinge and threshold.
        hinges: knots of the hinge features of each number, at least 2.
        thresholds: threshold features of each number.
        activation: of the output: softmax, sigmoid, or linear for logits.
        name: the model's name.
    Returns:
        Uncompiled functional model.
    Raises:
        ValueError: if there is no feature class, `hinges` is 1, `input_shape` is not (F,), or it has fewer inputs than
            `levels`.

    Source: Phillips, Dudik 2008, https://doi.org/10.1111/j.0906-7590.2008.5203.x; features and penalties as in the
        package maxnet of Phillips et al. 2017, https://doi.org/10.1111/ecog.03049.
    Differs: trained by gradient descent, which leaves small coefficients where the lasso's are exactly 0; products are
        scaled by the ranges of their factors.
    """
    if not feature_classes or hinges < 2:
        raise ValueError(
            f"maxent_features: `feature_classes` must have one or more, and `hinges` be 2 or more, got "
            f"{feature_classes} and {hinges}."
        )
    if len(input_shape) != 1:
        raise ValueError(f"maxent_features: `input_shape` must be (F,), got {input_shape}.")
    inputs, x, numbers = table_inputs(name, input_shape, levels)
    x = MaxentFeatures(feature_classes, numbers, hinges, thresholds, dtype="float32", name="features")(x)
    x = LassoDense(classes, dtype="float32", name="head")(x)
    if activation not in (None, "linear"):
        x = layers.Activation(activation, dtype="float32", name="activation")(x)
    return keras.Model(inputs, x, name=name)
