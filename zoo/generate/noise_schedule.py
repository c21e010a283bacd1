"""Noise schedule of a diffusion model, in float64."""

import dataclasses
import math

import numpy as np


@dataclasses.dataclass(frozen=True)
class NoiseSchedule:
    """Coefficients of the forward process and of its posterior; float64 arrays of length T.

    Index t = 0, ..., T - 1 is timestep t + 1 of the paper. x_0 is the image and x_t the noisy image after index t:

    q(x_t | x_0) = N(sqrt(alphas_cumprod) x_0, 1 - alphas_cumprod), eq. 4;
    q(x_{t-1} | x_t, x_0) = N(posterior_mean_x0 x_0 + posterior_mean_xt x_t, posterior_variance), eqs. 6 and 7.

    Source: Ho et al. 2020, https://arxiv.org/abs/2006.11239.
    """

    betas: np.ndarray  # beta_t, the variance of the noise added at each timestep
    alphas_cumprod: np.ndarray  # the product of 1 - beta up to t, the paper's alpha bar
    posterior_variance: np.ndarray  # the paper's beta tilde, 0 at index 0
    posterior_mean_x0: np.ndarray  # coefficient of x_0 in the posterior mean
    posterior_mean_xt: np.ndarray  # coefficient of x_t in the posterior mean


def linear_schedule(steps, beta_start=1e-4, beta_end=0.02):
    """Returns the linear schedule of Ho et al. 2020, section 4: beta_t from 1e-4 to 0.02 over 1000 timesteps.

    For another number of timesteps both ends are multiplied by 1000 / steps, so that the last noisy image has as
    little signal left. That is Nichol and Dhariwal's rule, https://github.com/openai/improved-diffusion.

    Args:
        steps: number T of timesteps, above 20: with fewer the last variance would be 1 or more.
        beta_start: variance at the first of 1000 timesteps.
        beta_end: variance at the last of 1000 timesteps.
    Returns:
        `NoiseSchedule`.
    Raises:
        ValueError: if `steps` is too small.
    """
    betas = np.linspace(beta_start, beta_end, steps) * 1000 / steps
    if betas[-1] >= 1:
        raise ValueError(f"`steps` must be above {math.floor(1000 * beta_end)}, got {steps}.")
    alphas_cumprod = np.cumprod(1 - betas)
    previous = np.append(1.0, alphas_cumprod[:-1])
    return NoiseSchedule(
        betas,
        alphas_cumprod,
        posterior_variance=betas * (1 - previous) / (1 - alphas_cumprod),  # eq. 7
        posterior_mean_x0=betas * np.sqrt(previous) / (1 - alphas_cumprod),
        posterior_mean_xt=(1 - previous) * np.sqrt(1 - betas) / (1 - alphas_cumprod),
    )


def ddim_timesteps(steps, sampling_steps):
    """Returns `sampling_steps` evenly spaced indices from steps - 1 down; steps - 1 is always included.

    Source: Song et al. 2021, https://arxiv.org/abs/2010.02502, appendix D.2: tau_i = floor(c i), with
        c = steps / sampling_steps.
    """
    return (np.arange(sampling_steps, 0, -1) * steps) // sampling_steps - 1
