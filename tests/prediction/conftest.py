"""Runs and photos of the tests of detections."""

import itertools

import pytest

import recipes
import zoo
from recipes.prediction import detection_predictor, tiled_boxes
from tests.box_images import write_rectangles
from tests.prediction.box_scenes import TRUNCATED, rectangles, save_photo


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run of one epoch."""
    root = write_rectangles(tmp_path_factory.mktemp("data") / "voc", 8, sizes=((64, 64), (48, 80)))
    task = recipes.Detection(side=64, epochs=1, score=0.0, detections=20)
    arguments = {"filters": 8, "depth": 1, "anchor_sizes": (8, 16, 24, 32, 48)}
    out = tmp_path_factory.mktemp("run") / "run"
    return task.fit("retinanet", f"voc:{root}?validation=0&test=0.25", out=out, verbose=False, **arguments)


@pytest.fixture
def sharp(run, monkeypatch):
    """The run, with `rectangles` in the place of its untrained model."""
    for module in (detection_predictor, tiled_boxes):
        monkeypatch.setattr(module, "predict_batch", rectangles)
    return run


@pytest.fixture(scope="module")
def species(tmp_path_factory):
    """A run of a classification of photos of another size."""
    folder = tmp_path_factory.mktemp("species")
    for name, i in itertools.product(("fox", "owl"), range(4)):
        save_photo(folder / name / f"{i}.png", (12, 12), {(0, 0, i + 1, 5): "red" if name == "fox" else "blue"})
    model = zoo.cnn((6, 6, 3), 2, filters=(4,), units=5)
    task = recipes.Classification(epochs=1, batch_size=4, report_examples=0)
    return task.fit(model, f"folder:{folder}", verbose=False)


@pytest.fixture
def photos(tmp_path):
    """A folder with an empty photo, a broken one, and one with two objects."""
    folder = tmp_path / "photos"
    save_photo(folder / "a_empty.png", (64, 64))
    (folder / "b_broken.png").write_bytes((folder / "a_empty.png").read_bytes()[:TRUNCATED])
    save_photo(folder / "c_two.jpg", (64, 128), {(8, 8, 40, 40): "blue", (80, 20, 112, 60): "red"}, quality=95)
    return folder
