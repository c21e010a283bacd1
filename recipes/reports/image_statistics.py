"""Statistics of a seeded sample of the images of a data set, and what is suspicious in them."""

import collections
import concurrent.futures
import itertools
import os
from pathlib import Path

import numpy as np

from recipes.data.examples import Examples

SAMPLE = 512  # images that statistics are taken from
DARK, BRIGHT = 50, 205  # of 255: an 8-bit image is dark or bright where most pixels are below or above
MOST = 0.95  # of the pixels
AREA_RATIO = 4  # of the largest to the smallest image
MASK_WORDS = ("mask", "label", "annotation", "target", "truth")  # in the name of a folder of masks
COMPARED_BANDS = 16  # bands that are compared with each other
SHOWN = 5  # names that a sentence lists
LOW_RANGE = 0.01  # of the depth: a 16-bit image whose largest value is below it


def sample_examples(examples, n):
    """Returns a seeded sample of `n` examples in their order; the first `n` of a tf.data.Dataset.

    Args:
        examples: `Examples`.
        n: number of examples; fewer where there are fewer.
    Returns:
        (list of raw inputs, `Examples` without inputs that has their targets and names).
    """
    indices = np.arange(min(n, len(examples)))
    if is_indexable(examples.inputs):
        if len(examples) > n:
            indices = np.sort(np.random.default_rng(0).choice(len(examples), n, replace=False))
        examples = examples.take(indices)
    if hasattr(examples.inputs, "read"):
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as executor:
            inputs = list(executor.map(examples.inputs.read, range(len(indices))))
    else:
        inputs = examples.head(len(indices))
        inputs = inputs if isinstance(inputs, dict) else list(inputs)
    targets, names = examples.targets, examples.names
    targets = targets.take(slice(0, len(indices))) if hasattr(targets, "read") else targets[: len(indices)]
    return inputs, Examples(None, targets, None if names is None else names[: len(indices)])


def is_indexable(inputs):
    """Whether inputs can be taken by index: all but a tf.data.Dataset."""
    return isinstance(inputs, np.ndarray | dict) or hasattr(inputs, "read")


def image_statistics(images, names=None, bands=(), dtype=None):
    """Returns statistics of images of one number of bands.

    Args:
        images: list of (H, W, C) arrays, NaN where a pixel is nodata.
        names: of the images, or None.
        bands: names of the bands, or ().
        dtype: of the pixels; that of the first image if None.
    Returns:
        Dict: sample (number of images); dtype; sizes, a dict of smallest, median and largest [height, width] by area;
        distinct_sizes; bands, a list of dicts of band (from 1), name, smallest, mean, largest and, where there are any,
        nodata_fraction; equal_bands, pairs of bands that are equal in all images; mean_brightness; constant, dark and
        bright, the names of images of one value, and of 8-bit images most of whose pixels are below `DARK` and above
        `BRIGHT`.
    """
    count = images[0].shape[-1]
    pixels, sums, valid = 0, np.zeros(count), np.zeros(count)
    low, high = np.full(count, np.inf), np.full(count, -np.inf)
    constant, means, dark, bright = [], [], [], []
    equal = set(itertools.combinations(range(min(count, COMPARED_BANDS)), 2))
    for image in images:
        flat = image.reshape(-1, count)
        finite = np.isfinite(flat) if flat.dtype.kind == "f" else np.ones(1, bool)
        if finite.all():
            image_low, image_high, image_sums = flat.min(0), flat.max(0), flat.sum(0, dtype=np.float64)
            n = np.full(count, len(flat))
        else:
            n = finite.sum(0)
            image_low, image_high = np.where(finite, flat, np.inf).min(0), np.where(finite, flat, -np.inf).max(0)
            image_sums = np.where(finite, flat, 0).sum(0, dtype=np.float64)
        pixels, sums, valid = pixels + len(flat), sums + image_sums, valid + n
        low, high = np.minimum(low, image_low), np.maximum(high, image_high)
        equal = {(i, j) for i, j in equal if np.array_equal(flat[:, i], flat[:, j], equal_nan=flat.dtype.kind == "f")}
        constant.append(bool((image_low >= image_high).all()))
        means.append(image_sums.sum() / max(n.sum(), 1))
        is_byte = flat.dtype == np.uint8
        dark.append(is_byte and not constant[-1] and np.mean(flat < DARK) >= MOST)
        bright.append(is_byte and not constant[-1] and np.mean(flat > BRIGHT) >= MOST)
    names = range(len(images)) if names is None else names
    names = [f"example {name}" if isinstance(name, int | np.integer) else str(name) for name in names]
    dtype = dtype or images[0].dtype.name
    sizes = [image.shape[:2] for image in images]
    return {
        "sample": len(images),
        "dtype": dtype,
        "sizes": _ordered_sizes(sizes),
        "distinct_sizes": len(set(sizes)),
        "bands": [
            {
                "band": i + 1,
                "name": str(bands[i]) if i < len(bands) else None,
                "smallest": float(low[i]) if valid[i] else None,
                "mean": float(sums[i] / valid[i]) if valid[i] else None,
                "largest": float(high[i]) if valid[i] else None,
                **({"nodata_fraction": float(1 - valid[i] / pixels)} if valid[i] < pixels else {}),
            }
            for i in range(count)
        ],
        "equal_bands": [[i + 1, j + 1] for i, j in sorted(equal)],
        "mean_brightness": float(np.mean(means)),
        "constant": _selected(names, constant),
        "dark": _selected(names, dark),
        "bright": _selected(names, bright),
    }


