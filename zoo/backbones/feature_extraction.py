"""Features as plain arrays, and scikit-learn classifiers on them."""

import typing
from typing import Literal

import numpy as np

from zoo.arguments import Count, Whole, checked
from zoo.backbones.backbone import open_backbone
from zoo.backbones.input_range import verify_range


class Extractor:
    """A backbone as a function from raw inputs to features; it is opened once, at the first inputs.

    Args:
        backbone, weights, input_range: as `zoo.transfer` has them.
        batch_size: inputs per call of the backbone.
    """

    def __init__(self, backbone, weights="bundled", input_range=None, batch_size=32):
        self.backbone, self.weights, self.input_range, self.batch_size = backbone, weights, input_range, batch_size
        self.model = None

    def __call__(self, inputs):
        inputs = inputs if isinstance(inputs, dict) else np.asarray(inputs)
        if self.model is None:
            named = isinstance(self.backbone, str)
            self.model = open_backbone(
                "extract_features",
                self.backbone,
                weights=self.weights,
                input_shape=inputs.shape[1:] if named else None,
                input_range=self.input_range,
                disable_dropout=True,
            )
        verify_range(self.model, inputs)
        return self.model.predict(inputs, batch_size=self.batch_size, verbose=0)

    def __deepcopy__(self, memory):
        return self  # scikit-learn copies a pipeline for every fold, and a backbone that does not train needs no copy


@checked
def extract_features(
    backbone: typing.Any,
    inputs: typing.Any,
    *,
    weights: str | None = "bundled",
    input_range: str | None = None,
    batch_size: Count = 32,
) -> np.ndarray:
    """What a backbone makes of raw inputs: plain numbers, for a scikit-learn classifier or to look at.

    (N, H, W, C) raw  ->  (N, F) float32.

    Args:
        backbone: as `zoo.transfer` takes it; a name is built for the inputs' size.
        inputs: raw, as the model of `zoo.transfer` takes them: 0 to 255 for `keras.applications` and bundled weights.
        weights: for a name, as `zoo.load` takes them.
        input_range: how the backbone's images were prepared, as `zoo.transfer` has it.
        batch_size: inputs in one call of the backbone.
    Returns:
        (N, F): what goes into the backbone's head; a map or tokens averaged.
    Raises:
        ValueError: as `zoo.transfer` says, or if the inputs' range is not the one that the backbone needs.
    """
    return Extractor(backbone, weights, input_range, batch_size)(inputs)


@checked
def feature_classifier(
    backbone: typing.Any,
    classifier: Literal["logistic", "forest", "svm"] = "logistic",
    *,
    weights: str | None = "bundled",
    input_range: str | None = None,
    batch_size: Count = 32,
    seed: Whole = 0,
):
    """A scikit-learn pipeline from raw images to classes: a backbone's features, then a classifier on them.

    >>> model = zoo.feature_classifier("efficientnet_lite0", "svm").fit(images, labels)
    >>> model.score(other_images, other_labels)

    Args:
        backbone: as `zoo.transfer` takes it; it is not trained.
        classifier: logistic (regression, on standardised features), forest (a random forest of 300 trees) or svm
            (a support vector machine with a radial kernel, on standardised features).
        weights: for a name, as `zoo.load` takes them.
        input_range: how the backbone's images were prepared, as `zoo.transfer` has it.
        batch_size: inputs in one call of the backbone.
        seed: of the classifier's random numbers.
    Returns:
        `sklearn.pipeline.Pipeline` of features, scale (but for the forest) and classifier.
    Raises:
        ValueError: as `zoo.extract_features` says, at the first inputs.
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
    steps = [("features", FunctionTransformer(Extractor(backbone, weights, input_range, batch_size)))]
    if classifier != "forest":
        steps.append(("scale", StandardScaler()))
    return Pipeline([*steps, ("classifier", made[classifier]())])
