"""Photos of another size, depth or color than in training are predicted and evaluated as the export predicts them."""

import numpy as np
import pytest
from PIL import Image

import recipes
from recipes.data.images.image_files import read_pixels, resize_image
from recipes.runs.predict_files import evaluate_run, predict_files
from tests.tolerance import assert_close

RNG = np.random.default_rng(0)


def save_photos(root, classes, shape, count=6):
    """Saves a folder of PNG files per class, of which each class has its brightness."""
    for name, low in classes.items():
        (root / name).mkdir(parents=True)
        for i in range(count):
            Image.fromarray(RNG.integers(low, low + 60, shape, dtype=np.uint8)).save(root / name / f"{i}.png")
    return root


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    photos = save_photos(folder / "photos", {"dark": 0, "light": 190}, (16, 16, 3))
    run = recipes.Classification(epochs=1, batch_size=4).fit("lenet5", f"folder:{photos}", verbose=False)
    run.save(folder / "run")
    return run, folder / "run"


GRAY, CONSTANT = "have no color, and those of the training had", "have one value in all pixels"


@pytest.mark.parametrize("shape", [(40, 24, 3), (5, 5, 3), (1, 1, 3), (30, 30), (16, 16, 4)])
def test_a_photo_of_another_size_or_color_is_predicted_as_its_resized_pixels(trained, shape, tmp_path):
    run, folder = trained
    path = tmp_path / "new.png"
    Image.fromarray(RNG.integers(0, 256, shape, dtype=np.uint8)).save(path)
    pixels = np.broadcast_to(read_pixels(path), (*shape[:2], 3))
    expected = run.predict(resize_image(pixels, (16, 16))[None])
    assert_close(run.predict(path), expected)
    (tmp_path / "broken.png").write_bytes(path.read_bytes()[:45])
    (frame,) = predict_files(folder, [tmp_path])
    assert_close(frame[["dark", "light"]].to_numpy(float)[:1], expected)
    assert frame["error"].isna().tolist() == [True, False]


@pytest.mark.parametrize(("shape", "note"), [((30, 30), GRAY), ((1, 1, 3), CONSTANT)])
def test_photos_without_color_or_content_are_noted(trained, shape, note, tmp_path):
    Image.fromarray(RNG.integers(0, 256, shape, dtype=np.uint8)).save(tmp_path / "new.png")
    with pytest.warns(UserWarning, match=f"1 images {note}.*new.png"):
        trained[0].predict(tmp_path / "new.png")


def test_photos_of_another_size_or_color_are_evaluated(trained, tmp_path):
    run, folder = trained
    for name, shape in (("large", (40, 24, 3)), ("gray", (16, 16)), ("small", (9, 9, 3))):
        photos = save_photos(tmp_path / name, {"dark": 0, "light": 190}, shape, count=3)
        files = sorted(photos.rglob("*.png"))
        predicted = run.predict(files, labels=True)
        metrics = evaluate_run(folder, str(photos))
        assert_close(metrics["accuracy"], np.mean(predicted == np.array([file.parent.name for file in files])))
        assert metrics["examples"] == 6
    one = save_photos(tmp_path / "one", {"light": 190}, (20, 20, 3))
    with pytest.warns(UserWarning, match="the data have no examples of dark"):
        metrics = evaluate_run(folder, str(one))
    assert metrics["balanced_accuracy"] == metrics["accuracy"]
