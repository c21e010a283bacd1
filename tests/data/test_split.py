"""Splits: disjoint, stratified, with units kept whole, and repeatable."""

import numpy as np
import pytest

from recipes.data.split import content_keys, lacking_classes, pixel_strata, split, square_blocks


def unique(n):
    return np.arange(n, dtype=np.uint64)


def assignment_of(n, indices):
    """Returns (N,) the split of every example; fails where one is in two splits or in none."""
    assignment = np.full(n, -1)
    for i, selected in enumerate(indices):
        assert (assignment[selected] == -1).all()
        assignment[selected] = i
    assert (assignment >= 0).all()
    return assignment


def count_divided(assignment, labels):
    """Returns the number of labels with examples in more than one split."""
    return sum(len(np.unique(assignment[labels == label])) > 1 for label in np.unique(labels))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("fractions", [(0.15, 0.15), (0.2, 0.0), (0.0, 0.3), (0.05, 0.6)])
def test_classes_have_the_same_fraction_in_every_split(seed, fractions):
    rng = np.random.default_rng(seed)
    targets = rng.choice(4, 1000, p=(0.6, 0.3, 0.07, 0.03))
    assignment = assignment_of(1000, split(targets, unique(1000), fractions, seed))
    for i, fraction in enumerate((1 - sum(fractions), *fractions)):
        assert abs((assignment == i).sum() - fraction * 1000) <= 3
        for k in range(4):
            assert abs(((assignment == i) & (targets == k)).sum() - fraction * (targets == k).sum()) <= 2


def test_fractions_without_remainder_are_exact():
    assignment = assignment_of(5000, split(np.repeat(np.arange(10), 500), unique(5000), (0.15, 0.15)))
    assert np.bincount(assignment).tolist() == [3500, 750, 750]
    assert all(np.bincount(assignment[500 * k : 500 * k + 500]).tolist() == [350, 75, 75] for k in range(10))


@pytest.mark.parametrize("seed", range(5))
def test_many_small_classes_keep_the_overall_fractions(seed):
    targets = np.repeat(np.arange(100), 5)
    assignment = assignment_of(500, split(targets, unique(500), (0.15, 0.15), seed))
    assert all({0, 1, 2} == set(assignment[targets == k]) for k in range(100))
    assert (assignment == 0).sum() >= 0.58 * 500  # one of five must be in each of the other splits


def test_a_class_of_two_is_in_training_and_in_test():
    targets = np.array([0] * 20 + [1] * 2)
    assignment = assignment_of(22, split(targets, unique(22), (0.15, 0.15)))
    assert sorted(assignment[-2:]) == [0, 2]


@pytest.mark.parametrize("seed", range(10))
def test_identical_examples_groups_and_blocks_are_in_one_split(seed):
    rng = np.random.default_rng(seed)
    targets = rng.integers(0, 3, 300)
    keys = rng.integers(0, 200, 300).astype(np.uint64)
    groups = np.array([f"site {i}" for i in rng.integers(0, 150, 300)])
    assignment = assignment_of(300, split(targets, keys, (0.2, 0.2), seed))
    assert count_divided(assignment, keys) == 0
    assert count_divided(assignment, groups) > 0  # so that the next line can fail
    assignment = assignment_of(300, split(targets, unique(300), (0.2, 0.2), seed, groups=groups))
    assert count_divided(assignment, groups) == 0
    x, y = rng.uniform(0, 100, (2, 300))
    blocks = square_blocks(x, y, 10)
    assignment = assignment_of(300, split(targets, unique(300), (0.2, 0.2), seed, blocks=blocks))
    assert count_divided(assignment, blocks) == 0
    assert all(abs((assignment == i).mean() - fraction) < 0.05 for i, fraction in enumerate((0.6, 0.2, 0.2)))
    assert all(abs(targets[assignment == i].mean() - targets.mean()) < 0.15 for i in range(3))


def test_linked_groups_stay_together():
    # 0 and 1 are identical, 1 and 2 of one group, 2 and 3 of one block
    keys = np.array([7, 7, *range(10, 28)], dtype=np.uint64)
    groups = np.array([0, 1, 1, *range(3, 20)])
    blocks = np.array([0, 1, 2, 2, *range(4, 20)])
    for seed in range(20):
        assignment = assignment_of(20, split(np.zeros(20, int), keys, (0.2, 0.2), seed, groups, blocks))
        assert len(set(assignment[:4])) == 1


def test_square_blocks_are_squares():
    assert len(set(square_blocks([0, 9.9, 5], [0, 9.9, 5], 10))) == 1
    blocks = square_blocks([0, 10, -0.1, 0], [0, 0, 0, 25], 10)
    assert len(set(blocks)) == 4


def test_neighboring_tiles_are_in_blocks():
    x, y = (a.ravel() for a in np.meshgrid(np.arange(40), np.arange(40)))
    assignment = assignment_of(
        1600, split(np.zeros(1600, int), unique(1600), (0.2, 0.2), 0, blocks=square_blocks(x, y, 8))
    )
    grid = assignment.reshape(40, 40)
    assert (grid[:, 1:] != grid[:, :-1]).mean() < 1 / 8  # only across the blocks' edges


