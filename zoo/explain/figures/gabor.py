"""Are first-layer filters Gabor-like? Each is fitted with a Gabor function by least squares."""

import itertools
import typing

import keras
import numpy as np

from zoo.arguments import Whole, checked
from zoo.explain.figures.filters import filters

PARAMETERS = ("x", "y", "angle", "width", "height", "frequency", "phase", "amplitude", "constant")


class Gabor(typing.NamedTuple):
    """The Gabor functions nearest to the filters of a layer."""

    layer: str
    patterns: np.ndarray  # (n, h, w) of the filters: what all their bands share
    shared: np.ndarray  # (n,) the share of a filter's squared weights that its pattern has; 1 for one band
    fits: np.ndarray  # (n, h, w)
    r2: np.ndarray  # (n,) explained share of the pattern's variance
    chance: np.ndarray  # (n,) the same of the pattern's numbers in random order
    parameters: np.ndarray  # (n, 9), `zoo.explain.gabor.PARAMETERS`: pixels, radians, cycles per pixel

    def figure(self, path=None):
        """Draws each pattern above its fit.

        Args:
            path: a PNG (or PDF, SVG: by its ending) is written there.
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
            reach = np.abs(pattern).max() or 1.0
            for below, values in enumerate((pattern, fit)):
                axes = grid[2 * (i // columns) + below, i % columns]
                axes.imshow(values, cmap="RdBu_r", vmin=-reach, vmax=reach)
            grid[2 * (i // columns), i % columns].set_title(
                f"r² {self.r2[i]:.2f}\nchance {self.chance[i]:.2f}", fontsize=8
            )
        means = f"mean r² {self.r2.mean():.2f}, of shuffled weights {self.chance.mean():.2f}"
        figure.suptitle(f"{self.layer}: filters (above) and nearest Gabor functions; {means}", fontsize=9)
        if path is not None:
            figure.savefig(path, dpi=120)
        return figure


@checked
def gabor(model: keras.Model, layer: str | None = None, *, seed: Whole = 0) -> Gabor:
    """How well Gabor functions, a wave under a Gaussian, describe the filters of a convolution.

    A small kernel has few numbers, and nine parameters fit much of anything; so r² is to be compared with `chance`,
    that of the same numbers in random order.

    Args:
        model: a built Keras model, ours or not.
        layer: as of `zoo.explain.filters`.
        seed: of the random order.
    Returns:
        `Gabor(layer, patterns, shared, fits, r2, chance, parameters)`; `.figure(path)` draws it. Of several bands the
        pattern is the first principal component.
    Raises:
        ValueError: if the model has no such layer, or its kernels have fewer than 5 x 5 places.

    Source: Daugman 1985, Uncertainty relation for resolution in space, spatial frequency, and orientation optimized by
        two-dimensional visual cortical filters, J. Opt. Soc. Am. A 2(7).
    Differs: a constant is added.
    """
    found = filters(model, layer)
    count, height, width, bands = found.kernels.shape
    if min(height, width) < 5:
        needed = "kernels of at least 5 x 5, as a Gabor function has nine parameters"
        raise ValueError(f"gabor: `layer` must have {needed}; those of {found.layer} are {height} x {width}.")
    places, sizes, across = np.linalg.svd(
        found.kernels.reshape(count, -1, bands).astype("float64"), full_matrices=False
    )
    sign = np.where(across[:, 0].sum(axis=-1) < 0, -1.0, 1.0)
    patterns = (places[:, :, 0] * (sizes[:, :1] * sign[:, None])).reshape(count, height, width)
    total = (sizes**2).sum(axis=1)
    shared = np.divide(sizes[:, 0] ** 2, total, out=np.ones(count), where=total > 0)
    rng = np.random.default_rng(seed)
    mixed = np.stack([rng.permutation(pattern.ravel()).reshape(pattern.shape) for pattern in patterns])
    fits, parameters, r2 = (np.stack(part) for part in zip(*map(_fit, patterns), strict=True))
    chance = np.array([_fit(pattern)[2] for pattern in mixed])
    return Gabor(found.layer, patterns, shared, fits, r2, chance, parameters)


def _fit(pattern):
    """(the fit, its parameters, r²) of one pattern (h, w)."""
    from scipy.optimize import least_squares

    height, width = pattern.shape
    total = ((pattern - pattern.mean()) ** 2).sum()
    if total <= 1e-12 * (pattern**2).sum():  # constant, but for rounding
        return pattern, np.zeros(9), 1.0
    middle, side = ((width - 1) / 2, (height - 1) / 2), max(height, width)
    scaled = pattern / np.sqrt(total)
    angles, waves = np.arange(8) * np.pi / 8, np.array([0.5, 1, 1.5, 2]) / side
    starts = [
        (*middle, angle, spread, spread, wave)
        for angle, wave, spread in itertools.product(angles, waves, (side / 6, side / 3))
    ]
    starts.sort(key=lambda start: (_solve(scaled, start)[0] ** 2).sum())
    low = [-0.5, -0.5, -np.inf, 0.5, 0.5, 0.0]
    high = [width - 0.5, height - 0.5, np.inf, 2 * side, 2 * side, 0.5]
    tries = [
        least_squares(lambda place: _solve(scaled, place)[0], start, bounds=(low, high), max_nfev=60)
        for start in starts[:3]
    ]
    best = min(tries, key=lambda found: found.cost)
    residual, (even, odd, constant) = _solve(scaled, best.x)
    size = np.sqrt(total)
    told = (*best.x, np.arctan2(-odd, even), np.hypot(even, odd) * size, constant * size)
    return pattern - residual.reshape(pattern.shape) * size, np.array(told), 1 - (residual**2).sum()


def _solve(pattern, place):
    """What is left of a pattern, and the factors of the cosine, the sine and the constant that leave the least."""
    x0, y0, angle, wide, high, frequency = place
    y, x = np.indices(pattern.shape)
    along = (x - x0) * np.cos(angle) + (y - y0) * np.sin(angle)
    beside = (y - y0) * np.cos(angle) - (x - x0) * np.sin(angle)
    bell = np.exp(-((along / wide) ** 2 + (beside / high) ** 2) / 2)
    wave = 2 * np.pi * frequency * along
    basis = np.stack([bell * np.cos(wave), bell * np.sin(wave), np.ones_like(bell)]).reshape(3, -1).T
    factors = np.linalg.lstsq(basis, pattern.ravel(), rcond=None)[0]
    return pattern.ravel() - basis @ factors, factors
