"""Parity of whole detectors with torchvision, where it is installed: the same state dict, the same boxes."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import zoo
from tests.detect.detections import assert_same_detections
from tests.golden.seeded_arrays import images, seeded_detector_array
from tests.tolerance import assert_close

GOLDEN = Path(__file__).parents[1] / "golden"
SHAPE = (2, 128, 160, 3)


@pytest.fixture(scope="module")
def references(tmp_path_factory):
    """The detections of torchvision's models, which another process computes."""
    if importlib.util.find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed")
    path = tmp_path_factory.mktemp("torchvision") / "detections.npz"
    subprocess.run([sys.executable, "make_detection.py", str(path)], cwd=GOLDEN, check=True, capture_output=True)
    with np.load(path) as file:
        return dict(file)


def with_torchvision_s_weights(name):
    with np.load(GOLDEN / "detection.npz") as file:
        shapes = json.loads(str(file[f"{name}_resnet50/names"]))
    arrays = {key: seeded_detector_array(key, tuple(shape)) for key, shape in shapes.items()}
    return zoo.load_weights(zoo.build(name, SHAPE[1:], 5), arrays)


@pytest.mark.parametrize(("name", "background"), [("retinanet", 0), ("faster_rcnn", 1)])
def test_detectors_on_resnet50(references, name, background):
    model = with_torchvision_s_weights(name)
    detections = zoo.detector(model, detections=300).predict(images("detection", SHAPE), verbose=0)
    expected = references[f"{name}_resnet50/detections"]
    assert_same_detections(detections, np.where(expected >= 0, expected - background * np.eye(6)[5], -1))


def test_mask_rcnn_on_resnet50(references):
    detector = zoo.detector(with_torchvision_s_weights("mask_rcnn"), detections=20)
    detections, masks = detector.predict(images("detection", SHAPE), verbose=0)
    expected = references["mask_rcnn_resnet50/detections"] - np.eye(6)[5]
    order = assert_same_detections(detections, expected)
    masks = np.take_along_axis(masks, order[..., None, None], axis=1)
    assert_close(masks, references["mask_rcnn_resnet50/masks"], rtol=1e-4)
