"""Arrays and tf.data.Datasets, as Python and R send them."""

import numpy as np
import pytest
import tensorflow as tf

from recipes.data import Data, Examples, load, streams

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (40, 6, 5, 2)).astype("uint8")
LABELS = np.arange(40) % 4


def splits(data):
    return data.train, data.validation, data.test


def matches(data, x, y):
    """Whether every example of every split is the one that its name numbers."""
    return all(
        np.array_equal(p.inputs[i], x[p.names[i]]) and np.array_equal(p.targets[i], y[p.names[i]])
        for p in splits(data)
        for i in range(len(p))
    )


def test_images_and_labels():
    data = load((IMAGES, LABELS))
    assert isinstance(data, Data) and isinstance(data.train, Examples)
    assert (data.kind, data.shape, data.dtype, data.task) == ("image", (6, 5, 2), "uint8", "classification")
    assert data.classes == ("0", "1", "2", "3") and matches(data, IMAGES, LABELS)
    assert sum(map(len, splits(data))) == 40 and load(data) is data
    assert repr(data) == "<arrays: classification of image (6, 5, 2) uint8, 4 classes; 28 train, 6 validation, 6 test>"


@pytest.mark.parametrize(
    "labels",
    [LABELS, LABELS.astype("float64"), LABELS.tolist(), LABELS[:, None], np.eye(4)[LABELS], tf.constant(LABELS)],
    ids=["ints", "whole floats", "list", "column", "one-hot", "tensor"],
)
def test_labels_may_have_every_usual_form(labels):
    data = load((IMAGES, labels))
    assert data.train.targets.dtype == np.int32 and matches(data, IMAGES, LABELS)


def test_names_may_be_labels():
    names = np.array(["elm", "ash", "oak", "yew"])[LABELS]
    data = load((IMAGES, names))
    assert data.classes == ("ash", "elm", "oak", "yew")
    assert all(data.classes[t] == names[n] for t, n in zip(data.test.targets, data.test.names, strict=True))
    ordered = load((IMAGES, names.tolist()), classes=("yew", "oak", "elm", "ash"))
    assert ordered.classes[ordered.test.targets[0]] == names[ordered.test.names[0]]
    named = load((IMAGES, LABELS), classes=("elm", "ash", "oak", "yew"))
    assert named.classes[named.test.targets[0]] == names[named.test.names[0]]


def test_labels_from_1_are_classes_and_refused_where_the_classes_are_named():
    assert load((IMAGES, LABELS + 1)).classes == ("1", "2", "3", "4")
    with pytest.raises(ValueError, match=r"labels must lie in \[0, 3\].*got \[1, 4\]. They look 1-based"):
        load((IMAGES, LABELS + 1), classes=("a", "b", "c", "d"))


