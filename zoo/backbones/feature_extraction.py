"""Features of images as NumPy arrays, and scikit-learn classifiers on them."""

import typing
from typing import Literal

import numpy as np

from zoo.arguments import Count, Whole, checked
from zoo.backbones.backbone import load_feature_backbone
from zoo.backbones.input_range import verify_range


class FeatureExtractor:
    """A function from raw inputs to features. The backbone is loaded at the first call.

    Args:
        backbone, weights, input_range: as `zoo.transfer` takes them.
        batch_size: number of inputs per call of the backbone.
    """

    def __init__(self, backbone, weights="bundled", input_range=None, batch_size=32):
        self.backbone, self.weights, self.input_range, self.batch_size = backbone, weights, input_range, batch_size
        self.model = None

    def __call__(self, inputs):
        inputs = inputs if isinstance(inputs, dict) else np.asarray(inputs)
        if self.model is None:
            is_name = isinstance(self.backbone, str)
            self.model = load_feature_backbone(
                "extract_features",
                self.backbone,
                weights=self.weights,
                input_shape=inputs.shape[1:] if is_name else None,
                input_range=self.input_range,
                disable_dropout=True,
            )
        verify_range(self.model, inputs)
        return self.model.predict(inputs, batch_size=self.batch_size, verbose=0)

    def __deepcopy__(self, memory):
        return self  # scikit-learn copies a pipeline for every fold, and a frozen backbone needs no copy


@checked
def extract_features(
    backbone: typing.Any,
    inputs: typing.Any,
    *,
    weights: str | None = "bundled",
    input_range: str | None = None,
    batch_size: Count = 32,
) -> np.ndarray:
    """Returns the features of raw inputs as an array, for instance for a scikit-learn classifier.

    (N, H, W, C) raw  ->  (N, F) float32.

    Args:
        backbone: as `zoo.transfer` takes it; a name is built for the size of the inputs.
        inputs: raw, as a model of `zoo.transfer` takes them: 0 to 255 for `keras.applications` and bundled weights.
        weights: for a name, as `zoo.load` takes them.
        input_range: as in `zoo.transfer`.
        batch_size: number of inputs per call of the backbone.
    Returns:
        (N, F): the input of the backbone's head, with maps or tokens averaged.
    Raises:
        ValueError: as in `zoo.transfer`, or if the inputs are not in the range that the backbone was trained on.
    """
    return FeatureExtractor(backbone, weights, input_range, batch_size)(inputs)


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
    """Returns a scikit-learn pipeline from raw images to classes: a frozen backbone's features, then a classifier.

    >>> model = zoo.feature_classifier("efficientnet_lite0", "svm").fit(images, labels)
    >>> model.score(other_images, other_labels)

    Args:
        backbone: as `zoo.transfer` takes it; it is not trained.
        classifier: logistic (regression, on standardized features), forest (a random forest of 300 trees) or svm (a
            support vector machine with a radial kernel, on the features as they are, so that one that hardly varies
            counts for little).
        weights: for a name, as `zoo.load` takes them.
        input_range: as in `zoo.transfer`.
        batch_size: number of inputs per call of the backbone.
        seed: random seed of the classifier.
    Returns:
        `sklearn.pipeline.Pipeline` of features, scale (for the logistic regression) and classifier.
    Raises:
        ValueError: as in `zoo.extract_features`, at the first inputs.
    """
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler
    from sklearn.svm import SVC

    classifiers = {
        "logistic": lambda: LogisticRegression(max_iter=2000, C=0.1, random_state=seed),
        "forest": lambda: RandomForestClassifier(300, random_state=seed),
        "svm": lambda: SVC(C=10, random_state=seed),
    }
    steps = [("features", FunctionTransformer(FeatureExtractor(backbone, weights, input_range, batch_size)))]
    if classifier == "logistic":
        steps.append(("scale", StandardScaler()))
    return Pipeline([*steps, ("classifier", classifiers[classifier]())])
