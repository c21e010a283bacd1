"""RetinaNet: parity with torchvision, targets, losses with no and with many objects, and training by `fit`."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

import zoo
from tests.golden.seeded_arrays import images, seeded_detector_array
from tests.tolerance import assert_close
from zoo.detect.boxes import encode
from zoo.detect.detections import Detections
from zoo.detect.level_predictions import split_predictions

GOLDEN = Path(__file__).parents[1] / "golden" / "detection.npz"
SHAPE = (2, 128, 160, 3)


def golden(key):
    with np.load(GOLDEN) as file:
        return file[key]


def names_of(case):
    return {k: tuple(v) for k, v in json.loads(str(golden(f"{case}/names"))).items()}


@pytest.fixture(scope="module")
def torchvision_s_retinanet():
    model = zoo.retinanet(SHAPE[1:], 5, encoder="resnet18")
    return zoo.load_weights(
        model, {name: seeded_detector_array(name, shape) for name, shape in names_of("retinanet").items()}
    )


def test_boxes_and_scores_are_torchvision_s(torchvision_s_retinanet):
    expected = golden("retinanet/detections")
    detections = zoo.detector(torchvision_s_retinanet, detections=300).predict(images("detection", SHAPE), verbose=0)
    assert np.array_equal(detections[..., 5], expected[..., 5])
    assert_close(detections[..., 4], expected[..., 4], rtol=1e-4)
    assert_close(detections[..., :4], expected[..., :4], rtol=1e-4)


def test_losses_are_torchvision_s(torchvision_s_retinanet):
    predictions = torchvision_s_retinanet(images("detection", SHAPE), training=False)
    targets, (of_classes, of_boxes) = golden("retinanet/targets"), golden("retinanet/losses")
    assert_close(zoo.RetinaNetLoss(box_weight=0.0)(targets, predictions), of_classes, rtol=1e-4)
    assert_close(zoo.RetinaNetLoss()(targets, predictions), of_classes + of_boxes, rtol=1e-4)


@pytest.mark.parametrize("older_names", [False, True])
def test_each_weight_of_torchvision_s_retinanet_has_its_place(older_names):
    shapes = names_of("retinanet_resnet50")
    arrays = {name: np.broadcast_to(np.float32(i), shape) for i, (name, shape) in enumerate(shapes.items())}
    values = [float(a.flat[0]) for name, a in arrays.items() if not name.endswith("num_batches_tracked")]
    if older_names:
        arrays = {_older(name): array for name, array in arrays.items()}
    model = zoo.load_weights(zoo.retinanet((None, None, 3), 5), arrays)
    loaded = [np.unique(keras.ops.convert_to_numpy(w)) for w in model.weights]
    assert [len(v) for v in loaded] == [1] * len(values)
    assert sorted(round(float(v[0])) for v in loaded) == sorted(map(round, values))


def _older(name):
    """The name in torchvision's file of 2020, in which convolutions and ReLUs are numbered together."""
    if name.startswith("backbone.fpn") and "_blocks." in name and ".p" not in name:
        return name.replace(".0.weight", ".weight").replace(".0.bias", ".bias")
    parts = name.split(".")
    return (
        ".".join([*parts[:3], str(2 * int(parts[3])), parts[5]])
        if name.startswith("head") and parts[2] == "conv"
        else name
    )


def test_the_head_of_other_classes_stays_random():
    arrays = {name: seeded_detector_array(name, shape) for name, shape in names_of("retinanet").items()}
    model = zoo.retinanet(SHAPE[1:], 2, encoder="resnet18")
    before = np.array(model.get_layer("head").kernel)
    with pytest.raises(ValueError, match="head/kernel needs"):
        zoo.load_weights(model, arrays)
    zoo.load_weights(model, arrays, head=False)
    assert np.array_equal(model.get_layer("head").kernel, before)
    assert_close(model.get_layer("box_deltas").bias, arrays["head.regression_head.bbox_reg.bias"])


@pytest.mark.parametrize("encoder", ["vit_tiny_16", "cnn", "unet", "lenet5"])
def test_encoders_without_the_strides_are_refused(encoder):
    with pytest.raises(ValueError, match=r"retinanet: `encoder` must (be one of|have maps at the strides 8, 16)"):
        zoo.retinanet((64, 64, 3), 2, encoder=encoder)


def test_every_class_has_the_prior_probability_before_training():
    model = zoo.retinanet((64, 64, 3), 2, encoder="resnet18")
    assert_close(model.get_layer("head").bias, np.full(18, -4.59512), rtol=1e-5)


def perfect_predictions(anchors, targets, classes, logit=12.0):
    """Predictions of the first target for each anchor."""
    deltas = encode(targets[:, :1, :4], anchors)
    logits = np.where(np.arange(classes) == targets[:, :1, 4:], logit, -logit)
    logits = np.broadcast_to(logits, (*anchors.shape[:2], classes))
    return np.concatenate([anchors, deltas, logits], axis=-1).astype("float32")


