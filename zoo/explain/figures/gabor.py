"""Gabor functions, fitted to the filters of a convolution by least squares."""

import itertools
import typing

import keras
import numpy as np

from zoo.arguments import Whole, checked
from zoo.explain.figures.filters import filters

PARAMETERS = ("x", "y", "angle", "width", "height", "frequency", "phase", "amplitude", "constant")


class Gabor(typing.NamedTuple):
    """The Gabor functions that fit the filters of a layer best."""

    layer: str
    patterns: np.ndarray  # (n, h, w) first principal component over the bands of each filter
    pattern_fraction: np.ndarray  # (n,) fraction of a filter's squared weights that is in its pattern; 1 for one band
    fits: np.ndarray  # (n, h, w)
    r2: np.ndarray  # (n,) fraction of the pattern's variance that is explained
    shuffled_r2: np.ndarray  # (n,) the same for the pattern's numbers in random order
    parameters: np.ndarray  # (n, 9), `zoo.explain.figures.gabor.PARAMETERS`: pixels, radians, cycles per pixel

    def figure(self, path=None):
        """Draws each pattern above its fit.

        Args:
            path: file to write, a PNG (or PDF, SVG: by its suffix).
        Returns:
            `matplotlib.figure.Figure`.
        """
        from matplotlib.figure import Figure

        columns = min(8, len(self.r2))
        rows = -(-len(self.r2) // columns)
        figure = Figure(figsize=(max(5.6, 1.05 * columns), 0.6 + 2.2 * rows), layout="constrained")
        grid = figure.subplots(2 * rows, columns, squeeze=False)
        for axes in grid.ravel():
            axes.set_axis_off()
        for i, (pattern, fit) in enumerate(zip(self.patterns, self.fits, strict=True)):
            limit = np.abs(pattern).max() or 1.0
            for below, values in enumerate((pattern, fit)):
                axes = grid[2 * (i // columns) + below, i % columns]
                axes.imshow(values, cmap="RdBu_r", vmin=-limit, vmax=limit)
            grid[2 * (i // columns), i % columns].set_title(
                f"r² {self.r2[i]:.2f}\nshuffled {self.shuffled_r2[i]:.2f}", fontsize=8
            )
        means = f"mean r² {self.r2.mean():.2f}, of shuffled weights {self.shuffled_r2.mean():.2f}"
        figure.suptitle(f"{self.layer}: filters (above) and fitted Gabor functions; {means}", fontsize=9)
        if path is not None:
            figure.savefig(path, dpi=120)
        return figure


@checked
def gabor(model: keras.Model, layer: str | None = None, *, seed: Whole = 0) -> Gabor:
    """Fits Gabor functions, a wave times a Gaussian, to the filters of a convolution.

    A small kernel has few numbers, and nine parameters fit many patterns. So compare r² with `shuffled_r2`, that of the
    same numbers in random order.

    Args:
        model: a built Keras model, from the zoo or not.
        layer: as for `zoo.explain.filters`.
        seed: seed of the random order.
    Returns:
        `Gabor(layer, patterns, pattern_fraction, fits, r2, shuffled_r2, parameters)`; `.figure(path)` draws it. For
        several bands the pattern is the first principal component.
    Raises:
        ValueError: if the model has no such layer, or its kernels are smaller than 5 x 5.

    Source: Daugman 1985, Uncertainty relation for resolution in space, spatial frequency, and orientation optimized by
        two-dimensional visual cortical filters, J. Opt. Soc. Am. A 2(7).
    Differs: a constant is added.
    """
    first_filters = filters(model, layer)
    name, kernels = first_filters.layer, first_filters.kernels
    count, height, width, bands = kernels.shape
    if min(height, width) < 5:
        expected = "kernels of at least 5 x 5, as a Gabor function has nine parameters"
        raise ValueError(f"gabor: `layer` must have {expected}; those of {name} are {height} x {width}.")
    spatial, singular_values, band_weights = np.linalg.svd(
        kernels.reshape(count, -1, bands).astype("float64"), full_matrices=False
    )
    sign = np.where(band_weights[:, 0].sum(axis=-1) < 0, -1.0, 1.0)
    patterns = (spatial[:, :, 0] * (singular_values[:, :1] * sign[:, None])).reshape(count, height, width)
    total = (singular_values**2).sum(axis=1)
    pattern_fraction = np.divide(singular_values[:, 0] ** 2, total, out=np.ones(count), where=total > 0)
    rng = np.random.default_rng(seed)
    shuffled = [rng.permutation(pattern.ravel()).reshape(pattern.shape) for pattern in patterns]
    fits, parameters, r2 = (np.stack(values) for values in zip(*map(_fit, patterns), strict=True))
    shuffled_r2 = np.array([_fit(pattern)[2] for pattern in shuffled])
    return Gabor(name, patterns, pattern_fraction, fits, r2, shuffled_r2, parameters)


def _fit(pattern):
    """Returns (the fit, its parameters, r²) of one pattern (h, w)."""
    from scipy.optimize import least_squares

    height, width = pattern.shape
    total = ((pattern - pattern.mean()) ** 2).sum()
    if total <= 1e-12 * (pattern**2).sum():  # constant, up to rounding
        return pattern, np.zeros(9), 1.0
    center, side = ((width - 1) / 2, (height - 1) / 2), max(height, width)
    norm = np.sqrt(total)
    scaled = pattern / norm
    angles, frequencies = np.arange(8) * np.pi / 8, np.array([0.5, 1, 1.5, 2]) / side
    starts = [
        (*center, angle, spread, spread, frequency)
        for angle, frequency, spread in itertools.product(angles, frequencies, (side / 6, side / 3))
    ]
    starts.sort(key=lambda start: (_linear_fit(scaled, start)[0] ** 2).sum())
    low = [-0.5, -0.5, -np.inf, 0.5, 0.5, 0.0]
    high = [width - 0.5, height - 0.5, np.inf, 2 * side, 2 * side, 0.5]
    solutions = [
        least_squares(lambda shape: _linear_fit(scaled, shape)[0], start, bounds=(low, high), max_nfev=60)
        for start in starts[:3]
    ]
    best = min(solutions, key=lambda solution: solution.cost)
    residual, (even, odd, constant) = _linear_fit(scaled, best.x)
    parameters = (*best.x, np.arctan2(-odd, even), np.hypot(even, odd) * norm, constant * norm)
    return pattern - residual.reshape(pattern.shape) * norm, np.array(parameters), 1 - (residual**2).sum()


def _linear_fit(pattern, shape):
    """Returns the residual of a pattern, and the least-squares factors of the cosine, the sine and the constant.

    Args:
        pattern: (h, w).
        shape: the nonlinear parameters: x, y, angle, width, height, frequency.
    """
    x0, y0, angle, width, height, frequency = shape
    y, x = np.indices(pattern.shape)
    along = (x - x0) * np.cos(angle) + (y - y0) * np.sin(angle)
    across = (y - y0) * np.cos(angle) - (x - x0) * np.sin(angle)
    gaussian = np.exp(-((along / width) ** 2 + (across / height) ** 2) / 2)
    wave = 2 * np.pi * frequency * along
    basis = np.stack([gaussian * np.cos(wave), gaussian * np.sin(wave), np.ones_like(gaussian)]).reshape(3, -1).T
    factors = np.linalg.lstsq(basis, pattern.ravel(), rcond=None)[0]
    return pattern.ravel() - basis @ factors, factors
