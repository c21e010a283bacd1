"""Moving MNIST: real digits that glide over a dark square and bounce off its edges."""

import numpy as np

from recipes.data.examples import Data, Examples
from zoo.arguments import Count, Whole, checked

PLAY = 0.1  # of the room that a digit has: how far it moves in a frame
SIZES = {16: 4, 32: 2, 64: 1}  # side of a frame -> by how much digits of 28 x 28 are made smaller


@checked
def moving_digits(digits, count: Count, *, frames: Count = 20, side: Count = 32, each: Count = 2, seed: Whole = 0):
    """Sequences of `each` digits that move straight on and bounce; where they overlap, the brighter pixel counts.

    Args:
        digits: (N, 28, 28, 1) uint8, bright on dark.
        count: how many sequences.
        frames: of each sequence.
        side: of a frame [pixels]: 16, 32 or 64; digits have 7/16 of it, as in the paper.
        each: digits of a sequence, drawn with replacement.
        seed: of the digits, their places and their directions.
    Returns:
        (count, frames, side, side, 1) uint8.
    Raises:
        ValueError: if the digits are of another shape, or the side is another.

    Source: Srivastava et al. 2015, https://arxiv.org/abs/1502.04681, section 3.3.
    Differs: frames smaller than 64 x 64 show smaller digits, the mean of 2 x 2 or 4 x 4 pixels.
    """
    digits = np.asarray(digits)
    if digits.shape[1:] != (28, 28, 1) or digits.dtype != np.uint8 or not len(digits):
        told = f"shape {digits.shape} and dtype {digits.dtype}"
        raise ValueError(f"moving_digits: `digits` must be (N, 28, 28, 1) uint8, got {told}.")
    if side not in SIZES:
        raise ValueError(f"moving_digits: `side` must be 16, 32 or 64 [pixels], got {side}.")
    by, rng = SIZES[side], np.random.default_rng(seed)
    size = 28 // by
    small = digits.reshape(-1, size, by, size, by).mean((2, 4)).round().astype(np.uint8)
    chosen = rng.integers(len(digits), size=(count, each))
    room, angle = side - size, rng.uniform(0, 2 * np.pi, (count, each, 1))
    way = np.concatenate([np.sin(angle), np.cos(angle)], axis=-1)
    # Unfolded, a digit that bounces in [0, 1] goes straight on; folding every second unit back gives its place
    straight = rng.uniform(size=(count, 1, each, 2)) + PLAY * np.arange(frames)[:, None, None] * way[:, None]
    places = np.rint(room * (1 - np.abs(straight % 2 - 1))).astype(int)
    found = np.zeros((count, frames, side, side, 1), np.uint8)
    for i, j, k in np.ndindex(count, frames, each):
        top, left = places[i, j, k]
        square = found[i, j, top : top + size, left : left + size, 0]
        np.maximum(square, small[chosen[i, k]], out=square)
    return found


@checked
def moving_mnist(
    digits: Data,
    *,
    past: Count = 10,
    ahead: Count = 10,
    side: Count = 32,
    counts: tuple[Whole, ...] = (2000, 200, 400),
    seed: Whole = 0,
    name: str = "moving-mnist",
) -> Data:
    """Moving digits with some frames given and the next ones to be foreseen; each part has digits of its own.

    (N, past, side, side, 1) uint8 inputs, (N, ahead, side, side, 1) uint8 targets.

    Args:
        digits: `Data` of 28 x 28 digits in three parts that share nothing, as `load("bundled:mnist-5k")` gives them.
        past: frames that are given.
        ahead: frames that follow.
        side: of a frame [pixels]: 16, 32 or 64.
        counts: sequences of the training, validation and test part.
        seed: of the sequences.
        name: what the data are called.
    Returns:
        `Data` whose task is next_frame.
    Raises:
        ValueError: as `moving_digits` says, or if there are not three counts.

    Source: Srivastava et al. 2015, https://arxiv.org/abs/1502.04681, section 3.3.
    Differs: sequences are drawn once, where the paper draws new ones for every batch; frames are smaller by default.
    """
    if len(counts) != 3:
        raise ValueError(f"moving_mnist: `counts` must be of training, validation and test, got {counts}.")
    parts = {}
    for i, (part, count) in enumerate(zip(("train", "validation", "test"), counts, strict=True)):
        frames = np.zeros((0, past + ahead, side, side, 1), np.uint8)
        if count:
            own = getattr(digits, part).inputs
            frames = moving_digits(own, count, frames=past + ahead, side=side, seed=3 * seed + i)
        parts[part] = Examples(frames[:, :past], frames[:, past:], np.arange(count))
    sizes = ", ".join(f"{n:,} {p}" for n, p in zip(counts, ("training", "validation", "test"), strict=True))
    return Data(
        name=name,
        task="next_frame",
        kind="video",
        shape=(past, side, side, 1),
        dtype="uint8",
        classes=(),
        outputs=tuple(f"frame +{i + 1}" for i in range(ahead)),
        columns={},
        source=digits.source,
        licence=digits.licence,
        description=f"Two handwritten digits that bounce in {side} x {side} pixels: {past} frames, then {ahead} more.",
        split=f"{sizes} sequences drawn with seed {seed}; each part has digits of its own: {digits.split}",
        **parts,
    )
