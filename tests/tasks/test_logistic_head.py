"""The start of fine-tuning: a dense head with the probabilities of scikit-learn's logistic regression."""

import keras
import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import recipes
from recipes.tasks.fine_tuning import pretrained_on_photos, warn_of_small_inputs, with_notes
from recipes.tasks.logistic_head import NO_EXAMPLES_LOGIT, KeepBest, fit_logistic
from recipes.training.run import Run
from tests.tolerance import assert_close


def features_of(targets, dimensions=6, seed=0):
    """Returns features of different scales, one of them constant, that depend on the classes."""
    rng = np.random.default_rng(seed)
    centers = rng.normal(size=(targets.max() + 1, dimensions))
    x = (centers[targets] + rng.normal(size=(len(targets), dimensions))) * 10.0 ** np.arange(-2, dimensions - 2)
    x[:, 0] = 3.0
    return x


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_the_head_has_the_probabilities_of_scikit_learn(classes, class_weight):
    targets = np.random.default_rng(classes).integers(0, classes, 80)
    x = features_of(targets)
    weight = class_weight and {i: 80 / (classes * n) for i, n in enumerate(np.bincount(targets))}
    fitted = fit_logistic(x, targets, classes, class_weight=weight)
    regression = LogisticRegression(C=fitted.C, class_weight=weight, max_iter=1000)
    pipeline = make_pipeline(StandardScaler(with_std=False), regression).fit(x / x.std(), targets)
    expected = pipeline.predict_proba(x / x.std())
    inputs = keras.layers.Input((x.shape[1],))
    head = keras.layers.Dense(classes, activation="softmax")
    model = keras.Model(inputs, head(inputs))
    head.set_weights([fitted.kernel, fitted.bias])
    assert_close(model.predict(x, verbose=0), expected)
    assert_close(fitted.probabilities(x), expected)


def test_a_class_without_examples_is_hardly_predicted():
    targets = np.array([0, 2] * 20)
    fitted = fit_logistic(features_of(targets), targets, 4)
    assert fitted.bias[[1, 3]].tolist() == [NO_EXAMPLES_LOGIT] * 2 and not fitted.kernel[:, [1, 3]].any()


@pytest.mark.parametrize("counts", [(30, 1), (30, 2), (30, 3, 1), (1, 1)])
def test_tiny_classes_are_fitted(counts):
    targets = np.repeat(np.arange(len(counts)), counts)
    fitted = fit_logistic(features_of(targets), targets, len(counts))
    assert np.isfinite(fitted.kernel).all() and fitted.C > 0


def test_weights_are_kept_where_the_loss_falls_and_the_accuracy_does_not():
    inputs = keras.layers.Input((1,))
    model = keras.Model(inputs, keras.layers.Dense(1)(inputs))
    keep = KeepBest({"loss": 1.0, "accuracy": 0.8})
    keep.set_model(model)
    keep.on_train_begin()
    for epoch, (loss, accuracy) in enumerate([(1.2, 0.9), (0.7, 0.7), (0.9, 0.8), (0.8, 0.85), (0.85, 0.9)]):
        model.set_weights([np.full((1, 1), float(epoch + 1)), np.zeros(1)])
        keep.on_epoch_end(epoch, {"val_loss": loss, "val_accuracy": accuracy})
    keep.restore()
    assert keep.epoch == 4 and model.get_weights()[0].item() == 4


def images_of_shape(height, width):
    return recipes.load((np.zeros((8, height, width, 3), "uint8"), np.arange(8) % 2), validation=0, test=0)


def model_of_shape(height, width):
    inputs = keras.layers.Input((height, width, 3))
    return keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(inputs))


def test_a_backbone_of_photos_is_warned_of_small_images():
    assert pretrained_on_photos("efficientnet_lite0", {})
    assert not pretrained_on_photos("efficientnet_lite0", {"weights": None})
    assert not pretrained_on_photos(model_of_shape(32, 32), {})
    applications = keras.applications.MobileNetV2((32, 32, 3), alpha=0.35, include_top=False, weights=None)
    assert pretrained_on_photos(applications, {})
    for shape, data_shape in (((32, 32), (32, 32)), ((64, 224), (300, 300)), ((None, None), (20, 200))):
        with pytest.warns(UserWarning, match=r"pixels are too small .* below 96 x 96. Leave out `input_shape`"):
            warn_of_small_inputs(model_of_shape(*shape), images_of_shape(*data_shape))
    for shape, data_shape in (((96, 96), (32, 32)), ((224, 224), (28, 28)), ((None, None), (100, 200))):
        warn_of_small_inputs(model_of_shape(*shape), images_of_shape(*data_shape))


def test_enlarged_images_are_noted():
    def notes(side, input_side, start=None):
        run = Run(None, model_of_shape(input_side, input_side), images_of_shape(side, side), None, {}, {})
        return with_notes(run, start).data.notes

    assert notes(32, 224)[-1] == "images of 32 x 32 pixels are enlarged to the backbone's 224 x 224"
    assert not any("enlarged" in note for note in notes(300, 224))
    assert notes(224, 224, {"held_out": 5})[-1].startswith("5 training examples were held out")
