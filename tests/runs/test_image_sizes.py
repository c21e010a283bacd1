"""Photos of another size than the training photos give the same predictions by every path."""

import numpy as np
import pytest
from PIL import Image

import recipes
import zoo
from recipes.runs.predict_files import evaluate_run, predict_files
from tests.tolerance import assert_close

RNG = np.random.default_rng(3)
SIZE, OTHER_SIZES = (8, 12), [(16, 24), (5, 7), (1, 1), (40, 3)]


def write_photos(folder, sizes):
    """Writes a photo of each size in both classes; returns the paths."""
    paths = []
    for i, size in enumerate(sizes):
        for label, level in (("day", 180), ("night", 40)):
            path = folder / label / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(RNG.integers(level, level + 60, (*size, 3)).astype("uint8")).save(path)
            paths.append(path)
    return paths


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    write_photos(folder, [SIZE] * 12)
    model = zoo.cnn((6, 6, 3), 2, filters=(4,), units=4)
    return recipes.Classification(epochs=2, batch_size=4, report_examples=0).fit(
        model, f"folder:{folder}", verbose=False
    )


def expected_of(run, path):
    from zoo.export.image_decoding import resize_image

    pixels = np.asarray(Image.open(path))
    return run.predict(resize_image(pixels, SIZE, "uint8").numpy())[0]


def test_files_of_other_sizes_are_resized_to_the_size_of_the_training_photos(run, tmp_path):
    paths = write_photos(tmp_path, OTHER_SIZES)
    expected = np.stack([expected_of(run, path) for path in paths])
    assert_close(np.concatenate([run.predict(str(path)) for path in paths]), expected)
    assert_close(run.predict(list(map(str, paths))), expected)
    run.save(tmp_path / "run")
    (frame,) = predict_files(tmp_path / "run", paths)
    assert_close(frame[list(run.classes)].to_numpy(dtype="float32"), expected)
    run.export(tmp_path / "export")
    (frame,) = predict_files(run, paths, engine="tensorflow", export=tmp_path / "export")
    assert_close(frame[list(run.classes)].to_numpy(dtype="float32"), expected)
    loaded = zoo.predictor(tmp_path / "export", "tensorflow")
    for path in paths:
        with pytest.raises(ValueError, match="8, 12, 3"):
            loaded(np.asarray(Image.open(path))[None])


@pytest.mark.parametrize("sizes", [[(16, 24)] * 3, OTHER_SIZES])
def test_an_evaluation_resizes_as_a_prediction_does(run, tmp_path, sizes):
    paths = write_photos(tmp_path, sizes)
    run.save(tmp_path.parent / f"{tmp_path.name}-run")
    metrics = evaluate_run(tmp_path.parent / f"{tmp_path.name}-run", f"folder:{tmp_path}")
    probabilities = np.stack([expected_of(run, path) for path in paths])
    labels = np.array([run.classes.index(path.parent.name) for path in paths])
    assert metrics["examples"] == len(paths)
    assert metrics["accuracy"] == pytest.approx((probabilities.argmax(1) == labels).mean())
    assert metrics["log_loss"] == pytest.approx(-np.log(probabilities[range(len(paths)), labels]).mean(), rel=1e-4)
