"""Comparison of detections, whose order may differ where scores are nearly equal."""

import numpy as np

from tests.tolerance import assert_close


def assert_same_detections(actual, expected, rtol=1e-4):
    """Asserts that two (B, D, 6) have the same boxes, scores and classes, image by image, in any order.

    Returns:
        (B, D) the index in `actual` of each row of `expected`.
    """
    orders = []
    for rows, expected_rows in zip(actual, expected, strict=True):
        distance = np.abs(rows[None, :, :4] - expected_rows[:, None, :4]).max(-1)
        distance += 1000 * np.abs(rows[None, :, 4:] - expected_rows[:, None, 4:]).max(-1)
        order = distance.argmin(1)
        is_box = expected_rows[:, 5] >= 0
        assert len(set(order[is_box])) == is_box.sum()
        assert ((rows[:, 5] >= 0).sum()) == is_box.sum()
        assert np.array_equal(rows[order, 5], expected_rows[:, 5])
        assert_close(rows[order, :4], expected_rows[:, :4], rtol=rtol)
        assert_close(rows[order, 4], expected_rows[:, 4], rtol=rtol)
        orders.append(order)
    return np.array(orders)