@pytest.mark.parametrize("outputs", [1, 3])
def test_numbers_are_stratified_by_deciles(outputs):
    rng = np.random.default_rng(0)
    y = np.exp(rng.normal(size=(400, outputs))).astype("float32")
    assignment = assignment_of(400, split(y, unique(400), (0.2, 0.2)))
    low = y[:, 0] < np.quantile(y[:, 0], 0.5)
    tolerance = 0.02 if outputs == 1 else 0.12
    assert all(abs(low[assignment == i].mean() - 0.5) < tolerance for i in range(3))
    assert all(abs((assignment == i).mean() - s) < 0.01 for i, s in enumerate((0.6, 0.2, 0.2)))


def test_several_labels_have_the_same_fraction_in_every_split():
    rng = np.random.default_rng(0)
    y = (rng.random((400, 4)) < (0.5, 0.3, 0.1, 0.05)).astype("uint8")
    assignment = assignment_of(400, split(y, unique(400), (0.2, 0.2)))
    for k in range(4):
        for i, fraction in enumerate((0.6, 0.2, 0.2)):
            assert abs(y[assignment == i, k].sum() - fraction * y[:, k].sum()) <= 4
    assert all(abs((assignment == i).mean() - s) < 0.05 for i, s in enumerate((0.6, 0.2, 0.2)))


def test_equal_seeds_give_equal_splits_and_others_differ():
    targets = np.random.default_rng(0).integers(0, 3, 200)
    groups = np.arange(200) // 4
    for g in (None, groups):
        one, two, other = (split(targets, unique(200), (0.2, 0.2), seed, g) for seed in (3, 3, 4))
        assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))
        assert not np.array_equal(np.sort(one[2]), np.sort(other[2]))


def test_training_is_not_sorted_by_class():
    train = split(np.repeat([0, 1], 500), unique(1000), (0.15, 0.15))[0]
    assert 20 < (train[:100] < 500).sum() < 80


def test_content_keys_are_equal_for_equal_content():
    x = np.zeros((4, 2, 2), "uint8")
    x[2, 0, 0] = 1
    keys = content_keys(x)
    assert keys[0] == keys[1] == keys[3] != keys[2]
    table = {"a": np.array([1.0, 1.0, 2.0], "float32"), "b": np.array(["x", "x", "x"], dtype=object)}
    keys = content_keys(table)
    assert keys[0] == keys[1] != keys[2]


def test_splits_that_cannot_be_made_are_errors():
    with pytest.raises(ValueError, match=r"`validation` \+ `test` must be below 1, got 0.5 \+ 0.5"):
        split(np.zeros(10, int), unique(10), (0.5, 0.5))
    targets, groups = np.array([0] * 10 + [1] * 10), np.array([0] * 10 + [1] * 10)
    with pytest.raises(ValueError, match="must leave examples for every split.*got 2 units for 20 examples"):
        split(targets, unique(20), (0.0, 0.5), groups=groups)
    with pytest.raises(ValueError, match="of every class for training"):
        split(targets, unique(20), (0.0, 0.6), groups=groups)


@pytest.mark.parametrize("seed", range(5))
def test_a_class_of_a_few_groups_is_in_every_split(seed):
    rng = np.random.default_rng(seed)
    groups, targets = np.repeat(np.arange(9), 10), rng.integers(0, 2, 90)
    for group in rng.choice(9, 3, replace=False):
        targets[np.flatnonzero(groups == group)[:2]] = 2
    for selected in split(targets, None, (0.15, 0.15), seed, groups=groups):
        assert set(targets[selected]) == {0, 1, 2}


@pytest.mark.parametrize("seed", range(5))
def test_rare_labels_are_in_every_split(seed):
    rng = np.random.default_rng(seed)
    labels = np.zeros((60, 4), "uint8")
    labels[:, 0] = rng.random(60) < 0.5
    for column, count in ((1, 3), (2, 4), (3, 1)):
        labels[rng.choice(60, count, replace=False), column] = 1
    train, *others = (labels[selected].sum(0) for selected in split(labels, None, (0.15, 0.15), seed))
    assert train.all() and all(counts[:3].all() for counts in others)


@pytest.mark.parametrize("seed", range(5))
def test_images_with_rare_pixel_classes_are_in_every_split(seed):
    rng = np.random.default_rng(seed)
    counts = np.zeros((40, 4), int)
    counts[:, 0], counts[:, 1] = 100, rng.integers(0, 2, 40) * 10
    counts[rng.choice(40, 4, replace=False), 2] = 5
    counts[rng.choice(40, 3, replace=False), 3] = 5
    selections = split(pixel_strata(counts), None, (0.15, 0.15), seed)
    assert all(counts[selected].sum(0).all() for selected in selections)
    assert [len(selected) for selected in selections] == [28, 6, 6]


def test_images_of_two_classes_are_stratified_by_the_fraction_of_the_rarer_one():
    strata = pixel_strata([[90, 10], [50, 50], [100, 0]])
    assert strata.dtype == np.float32 and strata[:, 0].tolist() == pytest.approx([0.1, 0.5, 0])
    assert pixel_strata([[1, 2, 3], [3, 2, 1]]).shape == (2, 1)  # every image has every class


def test_notes_name_the_splits_that_lack_a_class():
    counts = {"train": [5, 1, 0], "validation": [2, 0, 1], "test": [1, 0, 0]}
    assert lacking_classes(counts, ("a", "b", "c")) == [
        "no example of class 'b' in validation and test",
        "no example of class 'c' in training and test",
    ]
