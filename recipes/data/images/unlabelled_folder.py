"""Photos without classes, in a folder of any depth, which are read like the photos of class folders."""

from pathlib import Path

import numpy as np

from recipes.data.assemble import warn_and_note
from recipes.data.images.image_files import SUFFIXES, ImageFiles, fit_image
from recipes.data.images.image_folder import ImageFolder
from recipes.data.images.image_scan import scan_images


class PhotoFolder(ImageFolder):
    """All photos of a folder at any depth, in the form of `ClassFolders` with one class.

    Args:
        root: `Path` of the folder.
    Raises:
        ValueError: if it has no photos.
    """

    def __init__(self, root):
        super().__init__(root)
        self.classes, self.splits = ("photo",), {None: root}
        self.files = [(None, *self.classes, path) for path in self.all_files()]
        if not self.files:
            raise ValueError(f"{root} must have photos ({', '.join(SUFFIXES)}) at any depth, got none.")


def read_unlabelled(folder, labelled, expected, labelled_keys, strict, notes):
    """Returns the `ImageFiles` of photos without classes.

    Photos that cannot be read, and those that are identical to one of the class folders, such as one of the test split,
    are left out with a note.

    Args:
        folder: path of the folder.
        labelled: `Path` of the folder with the class folders.
        expected: (shape, dtype, bands, gaps) of the labelled images, as `ImageFiles` has them.
        labelled_keys: (N,) uint64 content hashes of the labelled images.
        strict: whether a photo that cannot be read is an error.
        notes: list of sentences, which is extended.
    Raises:
        ValueError: if there is no such folder, it is or lies in `labelled`, it has no photos that can be read, or one
            has other bands or another depth than the labelled ones.
    """
    root = Path(folder)
    if not root.is_dir():
        raise ValueError(f"`unlabelled` must be a folder of photos, got {root}, which does not exist.")
    if labelled.resolve() in (root.resolve(), *root.resolve().parents):
        raise ValueError(
            f"`unlabelled` must be a folder outside of {labelled}, whose folders are classes, got {root}; move it."
        )
    images = ImageFolder(root)
    files = images.all_files()
    notes += images.notes
    if not files:
        raise ValueError(f"`unlabelled` must be a folder with photos ({', '.join(SUFFIXES)}), got none in {root}.")
    scan = scan_images(files, root, decode_all=strict)
    broken = np.flatnonzero(scan.kind < 0)
    if len(broken):
        first = f"{files[broken[0]].relative_to(root)} ({scan.reasons[broken[0]]})"
        if strict or len(broken) == len(files):
            raise ValueError(
                f"`unlabelled` must have photos that can be read, got {len(broken):,} of {len(files):,} that cannot, "
                f"such as {first}."
            )
        notes.append(warn_and_note(f"skipped {len(broken):,} unlabelled photos that cannot be read, such as {first}"))
    shape, dtype, bands, gaps = expected
    for kind in np.unique(scan.kind[scan.kind >= 0]):
        path = files[int(np.flatnonzero(scan.kind == kind)[0])]
        fit_image(scan.kinds[kind].one_pixel(), path, shape[-1], dtype, bands, gaps)
    copies = (scan.kind >= 0) & np.isin(scan.keys, labelled_keys)
    if copies.any():
        notes.append(f"left out {copies.sum():,} unlabelled photos that are identical to a labelled one")
    indices = np.flatnonzero((scan.kind >= 0) & ~copies)
    if not len(indices):
        raise ValueError(f"`unlabelled` must have photos that are not among the labelled ones, got none in {root}.")
    notes.append(f"{len(indices):,} photos without labels in {root}")
    orientations = np.array([kind.orientation for kind in scan.kinds], np.uint8)[scan.kind[indices]]
    paths, sizes = np.array([str(files[i]) for i in indices]), np.stack([scan.height, scan.width], 1)[indices]
    same_size = None not in shape[:2] and (sizes == shape[:2]).all()
    shape = shape if same_size else (None, None, shape[-1])
    return ImageFiles(paths, orientations, shape, dtype, bands, gaps, sizes=sizes)
