"""The task Detection: average precision, augmentation of boxes, training, prediction and export."""

import json
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

import recipes
import zoo
from recipes.average_precision import BoxEvaluation, match_boxes
from recipes.data.augment.with_boxes import WithBoxes, flip
from recipes.data.images.image_sizes import image_sizes
from tests.box_images import write_rectangles
from tests.tolerance import assert_close

SIZE = [(100, 200)]
OBJECTS = np.array([[[0.1, 0.1, 0.5, 0.5, 0, 0], [0.6, 0.6, 0.9, 0.9, 1, 0]]], "float32")
NO_BOX = [-1.0] * 6


def detections_of(*rows):
    return np.array([[*rows, NO_BOX]], "float32")


RIGHT = [[0.1, 0.1, 0.5, 0.5, 0.9, 0], [0.6, 0.6, 0.9, 0.9, 0.8, 1]]


def average_precision(*arguments):
    return BoxEvaluation(*arguments).metrics()


def test_average_precision_of_perfect_boxes_is_1():
    metrics = average_precision(OBJECTS, detections_of(*RIGHT), SIZE, ("a", "b"))
    assert_close([metrics["ap"], metrics["ap50"], *metrics["ap50_by_class"]], [1, 1, 1, 1])
    assert metrics["ap_large"] is None
    assert_close(metrics["ap_medium"], 1)


def test_a_false_box_with_a_higher_score_halves_the_precision():
    false = [0.5, 0.0, 0.6, 0.1, 0.95, 0]
    metrics = average_precision(OBJECTS, detections_of(false, *RIGHT), SIZE, ("a", "b"))
    assert_close(metrics["ap50_by_class"], [0.5, 1])


def test_a_box_of_iou_two_thirds_counts_at_half_of_the_thresholds():
    wider = [0.1, 0.1, 0.5, 0.7, 0.9, 0]  # IoU 2 / 3: right at 0.5, 0.55, 0.6 and 0.65
    metrics = average_precision(OBJECTS[:, :1], detections_of(wider), SIZE, ("a",))
    assert_close([metrics["ap"], metrics["ap50"], metrics["ap75"]], [0.4, 1, 0])


def test_crowds_are_neither_right_nor_wrong():
    crowd = OBJECTS.copy()
    crowd[0, 0, 5] = 1
    metrics = average_precision(crowd, detections_of(*RIGHT), SIZE, ("a", "b"))
    assert metrics["ap50_by_class"][0] is None
    assert_close(metrics["ap50"], 1)


def test_weighted_precision_is_that_of_repeated_images():
    rng = np.random.default_rng(0)
    corners = rng.random((12, 6, 2))
    sides = rng.uniform(0.1, 0.4, (12, 6, 2))
    classes = rng.integers(-1, 2, (12, 6, 1))
    objects = np.concatenate([corners, corners + sides, classes, 0 * classes], -1).astype("float32")
    shift = rng.normal(0, 0.05, (12, 6, 4))
    scores = rng.random((12, 6, 1))
    boxes = np.concatenate([objects[..., :4] + shift, scores, classes], -1).astype("float32")
    sizes, weights = np.full((12, 2), 100), rng.integers(0, 3, (5, 12))
    function = BoxEvaluation(objects, boxes, sizes, ("a", "b")).weighted_ap50()
    expected = [
        average_precision(*(np.repeat(array, row, axis=0) for array in (objects, boxes, sizes)), ("a", "b"))["ap50"]
        for row in [*weights, np.ones(12, int)]
    ]
    assert_close(function(np.concatenate([weights, np.ones((1, 12), int)]).astype(float)), np.array(expected))
    assert 0.1 < expected[-1] < 0.9


def test_average_precision_without_boxes_or_objects():
    none = np.full((1, 2, 6), -1, "float32")
    assert average_precision(OBJECTS, none, SIZE, ("a", "b"))["ap50"] == 0
    assert average_precision(none, none, SIZE, ("a", "b"))["ap50"] is None


