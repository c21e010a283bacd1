"""Cost volumes: parity with loops over all cells, and their maxima."""

import keras
import numpy as np
import pytest

from tests.tolerance import assert_close
from zoo.introspect import macs
from zoo.layers import AllPairs, CorrelationLookup, CostVolume


def maps(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def correlation(first, second, y, x, v, u):
    """Returns the mean product of the cells (x, y) and (x + u, y + v), or 0 outside the map."""
    inside = 0 <= y + v < second.shape[1] and 0 <= x + u < second.shape[2]
    return (first[:, y, x] * second[:, y + v, x + u]).mean(-1) if inside else np.zeros(len(first))


def test_every_channel_is_the_mean_product_at_its_displacement():
    first, second = maps(0, 2, 3, 4, 5), maps(1, 2, 3, 4, 5)
    costs = np.asarray(CostVolume(2)([first, second]))
    assert costs.shape == (2, 3, 4, 25)
    for y, x, n in np.ndindex(3, 4, 25):
        expected = correlation(first, second, y, x, n // 5 - 2, n % 5 - 2)
        assert_close(costs[:, y, x, n], expected)


def test_identical_maps_correlate_most_at_the_center():
    x = maps(0, 1, 8, 9, 64)
    x /= np.linalg.norm(x, axis=-1, keepdims=True)
    assert (np.asarray(CostVolume(4)([x, x])).argmax(-1) == 40).all()


@pytest.mark.parametrize(("u", "v"), [(1, 0), (-2, 1)])
def test_a_shifted_map_correlates_most_at_its_shift(u, v):
    x = maps(0, 1, 8, 9, 64)
    x /= np.linalg.norm(x, axis=-1, keepdims=True)
    shifted = np.roll(x, (v, u), (1, 2))  # what was at (x, y) is now at (x + u, y + v)
    best = np.asarray(CostVolume(2)([x, shifted])).argmax(-1)[:, 2:-2, 2:-2]
    assert (best == (v + 2) * 5 + u + 2).all()


def test_all_pairs_equals_the_scaled_dot_product_and_its_means_over_squares():
    first, second = maps(0, 2, 4, 5, 9), maps(1, 2, 4, 5, 9)
    fine, coarse = (np.asarray(level) for level in AllPairs(2)([first, second]))
    assert (fine.shape, coarse.shape) == ((2, 20, 4, 5), (2, 20, 2, 2))
    expected = np.einsum("byxc,bvuc->byxvu", first, second).reshape(2, 20, 4, 5) / 3
    assert_close(fine, expected)
    means = expected[..., :4].reshape(2, 20, 2, 2, 2, 2).mean((3, 5))
    assert_close(coarse, means)


def test_a_lookup_without_flow_returns_the_window_around_each_cell():
    """Offsets run along y first, then along x, as in the authors' code."""
    first, second = maps(0, 1, 5, 6, 4), maps(1, 1, 5, 6, 4)
    windows = np.asarray(CorrelationLookup(1)([*AllPairs(1)([first, second]), np.zeros((1, 5, 6, 2), "float32")]))
    for y, x, n in np.ndindex(5, 6, 9):
        expected = 2 * correlation(first, second, y, x, n % 3 - 1, n // 3 - 1)  # sqrt(C) / C is a half
        assert_close(windows[:, y, x, n], expected)


def test_a_lookup_is_at_the_target_of_the_flow_and_at_half_of_it_on_the_next_level():
    first, second = maps(0, 1, 8, 8, 4), maps(1, 1, 8, 8, 4)
    pyramid = AllPairs(2)([first, second])
    flow = np.zeros((1, 8, 8, 2), "float32")
    flow[..., 0] = 2
    windows = np.asarray(CorrelationLookup(0)([*pyramid, flow]))
    fine, coarse = (np.asarray(level) for level in pyramid)
    assert windows[0, 3, 4, 0] == fine[0, 3 * 8 + 4, 3, 6]
    assert windows[0, 2, 4, 1] == coarse[0, 2 * 8 + 4, 1, 3]
    assert (windows[0, :, 6:, 0] == 0).all()


def test_multiply_accumulates_are_counted():
    x = keras.Input((6, 7, 8))
    assert macs(keras.Model(x, CostVolume(4)([x, x]))) == 6 * 7 * 8 * 81
    assert macs(keras.Model(x, AllPairs(2)([x, x]))) == (6 * 7) ** 2 * 8


@pytest.mark.parametrize(
    ("layer", "argument"),
    [
        (CostVolume, "CostVolume: `search_radius`"),
        (CorrelationLookup, "CorrelationLookup: `search_radius`"),
        (AllPairs, "AllPairs: `levels`"),
    ],
)
def test_negative_numbers_are_refused(layer, argument):
    with pytest.raises(ValueError, match=f"{argument} must be a whole number of at least"):
        layer(-1)
