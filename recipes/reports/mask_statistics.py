"""Class frequencies of masks, and what is suspicious in them."""

import numpy as np

from recipes.data.examples import SPLITS
from recipes.data.images.mask_labels import IGNORE
from recipes.reports.image_statistics import SAMPLE

RARE_PIXELS = 0.001  # fraction of the labelled pixels below which a class is rare
FEW_IMAGES = 5  # images or tiles below which a class is rare


def mask_rows(data):
    """Returns one dict per class, and one for ignored pixels.

    Of masks that are read on demand, a seeded sample of `SAMPLE` per split is counted.

    Args:
        data: `Data` of the task segmentation.
    Returns:
        List of dicts: name, train, validation and test (fractions of the pixels, 0 to 1; None for an empty split),
        fraction (of the pixels of all splits) and examples (images or tiles that have the class). The fractions of the
        classes are of the labelled pixels, that of "(ignored)" of all pixels.
    """
    classes = len(data.classes)
    counts, examples = {}, np.zeros(classes + 1, np.int64)
    for s in SPLITS:
        counts[s] = np.zeros(classes + 1, np.int64)
        targets = getattr(data, s).targets
        for i in _sampled_indices(targets):
            mask = targets.read(i) if hasattr(targets, "read") else targets[i]
            pixels = np.bincount(np.ravel(mask), minlength=IGNORE + 1)
            pixels = np.array([*pixels[:classes], pixels[IGNORE]])
            counts[s] += pixels
            examples += pixels > 0
    counts["fraction"] = sum(counts.values())
    rows = []
    for i, name in enumerate((*data.classes, "(ignored)")):
        totals = {s: n.sum() if i == classes else n[:classes].sum() for s, n in counts.items()}
        fractions = {s: float(n[i] / totals[s]) if totals[s] else None for s, n in counts.items()}
        if i < classes or counts["fraction"][classes]:
            rows.append({"name": str(name), **fractions, "examples": int(examples[i])})
    return rows


def _sampled_indices(targets):
    n = len(targets)
    if not hasattr(targets, "read") or n <= SAMPLE:
        return range(n)
    return np.sort(np.random.default_rng(0).choice(n, SAMPLE, replace=False))


def mask_sentences(rows):
    """Returns sentences on rare classes and ignored pixels.

    Args:
        rows: as `mask_rows` returns them.
    """
    sentences = []
    for row in rows:
        fraction = row["fraction"] or 0.0
        if row["name"] == "(ignored)":
            if fraction > 0.5:
                sentences.append(
                    f"{fraction:.0%} of the pixels are ignored; `classes` names the values that are classes"
                )
        elif fraction < RARE_PIXELS or row["examples"] < FEW_IMAGES:
            sentences.append(
                f"the class {row['name']!r} has {fraction:.2%} of the pixels, in {row['examples']} images or tiles: "
                "its metrics are uncertain"
            )
    return sentences
