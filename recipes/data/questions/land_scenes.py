"""Scenes whose content is exactly known: real pixels of land cover, buildings and nuclei, put together by a seed."""

import dataclasses

import numpy as np

SIDE = 64  # of a scene [pixels]
CELL = 8  # side of a square of one land cover [pixels]
COVERS = ("red soil", "cotton", "grey soil", "wet soil")
COVER_CLASSES = ("red soil", "cotton crop", "grey soil", "very damp grey soil")  # of satimage, in the order of `COVERS`
MAX_OBJECTS = 4  # in a scene
OBJECT_SIDES = (8, 12)  # smallest and largest longer side of an object in a scene [pixels]
MARGIN = 2  # between objects [pixels]
ATTEMPTS = 50  # to place an object
CONTRAST = (27.0, 157.0)  # values of Landsat's bands that become 0 and 255


@dataclasses.dataclass(frozen=True)
class Sources:
    """The real pixels that scenes of one split are made of.

    Args:
        patches: for each of `COVERS`, (N, 3, 3, 3) uint8 near infrared, red and green.
        buildings, nuclei: lists of (pixels (H, W) uint8, mask (H, W) bool), at the size of a scene.
        gaps: (N,) uint8 pixels between nuclei.
    """

    patches: tuple
    buildings: list
    nuclei: list
    gaps: np.ndarray


@dataclasses.dataclass(frozen=True)
class Scene:
    """An image and what is in it.

    Args:
        image: (SIDE, SIDE, 3) uint8.
        areas: land cover -> fraction of the pixels, 0 to 1; {} for nuclei.
        counts: building or nucleus -> number of objects.
    """

    image: np.ndarray
    areas: dict
    counts: dict


def split_sources(land, nuclei, footprints, fractions, seed):
    """Returns the `Sources` of training, validation and test; no patch and no object is in two of them.

    Args:
        land: (patches (N, 3, 3, 4) uint8 in green, red and two near-infrared bands, name of the class of each).
        nuclei: (pixels (H, W), number of the nucleus of each pixel, 0 between them).
        footprints: (pixels (H, W), whether each pixel is of a building).
        fractions: (validation, test), 0 to 1.
        seed: of the division.
    """
    from scipy import ndimage

    rng = np.random.default_rng(seed)
    patches, names = land
    low, high = CONTRAST
    colors = np.clip((patches[..., [3, 1, 0]].astype(float) - low) * 255 / (high - low), 0, 255).astype(np.uint8)
    buildings = objects(_as_bytes(footprints[0]), ndimage.label(footprints[1])[0])
    cells = objects(_as_bytes(nuclei[0]), nuclei[1])
    gaps = _as_bytes(nuclei[0])[nuclei[1] == 0]
    covers = [_divided(colors[names == name], fractions, rng) for name in COVER_CLASSES]
    buildings, cells, gaps = (_divided(items, fractions, rng) for items in (buildings, cells, gaps))
    return [Sources(tuple(c[i] for c in covers), buildings[i], cells[i], gaps[i]) for i in range(3)]


def objects(pixels, numbers):
    """Returns (pixels, mask) of each numbered object that is not at the border, shrunk to `OBJECT_SIDES`.

    Args:
        pixels: (H, W) uint8.
        numbers: (H, W) number of the object of each pixel, 0 for none.
    """
    from PIL import Image
    from scipy import ndimage

    cut = []
    for number, box in enumerate(ndimage.find_objects(numbers), start=1):
        if box is None or any(s.start == 0 or s.stop == size for s, size in zip(box, numbers.shape, strict=True)):
            continue
        mask, sides = numbers[box] == number, [s.stop - s.start for s in box]
        if max(sides) < OBJECT_SIDES[0] or min(sides) < OBJECT_SIDES[0] // 2:
            continue
        scale = min(1.0, OBJECT_SIDES[1] / max(sides), 0.5 if max(sides) >= 2 * OBJECT_SIDES[0] else 1.0)
        size = tuple(max(1, round(side * scale)) for side in reversed(sides))
        small = np.asarray(Image.fromarray(mask.astype(np.uint8) * 255).resize(size, Image.Resampling.BOX)) > 127
        if small.any():
            cut.append((np.asarray(Image.fromarray(pixels[box]).resize(size, Image.Resampling.BOX)), small))
    return cut


