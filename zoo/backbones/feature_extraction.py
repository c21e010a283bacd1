"""Features as plain arrays, and scikit-learn classifiers on them."""

import typing
from typing import Literal

import numpy as np

from zoo.arguments import Count, Whole, checked
from zoo.backbones.backbone import opened
from zoo.backbones.input_range import verify_range


class Extractor:
    """A trunk as a function from raw inputs to features; it is opened once, at the first inputs.

    Args:
        trunk, weights, pixels: as `zoo.transfer` has them.
        batch: inputs per call of the trunk.
    """

    def __init__(self, trunk, weights="bundled", pixels=None, batch=32):
        self.trunk, self.weights, self.pixels, self.batch = trunk, weights, pixels, batch
        self.model = None

    def __call__(self, inputs):
        inputs = inputs if isinstance(inputs, dict) else np.asarray(inputs)
        if self.model is None:
            named = isinstance(self.trunk, str)
            self.model = opened(
                "features_of",
                self.trunk,
                weights=self.weights,
                input_shape=inputs.shape[1:] if named else None,
                pixels=self.pixels,
                calm=True,
            )
        verify_range(self.model, inputs)
        return self.model.predict(inputs, batch_size=self.batch, verbose=0)

    def __deepcopy__(self, memory):
        return self  # scikit-learn copies a pipeline for every fold, and a trunk that does not train needs no copy


@checked
def features_of(
    trunk: typing.Any,
    inputs: typing.Any,
    *,
    weights: str | None = "bundled",
    pixels: str | None = None,
    batch: Count = 32,
) -> np.ndarray:
    """What a trunk makes of raw inputs: plain numbers, for a scikit-learn classifier or to look at.

    (N, H, W, C) raw  ->  (N, F) float32.

    Args:
        trunk: as `zoo.transfer` takes it; a name is built for the inputs' size.
        inputs: raw, as the model of `zoo.transfer` takes them: 0 to 255 for `keras.applications` and bundled weights.
        weights: for a name, as `zoo.load` takes them.
        pixels: how the trunk's images were prepared, as `zoo.transfer` has it.
        batch: inputs in one call of the trunk.
    Returns:
        (N, F): what goes into the trunk's head; a map or tokens averaged.
    Raises:
        ValueError: as `zoo.transfer` says, or if the inputs' range is not the one that the trunk needs.
    """
    return Extractor(trunk, weights, pixels, batch)(inputs)


@checked
def feature_classifier(
    trunk: typing.Any,
    classifier: Literal["logistic", "forest", "svm"] = "logistic",
    *,
    weights: str | None = "bundled",
    pixels: str | None = None,
    batch: Count = 32,
    seed: Whole = 0,
):
    """A scikit-learn pipeline from raw images to classes: a trunk's features, then a classifier on them.

    >>> model = zoo.feature_classifier("efficientnet_lite0", "svm").fit(images, labels)
    >>> model.score(other_images, other_labels)

    Args:
        trunk: as `zoo.transfer` takes it; it is not trained.
        classifier: logistic (regression, on standardised features), forest (a random forest of 300 trees) or svm
            (a support vector machine with a radial kernel, on standardised features).
        weights: for a name, as `zoo.load` takes them.
        pixels: how the trunk's images were prepared, as `zoo.transfer` has it.
        batch: inputs in one call of the trunk.
        seed: of the classifier's random numbers.
    Returns:
        `sklearn.pipeline.Pipeline` of features, scale (but for the forest) and classifier.
    Raises:
        ValueError: as `zoo.features_of` says, at the first inputs.
    """
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler
    from sklearn.svm import SVC

    made = {
        "logistic": lambda: LogisticRegression(max_iter=2000, C=0.1, random_state=seed),
        "forest": lambda: RandomForestClassifier(300, random_state=seed),
        "svm": lambda: SVC(random_state=seed),
    }
    steps = [("features", FunctionTransformer(Extractor(trunk, weights, pixels, batch)))]
    if classifier != "forest":
        steps.append(("scale", StandardScaler()))
    return Pipeline([*steps, ("classifier", made[classifier]())])
