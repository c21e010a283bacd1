"""Features as arrays, scikit-learn classifiers on them, and the gain from pretrained weights."""

import keras
import numpy as np
import pytest
from sklearn.base import clone

import recipes
import zoo
from tests.backbones.test_transfer import RESNET, images, small_mobilenet
from tests.tolerance import assert_close


def test_features_are_the_input_of_the_head():
    backbone = zoo.resnet18((32, 32, 3), 4, **RESNET)
    features = zoo.extract_features(backbone, images() / 255, batch_size=3)
    assert (features.shape, features.dtype) == ((8, 128), np.float32)
    weights = backbone.get_layer("head").get_weights()
    logits = features @ weights[0] + weights[1]
    expected = np.asarray(backbone(images() / 255, training=False))
    assert_close(np.exp(logits) / np.exp(logits).sum(1, keepdims=True), expected)


def test_features_of_the_wrong_range_are_refused():
    with pytest.raises(zoo.RangeError, match="from 0 to 255, and these go from 0 to 1"):
        zoo.extract_features(small_mobilenet(), images() / 255)


@pytest.mark.parametrize("classifier", ["logistic", "forest", "svm"])
def test_a_pipeline_learns_classes_from_raw_images(classifier):
    labels = np.repeat(["dark", "light"], 6)
    x = images(12) * np.repeat([0.5, 1.0], 6)[:, None, None, None]
    pipeline = zoo.feature_classifier(small_mobilenet(), classifier)
    pipeline.fit(x[::2], labels[::2])
    assert pipeline.score(x[1::2], labels[1::2]) == 1
    assert clone(pipeline).fit(x, labels).predict(x[:1]) == ["dark"]
    assert pipeline.named_steps["features"].transform(x).shape == (12, 6)


def test_an_unknown_classifier_is_refused():
    with pytest.raises(ValueError, match="`classifier` must be one of 'logistic', 'forest', 'svm'"):
        zoo.feature_classifier(small_mobilenet(), "bayes")


@pytest.mark.slow
def test_pretrained_weights_are_far_better_than_random_ones():
    """300 silhouettes of ten kinds of animals, 200 held out: frozen features, a frozen backbone, and two phases."""
    data = recipes.load("bundled:animal-silhouettes", seed=0)
    (x, y), (u, v) = (silhouettes(split, n) for split, n in ((data.train, 300), (data.test, 200)))
    accuracies = {}
    for weights in ("bundled", None):
        pipeline = zoo.feature_classifier("efficientnet_lite0", weights=weights).fit(x, y)
        accuracies[weights, "logistic"] = pipeline.score(u, v)
        model = zoo.transfer("efficientnet_lite0", 10, mode="finetune", weights=weights, input_shape=(64, 64, 3))
        for phase in zoo.finetune_schedule(stages=(0, 1), epochs=(8, 4), learning_rates=(5e-3, 3e-4)):
            model.compile(phase.begin(model, x), "sparse_categorical_crossentropy", metrics=["accuracy"])
            model.fit(x, y, epochs=phase.epochs, verbose=0)
            accuracies[weights, phase.stages] = model.evaluate(u, v, verbose=0)[1]
    print({k: round(float(a), 3) for k, a in accuracies.items()})
    for kind in ("logistic", 0, 1):
        assert accuracies["bundled", kind] >= 0.7
        assert accuracies["bundled", kind] >= accuracies[None, kind] + 0.3


def silhouettes(split, count):
    """The first examples of a split as RGB images of 64 x 64, and their classes."""
    gray = np.asarray(split.inputs[:count], "float32").reshape(count, 28, 28, 1)
    large = np.asarray(keras.ops.image.resize(np.repeat(gray, 3, axis=-1), (64, 64)))
    return np.clip(large, 0, 255), np.asarray(split.targets[:count])