def make_land(sources, rng):
    """Returns a `Scene` of one to four land covers in connected areas, with up to four buildings."""
    covers = rng.permutation(len(COVERS))[: rng.integers(1, len(COVERS) + 1)]
    side = SIDE // CELL
    centers = rng.uniform(0, side, (len(covers) + rng.integers(0, 3), 2))
    cells = np.stack(np.meshgrid(*(np.arange(side) + 0.5,) * 2, indexing="ij"), axis=-1)
    nearest = ((cells[:, :, None] - centers) ** 2).sum(-1).argmin(-1)
    cover_of_center = np.concatenate([covers, rng.choice(covers, len(centers) - len(covers))])
    labels = np.repeat(np.repeat(cover_of_center[nearest], CELL, axis=0), CELL, axis=1)
    image = np.empty((SIDE, SIDE, 3), np.uint8)
    for row in range(side):
        for column in range(side):
            patches = sources.patches[cover_of_center[nearest[row, column]]]
            patch = np.repeat(np.repeat(patches[rng.integers(len(patches))], 3, axis=0), 3, axis=1)
            square = slice(row * CELL, (row + 1) * CELL), slice(column * CELL, (column + 1) * CELL)
            image[square] = patch[:CELL, :CELL]
    occupied, count = add_objects(image, sources.buildings, rng)
    areas = {name: float(((labels == i) & ~occupied).mean()) for i, name in enumerate(COVERS)}
    return Scene(image, areas, {"building": count})


def make_cells(sources, rng):
    """Returns a `Scene` of up to four nuclei on pixels from between nuclei."""
    from scipy import ndimage

    pixels = ndimage.uniform_filter(rng.choice(sources.gaps, (SIDE, SIDE)).astype(float), 2)
    image = np.repeat(pixels.astype(np.uint8)[..., None], 3, axis=-1)
    _, count = add_objects(image, sources.nuclei, rng)
    return Scene(image, {}, {"nucleus": count})


def add_objects(image, cut, rng):
    """Pastes 0 to `MAX_OBJECTS` objects that do not touch into an image, and returns (occupied pixels, number)."""
    occupied, count = np.zeros(image.shape[:2], bool), 0
    for _ in range(rng.integers(0, MAX_OBJECTS + 1)):
        pixels, mask = cut[rng.integers(len(cut))]
        turns, flips = rng.integers(4), rng.integers(2)
        pixels, mask = (np.rot90(x[::-1] if flips else x, turns) for x in (pixels, mask))
        height, width = mask.shape
        for _ in range(ATTEMPTS):
            top, left = rng.integers(0, SIDE - height + 1), rng.integers(0, SIDE - width + 1)
            rows, columns = (slice(max(0, a - MARGIN), a + n + MARGIN) for a, n in ((top, height), (left, width)))
            if not occupied[rows, columns].any():
                box = slice(top, top + height), slice(left, left + width)
                image[box][mask] = pixels[mask][:, None]
                occupied[box] |= mask
                count += 1
                break
    return occupied, count


def _divided(items, fractions, rng):
    """Returns the items of training, validation and test, drawn at random."""
    order = rng.permutation(len(items))
    held_out = [round(fraction * len(items)) for fraction in fractions]
    parts = np.split(order, [len(items) - sum(held_out), len(items) - held_out[1]])
    return [items[part] if isinstance(items, np.ndarray) else [items[i] for i in part] for part in parts]


def _as_bytes(pixels):
    """Returns pixels from their 0.5th to their 99.5th percentile as uint8."""
    low, high = np.percentile(pixels, (0.5, 99.5))
    return np.clip((pixels.astype(float) - low) * 255 / max(high - low, 1), 0, 255).astype(np.uint8)
