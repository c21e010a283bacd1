"""Matching of the bands of new images to those of the training, by name where there are names."""

import collections

import numpy as np

from zoo.arguments import suggestion
from zoo.inputs.ranges import RANGE_MARGIN

SMALL_UNIT = 0.01  # fraction of the largest training value below which all values of an image are in another unit
FEW_PIXELS = 0.02  # fraction of an image's pixels outside of the training range that is not noted
COARSE = 8  # of every so many pixels is looked at first
MANY_PIXELS = 64  # of an image, from which a constant band is noted


def match_bands(schema, names, path, caller="predict"):
    """Returns the numbers, from 1, of the bands of a file that the model takes, in the order of its bands.

    Args:
        schema: `InputSchema` with bands.
        names: name of every band of the file, "" for one without.
        path: of the file, for the error.
        caller: the call that an error names.
    Returns:
        (numbers, notes).
    Raises:
        ValueError: if a band is absent, or bands without names are not as many as in training.
    """
    expected = schema.band_names
    if expected and any(names):
        names = _in_the_case_of(expected, names)
        repeated = sorted({name for name in expected if list(names).count(name) > 1})
        if repeated:
            raise ValueError(f"{caller}: the bands must have distinct names, got {repeated[0]!r} twice in {path}.")
        absent = [name for name in expected if name not in names]
        if absent:
            raise ValueError(
                f"{caller}: the bands must be {', '.join(expected)}, as in training, got "
                f"{', '.join(name or 'one without a name' for name in names)} "
                f"in {path}.{suggestion(absent[0], [n for n in names if n])}"
            )
        extra = [name or "one without a name" for name in names if name not in expected]
        notes = [f"{path}: left out the bands {', '.join(extra)}, which training did not have"] if extra else []
        return tuple(list(names).index(name) + 1 for name in expected), notes
    numbers = tuple(band.number for band in schema.bands)
    if numbers and None not in numbers:
        if max(numbers) > len(names):
            raise ValueError(
                f"{caller}: the raster must have band {max(numbers)}, as in training, got {len(names)} bands in {path}."
            )
        return numbers, [_without_names(path, expected)] if expected else []
    if len(names) != len(schema.bands):
        described = f" ({', '.join(expected)})" if expected else ""
        raise ValueError(
            f"{caller}: there must be {len(schema.bands)} bands{described}, as in training, got {len(names)} in {path}."
        )
    return tuple(range(1, len(names) + 1)), [_without_names(path, expected)] if expected else []


