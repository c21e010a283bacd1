"""Moving MNIST: real digits that move over a dark square and bounce off its edges."""

import numpy as np

from recipes.data.examples import SPLITS, Data, Examples
from zoo.arguments import Count, Whole, checked

SPEED = 0.1  # motion per frame, as a fraction of the range of a digit's position
REDUCTIONS = {16: 4, 32: 2, 64: 1}  # side of a frame -> factor by which digits of 28 x 28 are reduced


@checked
def moving_digits(digits, count: Count, *, frames: Count = 20, side: Count = 32, per_frame: Count = 2, seed: Whole = 0):
    """Returns sequences of digits that move straight and bounce; where they overlap, the brighter pixel counts.

    Args:
        digits: (N, 28, 28, 1) uint8, bright on dark.
        count: number of sequences.
        frames: of each sequence.
        side: of a frame [pixels]: 16, 32 or 64; digits have 7/16 of it, as in the paper.
        per_frame: digits of a sequence, drawn with replacement.
        seed: of the digits, their positions and their directions.
    Returns:
        (count, frames, side, side, 1) uint8.
    Raises:
        ValueError: if the digits have another shape, or the frames another side.

    Source: Srivastava et al. 2015, https://arxiv.org/abs/1502.04681, section 3.3.
    Differs: frames smaller than 64 x 64 show smaller digits, the mean of 2 x 2 or 4 x 4 pixels.
    """
    digits = np.asarray(digits)
    if digits.shape[1:] != (28, 28, 1) or digits.dtype != np.uint8 or not len(digits):
        received = f"shape {digits.shape} and dtype {digits.dtype}"
        raise ValueError(f"moving_digits: `digits` must be (N, 28, 28, 1) uint8, got {received}.")
    if side not in REDUCTIONS:
        raise ValueError(f"moving_digits: `side` must be 16, 32 or 64 [pixels], got {side}.")
    factor, rng = REDUCTIONS[side], np.random.default_rng(seed)
    size = 28 // factor
    small = digits.reshape(-1, size, factor, size, factor).mean((2, 4)).round().astype(np.uint8)
    indices = rng.integers(len(digits), size=(count, per_frame))
    angle = rng.uniform(0, 2 * np.pi, (count, per_frame, 1))
    direction = np.concatenate([np.sin(angle), np.cos(angle)], axis=-1)
    # Unfolded, a digit that bounces in [0, 1] moves straight; folding every second unit back gives its position
    start = rng.uniform(size=(count, 1, per_frame, 2))
    straight = start + SPEED * np.arange(frames)[:, None, None] * direction[:, None]
    positions = np.rint((side - size) * (1 - np.abs(straight % 2 - 1))).astype(int)
    sequences = np.zeros((count, frames, side, side, 1), np.uint8)
    for i, j, k in np.ndindex(count, frames, per_frame):
        top, left = positions[i, j, k]
        square = sequences[i, j, top : top + size, left : left + size, 0]
        np.maximum(square, small[indices[i, k]], out=square)
    return sequences


@checked
def moving_mnist(
    digits: Data,
    *,
    past: Count = 10,
    ahead: Count = 10,
    side: Count = 32,
    counts: tuple[Whole, ...] = (2000, 200, 400),
    seed: Whole = 0,
) -> Data:
    """Returns moving digits with some frames as inputs and the next ones as targets; each split has its own digits.

    (N, past, side, side, 1) uint8 inputs, (N, ahead, side, side, 1) uint8 targets.

    Args:
        digits: `Data` of 28 x 28 digits in disjoint splits, as `load("bundled:mnist-5k")` returns them.
        past: input frames.
        ahead: target frames.
        side: of a frame [pixels]: 16, 32 or 64.
        counts: sequences of the training, validation and test split.
        seed: of the sequences.
    Returns:
        `Data` of the task next_frame.
    Raises:
        ValueError: as `moving_digits` documents, or if there are not three counts.

    Source: Srivastava et al. 2015, https://arxiv.org/abs/1502.04681, section 3.3.
    Differs: sequences are drawn once, where the paper draws new ones for every batch; frames are smaller by default.
    """
    if len(counts) != 3:
        raise ValueError(f"moving_mnist: `counts` must be of training, validation and test, got {counts}.")
    splits = {}
    for i, (split, count) in enumerate(zip(SPLITS, counts, strict=True)):
        frames = np.zeros((0, past + ahead, side, side, 1), np.uint8)
        if count:
            split_digits = getattr(digits, split).inputs
            frames = moving_digits(split_digits, count, frames=past + ahead, side=side, seed=3 * seed + i)
        splits[split] = Examples(frames[:, :past], frames[:, past:], np.arange(count))
    sizes = ", ".join(f"{n:,} {s}" for n, s in zip(counts, SPLITS, strict=True))
    return Data(
        name="moving-mnist",
        task="next_frame",
        kind="video",
        shape=(past, side, side, 1),
        dtype="uint8",
        classes=(),
        outputs=tuple(f"frame +{i + 1}" for i in range(ahead)),
        source=digits.source,
        license=digits.license,
        description=f"Two handwritten digits that bounce in {side} x {side} pixels: {past} frames, then {ahead} more.",
        split_description=f"{sizes} sequences, seed {seed}; each split has its own digits: {digits.split_description}",
        **splits,
    )
