"""Folders of images with one folder per class: finds the image files, and notes what else lies there."""

import collections
import unicodedata

from recipes.data.assemble import warn_and_note
from recipes.data.images.image_decoding import HEIF_HINT
from recipes.data.images.image_files import SUFFIXES
from recipes.data.images.image_folder import ImageFolder, file_identity, is_image_name
from zoo.arguments import suggestion

SPLIT_FOLDERS = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}


class ClassFolders(ImageFolder):
    """The image files of class folders, and notes on what was left out.

    Args:
        root: `Path` of the folder with the class folders, or with folders of splits that have them.
        classes: names of the classes; () for the names of the folders. Where they are set, an empty or absent class
            folder is allowed.
    Attributes:
        splits: split -> its folder; None -> root where there are no folders of splits.
        files: list of (split, class, path) in order.
        notes: sentences.
    Raises:
        ValueError: if there are no class folders, or one of them has no images or is not one of `classes`.
    """

    def __init__(self, root, classes=()):
        super().__init__(root)
        self.classes = tuple(map(nfc, classes))
        self.splits = self._split_folders()
        self.files = [
            (split, label, path) for split, top in self.splits.items() for label, path in self._class_files(top)
        ]
        self._note_left_out()

    def _split_folders(self):
        folders = self._subfolders(self.root)
        by_split = {SPLIT_FOLDERS[d.name.lower()]: d for d in folders if d.name.lower() in SPLIT_FOLDERS}
        if "train" not in by_split or len(by_split) != len(folders):
            if len(by_split) > 1:
                others = [d.name for d in folders if d.name.lower() not in SPLIT_FOLDERS]
                lie = f"{', '.join(others)} lie{'s' * (len(others) == 1)} beside" if others else "there is no train"
                names = ", ".join(d.name for d in by_split.values())
                self.notes.append(warn_and_note(f"the folders {names} are read as classes, not as splits, as {lie}"))
            return {None: self.root}
        return {split if len(by_split) > 1 else None: folder for split, folder in by_split.items()}

    def _class_files(self, top):
        """Returns (class, path) of every image below `top`, in order."""
        by_class = collections.defaultdict(list)
        for folder in self._subfolders(top):
            by_class[nfc(folder.name)].append(folder)
        loose = [p for p in sorted(top.iterdir()) if p.is_file() and is_image_name(p)]
        if not by_class:
            without = "an empty folder" if not any(top.iterdir()) else "none"
            received = "images that are in no class folder" if loose else without
            hint = f" To learn without labels, use folder:{top}?labels=false." if loose else ""
            raise ValueError(
                f"{top} must have one folder per class, as in {top.name}/oak/photo1.jpg, got {received}.{hint}"
            )
        if loose:
            self.notes.append(
                warn_and_note(f"left out {len(loose):,} images in no class folder, such as {loose[0].name}")
            )
        self._note_similar_names(by_class)
        parents = (self.root.resolve(), *self.root.resolve().parents, top)
        read_before = {file_identity(p) for p in (*parents, *(f for fs in by_class.values() for f in fs))}
        files = []
        for name, folders in by_class.items():
            paths = [path for folder in folders for path in self._files_of(folder, set(read_before))]
            if not paths:
                self._verify_may_be_empty(name, folders[0])
            elif self.classes and name not in self.classes:
                raise ValueError(
                    f"the class folders must be of {', '.join(self.classes)}, got {name!r} in {top}."
                    f"{suggestion(name, self.classes)}"
                )
            files += [(name, path) for path in paths]
        if not files:
            raise ValueError(f"{top} must have images in its class folders, got none.")
        return files

    def _note_similar_names(self, by_class):
        similar = collections.defaultdict(list)
        for name, folders in by_class.items():
            similar[" ".join(name.casefold().split())].append(name)
            if len(folders) > 1:
                self.notes.append(
                    warn_and_note(
                        f"{len(folders)} folders are named {name!r} in other Unicode forms: read as one class"
                    )
                )
        for names in similar.values():
            if len(names) > 1:
                listed = " and ".join(map(repr, names))
                self.notes.append(warn_and_note(f"the classes {listed} differ only in upper case or spaces"))

    def _verify_may_be_empty(self, name, folder):
        """Notes a class folder without images where `classes` are set, else raises a ValueError."""
        if self.classes:
            self.notes.append(f"the class folder {name!r} has no images")
            return
        unread = [kind for kind, path in self._unread.elements() if folder in path.parents]
        received = f"{len(unread):,} {unread[0]} files; {HEIF_HINT}" if unread else "none"
        raise ValueError(
            f"every class folder must have images ({', '.join(SUFFIXES)}), got {received} in "
            f"{folder.relative_to(self.root)}."
        )


def nfc(name):
    """Returns a name in the Unicode form NFC, in which an accented letter is one character."""
    return unicodedata.normalize("NFC", str(name))
