"""Is a model robust: what share of the answers stays right when an attack may move the inputs."""

import typing
from typing import Literal

import keras
import numpy as np

from zoo.arguments import Count, NonNegative, Whole, checked
from zoo.explain.attacks.attack import Attack
from zoo.explain.attacks.fgsm import directions, moved
from zoo.explain.attacks.pgd import Norm, climb, climbed


class Robustness(typing.NamedTuple):
    """The accuracy (E,) of a model at each of E epsilons, in the inputs' unit, under one kind of attack."""

    epsilon: np.ndarray
    accuracy: np.ndarray
    attack: str
    norm: str

    def figure(self, path=None):
        """Draws the curve.

        Args:
            path: a PNG (or PDF, SVG: by its ending) is written there.
        Returns:
            `matplotlib.figure.Figure`.
        """
        from matplotlib.figure import Figure

        figure = Figure(figsize=(5.2, 3.6), layout="constrained")
        axes = figure.subplots()
        axes.plot(self.epsilon, self.accuracy, marker="o", color="#b2182b")
        axes.axhline(self.accuracy[0], color="grey", linewidth=0.8, linestyle="--")
        length = "largest change of a number" if self.norm == "inf" else "length of the change"
        axes.set(ylim=(-0.02, 1.02), xlabel=f"epsilon, the {length} [inputs' unit]", ylabel="accuracy")
        axes.set_title(f"Robustness to {self.attack.upper()}", fontsize=10)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        if path is not None:
            figure.savefig(path, dpi=120)
        return figure


@checked
def robustness_curve(
    model: keras.Model,
    inputs: np.ndarray,
    labels: tuple[Whole, ...],
    *,
    epsilons: tuple[NonNegative, ...],
    attack: Literal["fgsm", "pgd"] = "pgd",
    norm: Norm = "inf",
    steps: Count = 20,
    low: tuple[float, ...] | None = None,
    high: tuple[float, ...] | None = None,
    batch_size: Count = 64,
    seed: Whole = 0,
) -> Robustness:
    """The accuracy on attacked inputs, for attacks of growing size.

    (N, H, W, C) float, or (N, T, F), or (N, F)  ->  E + 1 accuracies, the first at epsilon 0.

    The attack is compiled once. An example counts as right at an epsilon only if it is right at all smaller ones too:
    who may change more may also change less. So the curve never rises.

    Args:
        model: functional or Sequential classifier with one input.
        inputs: what the model takes, after preprocessing.
        labels: the right class of each example, from 0.
        epsilons: sizes of the attack, in the inputs' unit.
        attack: fgsm or pgd.
        norm: inf, or (of pgd) l2.
        steps: of pgd.
        low: smallest value that an input may have, one number or one for each band; None for no limit.
        high: the largest.
        batch_size: examples in one call of the model.
        seed: of pgd's random start.
    Returns:
        `Robustness(epsilon, accuracy, attack, norm)`, in the order of epsilon; `.figure(path)` draws it.
    Raises:
        ValueError: if the model, the inputs, the labels or the limits do not suit, or fgsm is asked for l2.

    Source: Madry et al. 2018, https://arxiv.org/abs/1706.06083, figure 6.
    Differs: the running minimum over epsilons for each example.
    """
    if attack == "fgsm" and norm != "inf":
        raise ValueError(f"robustness_curve: `norm` must be inf for fgsm, got {norm!r}.")
    if not epsilons:
        raise ValueError("robustness_curve: `epsilons` must be at least one number, got none.")
    found = Attack("robustness_curve", model, inputs, labels, False, low, high, batch_size)
    sizes = np.unique([0.0, *epsilons])
    right = np.empty((len(sizes), len(found.inputs)), bool)
    made = directions(found) if attack == "fgsm" else climb(found, norm, steps)
    for i, epsilon in enumerate(sizes):
        if epsilon == 0:
            attacked = found.inputs
        elif attack == "fgsm":
            attacked = moved(found, made, epsilon)
        else:
            attacked = climbed(found, made, epsilon, norm, 2.5 * epsilon / steps, True, seed)
        right[i] = found.score.values(attacked).argmax(axis=-1) == found.labels
    return Robustness(sizes, np.logical_and.accumulate(right).mean(axis=1), attack, norm)
