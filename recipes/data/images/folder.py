"""A folder of images, with one folder per class."""

import collections
import re
from pathlib import Path

import numpy as np

from recipes.data.assemble import Pool, assemble, warn_and_note
from recipes.data.examples import Data
from recipes.data.images.class_folders import ClassFolders
from recipes.data.images.image_decoding import DARK, FIRST_PAGE, TIFF_ON_WHITE
from recipes.data.images.image_files import ImageFiles, fit_image
from recipes.data.images.image_scan import scan_images
from recipes.data.images.unlabelled_folder import PhotoFolder, read_unlabelled
from recipes.data.source_spec import absolute_path, with_source_spec
from recipes.data.split import SplitOptions
from recipes.data.unlabelled import with_unlabelled, without_labels
from zoo.arguments import FilePath, Fraction, Whole, checked

SHOWN = 10  # files that a note lists
UNCERTAIN_CONVERSIONS = (FIRST_PAGE, TIFF_ON_WHITE)  # the pages or the transparency may be meant as bands


@checked
def read_folder(
    path: FilePath,
    *,
    group: str | None = None,
    strict: bool = False,
    classes: tuple[str, ...] = (),
    labels: bool = True,
    unlabelled: FilePath | None = None,
    validation: Fraction = 0.15,
    test: Fraction = 0.15,
    seed: Whole = 0,
) -> Data:
    """Reads images from PATH/CLASS/**/image, or from PATH/train, PATH/val and PATH/test with the classes in each.

    Images are decoded when they are read. Before, files of up to 64 MiB in all are decoded once to their end, so that
    broken and identical ones are noted. Of a larger folder the header and the end of each JPEG and PNG are read, and
    identical are equal files; the result is saved for the next run. The images in a class folder belong to the class,
    however deep they lie; links to folders are followed. Images keep their depth, and a TIFF all its bands; 16-bit
    photos among 8-bit ones are scaled to 8 bits.

    Args:
        path: the folder.
        group: regular expression that is searched in every image's path below `path`; its match (the first group of the
            expression, if it has one) names the image's group, and groups stay in one split.
        strict: whether all images are decoded before training, and one that cannot be read is an error; else it is
            skipped, counted and listed.
        classes: names of the classes, for data of which a class may be absent, such as data for an evaluation; () for
            the names of the folders.
        labels: whether folders are classes. If False, all photos below `path` are read, however deep they lie, without
            classes: for `recipes.Contrastive` and `recipes.MaskedImageModelling`.
        unlabelled: folder of photos without classes, however deep they lie, for `recipes.FewLabels`; None for none.
        validation, test: fractions of the images, 0 to 1, for splits that have no folder.
        seed: seed of the split.
    Returns:
        `Data` of kind image: uint8, uint16, or float32 for TIFFs of floats or with nodata, which is NaN.
    Raises:
        ValueError: if there is no such folder, it has no class folders, one of them has no images or is not one of
            `classes`, or a file has other bands or another depth than the others; if `unlabelled` has no photos, or
            lies in `path`; if `classes` or `unlabelled` are set without `labels`.
    """
    arguments = dict(locals())
    root = Path(path)
    if not root.is_dir():
        raise ValueError(f"there is no folder {root}.")
    if not labels and (classes or unlabelled):
        raise ValueError(
            f"`labels` must be true with `classes` or `unlabelled`, got labels=false for {root}; without labels all "
            "photos of a folder are read."
        )
    folders = ClassFolders(root, classes) if labels else PhotoFolder(root)
    files, notes = folders.files, folders.notes
    scan = scan_images([file for _, _, file in files], root, decode_all=strict)
    files, scan = _without_broken(files, scan, root, strict, folders.classes, notes)
    expected = expected_image(files, scan, notes)
    notes += conversion_notes(scan, expected) + _in_several_classes(files, scan)
    photos = read_unlabelled(unlabelled, root, expected, scan.keys, strict, notes) if unlabelled else None
    expected = (photos.shape, *expected[1:]) if photos else expected
    orientations = np.array([kind.orientation for kind in scan.kinds], np.uint8)[scan.kind]
    sizes = np.stack([scan.height, scan.width], axis=1)
    pools = []
    for split in folders.splits:
        indices = [i for i, f in enumerate(files) if f[0] == split]
        paths = np.array([str(files[i][2]) for i in indices])
        pools.append(
            Pool(
                ImageFiles(paths, orientations[indices], *expected, sizes=sizes[indices]),
                np.array([files[i][1] for i in indices], dtype=object if not indices else None),
                split,
                paths,
                scan.keys[indices],
                groups_of([files[i][2].relative_to(folders.splits[split]).as_posix() for i in indices], group),
            )
        )
    shape, dtype, bands, gaps = expected
    data = assemble(
        pools, SplitOptions(validation, test, seed), name=root.resolve().name, kind="image", shape=shape, dtype=dtype,
        classes=folders.classes, complete=labels and not classes, missing="pad" if gaps else None, notes=notes,
        source=str(root), group=group, bands=bands,
    )  # fmt: skip
    data = with_unlabelled(data, photos, names=photos.paths) if photos else data
    data = data if labels else without_labels(data)
    return with_source_spec(data, "folder", arguments, unlabelled=unlabelled and absolute_path(unlabelled))


