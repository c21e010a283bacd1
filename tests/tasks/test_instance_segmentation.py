"""The task InstanceSegmentation: masks in training, metrics, predictions, reports and exports."""

import numpy as np
import pytest
from pycocotools import mask as coco

import recipes
from recipes.average_precision import BoxEvaluation
from recipes.tasks.instance_segmentation import segments_of
from tests.box_images import write_rectangles
from tests.tolerance import assert_close

TASK = recipes.InstanceSegmentation(
    epochs=1, side=64, batch_size=2, encoder="resnet18", proposals=20, augment=("flip", "flip_vertical"), score=0.0
)
MODEL = {"filters": 8, "units": (16, 16), "anchor_sizes": (8, 16, 24, 32, 48)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("instances") / "run"


@pytest.fixture(scope="module")
def run(folder):
    return TASK.fit("mask_rcnn", "bundled:nuclei-instances", out=folder, verbose=False, **MODEL)


def test_masks_of_a_batch_lie_in_their_boxes():
    data = recipes.load("bundled:nuclei-instances")
    model = TASK.build_model("mask_rcnn", data, **MODEL)
    batches = TASK.map_batches(TASK.pipeline(data.train, True, TASK.preprocessing(data, model), 1), model)
    for _, (boxes, masks) in batches:
        assert masks.shape[:2] == boxes.shape[:2]
        for box, mask in zip(boxes.numpy().reshape(-1, 5), masks.numpy().reshape(-1, 64, 64), strict=True):
            if box[4] < 0:
                assert not mask.any()
                continue
            rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
            corners = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
            np.testing.assert_allclose(corners, box[:4], atol=1)


@pytest.mark.slow
def test_run_and_saved_run_predict_the_same_masks(run, folder):
    predictions = run.predict(run.data.test)
    for image in predictions:
        assert len(image["masks"]) == len(image["boxes"]) > 0
        assert coco.decode(image["masks"][0]).shape == (128, 128)
    loaded = recipes.load_run(folder).predict(run.data.test)
    assert [image["masks"] for image in loaded] == [image["masks"] for image in predictions]


@pytest.mark.slow
def test_metrics_have_masks_boxes_and_a_baseline(run):
    metrics = run.evaluate("test")
    for values in (metrics, metrics["baseline"]):
        assert 0 <= values["mask_ap50"] <= 1 and len(values["mask_ap50_by_class"]) == 1
    assert metrics["verdict"]["metric"] == "AP50 of the masks"
    assert "mask AP50" in run.task.summarize(metrics, "test")[0]


@pytest.mark.slow
def test_the_report_has_the_masks(run):
    titles = [title for title, *_ in run.task.figures(run, "test")]
    assert titles[0] == "Masks of the objects"


@pytest.mark.slow
def test_the_export_has_the_same_masks(run, tmp_path):
    import tensorflow as tf

    export = run.export(tmp_path / "served")
    tiles = run.data.test.inputs
    outputs = tf.saved_model.load(export.path).signatures["serving_default"](tf.constant(tiles))
    assert outputs["masks"].shape[2:] == (28, 28)
    for i, prediction in enumerate(run.predict(tiles)):
        assert_close(outputs["scores"][i][: len(prediction["scores"])], prediction["scores"], rtol=1e-4)


def test_average_precision_of_masks_is_that_of_their_overlap():
    targets = np.array([[[0.0, 0.0, 1, 1, 0, 0]]], "float32")
    rows = np.array([[[0.0, 0.0, 1, 1, 0.9, 0]]], "float32")
    whole, part = np.ones((10, 10), np.uint8), np.zeros((10, 10), np.uint8)
    part[:, :6] = 1  # IoU 0.6: right at 0.5, 0.55 and 0.6
    of_objects, of_boxes = ((lambda i, j, m=m: coco.encode(np.asfortranarray(m))) for m in (whole, part))
    metrics = BoxEvaluation(targets, rows, [(10, 10)], ("a",), (of_objects, of_boxes)).metrics()
    assert_close([metrics["ap50"], metrics["ap"]], [1, 0.3])


def test_a_mask_fills_its_box_in_the_image():
    rows = np.concatenate([[[0.25, 0.5, 0.75, 1.0, 0.9, 0]], np.ones((1, 784))], 1).astype("float32")
    mask = coco.decode(segments_of(rows, (20, 40))[0])
    expected = np.zeros((20, 40), np.uint8)
    expected[10:, 10:30] = 1
    np.testing.assert_array_equal(mask, expected)


def test_boxes_alone_and_models_of_boxes_are_refused(tmp_path):
    with pytest.raises(ValueError, match="must have the masks of the objects, got .* with boxes only"):
        TASK.fit("mask_rcnn", f"voc:{write_rectangles(tmp_path / 'voc', 6)}", verbose=False)
    with pytest.raises(ValueError, match="must predict masks, as zoo.mask_rcnn does, got retinanet"):
        TASK.fit("retinanet", "bundled:nuclei-instances", verbose=False)


@pytest.mark.slow
def test_eight_tiles_are_learned():
    task = recipes.InstanceSegmentation(
        epochs=60, side=128, batch_size=4, learning_rate=1e-3, augment=(), proposals=200
    )
    arguments = {"filters": 32, "units": (128, 128), "anchor_sizes": (8, 16, 24, 32, 48)}
    run = task.fit("mask_rcnn", "bundled:nuclei-instances", verbose=False, **arguments)
    assert run.evaluate("train")["mask_ap50"] > 0.7
