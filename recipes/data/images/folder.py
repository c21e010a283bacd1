"""A folder of images, with one folder per class."""

import concurrent.futures
import hashlib
import os
import re
from pathlib import Path

import numpy as np

from recipes.data.assemble import Pool, assemble, warn_and_note
from recipes.data.examples import Data
from recipes.data.images.image_files import SUFFIXES, ImageFiles, read_image
from recipes.data.source_spec import with_source_spec
from recipes.data.split import SplitOptions
from zoo.arguments import FilePath, Fraction, Whole, checked

SPLIT_FOLDERS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
SHOWN = 10  # files that a note lists


@checked
def read_folder(
    path: FilePath,
    *,
    group: str | None = None,
    strict: bool = False,
    validation: Fraction = 0.15,
    test: Fraction = 0.15,
    seed: Whole = 0,
) -> Data:
    """Reads images from PATH/CLASS/**/image, or from PATH/train, PATH/val and PATH/test with the classes in each.

    Every image is decoded once to its end, so that broken files are found before training, and again when it is read.
    The images in a class folder belong to the class, however deep they lie.

    Args:
        path: the folder.
        group: regular expression that is searched in every image's path below `path`; its match (the first group of the
            expression, if it has one) names the image's group, and groups stay in one split.
        strict: whether an image that cannot be read is an error; else it is skipped, counted and listed.
        validation, test: fractions of the images, 0 to 1, for splits that have no folder.
        seed: seed of the split.
    Returns:
        `Data` of kind image, uint8.
    Raises:
        ValueError: if there is no such folder, it has no class folders, or one of them has no images.
    """
    arguments = dict(locals())
    root = Path(path)
    if not root.is_dir():
        raise ValueError(f"there is no folder {root}.")
    tops = _split_folders(root)
    files = [(split, label, file) for split, top in tops.items() for label, file in _image_files(root, top)]
    notes = _other_files(root)
    images = _decode_all([file for _, _, file in files])
    files, images = _without_broken(files, images, root, strict, notes)
    bands = max(image["shape"][2] for image in images)
    sizes = {image["shape"][:2] for image in images}
    shape = (*(sizes.pop() if len(sizes) == 1 else (None, None)), bands)
    notes += _conversions(images, bands)
    pools = []
    for split in tops:
        indices = [i for i, f in enumerate(files) if f[0] == split]
        paths = np.array([str(files[i][2]) for i in indices])
        pools.append(
            Pool(
                ImageFiles(paths, np.array([images[i]["plain"] for i in indices]), shape),
                np.array([files[i][1] for i in indices]),
                split,
                paths,
                np.array([images[i]["key"] for i in indices], dtype=np.uint64),
                _groups([files[i][2].relative_to(tops[split]).as_posix() for i in indices], group),
            )
        )
    data = assemble(
        pools, SplitOptions(validation, test, seed), name=root.resolve().name, kind="image", shape=shape, dtype="uint8",
        notes=notes, source=str(root), group=group,
    )  # fmt: skip
    return with_source_spec(data, "folder", arguments)


def _split_folders(root):
    """Returns split name -> folder with the class folders; None -> root where there are no folders of splits."""
    folders = _folders(root)
    by_split = {SPLIT_FOLDERS[d.name.lower()]: d for d in folders if d.name.lower() in SPLIT_FOLDERS}
    if "train" not in by_split or len(by_split) != len(folders):
        return {None: root}
    return {split if len(by_split) > 1 else None: folder for split, folder in by_split.items()}


def _folders(top):
    return sorted(d for d in top.iterdir() if d.is_dir() and not d.name.startswith("."))


def _image_files(root, top):
    """Returns (class, path) of every image below `top`, in order."""
    classes = _folders(top)
    if not classes:
        loose = any(p.suffix.lower() in SUFFIXES for p in top.iterdir())
        received = (
            "images that are in no class folder" if loose else "an empty folder" if not any(top.iterdir()) else "none"
        )
        raise ValueError(f"{top} must have one folder per class, as in {top.name}/oak/photo1.jpg, got {received}.")
    files = []
    for folder in classes:
        paths = [p for p in _files(folder) if p.suffix.lower() in SUFFIXES]
        if not paths:
            raise ValueError(
                f"every class folder must have images ({', '.join(SUFFIXES)}), got none in {folder.relative_to(root)}."
            )
        files += [(folder.name, path) for path in paths]
    return files


def _files(top):
    return sorted(
        Path(base, name)
        for base, _, names in os.walk(top)
        for name in names
        if not name.startswith(".") and not any(p.startswith(".") for p in Path(base).relative_to(top).parts)
    )


def _other_files(root):
    """Returns notes on files that are no images."""
    ends = [p.suffix.lower() or p.name for p in _files(root) if p.suffix.lower() not in SUFFIXES]
    return [f"left out {len(ends):,} files that are no images ({', '.join(sorted(set(ends)))})"] if ends else []


def _decode_all(paths):
    """Returns for every path its shape, content hash and conversions, or the exception that its decoding raised."""

    def decode(path):
        try:
            image = read_image(path)
        except Exception as error:  # a broken file may raise anything in a decoder; the message lists each
            return error
        digest = hashlib.blake2b(repr(image.pixels.shape).encode(), digest_size=8)
        digest.update(np.ascontiguousarray(image.pixels))
        return {
            "shape": image.pixels.shape,
            "key": int.from_bytes(digest.digest(), "little"),
            "plain": image.plain,
            "conversions": image.conversions,
            "brightest": image.brightest,
        }

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as executor:
        return list(executor.map(decode, paths))


def _without_broken(files, images, root, strict, notes):
    """Returns the files and images that were decoded; adds a note on the others, which are an error if `strict`."""
    broken = [(path, i) for (_, _, path), i in zip(files, images, strict=True) if isinstance(i, Exception)]
    if not broken:
        return files, images
    names = [f"{path.relative_to(root)} ({str(error).splitlines()[0] if str(error) else type(error).__name__})"
             for path, error in broken]  # fmt: skip
    listed = ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
    if strict:
        raise ValueError(f"every image must be readable under `strict`, got {len(broken):,} that are not: {listed}.")
    notes.append(warn_and_note(f"skipped {len(broken):,} of {len(files):,} images that cannot be read: {listed}"))
    readable = [i for i, image in enumerate(images) if not isinstance(image, Exception)]
    labels = {files[i][:2] for i in readable}
    for split, label, _ in files:
        if (split, label) not in labels:
            raise ValueError(f"the class folder {label!r} must have images that can be read, got none.")
    return [files[i] for i in readable], [images[i] for i in readable]


def _conversions(images, bands):
    """Returns notes on conversions, with the number of images."""
    conversions = [c for image in images for c in image["conversions"]]
    notes = [f"{conversions.count(c):,} images: {c}" for c in sorted(set(conversions))]
    brightest = [image["brightest"] for image in images if image["brightest"] is not None]
    if brightest and max(brightest) < 65535 // 2:
        notes.append(warn_and_note(f"the 16-bit images are dark: their largest value is {max(brightest):,} of 65,535"))
    grayscale = sum(image["shape"][2] == 1 for image in images)
    if bands == 3 and grayscale:
        notes.append(f"{grayscale:,} grayscale images repeated in three bands, as others have color")
    return notes


def _groups(paths, pattern):
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
