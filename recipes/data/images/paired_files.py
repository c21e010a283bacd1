"""Images and their masks or partners in two folders, matched by the files' names."""

import os
import string
import unicodedata

from recipes.data.images.image_files import SUFFIXES
from zoo.arguments import suggestion

ARRAY_SUFFIXES = (*SUFFIXES, ".npy")


def files_by_stem(path):
    """Returns name without its ending -> path, of a folder's images or of one file.

    Args:
        path: `Path` of a folder or a file.
    Raises:
        ValueError: if there is no such folder or file, it has no images, or two of one name.
    """
    if path.is_file():
        return {path.stem: path}
    if not path.is_dir():
        nearest = suggestion(path.name, [p.name for p in path.parent.iterdir()]) if path.parent.is_dir() else ""
        raise ValueError(f"there is no folder or file {path}.{nearest}")
    files = {}
    for file in sorted(path.iterdir()):
        if file.suffix.lower() in ARRAY_SUFFIXES and not file.name.startswith("."):
            stem = unicodedata.normalize("NFC", file.stem)
            if stem in files:
                raise ValueError(f"names must differ beside their ending, got {files[stem]} and {file}.")
            files[stem] = file
    if not files:
        raise ValueError(f"{path} must have images ({', '.join(ARRAY_SUFFIXES)}), got none.")
    return files


def paired_files(images, labels, partner, notes):
    """Returns [(image path, partner path), ...] of two folders, or of one file each.

    Names are equal beside their ending, or beside one prefix and suffix that all names of a folder have, as in
    img_1.png and img_1_mask.png.

    Args:
        images, labels: `Path`s of folders or files.
        partner: what an image's partner is, for the error: mask, partner.
        notes: list, to which a note on matched prefixes and suffixes is added.
    Raises:
        ValueError: if a file has no partner; it is named.
    """
    image_files, label_files = files_by_stem(images), files_by_stem(labels)
    if len(image_files) == len(label_files) == 1 and images.is_file():
        label_files = dict(zip(image_files, label_files.values(), strict=True))
    if not image_files.keys() & label_files.keys():
        image_cores, label_cores = _without_affixes(image_files), _without_affixes(label_files)
        if image_cores.keys() == label_cores.keys():
            image_files, label_files = image_cores, label_cores
            first = next(iter(image_files))
            notes.append(f"images matched by name, as {image_files[first].name} with {label_files[first].name}")
    for name, path in {**label_files, **image_files}.items():
        missing, others = (partner, label_files) if name in image_files else ("image", image_files)
        if name not in others:
            raise ValueError(
                f"every image must have its {partner}, got {path} without {missing}.{suggestion(name, others)} Names "
                "must be equal beside their ending, or beside one prefix and suffix that all have, as in img_1.png and "
                f"img_1_{partner}.png."
            )
    return [(image_files[name], label_files[name]) for name in sorted(image_files)]


def _without_affixes(files):
    """Returns the files by their names without the prefix and suffix that all names have; digits stay."""
    names = list(files)
    prefix = os.path.commonprefix(names).rstrip(string.digits)  # noqa: RUF071 characters are meant
    rests = [name[len(prefix) :] for name in names]
    suffix = os.path.commonprefix([rest[::-1] for rest in rests])[::-1].lstrip(string.digits)  # noqa: RUF071
    return {rest[: len(rest) - len(suffix)]: files[name] for rest, name in zip(rests, names, strict=True)}
