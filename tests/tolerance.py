"""Compares floating-point results within a tolerance that follows their dtype and their largest value."""

import numpy as np

RTOL = {"bfloat16": 1e-2, "float16": 1e-2, "float32": 1e-5, "float64": 1e-9}


def assert_close(actual, desired, rtol=None, scale=None, err_msg=""):
    """Asserts that two results of floating-point computation are equal up to rounding.

    The absolute tolerance is `rtol` times the largest absolute value of `desired`: rounding errors of a sum follow its
    largest terms, not its result.

    Args:
        actual: array, tensor or nested list of numbers.
        desired: array, tensor or nested list of numbers, which may broadcast against `actual`.
        rtol: relative tolerance, or None for that of the coarser dtype of the two: 1e-2 for float16 and bfloat16, 1e-5
            for float32 and 1e-9 for float64.
        scale: magnitude that the absolute tolerance is relative to, or None for the largest absolute value of
            `desired`. Needed where `desired` is zero up to rounding.
        err_msg: text added to the error message.
    Raises:
        AssertionError: if a difference exceeds the tolerance, or NaN or infinities are at different places.
    """
    actual, desired = np.asarray(actual), np.asarray(desired)
    if rtol is None:
        rtol = max(RTOL.get(str(a.dtype), 1e-9) for a in (actual, desired))
    actual, desired = actual.astype("float64"), desired.astype("float64")
    if scale is None:
        scale = np.abs(desired[np.isfinite(desired)]).max(initial=0.0)
    np.testing.assert_allclose(actual, desired, rtol=rtol, atol=rtol * scale, err_msg=err_msg)