def band_range_notes(schema, names, images):
    """Returns notes on images whose values are far outside of the training range of a band, or in another unit.

    Photos without color or with one value in all pixels are noted too, where the training had none.

    Args:
        schema: `InputSchema`; bands without a range are not checked, and of photos of 8 bits not the range.
        names: of the images.
        images: (H, W, C) arrays; NaN where there is nodata.
    """
    bands = schema.bands
    if not bands or any(band.minimum is None for band in bands):
        return []
    if schema.dtype == "uint8" and schema.image.get("size") != "tiles":
        return [*_unit_interval_notes(bands, names, images), *_plain_photo_notes(schema, names, images)]
    lows, highs = (np.array([getattr(b, n) for b in bands]) for n in ("minimum", "maximum"))
    margin, largest = RANGE_MARGIN * (highs - lows), np.maximum(np.abs(lows), np.abs(highs)).max()
    outside, small, often, constant, zero = [], [], [], [], []
    for name, image in zip(names, images, strict=True):
        values = image.reshape(-1, image.shape[-1])
        values = values[~np.isnan(values).any(axis=1)]
        if not len(values):
            continue
        low, high = values.min(axis=0), values.max(axis=0)
        if (low < lows - margin).any() or (high > highs + margin).any():
            i = int(np.argmax(np.maximum(lows - margin - low, high - highs - margin)))
            band = f" in band {bands[i].name or i + 1}, in training {lows[i]:g} to {highs[i]:g}" * (len(bands) > 1)
            outside.append(f"{name} has {low[i]:g} to {high[i]:g}{band}")
        elif max(abs(low.min()), abs(high.max())) < SMALL_UNIT * largest:
            small.append(f"{name} has {low.min():g} to {high.max():g}")
        elif (beyond := ((values < lows) | (values > highs)).mean(axis=0)).max() > FEW_PIXELS:
            i = int(np.argmax(beyond))
            all_zero = float((values == 0).all(axis=1).mean())
            if all_zero > FEW_PIXELS and (lows > 0).any():
                zero.append(f"{name} has {all_zero:.1%} of them")
            else:
                often.append(
                    f"{name} has {beyond[i]:.1%} of its pixels outside of {lows[i]:g} to {highs[i]:g} in band "
                    f"{bands[i].name or i + 1}"
                )
        elif len(values) >= MANY_PIXELS and ((low == high) & (lows < highs)).any():
            i = int(np.argmax((low == high) & (lows < highs)))
            constant.append(f"{name} has {low[i]:g} in band {bands[i].name or i + 1}")
    trained = f"the training range, {lows.min():g} to {highs.max():g}"
    sentences = (
        (outside, f"are far outside of {trained}"),
        (small, f"may have another unit than {trained}"),
        (often, "have many pixels outside of the training range; are they in another unit?"),
        (
            zero,
            "have pixels that are 0 in all bands, as training had not; declare the nodata value if there are no data",
        ),
        (constant, "have one value in a whole band, which varied in training"),
    )
    return [f"{len(images_of):,} images {what}: {images_of[0]}" for images_of, what in sentences if images_of]


def _unit_interval_notes(bands, names, images):
    """Returns a note on 8-bit images whose values are 0 and 1, where those of the training have 255 or the like."""
    largest = max(band.maximum for band in bands)
    small = [name for name, image in zip(names, images, strict=True) if image.size and image.max() == 1]
    if not small or largest * SMALL_UNIT <= 1:
        return []
    return [
        f"{len(small):,} images have the values 0 and 1 only, and those of the training up to {largest:g}: {small[0]}; "
        f"multiply images from 0 to 1 by 255 before they become whole numbers"
    ]


def _plain_photo_notes(schema, names, images):
    """Returns notes on photos without color, or with one value in all pixels, where the training had none of them."""
    constant = [not varies(image) for image in images]
    gray = [is_gray(image) and not one_value for image, one_value in zip(images, constant, strict=True)]
    notes = []
    for key, holds, what in (
        (
            "varies",
            constant,
            "have one value in all pixels, as a transparent or empty image has, and training had none",
        ),
        ("has_color", gray, "have no color, and those of the training had"),
    ):
        first = next((name for name, true in zip(names, holds, strict=True) if true), None)
        if schema.image.get(key) and first is not None:
            notes.append(f"{sum(holds):,} images {what}: {first}")
    return notes


def is_gray(image):
    """Whether an image (H, W, C) of three bands or more has the same values in its first three."""

    def has_equal_bands(pixels):
        return bool((pixels[..., :1] == pixels[..., 1:3]).all())

    return image.shape[-1] >= 3 and has_equal_bands(image[::COARSE, ::COARSE]) and has_equal_bands(image)


def varies(image):
    """Whether an image (H, W, C) has different values in different pixels."""
    first = image[:1, :1]
    return bool((image[::COARSE, ::COARSE] != first).any()) or bool((image != first).any())


def _in_the_case_of(expected, names):
    """Returns the names of bands, where one of them differs from one expected only in case as it is there."""
    counts = collections.Counter(name.casefold() for name in [*dict.fromkeys(expected), *dict.fromkeys(names)])
    spelled = {name.casefold(): name for name in expected if name not in names}
    unambiguous = {low: name for low, name in spelled.items() if counts[low] == 2}
    return [unambiguous.get(str(name).casefold(), name) for name in names]


def _without_names(path, expected):
    return f"{path}: its bands have no names; they are read as {', '.join(expected)}"
