"""Augmentation steps: names, the meaning and range of their amounts, and the library that computes them.

DropBlock is no step, as it acts on the feature maps inside a network: it is the layer `keras_cv.layers.DropBlock2D`.
"""

from typing import NamedTuple

from zoo.arguments import suggestion


class Step(NamedTuple):
    """One step; its amount lies in [low, high], and `default` is None where it takes none."""

    amount: str
    default: float | None
    low: float
    high: float
    library: str


TRANSFORM, GATHER, ARITHMETIC = "tf.raw_ops.ImageProjectiveTransformV3", "tf.gather", "TensorFlow arithmetic"
STEPS = {
    # Whole pixels
    "flip": Step("none; every other image, at random, is mirrored left to right", None, 0, 0, GATHER),
    "flip_vertical": Step("none; every other image, at random, is mirrored top to bottom", None, 0, 0, GATHER),
    "crop": Step("pixels added to each side before a window of the old size is cut", 4, 0, 4096, GATHER),
    # Interpolated
    "rotate": Step("largest angle in both directions, as a fraction of a full turn", 0.05, 0, 0.5, TRANSFORM),
    "shift": Step("largest distance in all directions, as a fraction of height and width", 0.1, 0, 1, TRANSFORM),
    "zoom": Step("largest change of scale, both ways", 0.1, 0, 0.9, TRANSFORM),
    "shear": Step("largest slope along both axes", 0.1, 0, 1, TRANSFORM),
    "elastic": Step(
        "standard deviation of the displacement of a 3 x 3 grid, as a fraction of height and width",
        0.02,
        0,
        0.5,
        ARITHMETIC,
    ),
    "resized_crop": Step(
        "smallest area of a window that is enlarged to the image's size, as a fraction", 0.08, 0.01, 1, "tf.image"
    ),
    # Values
    "contrast": Step("largest change of the factor around each band's mean", 0.2, 0, 1, ARITHMETIC),
    "brightness": Step(
        "largest number added, as a fraction of `value_range` or in the images' units", 0.2, 0, 1, ARITHMETIC
    ),
    "color_jitter": Step("strength of the changes of brightness, contrast, saturation and hue", 0.5, 0, 1, "tf.image"),
    "gray": Step("probability that an image loses its color", 0.2, 0, 1, ARITHMETIC),
    "blur": Step("largest standard deviation of the Gaussian [pixels], for every other image", 1.0, 0, 20, ARITHMETIC),
    "noise": Step("standard deviation, as a fraction of `value_range` or in the images' units", 0.02, 0, 1, ARITHMETIC),
    "cutout": Step("side of the erased rectangle, as a fraction of height and width", 0.5, 0, 1, ARITHMETIC),
    # keras-cv's GridMask draws its ratio without the seed, and works image after image
    "grid_mask": Step("side of the erased squares of a grid, as a fraction of their distance", 0.5, 0, 0.9, ARITHMETIC),
    "rand_augment": Step("magnitude of the two operations that each image gets", 0.3, 0, 1, ARITHMETIC),
    # keras-cv's RandomJpegQuality draws the same qualities in every epoch
    "jpeg_quality": Step("lowest quality, of 100", 50, 1, 100, "tf.image.adjust_jpeg_quality"),
    # Several images
    "mixup": Step("alpha of the Beta distribution of mixing fractions", 0.2, 0.001, 100, ARITHMETIC),
    "cutmix": Step("alpha of the Beta distribution of areas", 1.0, 0.001, 100, ARITHMETIC),
    # keras-cv's, because Keras has no such layers
    "mosaic": Step(
        "smallest fraction of height and width of an image in the mosaic", 0.25, 0, 0.5, "keras_cv.layers.Mosaic"
    ),
    "jittered_resize": Step("largest change of scale before cutting", 0.25, 0, 3, "keras_cv.layers.JitteredResize"),
    "channel_shuffle": Step("none; the bands are put in a random order", None, 0, 0, "keras_cv.layers.ChannelShuffle"),
}
WHOLE_PIXELS = ("flip", "flip_vertical", "crop")
GEOMETRIC = (*WHOLE_PIXELS, "rotate", "shift", "zoom", "shear")
MIXING = ("mixup", "cutmix", "mosaic")


def steps():
    """Returns the steps as a list of dicts: name, amount (its meaning), default, low, high, library."""
    return [{"name": name, **step._asdict()} for name, step in STEPS.items()]


def parse(text):
    """Returns (name, amount) of a step written as in "rotate:0.05" or "flip"; amount is None where it takes none.

    Raises:
        ValueError: if there is no such step, or the amount is no number or out of range.
    """
    name, colon, amount_text = text.partition(":")
    name = name.strip()
    if name in ("dropblock", "drop_block"):
        raise ValueError(
            f"augmentation: `steps` must not contain {name}, which acts inside a network: "
            "it is the layer keras_cv.layers.DropBlock2D."
        )
    if name not in STEPS:
        raise ValueError(
            f"augmentation: `steps` must be of {', '.join(STEPS)}, got {name!r}.{suggestion(name, STEPS)} "
            "`recipes.data.augment.steps()` describes them."
        )
    step = STEPS[name]
    if not colon:
        return name, step.default
    if step.default is None:
        raise ValueError(f"augmentation: `{name}` takes no amount, got {text!r}.")
    expected = f"a whole number from 0 to {step.high}" if name == "crop" else f"from {step.low:g} to {step.high:g}"
    try:
        amount = float(amount_text)
    except ValueError:
        amount = float("nan")
    if not step.low <= amount <= step.high or (name == "crop" and amount != int(amount)):
        raise ValueError(
            f"augmentation: the amount of `{name}` ({step.amount}) must be {expected}, got {amount_text!r}."
        )
    return name, amount