def test_each_object_is_detected_once():
    boxes = np.array([RIGHT[0], RIGHT[0], [0.6, 0.6, 0.9, 0.9, 0.5, 0]], "float32")
    right, detected = match_boxes(OBJECTS[0], boxes)
    assert right.tolist() == [True, False, False]
    assert detected.tolist() == [True, False]


def test_flips_move_the_boxes_with_the_pixels():
    image = np.zeros((1, 10, 20, 1), "float32")
    image[0, 1:4, 2:8] = 1
    targets = np.array([[[0.1, 0.1, 0.4, 0.4, 1], [-1] * 5]], "float32")
    for flips in ([False, False], [True, False], [False, True], [True, True]):
        flipped, moved = (np.array(v) for v in flip(image, targets, tf.constant([flips])))
        x1, y1, x2, y2 = np.round(moved[0, 0, :4] * [20, 10, 20, 10]).astype(int)
        assert flipped[0, y1:y2, x1:x2].all()
        assert flipped.sum() == (y2 - y1) * (x2 - x1) == 18
        assert np.array_equal(moved[0, 1], [-1] * 5)


def test_augmentation_flips_some_images_and_refuses_steps_that_move_pixels():
    images = np.tile(np.linspace(0, 1, 8, dtype="float32")[:, None], (64, 8, 1, 1))
    targets = np.tile(np.array([[0, 0.25, 0.5, 1, 0]], "float32"), (64, 1, 1))
    flipped, moved = WithBoxes(("flip", "brightness:0.1"), seed=0)(images, targets)
    is_moved = np.array(moved)[:, 0, 0] == 0.5
    assert 10 < is_moved.sum() < 54
    assert np.array_equal(np.array(flipped)[:, 0, 0, 0] > np.array(flipped)[:, 0, -1, 0], is_moved)
    for step in ("rotate", "mixup", "crop:2"):
        with pytest.raises(ValueError, match="must move the boxes"):
            WithBoxes((step,), seed=0)


def test_sizes_of_inputs(tmp_path):
    root = write_rectangles(tmp_path / "voc", 2, sizes=((20, 30), (40, 30)))
    paths = [root / "JPEGImages" / f"{i}.png" for i in range(2)]
    assert image_sizes(paths, 2).tolist() == [[20, 30], [40, 30]]
    assert image_sizes(paths[0], 1).tolist() == [[20, 30]]
    assert image_sizes(np.zeros((3, 8, 9, 1)), 3).tolist() == [[8, 9]] * 3
    assert image_sizes(np.zeros((8, 9, 1)), 1).tolist() == [[8, 9]]


@pytest.mark.parametrize(
    ("model", "message"),
    [("resnet18", "must predict boxes, got resnet18"), ("unet", "must predict boxes, got unet")],
)
def test_models_that_predict_no_boxes_are_refused(tmp_path, model, message):
    with pytest.raises(ValueError, match=message):
        recipes.Detection().fit(model, f"voc:{write_rectangles(tmp_path / 'voc', 4)}?validation=0&test=0")


def test_a_side_that_the_strides_do_not_divide_is_refused():
    with pytest.raises(ValueError, match="`side` must be a multiple of 32"):
        recipes.Detection(side=100)


MODELS = {
    "retinanet": {"filters": 8, "depth": 1, "anchor_sizes": (8, 16, 24, 32, 48)},
    "faster_rcnn": {"filters": 8, "units": (8, 8), "anchor_sizes": (8, 16, 24, 32, 48)},
}


@pytest.fixture(scope="module", params=["retinanet", pytest.param("faster_rcnn", marks=pytest.mark.slow)])
def run(request, tmp_path_factory):
    """A run of one epoch on images of several sizes, saved and loaded."""
    root = write_rectangles(tmp_path_factory.mktemp("data") / "voc", 8, sizes=((64, 64), (48, 80)))
    task = recipes.Detection(side=64, epochs=1, score=0.0, detections=20, proposals=40)
    out, data = tmp_path_factory.mktemp("run") / "run", f"voc:{root}?validation=0&test=0.25"
    task.fit(request.param, data, out=out, verbose=False, **MODELS[request.param])
    return recipes.load_run(out)