def test_whole_number_targets_of_images_are_classes_however_many():
    x = RNG.integers(0, 256, (60, 3, 3, 1)).astype("uint8")
    assert len(load((x, np.arange(60) // 2)).classes) == 30
    assert load((x.reshape(60, 9), np.arange(60) // 2)).task == "regression"


def test_several_labels_and_numbers():
    hot = (RNG.random((40, 3)) < 0.5).astype("float64")
    hot[0] = 1
    data = load((IMAGES, hot), classes=("a", "b", "c"))
    assert (data.task, data.classes, data.train.targets.dtype) == ("multilabel", ("a", "b", "c"), np.uint8)
    y = RNG.normal(size=(40, 2))
    data = load((RNG.normal(size=(40, 7)), y))
    assert (data.task, data.kind, data.outputs) == ("regression", "vector", ("target0", "target1"))
    assert data.train.targets.dtype == np.float32 and data.train.inputs.dtype == np.float32


def test_the_kind_follows_from_the_shape():
    y = np.arange(12) % 2
    assert load((RNG.normal(size=12), y)).shape == (1,)
    assert load((RNG.normal(size=(12, 8, 3)), y)).kind == "series"
    grey = load((RNG.integers(0, 256, (12, 8, 8)).astype("uint8"), y))
    assert (grey.kind, grey.shape) == ("image", (8, 8, 1))
    deep = RNG.integers(0, 9999, (12, 4, 4, 1)).astype("uint16")
    assert load((deep, y)).dtype == "uint16" and load((deep.astype("int64"), y)).dtype == "float32"


def test_lists_and_fortran_arrays_of_r_are_read():
    x = np.asfortranarray(IMAGES.astype("float64"))
    x.flags.writeable = False
    data = load([x, LABELS.astype("float64").tolist()], seed=1.0)
    assert data.dtype == "float32" and matches(data, IMAGES.astype("float32"), LABELS)
    data = load([[IMAGES[:30], LABELS[:30].tolist()], [IMAGES[30:], LABELS[30:].tolist()]])
    assert len(data.test) == 10 and len(data.train) + len(data.validation) == 30


def test_splits_may_be_given():
    three = load(((IMAGES[:20], LABELS[:20]), (IMAGES[20:30], LABELS[20:30]), (IMAGES[30:], LABELS[30:])))
    assert [len(p) for p in splits(three)] == [20, 10, 10]
    np.testing.assert_array_equal(three.test.inputs, IMAGES[30:])
    assert np.shares_memory(three.test.inputs, IMAGES)  # nothing is copied that need not be
    with pytest.warns(UserWarning, match="20 examples of the test split are also in the train split"):
        load(((IMAGES, LABELS), (IMAGES[:20], LABELS[:20])), validation=0)
    with pytest.raises(ValueError, match="training split must have examples of every class, got none of '3'"):
        load(((IMAGES[:20][LABELS[:20] < 3], LABELS[:20][LABELS[:20] < 3]), (IMAGES[20:], LABELS[20:])))
    with pytest.raises(ValueError, match="inputs of all splits must have one shape and dtype"):
        load(((IMAGES[:20], LABELS[:20]), (IMAGES[20:, 1:], LABELS[20:])))


def test_gaps_are_an_error_unless_missing_is_set():
    x = RNG.normal(size=(40, 3))
    x[3, 1] = np.nan
    with pytest.raises(ValueError, match="x has NaN or infinite numbers in 1 of 40 examples; missing='drop'"):
        load((x, LABELS))
    dropped = load((x, LABELS), missing="drop")
    assert sum(map(len, splits(dropped))) == 39 and dropped.notes[0] == "left out 1 of 40 examples with gaps"
    assert matches(dropped, x.astype("float32"), LABELS)
    assert sum(np.isnan(p.inputs).sum() for p in splits(load((x, LABELS), missing="impute"))) == 1
    with pytest.raises(ValueError, match="'error' or 'drop' for inputs of kind series, got 'impute'"):
        load((x[..., None], LABELS), missing="impute")
    with pytest.raises(ValueError, match="the target must have no gaps, as a target is never imputed, got 2 in 40"):
        load((IMAGES, np.where(np.arange(40) < 2, np.nan, 1.5)))


def test_groups_stay_whole():
    groups = np.arange(40) // 4
    data = load((IMAGES, LABELS), group=groups, validation=0.2, test=0.2)
    group_sets = [set(groups[p.names]) for p in splits(data)]
    assert all(group_sets) and not (
        group_sets[0] & group_sets[1] or group_sets[0] & group_sets[2] or group_sets[1] & group_sets[2]
    )
    assert "10 groups kept whole" in data.split_description
    with pytest.raises(ValueError, match="`group` must have one label for each of 40 examples, got shape"):
        load((IMAGES, LABELS), group=groups[:5])
    with pytest.raises(ValueError, match="one label per example where the inputs are arrays, got 'site'"):
        load((IMAGES, LABELS), group="site")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ((IMAGES, LABELS[:5]), "x and y must have as many examples, got 40 and 5"),
        ((np.array([["a"]]), [1]), "x must be an array of numbers, got dtype <U1"),
        (([[1, 2], [3]], [0, 1]), "x must be one array, got entries of different shapes"),
        ((np.zeros((2, 1, 1, 1, 1)), [0, 1]), r"x must have shape \(N, F\) for vectors"),
        ((IMAGES, LABELS.astype(str)[:, None].repeat(2, 1)), "or numbers for task=.regression., got"),
        ((IMAGES, LABELS * 0), "must have two classes or more, got only '0'"),
        (3, "`source` must be a string, .* got int"),
        ("mnist", "`source` must begin with bundled: or tfds: or .* got 'mnist'"),
        ("bundle:mnist-5k", r"got 'bundle:mnist-5k'. Did you mean `bundled`\?"),
    ],
)
def test_unsuitable_sources_are_errors(source, message):
    with pytest.raises(ValueError, match=message):
        load(source)


def test_options_of_other_readers_are_refused():
    with pytest.raises(ValueError, match="read_arrays: unknown argument `drop_columns`"):
        load((IMAGES, LABELS), drop_columns="a")
    with pytest.raises(ValueError, match="read_arrays: unknown argument `target`.*It takes source, task, classes"):
        load((IMAGES, LABELS), target="a")


# tf.data.Datasets


def dataset(**options):
    return tf.data.Dataset.from_tensor_slices((IMAGES, LABELS), **options)


@pytest.mark.parametrize("make", [dataset, lambda: dataset().batch(7), lambda: dataset().batch(8, drop_remainder=True)])
def test_a_dataset_that_fits_in_memory_becomes_arrays(make):
    data = load(make())
    assert isinstance(data.train.inputs, np.ndarray) and matches(data, IMAGES, LABELS)
    assert (data.shape, data.dtype, data.classes) == ((6, 5, 2), "uint8", ("0", "1", "2", "3"))
    assert sum(map(len, splits(data))) == 40


def test_a_dataset_of_dicts_is_a_table():
    x = {"a": np.arange(40.0) * 1.5, "b": np.array(["u", "v"])[LABELS % 2]}
    for source in (
        tf.data.Dataset.from_tensor_slices((x, LABELS)),
        tf.data.Dataset.from_tensor_slices((x, LABELS)).batch(9),
    ):
        data = load(source)
        assert data.columns == {"a": "number", "b": "category"}
        assert all(data.train.inputs["b"][i] == "uv"[data.train.targets[i] % 2] for i in range(len(data.train)))


def test_a_dataset_that_does_not_fit_in_memory_stays_a_dataset(monkeypatch):
    monkeypatch.setattr(streams, "MAX_BYTES_IN_MEMORY", 100)
    data = load(dataset())
    assert isinstance(data.train.inputs, tf.data.Dataset) and data.shape == (6, 5, 2)
    names = []
    for split in splits(data):
        pairs = list(split.dataset().as_numpy_iterator())
        assert len(pairs) == len(split) == int(split.dataset().cardinality())
        for (x, y), name in zip(pairs, split.names, strict=True):
            np.testing.assert_array_equal(x, IMAGES[name])
            assert y == LABELS[name]
        names += split.names.tolist()
        assert split.head(3).shape == (3, 6, 5, 2)
    assert sorted(names) == list(range(40))
    with pytest.raises(ValueError, match="take: `inputs` must be arrays, a table or files, got a tf.data.Dataset"):
        data.train.take([0])


def test_images_of_different_sizes_stay_a_dataset():
    def photos():
        for i in range(20):
            yield np.full((4 + i % 3, 5, 3), i, "uint8"), i % 2

    spec = (tf.TensorSpec((None, None, 3), tf.uint8), tf.TensorSpec((), tf.int32))
    data = load(tf.data.Dataset.from_generator(photos, output_signature=spec))
    assert data.shape == (None, None, 3) and isinstance(data.train.head(4), list)
    test = data.test.dataset().as_numpy_iterator()
    assert all((x == n).all() and y == n % 2 for (x, y), n in zip(test, data.test.names, strict=True))


def test_a_dataset_that_shuffles_is_refused_as_its_splits_would_overlap(monkeypatch):
    assert len(load(dataset().shuffle(40)).train) == 28  # it is read once, so its order is one order
    monkeypatch.setattr(streams, "MAX_BYTES_IN_MEMORY", 100)
    with pytest.raises(ValueError, match="must have the same examples in the same order at each reading"):
        load(dataset().shuffle(40))


def test_unsuitable_datasets_are_errors():
    with pytest.raises(ValueError, match="must be finite, got an infinite one"):
        load(dataset().repeat())
    with pytest.raises(ValueError, match=r"must yield \(input, target\)"):
        load(dataset().map(lambda x, y: x))
    with pytest.raises(ValueError, match="must have examples, got an empty one"):
        load(dataset().take(0))


def test_splits_may_be_datasets():
    data = load((dataset().take(24), dataset().skip(24)), validation=0)
    assert (len(data.train), len(data.test)) == (24, 16)
    np.testing.assert_array_equal(data.test.inputs, IMAGES[24:])
