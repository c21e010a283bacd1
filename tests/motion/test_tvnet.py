"""TVNet: parity with TV-L1 in NumPy, and flows of the untrained network."""

import keras
import numpy as np
import pytest

import zoo
from recipes.tasks.motion import stays_inside
from tests.tolerance import assert_close
from zoo.layers.primal_dual import PrimalDual, divergence, image_gradient


def pattern(y, x):
    """Returns the gray level of a smooth pattern at (x, y)."""
    return 127 + 50 * np.sin(0.45 * x + 0.2 * y) + 50 * np.cos(0.4 * y - 0.15 * x)


def tvl1(first, second, warps, iterations):
    """Returns the flow of TV-L1 at one scale (Zach et al. 2007) with lambda 0.15, theta 0.3 and tau 0.25."""
    from scipy.ndimage import map_coordinates

    y, x = np.mgrid[: len(first), : first.shape[1]].astype(float)
    padded = np.pad(second, 1, "edge")
    dx, dy = (padded[1:-1, 2:] - padded[1:-1, :-2]) / 2, (padded[2:, 1:-1] - padded[:-2, 1:-1]) / 2
    u, p = np.zeros((2, *first.shape)), np.zeros((2, 2, *first.shape))
    for _ in range(warps):
        coordinates = [y + u[1], x + u[0]]
        g = np.stack([map_coordinates(d, coordinates, order=1, mode="nearest") for d in (dx, dy)])
        g = g * stays_inside(np.moveaxis(u, 0, -1))
        residual = map_coordinates(second, coordinates, order=1, mode="nearest") - first - (g * u).sum(0)
        for _ in range(iterations):
            rho, squared_norm = residual + (g * u).sum(0), (g**2).sum(0) + 1e-12
            v = u - np.clip(rho / squared_norm, -0.045, 0.045) * g
            for k in (0, 1):
                right, down = p[k, 0].copy(), p[k, 1].copy()
                right[:, -1] = down[-1] = 0
                u[k] = v[k] + 0.3 * (right - np.roll(right, 1, 1) + down - np.roll(down, 1, 0))
                ux, uy = np.diff(u[k], axis=1, append=u[k][:, -1:]), np.diff(u[k], axis=0, append=u[k][-1:])
                p[k] = (p[k] + 0.25 / 0.3 * np.stack([ux, uy])) / (1 + 0.25 / 0.3 * np.hypot(ux, uy))
    return np.moveaxis(u, 0, -1)


def test_one_scale_equals_tvl1():
    y, x = np.mgrid[:20, :26].astype(float)
    first, second = pattern(y + 0.6, x - 0.8), pattern(y, x)
    frames = [f[None, ..., None].astype("float32") for f in (first, second)]
    flow = np.asarray(PrimalDual(2, 6)([*frames, np.zeros((1, 20, 26, 2), "float32")]))[0]
    expected = tvl1(first, second, 2, 6)
    assert np.abs(expected).max() > 0.5
    assert_close(flow, expected, rtol=2e-3)


def test_the_untrained_network_estimates_a_motion_of_several_pixels():
    y, x = np.mgrid[:64, :64].astype(float)
    flow = np.stack([3 + 0.03 * (y - 32), -2 + 0.02 * (x - 32)], axis=-1)
    frames = {"first": pattern(y + flow[..., 1], x + flow[..., 0]), "second": pattern(y, x)}
    frames = {n: np.repeat(f[None, ..., None], 2, axis=-1).astype("float32") / 255 for n, f in frames.items()}
    model = zoo.tvnet((64, 64, 2), scales=3, warps=3, iterations=8, all_flows=True)
    flows = [np.asarray(f) for f in model(frames)]
    assert [f.shape for f in flows] == [(1, 64, 64, 2), (1, 32, 32, 2), (1, 16, 16, 2)]
    error = np.linalg.norm(flows[0][0] - flow, axis=-1)[stays_inside(flow)]
    assert error.mean() < 0.1 * np.linalg.norm(flow, axis=-1).mean()
    assert np.abs(flows[2][0].mean((0, 1)) - (3, -2)).max() < 1  # coarser flows are in pixels of the frames too
    dark = {n: 0.2 * f + 0.3 for n, f in frames.items()}
    np.testing.assert_allclose(np.asarray(model(dark)[0]), flows[0], atol=0.02)


def test_derivatives_are_exact_on_a_plane_and_the_divergence_has_the_right_borders():
    y, x = np.mgrid[:6, :7].astype("float32")
    across, down = (np.asarray(s)[0, ..., 0] for s in image_gradient((2 * x - 3 * y)[None, ..., None]))
    assert_close(across[:, 1:-1], 2)
    assert_close(down[1:-1], -3)
    assert_close(across[:, 0], 1)  # half at the border
    taps = np.broadcast_to(np.float32([-1, 1])[:, None], (2, 2, 2))
    dual = np.ones((1, 6, 7, 2), "float32")
    total = np.asarray(divergence(dual, 0 * dual, taps))[0, ..., 0]
    np.testing.assert_array_equal(total[0], [1, 0, 0, 0, 0, 0, -1])


def test_frames_without_contrast_have_zero_flow():
    flat = np.full((1, 8, 8, 1), 0.5, "float32")
    flow = np.asarray(zoo.tvnet((8, 8, 1), iterations=3)({"first": flat, "second": flat}))
    np.testing.assert_array_equal(flow, 0)


def test_invalid_arguments_are_refused():
    with pytest.raises(ValueError, match="tvnet: .*must be at least 8 and divisible by 4"):
        zoo.tvnet((66, 64, 3), scales=3)
    with pytest.raises(ValueError, match="PrimalDual: `iterations` must be at least 2 with one warp"):
        zoo.tvnet((8, 8, 3), iterations=1)


def test_the_layer_survives_serialization():
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(PrimalDual(2, 3, rate=0.2)))
    assert (again.warps, again.iterations, again.rate, again.compute_dtype) == (2, 3, 0.2, "float32")


@pytest.mark.slow
def test_training_gives_the_same_losses_with_and_without_xla():
    rng = np.random.default_rng(0)
    frames = {name: rng.uniform(size=(2, 8, 8, 1)).astype("float32") for name in ("first", "second")}
    losses = []
    for jit in (False, True):
        model = zoo.tvnet((8, 8, 1), warps=2, iterations=3)
        model.compile(keras.optimizers.Adam(0.01), "mse", jit_compile=jit)
        losses.append([float(model.train_on_batch(frames, np.ones((2, 8, 8, 2)))) for _ in range(2)])
    assert losses[0][1] < losses[0][0]
    assert_close(*losses, rtol=1e-4)