def _ordered_sizes(sizes):
    ordered = sorted(sizes, key=lambda size: (size[0] * size[1], size))
    places = {"smallest": 0, "median": len(ordered) // 2, "largest": -1}
    return {place: [int(side) for side in ordered[i]] for place, i in places.items()}


def _selected(names, mask):
    return [name for name, is_selected in zip(names, mask, strict=True) if is_selected]


def image_checks(statistics):
    """Returns sentences on what is suspicious in images.

    Args:
        statistics: as `image_statistics` returns them.
    """
    sentences, total = [], statistics["sample"]
    for band in statistics["bands"]:
        label = f"band {band['band']}" + (f" ({band['name']})" if band["name"] else "")
        if band["smallest"] is None:
            sentences.append(f"{label} has no valid pixel")
        elif band["smallest"] == band["largest"] and total > 1:
            sentences.append(f"{label} is {band['smallest']:g} in every pixel; `bands` selects the others")
    if statistics["equal_bands"]:
        pairs = [f"{i} and {j}" for i, j in statistics["equal_bands"]]
        sentences.append(f"bands {listed(pairs)} are equal in all images")
    for key, what in (
        ("constant", "images of one value"),
        ("dark", f"dark images ({MOST:.0%} of the pixels below {DARK} of 255)"),
        ("bright", f"bright images ({MOST:.0%} of the pixels above {BRIGHT} of 255)"),
    ):
        if statistics[key]:
            sentences.append(f"{what}: {len(statistics[key]):,} of {total:,}, {listed(statistics[key])}")
    largest = max((band["largest"] for band in statistics["bands"] if band["largest"] is not None), default=None)
    if statistics["dtype"] == "uint16" and largest is not None and largest < LOW_RANGE * 65535:
        sentences.append(f"the 16-bit images use little of their range: their largest value is {largest:g} of 65,535")
    small, large = statistics["sizes"]["smallest"], statistics["sizes"]["largest"]
    if large[0] * large[1] >= AREA_RATIO * small[0] * small[1]:
        sentences.append(
            f"the images differ in size from {small[0]} x {small[1]} to {large[0]} x {large[1]} pixels; all are "
            "resized to one size, which `zoo train --size` sets"
        )
    return sentences


def listed(names):
    """Returns the first names, and how many more there are."""
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more}"


def class_clue_sentences(images, targets, names, classes):
    """Returns sentences where the size or the file format of an image tells its class.

    Args:
        images: list of (H, W, C) arrays.
        targets: (N,) class index.
        names: paths of the files, or None.
        classes: names of the classes.
    """
    clues = {"size": [image.shape[:2] for image in images]}
    if names is not None:
        suffixes = [Path(str(name)).suffix.lower() for name in names]
        clues["file format"] = [{".jpeg": ".jpg", ".tiff": ".tif"}.get(suffix, suffix) for suffix in suffixes]
    sentences = []
    for what, values in clues.items():
        by_class = collections.defaultdict(set)
        for value, target in zip(values, targets, strict=True):
            by_class[int(target)].add(value)
        sets = list(by_class.values())
        separate = sum(map(len, sets)) == len(set(values)) and len(set(values)) <= len(values) / 4
        if len(sets) > 1 and separate:
            first, second = list(by_class.items())[:2]
            example = " and ".join(f"{_describe(next(iter(v)))} for {classes[i]}" for i, v in (first, second))
            sentences.append(
                f"the {what} of an image tells its class ({example}): the model may learn it instead of the content; "
                "bring all images to one " + what
            )
    return sentences


def _describe(value):
    return f"{value[0]} x {value[1]}" if isinstance(value, tuple) else value


def same_name_sentences(paths, classes):
    """Returns a sentence where class folders have files of equal names: one of them may hold masks.

    Args:
        paths: (N,) of all files.
        classes: names of the classes, which are folders.
    """
    stems = collections.defaultdict(list)
    for path in map(Path, map(str, paths)):
        folder = next((p for p in path.parents if p.name in classes), path.parent)
        stems[folder].append(path.stem)
    for folder, other in itertools.permutations(sorted(stems), 2):
        is_masks = any(word in other.name.lower() for word in MASK_WORDS)
        if is_masks and len(stems[folder]) > 1 and sorted(stems[folder]) == sorted(stems[other]):
            return [
                f"the folders {folder.name} and {other.name} have files of equal names: if one holds the masks or "
                f"targets of the other, it is no class; use masks:{folder}?labels={other}"
            ]
    return []
