"""How much a report measures with gradients and hidden inputs: less for models with many operations per example."""

import typing

FULL_PASSES = 2200  # forward passes per explained example with its attacked ones; a gradient counts as three
REDUCED_PASSES = 600
MAC_BUDGET = 5e11  # multiply-accumulates of the robustness section; takes seconds on two cores
MAX_MACS = 2e12  # of the reduced measurements, beyond which there are none
MIN_EXPLAINED = 2  # explained examples that the full measurements need at least


class Effort(typing.NamedTuple):
    """Numbers of examples, sizes and steps of a report's measurements."""

    explained: int  # examples of the robustness section whose explanations are tested
    attacked: int  # for each explained one
    attack_sizes: slice  # those of the epsilons that are used
    pgd_steps: int
    hiding_steps: int  # of deletion and insertion
    randomized_layers: int  # from the output down
    smoothgrad_samples: int
    path_steps: int  # of integrated gradients
    occlusion_overlap: bool  # whether hidden patches overlap by half
    shown: int  # examples of each figure of attributions
    completes_path: bool  # whether integrated gradients take more steps until their sum is right

    @property
    def is_full(self):
        """Whether the model is small enough for all measurements."""
        return self.completes_path


FULL = Effort(10**9, 4, slice(None), 10, 12, 6, 25, 32, True, 5, True)
REDUCED = Effort(1, 4, slice(None, None, 2), 5, 8, 3, 8, 16, False, 3, False)


def choose_effort(macs):
    """Returns the `Effort` that a model is worth, None where even the reduced one takes too long.

    Args:
        macs: multiply-accumulates for one example, None where they are not known.
    """
    if not macs:
        return FULL._replace(explained=MIN_EXPLAINED)
    affordable = int(MAC_BUDGET / (FULL_PASSES * macs))
    if affordable >= MIN_EXPLAINED:
        return FULL._replace(explained=affordable)
    return REDUCED if REDUCED_PASSES * macs <= MAX_MACS else None


def describe_reduction(macs):
    """Returns a sentence on what is left out for a model of so many multiply-accumulates."""
    return (
        f"One example needs {macs / 1e6:,.0f} million multiply-accumulates, so fewer examples, sizes and steps are "
        "used than for a small model."
    )
