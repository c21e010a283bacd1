"""Agreement: rank correlations between the maps of explanation methods."""

import typing

import numpy as np

from zoo.arguments import checked


class Agreement(typing.NamedTuple):
    """Rank correlations between explanations: mean and standard deviation over the examples, both (M, M)."""

    names: tuple
    matrix: np.ndarray
    std: np.ndarray

    def figure(self, path=None):
        """Draws the matrix.

        Args:
            path: file to write, a PNG (or PDF, SVG: by its suffix).
        Returns:
            `matplotlib.figure.Figure`.
        """
        from matplotlib.figure import Figure

        count = len(self.names)
        figure = Figure(figsize=(2.4 + 0.7 * count, 1.6 + 0.65 * count), layout="constrained")
        axes = figure.subplots()
        image = axes.imshow(self.matrix, cmap="RdBu_r", vmin=-1, vmax=1)
        axes.set_xticks(range(count), self.names, rotation=40, ha="right", fontsize=8)
        axes.set_yticks(range(count), self.names, fontsize=8)
        for row in range(count):
            for column in range(count):
                value = self.matrix[row, column]
                color = "white" if abs(value) > 0.6 else "black"
                axes.text(column, row, f"{value:.2f}", ha="center", va="center", fontsize=8, color=color)
        figure.colorbar(image, ax=axes, shrink=0.8, label="Spearman's rank correlation")
        axes.set_title("Agreement between explanations", fontsize=10)
        if path is not None:
            figure.savefig(path, dpi=120)
        return figure


@checked
def agreement(maps: dict) -> Agreement:
    """Spearman's rank correlation between every two explanations of the same examples.

    {name: (N, H, W), (N, T) or (N, F)}  ->  (M, M): 1 for equal ranks of all pixels, -1 for opposite ranks.

    Signed explanations are ranked from negative to positive. High agreement does not show that the explanations are
    correct; low agreement shows that some of them are not.

    Args:
        maps: the result of each method, by its name; all of one shape.
    Returns:
        `Agreement(names, matrix, std)` over the examples where neither map is constant, as Grad-CAM's may be; NaN if
        there are none. `.figure(path)` draws it.
    Raises:
        ValueError: if there are fewer than two methods, or the maps are not finite numbers of one shape.

    Source: Adebayo et al. 2018, https://arxiv.org/abs/1810.03292, section 3, uses the measure.
    Differs: between methods, where the paper compares a method before and after randomization.
    """
    if len(maps) < 2:
        raise ValueError(f"agreement: `maps` must be a dict of two or more explanations by name, got {len(maps)}.")
    arrays = {name: np.asarray(values) for name, values in maps.items()}
    shape = next(iter(arrays.values())).shape
    for name, values in arrays.items():
        if values.shape != shape or len(shape) < 2 or 0 in shape or not np.isfinite(values).all():
            got = f"`{name}` of shape {values.shape}"
            raise ValueError(f"agreement: `maps` must be finite and all of shape (N, ...) {shape}, got {got}.")
    stacked = list(arrays.values())
    correlations = np.ma.masked_invalid([[spearman(a, b) for b in stacked] for a in stacked])
    moments = correlations.mean(axis=-1), correlations.std(axis=-1)
    return Agreement(tuple(map(str, arrays)), *(moment.astype("float64").filled(np.nan) for moment in moments))


def spearman(first, second):
    """Returns each example's rank correlation, (N, ...) and (N, ...)  ->  (N,); NaN where a map is constant."""
    from scipy.stats import rankdata

    ranks = [rankdata(np.asarray(m).reshape(len(m), -1), axis=1) for m in (first, second)]
    a, b = (r - r.mean(axis=1, keepdims=True) for r in ranks)
    norms = np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1))
    return np.divide((a * b).sum(axis=1), norms, out=np.full(len(a), np.nan), where=norms > 0)
