"""Unlabelled examples: folders of photos without classes, further arrays, and labels that are hidden."""

import numpy as np
import pytest

import recipes
from recipes.data import load, reopen
from recipes.data.fingerprint import fingerprints
from recipes.data.images.image_files import ImageFiles
from recipes.data.unlabelled import hide_labels, join_inputs
from tests.data.test_folder import fill, random_image

RNG = np.random.default_rng(0)


@pytest.fixture
def labelled(tmp_path):
    for name in ("oak", "birch"):
        fill(tmp_path / "labelled" / name, 6)
    return tmp_path / "labelled"


def arrays(count=40, classes=2):
    x = RNG.integers(0, 256, (count, 8, 8, 1)).astype("uint8")
    return x, np.arange(count) % classes


def test_photos_of_any_depth_are_read_like_the_labelled_ones(labelled, tmp_path):
    fill(tmp_path / "archive" / "2020" / "may", 3)
    fill(tmp_path / "archive", 2, suffix="jpg")
    (tmp_path / "archive" / "notes.txt").write_text("none")
    data = load(f"folder:{labelled}?unlabelled={tmp_path / 'archive'}&validation=0")
    unlabelled = data.train.unlabelled
    assert len(unlabelled) == 5 and (unlabelled.targets == -1).all()
    assert isinstance(unlabelled.inputs, ImageFiles) and unlabelled.head(5).shape == (5, 12, 10, 3)
    assert (data.shape, data.dtype, unlabelled.inputs.shape) == ((12, 10, 3), "uint8", (12, 10, 3))
    assert {name.rsplit("/", 1)[1] for name in unlabelled.names} == {"0.png", "1.png", "2.png", "0.jpg", "1.jpg"}
    assert any("5 photos without labels" in note for note in data.notes)
    assert "5 unlabelled" in repr(data)
    again = reopen(data.source_spec)
    np.testing.assert_array_equal(again.train.unlabelled.names, unlabelled.names)
    assert load(str(data.source_spec)).train.unlabelled is not None
    without = load(f"folder:{labelled}?validation=0")
    assert without.train.unlabelled is None
    assert (
        fingerprints(data)["train"]
        != fingerprints(without)["train"]
        == fingerprints(load(f"folder:{labelled}?validation=0"))["train"]
    )


def test_sizes_may_differ_and_gray_photos_get_three_bands(labelled, tmp_path):
    fill(tmp_path / "archive", 2, height=20, width=30)
    random_image(bands=1).save(tmp_path / "archive" / "gray.png")
    data = load(f"folder:{labelled}", unlabelled=tmp_path / "archive")
    assert data.shape == data.train.inputs.shape == (None, None, 3)
    assert sorted(image.shape for image in data.train.unlabelled.head(3)) == [(12, 10, 3), (20, 30, 3), (20, 30, 3)]


def test_photos_that_are_labelled_too_are_left_out(labelled, tmp_path):
    fill(tmp_path / "archive", 2)
    (tmp_path / "archive" / "copy.png").write_bytes((labelled / "oak" / "3.png").read_bytes())
    data = load(f"folder:{labelled}", unlabelled=tmp_path / "archive")
    assert len(data.train.unlabelled) == 2
    assert "left out 1 unlabelled photos that are identical to a labelled one" in data.notes


def test_broken_photos_are_left_out_with_a_note(labelled, tmp_path):
    fill(tmp_path / "archive", 2)
    (tmp_path / "archive" / "broken.png").write_bytes(b"no image")
    with pytest.warns(UserWarning, match="skipped 1 unlabelled photos that cannot be read, such as broken.png"):
        data = load(f"folder:{labelled}", unlabelled=tmp_path / "archive")
    assert len(data.train.unlabelled) == 2
    with pytest.raises(ValueError, match="must have photos that can be read, got 1 of 3 that cannot"):
        load(f"folder:{labelled}", unlabelled=tmp_path / "archive", strict=True)


def test_unsuitable_folders_are_refused(labelled, tmp_path):
    (tmp_path / "empty").mkdir()
    fill(tmp_path / "gray_and_alpha", 1)
    cases = {
        tmp_path / "none": "must be a folder of photos, got .*none, which does not exist",
        tmp_path / "empty": "must be a folder with photos .* got none",
        labelled: "must be a folder outside of .*labelled, whose folders are classes",
        labelled / "oak": "must be a folder outside of .*labelled",
    }
    for folder, message in cases.items():
        with pytest.raises(ValueError, match=message):
            load(f"folder:{labelled}", unlabelled=folder)


def test_a_folder_of_copies_only_is_refused(labelled, tmp_path):
    (tmp_path / "copies").mkdir()
    (tmp_path / "copies" / "0.png").write_bytes((labelled / "oak" / "0.png").read_bytes())
    with pytest.raises(ValueError, match="must have photos that are not among the labelled ones"):
        load(f"folder:{labelled}", unlabelled=tmp_path / "copies")