def test_a_run_predicts_boxes_in_pixels_of_each_image(run):
    predictions = run.predict(run.data.test)
    sizes = image_sizes(run.data.test, 2)
    raw = run.predict_split("test")
    for prediction, rows, (height, width) in zip(predictions, raw, sizes, strict=True):
        assert prediction["boxes"].shape == (20, 4)
        assert set(prediction["classes"]) <= {"blue", "red"}
        assert np.all(np.diff(prediction["scores"]) <= 0)
        assert_close(prediction["boxes"], rows[:, :4] * [width, height, width, height])
    one = run.predict(str(run.data.test.names[0]))[0]
    assert_close(one["boxes"], predictions[0]["boxes"], rtol=1e-4)
    with pytest.raises(ValueError, match="`labels` must be False"):
        run.predict(run.data.test, labels=True)


def test_a_run_is_evaluated_beside_its_baseline(run):
    metrics = run.evaluate("test")
    assert 0 <= metrics["ap50"] <= 1
    assert metrics["examples"] == 2
    assert metrics["baseline"]["name"].startswith("the mean box")
    assert json.dumps(run.metrics)


def test_the_report_shows_right_missed_and_invented_boxes(run, tmp_path):
    run.report(tmp_path / "report.html")
    text = (tmp_path / "report.html").read_text()
    assert "Right, missed and invented boxes" in text
    assert "AP50" in text


@pytest.mark.slow
def test_the_export_takes_image_files_and_returns_boxes_scores_and_names(run, tmp_path):
    export = run.export(tmp_path / "served")
    assert export.difference <= 1e-4
    assert set(export.signatures) == {"serving_default", "serving_bytes"}
    files = [Path(name).read_bytes() for name in run.data.test.names]
    serve = tf.saved_model.load(export.path).signatures["serving_bytes"]
    outputs = {k: v.numpy() for k, v in serve(image_bytes=tf.constant(files)).items()}
    for i, prediction in enumerate(run.predict(run.data.test)):
        height, width = image_sizes(run.data.test, 2)[i]
        assert_close(outputs["boxes"][i] * [width, height, width, height], prediction["boxes"], rtol=1e-4)
        assert_close(outputs["scores"][i], prediction["scores"], rtol=1e-4)
        assert [name.decode() for name in outputs["classes"][i]] == prediction["classes"].tolist()


LEARNERS = {"retinanet": {"filters": 32, "depth": 1}, "faster_rcnn": {"filters": 32, "units": (128, 128)}}


def test_a_localizer_is_trained_as_a_detection(tmp_path):
    data = f"voc:{write_rectangles(tmp_path / 'voc', 6)}?validation=0.2&test=0.3"
    task = recipes.Detection(side=32, epochs=1, batch_size=2, encoder="resnet20")
    run = task.fit("localizer", data, out=tmp_path / "run", verbose=False)
    predictions = run.predict(run.data.test)
    assert all(len(prediction["boxes"]) <= 1 for prediction in predictions)
    assert run.evaluate()["verdict"]["metric"] == "AP50"
    loaded = recipes.load_run(tmp_path / "run").predict(run.data.test)
    assert_close(loaded[0]["boxes"], predictions[0]["boxes"])


@pytest.mark.slow
@pytest.mark.parametrize("model", LEARNERS)
def test_eight_images_are_learned(tmp_path, model):
    data = f"voc:{write_rectangles(tmp_path / 'voc', 8)}?validation=0&test=0"
    task = recipes.Detection(side=64, epochs=100, learning_rate=1e-3, batch_size=4, augment=(), proposals=100)
    run = task.fit(model, data, verbose=False, anchor_sizes=(12, 16, 24, 32, 48), **LEARNERS[model])
    assert run.evaluate("train")["ap50"] > 0.9


def test_the_detector_refuses_other_models():
    with pytest.raises(ValueError, match="must be built by zoo.retinanet"):
        zoo.detector(zoo.lenet5((28, 28, 1), 10))
