"""Robustness curves: accuracy under attacks of increasing size."""

import typing
from typing import Literal

import keras
import numpy as np

from zoo.arguments import Count, NonNegative, Whole, checked
from zoo.explain.attacks.attack import Attack
from zoo.explain.attacks.fgsm import gradient_signs, perturb
from zoo.explain.attacks.pgd import Norm, compile_pgd, run_pgd


class Robustness(typing.NamedTuple):
    """Accuracy (E,) of a model for each of E epsilons, in the inputs' unit, under one attack."""

    epsilon: np.ndarray
    accuracy: np.ndarray
    attack: str
    norm: str

    def figure(self, path=None):
        """Draws the curve.

        Args:
            path: file to write, a PNG (or PDF, SVG: by its suffix).
        Returns:
            `matplotlib.figure.Figure`.
        """
        from matplotlib.figure import Figure

        figure = Figure(figsize=(5.2, 3.6), layout="constrained")
        axes = figure.subplots()
        axes.plot(self.epsilon, self.accuracy, marker="o", color="#b2182b")
        axes.axhline(self.accuracy[0], color="grey", linewidth=0.8, linestyle="--")
        size = "largest change of a number" if self.norm == "inf" else "L2 norm of the change"
        axes.set(ylim=(-0.02, 1.02), xlabel=f"epsilon, the {size} [inputs' unit]", ylabel="accuracy")
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
    """Accuracy on attacked inputs, for attacks of increasing size.

    (N, H, W, C) float, or (N, T, F), or (N, F)  ->  E + 1 accuracies, the first at epsilon 0.

    The attack is compiled once. An example counts as correct at an epsilon only if it is correct at all smaller ones,
    because a larger epsilon allows all smaller changes. So the curve never rises.

    Args:
        model: functional or Sequential classifier with one input.
        inputs: inputs of the model, after preprocessing.
        labels: the true class of each example, from 0.
        epsilons: sizes of the attack, in the inputs' unit.
        attack: fgsm or pgd.
        norm: inf, or l2 for pgd.
        steps: number of gradient steps of pgd.
        low: lower limit of the inputs, one number or one for each band; None for no limit.
        high: upper limit of the inputs, likewise.
        batch_size: examples in one call of the model.
        seed: seed of pgd's random start.
    Returns:
        `Robustness(epsilon, accuracy, attack, norm)`, sorted by epsilon; `.figure(path)` draws it.
    Raises:
        ValueError: if the model, the inputs, the labels or the limits do not fit, or fgsm is used with l2.

    Source: Madry et al. 2018, https://arxiv.org/abs/1706.06083, figure 6.
    Differs: the running minimum over epsilons for each example.
    """
    if attack == "fgsm" and norm != "inf":
        raise ValueError(f"robustness_curve: `norm` must be inf for fgsm, got {norm!r}.")
    if not epsilons:
        raise ValueError("robustness_curve: `epsilons` must be at least one number, got none.")
    problem = Attack("robustness_curve", model, inputs, labels, False, low, high, batch_size)
    epsilons = np.unique([0.0, *epsilons])
    correct = np.empty((len(epsilons), len(problem.inputs)), bool)
    if attack == "fgsm":
        signs = gradient_signs(problem)
    else:
        run = compile_pgd(problem, norm, steps)
    for i, epsilon in enumerate(epsilons):
        if epsilon == 0:
            attacked = problem.inputs
        elif attack == "fgsm":
            attacked = perturb(problem, signs, epsilon)
        else:
            attacked = run_pgd(problem, run, epsilon, norm, 2.5 * epsilon / steps, True, seed)
        correct[i] = problem.score.predict_logits(attacked).argmax(axis=-1) == problem.labels
    return Robustness(epsilons, np.logical_and.accumulate(correct).mean(axis=1), attack, norm)
