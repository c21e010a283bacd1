"""Values of masks and the classes they stand for: class values, or instances with a number each."""

import dataclasses

import numpy as np

IGNORE = 255  # the label of pixels that are left out of losses and metrics, as in Pascal VOC and Cityscapes
NODATA_IS_CLASS = "the nodata value of the labels, is the value of the class"  # part of a note
PIXELS_IGNORED = "of the pixels are ignored"  # end of a note
MAX_VALUES = 50  # distinct values above which a mask looks like numbered instances


def separated(instances):
    """Returns (H, W) bool: the pixels of instances, without those that touch another instance.

    Args:
        instances: (H, W), 0 for the background and a number for each instance.
    """
    low, high = _neighborhood_range(np.where(instances > 0, instances, -1))
    return (instances > 0) & (low == high)


def _neighborhood_range(instances):
    """Returns the smallest and largest instance in each pixel's 3 x 3 neighborhood; the background is below 0."""
    from scipy.ndimage import maximum_filter, minimum_filter

    return minimum_filter(np.where(instances < 0, instances.max() + 1, instances), 3), maximum_filter(instances, 3)


@dataclasses.dataclass(frozen=True)
class MaskClasses:
    """The classes of masks and the value of each.

    Args:
        values: the value of each class; of instances 0, 1 and 2.
        names: of the classes.
        instances: foreground, separated, boundary, or None where values are classes.
        commonest: index of the class with most pixels.
        notes: sentences on how the values were read.
    """

    values: tuple
    names: tuple
    instances: str | None
    commonest: int
    notes: tuple

    @classmethod
    def of(cls, scenes, classes, instances=None):
        """Returns the classes of all scenes.

        Values below 0 are ignored, and 255 is where the other values count from 0 or 1, as in Pascal VOC. Where they do
        not, as in 0, 128 and 255, it must be a class or be ignored by an option.

        Args:
            scenes: sequence of objects with a `name` and a `mask`.
            classes, instances: as `read_masks` has them.
        Raises:
            ValueError: if there are too few or too many values, or one that has no name. One class alone is enough
                where `classes` has the value of several, as for the evaluation of a model.
        """
        notes = []
        if instances:
            values = tuple(range(3 if instances == "boundary" else 2))
            names = classes or ("background", "foreground", "boundary")[: len(values)]
        else:
            distinct = np.unique(np.concatenate([np.unique(s.mask) for s in scenes]))
            names, values = _class_values(classes, distinct.tolist(), notes)
            _verify_ignored_255(values, distinct)
            _verify_not_two_values(names, values, distinct)
        if len(names) != len(values):
            raise ValueError(f"`classes` must have {len(values)} names for these masks, got {', '.join(names)}.")
        mask_classes = cls(values, tuple(names), instances, 0, tuple(notes))
        counts = sum(np.bincount(mask_classes.indices(s).ravel(), minlength=IGNORE + 1) for s in scenes)
        if counts[IGNORE]:
            notes.append(f"{counts[IGNORE] / counts.sum():.1%} {PIXELS_IGNORED}")
        counts = counts[: len(values)]
        if (counts > 0).sum() < 2 and len(classes) > 1 and all("=" in name for name in classes):
            notes.append(f"all pixels of the masks are of the class {names[int(counts.argmax())]!r}")
        elif (counts > 0).sum() < 2:
            raise ValueError(f"the masks must have two classes or more, got only {names[int(counts.argmax())]!r}.")
        return dataclasses.replace(mask_classes, commonest=int(counts.argmax()), notes=tuple(notes))

    def indices(self, scene):
        """Returns the (H, W) uint8 class index of a scene's mask; 255 where a pixel is ignored.

        Raises:
            ValueError: if the mask has a value of no class; it names the scene.
        """
        mask = scene.mask
        if self.instances:
            inside = separated(mask) if self.instances == "separated" else mask > 0
            classes = inside.astype(np.uint8)
            if self.instances == "boundary":
                low, high = _neighborhood_range(np.where(mask > 0, mask, 0))
                classes[inside & (low != high)] = 2
            return classes
        index = np.searchsorted(self.values, mask)
        valid = np.isin(mask, self.values)
        invalid = ~valid & (mask != IGNORE) & (mask >= 0)
        if invalid.any():
            value = mask[invalid][0]
            raise ValueError(
                f"the values of a mask must be {', '.join(map(str, self.values))}, or {IGNORE} for ignored pixels, got "
                f"{value} in {invalid.sum():,} pixels of {scene.name}; where other values stand for the classes, "
                f"`classes` says which, such as {self.names[-1]}={value}."
            )
        return np.where(valid, index, IGNORE).astype(np.uint8)

    def resolved(self):
        """Returns `classes` as an option that gives the same classes again: NAME=VALUE, of instances NAME."""
        if self.instances:
            return self.names
        return tuple(f"{name}={value}" for name, value in zip(self.names, self.values, strict=True))


def _verify_ignored_255(values, distinct):
    """Raises a ValueError where 255 is no class beside gray levels such as 0 and 128."""
    if IGNORE in distinct and IGNORE not in values and values[-1] - values[0] != len(values) - 1:
        shown = ", ".join(map(str, distinct.tolist()[:MAX_VALUES]))
        named = ", ".join(f"NAME={v}" for v in (*values, IGNORE))
        raise ValueError(
            f"the value {IGNORE} must be a class or be ignored where masks have the values {shown}: set classes to "
            f"{named}, or ignore to {IGNORE}."
        )


def _verify_not_two_values(names, values, distinct):
    """Raises a ValueError where masks have 255 beside one class alone: it may stand for the other class."""
    present = set(distinct.tolist())
    if len(values) == 2 and IGNORE not in values and IGNORE in present and len(present - {IGNORE}) == 1:
        one, other = names[0], names[1]
        raise ValueError(
            f"masks of {min(present)} and {IGNORE} must say what {IGNORE} is, as the classes are {values[0]} and "
            f"{values[1]}: set classes to {one}={min(present)},{other}={IGNORE}, or ignore to {IGNORE}."
        )


def _class_values(classes, distinct, notes):
    """Returns (names, values) in the order of the values.

    A class is written NAME, whose value is its index, or NAME=VALUE.
    """
    pairs = [c.rpartition("=") if c.rpartition("=")[2].lstrip("-").isdigit() else (c, "", "") for c in classes]
    if any(sign for _, sign, _ in pairs):
        if not all(sign for _, sign, _ in pairs):
            raise ValueError(f"`classes` must all be NAME=VALUE or all NAME, got {', '.join(classes)}.")
        pairs = sorted((int(value), name) for name, _, value in pairs)
        return tuple(name for _, name in pairs), tuple(value for value, _ in pairs)
    if distinct == [0, IGNORE]:
        notes.append(f"masks of 0 and {IGNORE}: read as two classes")
        return tuple(classes) or ("0", str(IGNORE)), (0, IGNORE)
    if classes:
        return tuple(classes), tuple(range(len(classes)))
    values = [v for v in distinct if v >= 0 and v != IGNORE]
    if not 2 <= len(values) <= MAX_VALUES:
        raise ValueError(
            f"`classes` must be given for masks of {len(values)} values; where each number is an instance, such as a "
            "cell, set instances to foreground, separated or boundary."
        )
    notes.append(f"the values {', '.join(map(str, values))} of the masks read as classes; `classes` names them")
    return tuple(map(str, values)), tuple(values)
