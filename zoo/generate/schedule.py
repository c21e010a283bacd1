"""The noise levels of a diffusion, exact in float64."""

import dataclasses
import math

import numpy as np


@dataclasses.dataclass(frozen=True)
class Schedule:
    """What the forward process adds at each step, and what is known of its reverse; arrays of length T, float64.

    Index t = 0, ..., T - 1 is the paper's step t + 1. With x0 the image and x_t what it is after index t:
    x_t ~ N(sqrt(kept) x0, 1 - kept), and, knowing x0, the x before x_t ~ N(clean x0 + noisy x_t, posterior).
    """

    betas: np.ndarray  # variance added at each step
    kept: np.ndarray  # alpha bar: share of the image's variance that is left
    posterior: np.ndarray  # variance of the reverse step where the image is known; 0 at index 0
    clean: np.ndarray  # weight of the image in the reverse step's mean
    noisy: np.ndarray  # weight of the noisier image in it


def linear(steps, first=1e-4, last=0.02):
    """Ho et al. 2020, section 4: variances that rise linearly from 1e-4 to 0.02 over 1000 steps.

    Another number of steps takes both ends 1000 / steps times, so that as little of the image is left at the end; that
    is Nichol and Dhariwal's, https://github.com/openai/improved-diffusion.

    Args:
        steps: how many, above 20: fewer would need a variance of 1 or more.
        first: variance of the first of 1000 steps.
        last: variance of the last of 1000 steps.
    Returns:
        `Schedule`.
    Raises:
        ValueError: if there are too few steps.
    """
    betas = np.linspace(first, last, steps) * 1000 / steps
    if betas[-1] >= 1:
        raise ValueError(f"`steps` must be above {math.floor(1000 * last)}, got {steps}.")
    kept = np.cumprod(1 - betas)
    before = np.append(1.0, kept[:-1])
    return Schedule(
        betas,
        kept,
        posterior=betas * (1 - before) / (1 - kept),  # eq. 7
        clean=betas * np.sqrt(before) / (1 - kept),
        noisy=(1 - before) * np.sqrt(1 - betas) / (1 - kept),
    )


def shortened(steps, wanted):
    """`wanted` of the indices 0 to steps - 1, falling, evenly spread, the last always among them.

    Song et al. 2021, https://arxiv.org/abs/2010.02502, appendix D.2: tau_i = floor(c i), here with c = steps / wanted.
    """
    return (np.arange(wanted, 0, -1) * steps) // wanted - 1
