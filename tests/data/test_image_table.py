"""A table with the path of an image in each row is read as a data set of images."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import recipes
from recipes.data import load

RNG = np.random.default_rng(0)


@pytest.fixture
def photos(tmp_path):
    """A folder of 24 photos, dark and bright ones in turn, and the table of them."""
    rows = []
    for i in range(24):
        name = f"site{i // 4}/{i}.png"
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray((RNG.integers(0, 100, (8, 10, 3)) + 150 * (i % 2)).astype("uint8")).save(
            tmp_path / "photos" / name
        )
        rows.append(
            {"file": name, "cover": 0.1 + i % 2, "species": ["oak", "ash"][i % 2], "site": i // 4, "w": 1 + i % 2}
        )
    return tmp_path / "photos", pd.DataFrame(rows)


def read(photos, frame, **options):
    folder, _ = photos
    frame.to_csv(folder.parent / "labels.csv", index=False)
    return load(f"image_table:{folder.parent / 'labels.csv'}", **({"images": folder} | options))


def all_examples(data):
    return [
        (n, t)
        for split in (data.train, data.validation, data.test)
        for n, t in zip(split.names, split.targets, strict=True)
    ]


def test_each_image_has_the_class_of_its_row(photos):
    folder, frame = photos
    data = read(photos, frame, target="species")
    assert (data.task, data.kind, data.shape, data.classes) == ("classification", "image", (8, 10, 3), ("ash", "oak"))
    expected = {str(folder / f): s for f, s in zip(frame["file"], frame["species"], strict=True)}
    assert {str(n): data.classes[t] for n, t in all_examples(data)} == expected
    assert data.train.inputs.read(0).mean() > 150 or data.classes[data.train.targets[0]] == "oak"


def test_numbers_are_a_regression_and_columns_of_0_and_1_several_labels(photos):
    _, frame = photos
    assert read(photos, frame, target="cover").task == "regression"
    labels = frame.assign(bird=1, tree=frame["site"] % 2)
    assert read(photos, labels, target=("bird", "tree")).task == "multilabel"


def test_groups_stay_in_one_split_and_weights_have_a_mean_of_1(photos):
    _, frame = photos
    data = read(photos, frame, target="species", group="site", weight="w")
    sites = [{str(n).split("/")[-2] for n in split.names} for split in (data.train, data.validation, data.test)]
    assert not (sites[0] & sites[1] or sites[0] & sites[2] or sites[1] & sites[2])
    weights = np.concatenate([split.weights for split in (data.train, data.validation, data.test)])
    assert weights.mean() == pytest.approx(1) and sorted(set(weights)) == pytest.approx([2 / 3, 4 / 3])


def test_an_image_in_two_rows_stays_in_one_split(photos):
    _, frame = photos
    both = pd.concat([frame, frame.assign(species=frame["species"].map({"oak": "ash", "ash": "oak"}))])
    data = read(photos, both, target="species", weight="w")
    splits = [set(split.names) for split in (data.train, data.validation, data.test)]
    assert sum(map(len, splits)) == len(frame)


def test_names_without_a_suffix_are_those_of_the_only_image(photos):
    folder, frame = photos
    data = read(photos, frame.assign(file=frame["file"].str.removesuffix(".png")), target="species")
    assert sorted(map(str, (n for n, _ in all_examples(data)))) == sorted(str(folder / f) for f in frame["file"])


def test_rows_that_cannot_be_used_are_counted_and_named(photos):
    folder, frame = photos
    (folder / "broken.png").write_bytes((folder / "site0/0.png").read_bytes()[:60])
    wrong = pd.DataFrame(
        [("away.png", "oak"), (None, "oak"), ("site0/0.png", None), ("broken.png", "ash")], columns=["file", "species"]
    )
    with pytest.warns(UserWarning, match="left out"):
        data = read(photos, pd.concat([frame, wrong]), target="species")
    notes = " ".join(data.notes)
    for text in (
        "rows without an image: 1 (row 26)",
        "rows without a target: 1 (row 27)",
        "do not exist: 1 (away.png)",
    ):
        assert text in notes
    assert "images that cannot be read" in notes and "broken.png" in notes
    assert len(all_examples(data)) == len(frame)
    with pytest.raises(ValueError, match="under `strict`, got rows without an image: 1"):
        read(photos, pd.concat([frame, wrong]), target="species", strict=True)


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({}, {"target": "specie"}, "Did you mean `species`"),
        ({}, {"target": ()}, "`target` must name a column"),
        ({"file": "nowhere.png"}, {"target": "species"}, "must name images below .*`images` names their folder"),
        ({}, {"target": "species", "image": "photo"}, "`image` must name columns of the table, got 'photo'"),
        ({"w": -1}, {"target": "species", "weight": "w"}, "`weight` must have a finite number of at least 0"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(photos, change, options, message):
    _, frame = photos
    with pytest.raises(ValueError, match=message):
        read(photos, frame.assign(**change), **options)


def test_weighted_images_that_are_flipped_as_they_are_read_are_trained_on(photos, monkeypatch):
    _, frame = photos
    data = read(photos, frame, target="species", weight="w")
    monkeypatch.setattr("recipes.training.pipeline.MEMORY", 0)
    task = recipes.Classification(batch_size=4, augment=("flip",))
    batch = next(iter(task.pipeline(data.train, training=True)))
    assert len(batch) == 3 and batch[2].shape == (4,)