@pytest.fixture(scope="module")
def small():
    return zoo.retinanet((64, 64, 1), 3, encoder="mobilenet_v2", filters=8, depth=1)


def test_the_detector_returns_the_box_that_was_predicted(small):
    image = np.zeros((1, 64, 64, 1), "float32")
    anchors, _, _ = split_predictions(np.array(small(image)))
    targets = np.array([[[10, 20, 42, 50, 2]]], "float32")
    layer = zoo.detector(small, normalized=True).get_layer("detections")
    predictions = perfect_predictions(anchors, targets, 3)
    detections = np.array(layer([predictions, image]))[0]
    assert_close(detections[0, :4], targets[0, 0, :4] / 64)
    assert detections[0, 5] == 2
    assert np.all(detections[1:] == -1)


@pytest.mark.parametrize("sizes", [(4, 64, 64), (None, None, None)])
def test_detections_in_a_graph_equal_those_outside(sizes):
    anchor_count, *image_size = sizes
    rng = np.random.default_rng(0)
    low = rng.uniform(0, 40, (2, 4, 2))
    anchors, deltas = np.concatenate([low, low + 20], axis=-1), rng.normal(0, 0.1, (2, 4, 4))
    predictions = np.concatenate([anchors, deltas, rng.normal(0, 1, (2, 4, 3))], axis=-1).astype("float32")
    image, layer = np.zeros((2, 64, 64, 1), "float32"), Detections(detections=9)
    specs = [tf.TensorSpec((None, anchor_count, 11)), tf.TensorSpec((None, *image_size, 1))]
    graph = tf.function(lambda p, x: layer([p, p[:, :1], x]), input_signature=specs)
    expected = np.array(layer([predictions, predictions[:, :1], image]))
    assert (expected[..., 5] >= 0).sum() > 4
    assert_close(graph(predictions, image), expected)


def test_the_loss_of_images_without_objects_is_finite_and_smallest_for_background(small):
    anchors, _, _ = split_predictions(np.array(small(np.zeros((1, 64, 64, 1), "float32"))))
    nothing = zoo.detection_targets(np.zeros((1, 2, 4)), np.full((1, 2), -1))
    logits = np.full((*anchors.shape[:2], 3), -12, "float32")
    silent = np.concatenate([anchors, np.zeros_like(anchors), logits], axis=-1)
    loud = np.concatenate([anchors, np.zeros_like(anchors), -logits], axis=-1)
    loss = zoo.RetinaNetLoss()
    assert 0 <= float(loss(nothing, silent)) < 1e-3
    assert float(loss(nothing, loud)) > 100
    assert float(loss(nothing[:, :0], silent)) == float(loss(nothing, silent))


def test_the_loss_of_500_objects_is_finite(small):
    rng = np.random.default_rng(0)
    low = rng.uniform(0, 50, (1, 500, 2))
    targets = zoo.detection_targets(np.concatenate([low, low + 8], -1), rng.integers(0, 3, (1, 500)))
    predictions = small(np.zeros((1, 64, 64, 1), "float32"))
    assert np.isfinite(float(zoo.RetinaNetLoss()(targets, predictions)))


def test_padding_does_not_change_the_loss(small):
    predictions = small(np.random.default_rng(0).random((1, 64, 64, 1), "float32"))
    targets = np.array([[[10, 20, 42, 50, 2], [3, 3, 20, 20, 0]]], "float32")
    padded = np.concatenate([targets, np.full((1, 5, 5), -1, "float32")], axis=1)
    assert_close(zoo.RetinaNetLoss()(padded, predictions), zoo.RetinaNetLoss()(targets, predictions))


@pytest.mark.parametrize(
    ("boxes", "classes", "message"),
    [
        (np.zeros((2, 4)), np.zeros(2), r"must be \(B, N, 4\)"),
        ([[[5, 5, 5, 9]]], [[0]], r"x2 > x1 and y2 > y1, got \[5.0, 5.0, 5.0, 9.0\] in row 0 of image 0"),
        ([[[0, 0, 5, np.nan]]], [[1]], "nan"),
    ],
)
def test_wrong_targets_are_refused(boxes, classes, message):
    with pytest.raises(ValueError, match=message):
        zoo.detection_targets(boxes, classes)


def test_keras_fit_reduces_the_loss():
    keras.utils.set_random_seed(0)
    image = np.zeros((1, 64, 64, 1), "float32")
    image[0, 16:48, 8:40] = 1
    targets = zoo.detection_targets([[[8, 16, 40, 48]]], [[1]])
    model = zoo.retinanet((64, 64, 1), 2, encoder="resnet18", filters=16, depth=1)
    model.compile(keras.optimizers.Adam(1e-3), zoo.RetinaNetLoss(), run_eagerly=True)
    losses = model.fit(image, targets, epochs=4, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