def test_photos_of_other_bands_are_refused(tmp_path):
    for name in ("oak", "birch"):
        fill(tmp_path / "labelled" / name, 3, bands=1)
    fill(tmp_path / "archive", 1)
    with pytest.raises(ValueError, match=r"images must have 1 band, as the others have, got 3 in .*archive"):
        load(f"folder:{tmp_path / 'labelled'}", unlabelled=tmp_path / "archive")


def test_a_misspelt_option_is_suggested(labelled):
    with pytest.raises(ValueError, match="unknown option `unlabeled`.*unlabelled"):
        load(f"folder:{labelled}?unlabeled=archive")


def test_arrays_have_further_inputs_without_targets():
    more = arrays(7)[0]
    data = recipes.read_arrays(arrays(), unlabelled=more)
    np.testing.assert_array_equal(data.train.unlabelled.inputs, more)
    with pytest.raises(
        ValueError, match=r"`unlabelled` must have inputs of \(8, 8, 1\) uint8, as x has, got \(4, 8, 1\)"
    ):
        recipes.read_arrays(arrays(), unlabelled=more[:, :4])
    floats = arrays()[0].astype("float32"), arrays()[1]
    with pytest.raises(ValueError, match="`unlabelled` must be finite"):
        recipes.read_arrays(floats, unlabelled=np.full((2, 8, 8, 1), np.nan, "float32"))


def test_hidden_labels_leave_as_many_of_each_class():
    data = load(arrays(60, 3))
    hidden = hide_labels(data, 4, seed=1)
    assert np.bincount(hidden.train.targets).tolist() == [4, 4, 4]
    assert len(hidden.validation) == 0 and hidden.test is data.test
    assert len(hidden.train.unlabelled) == len(data.train) + len(data.validation) - 12
    images = {x.tobytes(): y for x, y in zip(data.train.inputs, data.train.targets, strict=True)}
    images |= {x.tobytes(): y for x, y in zip(data.validation.inputs, data.validation.targets, strict=True)}
    for examples in (hidden.train, hidden.train.unlabelled):
        assert all(images.pop(x.tobytes()) == y for x, y in zip(examples.inputs, examples.targets, strict=True))
    assert not images
    again, other = hide_labels(data, 4, seed=1), hide_labels(data, 4, seed=2)
    np.testing.assert_array_equal(again.train.names, hidden.train.names)
    assert set(other.train.names) != set(hidden.train.names)
    assert hide_labels(hidden, 4, seed=1) is hidden
    assert any("12 labelled training examples, 4 of each class, drawn with seed 1" in note for note in hidden.notes)


def test_more_labels_than_a_class_has_are_refused():
    with pytest.raises(ValueError, match="`labels_per_class` must be at most .* got 40 where 0 has 14"):
        hide_labels(load(arrays()), 40, seed=0)


def test_labels_of_photos_are_hidden_and_joined_with_unlabelled_photos(labelled, tmp_path):
    fill(tmp_path / "archive", 2)
    data = hide_labels(load(f"folder:{labelled}", unlabelled=tmp_path / "archive"), 2, seed=0)
    unlabelled = data.train.unlabelled
    assert len(data.train) == 4 and sum(unlabelled.targets == -1) == 2
    assert unlabelled.inputs.read(len(unlabelled) - 1).shape == (12, 10, 3)


def test_inputs_of_other_kinds_are_not_joined():
    with pytest.raises(ValueError, match="must be arrays or image files, got dict"):
        join_inputs([{"a": np.zeros(2)}, {"a": np.zeros(2)}])


def test_photos_without_classes_are_a_data_set_of_their_own(tmp_path):
    fill(tmp_path / "photos" / "may", 12)
    fill(tmp_path / "photos", 8, suffix="jpg")
    data = load(f"folder:{tmp_path / 'photos'}?labels=false&test=0.2")
    assert (data.task, data.classes, data.outputs) == ("unlabelled", (), ())
    assert len(data.train) + len(data.validation) + len(data.test) == 20 and len(data.test) == 4
    assert all((x.targets == -1).all() for x in (data.train, data.validation, data.test))
    again = reopen(data.source_spec)
    assert list(again.train.names) == list(data.train.names) and "labels=false" in str(data.source_spec)
    with pytest.raises(ValueError, match="got images that are in no class folder.* use folder:.*labels=false"):
        fill(tmp_path / "loose", 3)
        load(f"folder:{tmp_path / 'loose'}")
    with pytest.raises(ValueError, match="must have photos .* at any depth, got none"):
        (tmp_path / "empty").mkdir()
        load(f"folder:{tmp_path / 'empty'}?labels=false")
    with pytest.raises(ValueError, match="`labels` must be true with `classes` or `unlabelled`"):
        load(f"folder:{tmp_path / 'photos'}?labels=false&classes=oak")
