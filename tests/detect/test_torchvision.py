"""Parity of whole detectors with torchvision, where it is installed: the same state dict, the same boxes."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import zoo
from tests.golden.drawn import drawn_detector, images
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


def test_retinanet_resnet50(references):
    with np.load(GOLDEN / "detection.npz") as file:
        shapes = json.loads(str(file["retinanet_resnet50/names"]))
    arrays = {name: drawn_detector(name, tuple(shape)) for name, shape in shapes.items()}
    model = zoo.load_weights(zoo.retinanet(SHAPE[1:], 5), arrays)
    detections = zoo.detector(model, detections=300).predict(images("detection", SHAPE), verbose=0)
    expected = references["retinanet_resnet50/detections"]
    assert np.array_equal(detections[..., 5], expected[..., 5])
    assert_close(detections[..., :4], expected[..., :4], rtol=1e-4)
    assert_close(detections[..., 4], expected[..., 4], rtol=1e-4)
