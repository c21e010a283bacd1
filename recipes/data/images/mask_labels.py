"""What a mask's values mean: classes by their value, or things with a number each."""

import dataclasses

import numpy as np

from recipes.losses import IGNORE
from zoo.arguments import suggestion

MANY = 50  # different values above which a mask without a table looks like things that are numbered


def read_labels(path):
    """(H, W) whole numbers of a mask: grey values, the indices of a palette, or a .npy array.

    Raises:
        ValueError: if the file cannot be read to its end, or has colours or fractions; it is named.
    """
    from PIL import Image

    try:
        if path.suffix.lower() == ".npy":
            values = np.load(path, allow_pickle=False)
        else:
            with Image.open(path) as photo:
                values = np.asarray(photo)
    except Exception as error:  # a broken file may raise anything in a decoder
        raise ValueError(f"load: every mask must be readable, got {path}: {error}") from None
    if values.ndim == 3 and (values == values[..., :1]).all():
        values = values[..., 0]
    if values.ndim != 2 or values.dtype.kind not in "buif" or (values.dtype.kind == "f" and (values % 1 != 0).any()):
        what = "colours" if values.ndim == 3 else f"{values.shape} {values.dtype}"
        raise ValueError(f"load: a mask must have one whole number a pixel, got {what} in {path}.")
    return values.astype(np.int64)


def separated(instances):
    """(H, W) bool: where a thing is, without the pixels that touch another thing.

    Args:
        instances: (H, W), 0 for the background and a number for each thing.
    """
    low, high = _range_around(np.where(instances > 0, instances, -1))
    return (instances > 0) & (low == high)


def _range_around(instances):
    """Smallest and largest number of a thing in each pixel's 3 x 3 neighbourhood; the background is below 0."""
    from scipy.ndimage import maximum_filter, minimum_filter

    return minimum_filter(np.where(instances < 0, instances.max() + 1, instances), 3), maximum_filter(instances, 3)


@dataclasses.dataclass(frozen=True)
class Table:
    """From a mask's values to class indices.

    Args:
        values: the value of each class; of numbered things 0, 1 and 2.
        names: of the classes.
        things: foreground, separated, boundary, or None where values are classes.
        commonest: index of the class with most pixels.
        notes: what was read how, in words.
    """

    values: tuple
    names: tuple
    things: str | None
    commonest: int
    notes: tuple

    @classmethod
    def of(cls, scenes, options):
        """The table of all scenes, as `Options` and the values themselves have it; 255 and what is below 0 is ignored.

        Raises:
            ValueError: if there are too few or too many values, or one that has no name.
        """
        notes, values = [], None
        if options.instances:
            names = options.classes or ("background", "foreground", "boundary")
            values = tuple(range(3 if options.instances == "boundary" else 2))
            names = names[: len(values)] if not options.classes else names
        else:
            found = np.unique(np.concatenate([np.unique(s.mask) for s in scenes]))
            names, values = _named(options.classes, found.tolist(), notes)
        if len(names) != len(values):
            raise ValueError(f"load: `classes` must have {len(values)} names for these masks, got {', '.join(names)}.")
        table = cls(values, tuple(names), options.instances, 0, tuple(notes))
        counts = sum(np.bincount(table.indices(s).ravel(), minlength=IGNORE + 1) for s in scenes)
        if counts[IGNORE]:
            notes.append(f"{counts[IGNORE] / counts.sum():.1%} of the pixels are ignored")
        counts = counts[: len(values)]
        if (counts > 0).sum() < 2:
            raise ValueError(
                f"load: the masks must have two classes or more, got only {names[int(counts.argmax())]!r}."
            )
        return dataclasses.replace(table, commonest=int(counts.argmax()), notes=tuple(notes))

    def indices(self, scene):
        """(H, W) uint8 class index of a scene's mask; 255 where a pixel does not count.

        Raises:
            ValueError: if the mask has a value that is in no table; it names the scene.
        """
        mask = scene.mask
        if self.things:
            inside = separated(mask) if self.things == "separated" else mask > 0
            classes = inside.astype(np.uint8)
            if self.things == "boundary":
                low, high = _range_around(np.where(mask > 0, mask, 0))
                classes[inside & (low != high)] = 2
            return classes
        place = np.searchsorted(self.values, mask)
        known = np.isin(mask, self.values)
        strange = ~known & (mask != IGNORE) & (mask >= 0)
        if strange.any():
            got = mask[strange][0]
            raise ValueError(
                f"load: the values of a mask must be {', '.join(map(str, self.values))}, or {IGNORE} for pixels that "
                f"do not count, got {got} in {strange.sum():,} pixels of {scene.name}.{suggestion(got, self.values)}"
            )
        return np.where(known, place, IGNORE).astype(np.uint8)


def _named(classes, found, notes):
    """(names, values) in the order of the values; a class is written NAME, whose value is its place, or NAME=VALUE."""
    pairs = [c.rpartition("=") if c.rpartition("=")[2].lstrip("-").isdigit() else (c, "", "") for c in classes]
    if any(sign for _, sign, _ in pairs):
        if not all(sign for _, sign, _ in pairs):
            raise ValueError(f"load: `classes` must all be NAME=VALUE or all NAME, got {', '.join(classes)}.")
        pairs = sorted((int(value), name) for name, _, value in pairs)
        return tuple(name for _, name in pairs), tuple(value for value, _ in pairs)
    if found == [0, IGNORE]:
        notes.append(f"masks of 0 and {IGNORE}: taken as two classes")
        return tuple(classes) or ("0", str(IGNORE)), (0, IGNORE)
    if classes:
        return tuple(classes), tuple(range(len(classes)))
    kept = [v for v in found if v >= 0 and v != IGNORE]
    if not 2 <= len(kept) <= MANY:
        raise ValueError(
            f"load: `classes` must be given for masks of {len(kept)} values; where each number is a thing, such as a "
            "cell, say instances=foreground, separated or boundary."
        )
    notes.append(f"the values {', '.join(map(str, kept))} of the masks taken as classes; `classes` names them")
    return tuple(map(str, kept)), tuple(kept)
