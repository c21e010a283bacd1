"""A folder of photos, one folder per class."""

import concurrent.futures
import hashlib
import os
import re
from pathlib import Path

import numpy as np

from recipes.data.assemble import Pool, assemble, warn_and_note
from recipes.data.images.image_files import SUFFIXES, Files, read

PARTS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
NAMED = 10  # files that a note names


def read_folder(root, options):
    """`Data` from root/CLASS/**/photo, or from root/train, root/val and root/test with the classes in each.

    Every photo is decoded once here, to the end, so that broken ones are found before training; they are decoded
    again when they are asked for. The photos of a folder that says it is a class belong to it, however deep.

    Args:
        root: the folder.
        options: `Options`; `group` is a regular expression that is searched in every photo's path below `root`, and
            what it finds (its first bracket, if it has one) names the photo's group; under `strict`, a photo that
            cannot be read is an error.
    Returns:
        `Data` of kind image, uint8.
    Raises:
        ValueError: if there is no such folder, it has no class folders, one of them has no photos, or as above.
    """
    root = Path(root).expanduser()
    if not root.is_dir():
        raise ValueError(f"load: there is no folder {root}.")
    below = _folders(root)
    given = {PARTS[d.name.lower()]: d for d in below if d.name.lower() in PARTS}
    in_parts = "train" in given and len(given) == len(below)
    tops = {part if len(given) > 1 else None: top for part, top in given.items()} if in_parts else {None: root}
    found = [(part, label, path) for part, top in tops.items() for label, path in _photos(root, top)]
    notes = _others(root)
    photos = _decoded([path for _, _, path in found])
    broken = [(path, p) for (_, _, path), p in zip(found, photos, strict=True) if isinstance(p, Exception)]
    if broken:
        notes.append(_told(broken, len(found), root, options.strict))
        kept = [i for i, p in enumerate(photos) if not isinstance(p, Exception)]
        whole = {(part, label) for part, label, _ in (found[i] for i in kept)}
        for part, label, _ in found:
            if (part, label) not in whole:
                raise ValueError(f"load: the class folder {label!r} must have photos that can be read, got none.")
        found, photos = [found[i] for i in kept], [photos[i] for i in kept]
    bands = max(p["shape"][2] for p in photos)
    sizes = {p["shape"][:2] for p in photos}
    shape = (*(sizes.pop() if len(sizes) == 1 else (None, None)), bands)
    notes += _conversions(photos, bands)
    pools = []
    for part in tops:
        mine = [i for i, f in enumerate(found) if f[0] == part]
        paths = np.array([str(found[i][2]) for i in mine])
        pools.append(
            Pool(
                Files(paths, np.array([photos[i]["plain"] for i in mine]), shape),
                np.array([found[i][1] for i in mine]),
                part,
                paths,
                np.array([photos[i]["key"] for i in mine], dtype=np.uint64),
                _groups([found[i][2].relative_to(tops[part]).as_posix() for i in mine], options.group),
            )
        )
    return assemble(
        pools,
        options,
        name=root.resolve().name,
        kind="image",
        shape=shape,
        dtype="uint8",
        notes=notes,
        source=str(root),
    )


def _folders(top):
    return sorted(d for d in top.iterdir() if d.is_dir() and not d.name.startswith("."))


def _photos(root, top):
    """(class, path) of every photo below `top`, in order."""
    classes = _folders(top)
    if not classes:
        loose = any(p.suffix.lower() in SUFFIXES for p in top.iterdir())
        got = "photos that are in no class folder" if loose else "an empty folder" if not any(top.iterdir()) else "none"
        raise ValueError(f"load: {top} must have one folder per class, as in {top.name}/oak/photo1.jpg, got {got}.")
    found = []
    for folder in classes:
        mine = [p for p in _files(folder) if p.suffix.lower() in SUFFIXES]
        if not mine:
            raise ValueError(
                f"load: every class folder must have photos ({', '.join(SUFFIXES)}), got none in "
                f"{folder.relative_to(root)}."
            )
        found += [(folder.name, path) for path in mine]
    return found


def _files(top):
    return sorted(
        Path(base, name)
        for base, _, names in os.walk(top)
        for name in names
        if not name.startswith(".") and not any(p.startswith(".") for p in Path(base).relative_to(top).parts)
    )


def _others(root):
    """Notes on files that are no photos."""
    ends = [p.suffix.lower() or p.name for p in _files(root) if p.suffix.lower() not in SUFFIXES]
    return [f"left out {len(ends):,} files that are no photos ({', '.join(sorted(set(ends)))})"] if ends else []


def _decoded(paths):
    """For every path its shape, content hash and conversions, or the exception that its decoding raised."""

    def one(path):
        try:
            photo = read(path)
        except Exception as error:  # a broken file may raise anything in a decoder; each is told to the user
            return error
        digest = hashlib.blake2b(repr(photo.pixels.shape).encode(), digest_size=8)
        digest.update(np.ascontiguousarray(photo.pixels))
        return {
            "shape": photo.pixels.shape,
            "key": int.from_bytes(digest.digest(), "little"),
            "plain": photo.plain,
            "done": photo.done,
            "brightest": photo.brightest,
        }

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(one, paths))


def _told(broken, total, root, strict):
    """The note on photos that cannot be read; an error under `strict`."""
    named = [f"{path.relative_to(root)} ({str(error).splitlines()[0] if str(error) else type(error).__name__})"
             for path, error in broken]  # fmt: skip
    shown = ", ".join(named[:NAMED]) + (f" and {len(named) - NAMED} more" if len(named) > NAMED else "")
    if strict:
        raise ValueError(
            f"load: every photo must be readable under `strict`, got {len(broken):,} that are not: {shown}."
        )
    return warn_and_note(f"skipped {len(broken):,} of {total:,} photos that cannot be read: {shown}")


def _conversions(photos, bands):
    """Notes on what was converted, with how many photos."""
    done = [what for p in photos for what in p["done"]]
    notes = [f"{done.count(what):,} photos: {what}" for what in sorted(set(done))]
    deep = [p["brightest"] for p in photos if p["brightest"] is not None]
    if deep and max(deep) < 65535 // 2:
        notes.append(warn_and_note(f"the 16-bit photos are dark: their largest value is {max(deep):,} of 65,535"))
    grey = sum(p["shape"][2] == 1 for p in photos)
    if bands == 3 and grey:
        notes.append(f"{grey:,} grey photos repeated in three bands, as others have colour")
    return notes


def _groups(paths, pattern):
    """The group of every path, as a regular expression finds it; None without one."""
    if pattern is None:
        return None
    try:
        found = [re.search(pattern, path) for path in paths]
    except (re.error, TypeError) as error:
        raise ValueError(
            f"load: `group` must be a regular expression for a folder, got {pattern!r}: {error}."
        ) from None
    missing = [path for path, match in zip(paths, found, strict=True) if not match]
    if missing:
        raise ValueError(f"load: `group` must be found in every photo's path, got {pattern!r} not in {missing[0]}.")
    return np.array([match[1] if match.re.groups else match[0] for match in found])