def _without_broken(files, scan, root, strict, classes, notes):
    """Returns the files that can be read, and their scan; adds a note on the others, an error if `strict`."""
    if (scan.kind >= 0).all():
        return files, scan
    broken = collections.defaultdict(list)
    for i in np.flatnonzero(scan.kind < 0):
        broken[scan.reasons[i]].append(str(files[i][2].relative_to(root)))
    count = sum(map(len, broken.values()))
    listed = "; ".join(f"{reason}: {listed_names(names)}" for reason, names in sorted(broken.items()))
    if strict:
        raise ValueError(f"every image must be readable under `strict`, got {count:,} that are not. {listed}.")
    readable = np.flatnonzero(scan.kind >= 0)
    labels = {files[i][:2] for i in readable}
    for split, label, _ in files:
        if (split, label) not in labels and not (classes and labels):
            raise ValueError(f"the class folder {label!r} must have images that can be read, got none. {listed}.")
    notes.append(warn_and_note(f"skipped {count:,} of {len(files):,} images that cannot be read. {listed}"))
    return [files[i] for i in readable], scan.take(readable)


def listed_names(names):
    """Returns the number of names and the first ones."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{len(names):,} ({', '.join(names[:SHOWN])}{more})"


def expected_image(files, scan, notes):
    """Returns (shape, dtype, names of the bands, whether there is nodata) that all images are read with.

    Raises:
        ValueError: if the images of a data set have no bands and depth in common; it names a file.
    """
    kinds = list(scan.counts(lambda kind: kind))
    gaps = any(kind.has_gaps for kind in kinds)
    depths = scan.counts(lambda kind: kind.depth)
    scaled = set(depths) == {"uint8", "uint16"} and all(kind.is_photo for kind in kinds if kind.depth == "uint16")
    depth = "uint8" if scaled else depths.most_common(1)[0][0]
    counts = scan.counts(lambda kind: kind.count)
    count = 3 if set(counts) == {1, 3} else counts.most_common(1)[0][0]
    names = scan.counts(lambda kind: kind.bands)
    names.pop((), None)
    bands = names.most_common(1)[0][0] if names else ()
    if bands:
        count = len(bands)
        unnamed = int(scan.of_kinds(lambda kind: not kind.bands).sum())
        reordered = np.flatnonzero(scan.of_kinds(lambda kind: kind.bands and kind.bands != bands))
        if unnamed:
            notes.append(warn_and_note(f"{unnamed:,} images do not name their bands: read in the order of the file"))
        if len(reordered):
            first = files[reordered[0]][2].name
            notes.append(
                f"{len(reordered):,} images have their bands in another order, such as {first}: matched by name"
            )
    dtype = "float32" if gaps else depth
    for index, first in zip(*np.unique(scan.kind, return_index=True), strict=True):
        kind, path = scan.kinds[index], files[first][2]
        if gaps and kind.depth != depth:
            raise ValueError(f"images must be {depth}, as the others are, got {kind.depth} in {path}.")
        if bands and kind.bands and set(kind.bands) != set(bands):
            raise ValueError(
                f"images must have the same bands, got {', '.join(kind.bands)} in {path} and {', '.join(bands)} in "
                "others."
            )
        fit_image(kind.one_pixel(), path, count, dtype, bands, gaps)
    sizes = np.unique(np.stack([scan.height, scan.width], 1), axis=0)
    return (*(sizes[0].tolist() if len(sizes) == 1 else (None, None)), count), dtype, bands, gaps


def conversion_notes(scan, expected):
    """Returns notes on conversions, with the number of images."""
    (*_, count), dtype, bands, _ = expected
    conversions = collections.Counter()
    for several, number in scan.counts(lambda kind: kind.conversions).items():
        conversions.update(dict.fromkeys(several, number))
    notes = []
    for conversion, number in sorted(conversions.items()):
        note = f"{number:,} images: {conversion}"
        notes.append(warn_and_note(note) if conversion in UNCERTAIN_CONVERSIONS else note)
    scaled = scan.brightest[scan.brightest >= 0]
    if len(scaled) and dtype == "uint8":
        notes.append(warn_and_note(f"{len(scaled):,} images: 16 bits divided by 257, as others have 8 bits"))
        if scaled.max() < DARK:
            notes.append(
                warn_and_note(f"the 16-bit images are dark: their largest value is {scaled.max():,} of 65,535")
            )
    grayscale = scan.counts(lambda kind: kind.count)[1]
    if count == 3 and grayscale and not bands:
        notes.append(f"{grayscale:,} grayscale images repeated in three bands, as others have color")
    return notes


def _in_several_classes(files, scan):
    """Returns a note on identical images with different classes."""
    labels = collections.defaultdict(dict)
    _, inverse, counts = np.unique(scan.keys, return_inverse=True, return_counts=True)
    for i in np.flatnonzero(counts[inverse] > 1):
        labels[scan.keys[i]].setdefault(files[i][1], files[i][2])
    several = [by_label for by_label in labels.values() if len(by_label) > 1]
    if not several:
        return []
    listed = " and ".join(f"{path.name} of {label!r}" for label, path in several[0].items())
    return [warn_and_note(f"{len(several):,} images are identical but of different classes, such as {listed}")]


def groups_of(paths, pattern):
    """Returns the group of every path, as a regular expression finds it; None without one."""
    if pattern is None:
        return None
    try:
        matches = [re.search(pattern, path) for path in paths]
    except re.error as error:
        raise ValueError(f"`group` must be a regular expression for a folder, got {pattern!r}: {error}.") from None
    missing = [path for path, match in zip(paths, matches, strict=True) if not match]
    if missing:
        raise ValueError(f"`group` must match every image's path, got {pattern!r} not in {missing[0]}.")
    return np.array([match[1] if match.re.groups else match[0] for match in matches])
