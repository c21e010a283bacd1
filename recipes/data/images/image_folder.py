"""Folders of images of any depth: finds the image files, and notes what else lies there."""

import collections
import os

from recipes.data.assemble import warn_and_note
from recipes.data.images.image_decoding import HEIF_HINT, can_read_avif, is_image_content, register_heif
from recipes.data.images.image_files import SUFFIXES

SYSTEM_FOLDERS = {"__macosx", "@eadir", "$recycle.bin", "system volume information", "lost+found", "#recycle"}
HEIF_SUFFIXES = (".heic", ".heif", ".hif")
AVIF_SUFFIXES = (".avif",)
RAW_SUFFIXES = (
    ".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dng", ".erf", ".kdc", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf",
    ".raw", ".rw2", ".sr2", ".srf", ".srw", ".x3f",
)  # fmt: skip


class ImageFolder:
    """The image files of a folder, and notes on what was left out.

    Args:
        root: `Path` of the folder.
    Attributes:
        notes: sentences.
    """

    def __init__(self, root):
        self.root, self.notes = root, []
        self._left_out, self._unread, self._system, self._links = [], collections.Counter(), [], []

    def all_files(self):
        """Returns the paths of all image files, in order, and notes what was left out."""
        paths = self._files_of(self.root, set())
        self._note_left_out()
        return paths

    def _subfolders(self, top):
        folders = sorted(d for d in top.iterdir() if d.is_dir())
        self._system += [d for d in folders if is_system_folder(d.name) and d not in self._system]
        return [d for d in folders if not is_system_folder(d.name)]

    def _files_of(self, folder, visited):
        """Returns the image files below a folder, in order; links are followed, and no folder is read twice."""
        paths = []
        visited.discard(file_identity(folder))

        def walk(current):
            identity = file_identity(current)
            if identity in visited:
                self._links.append(current)
                return
            visited.add(identity)
            for entry in sorted(current.iterdir()):
                if entry.is_dir():
                    if is_system_folder(entry.name):
                        self._system.append(entry)
                    else:
                        walk(entry)
                elif (entry.is_file() or entry.is_symlink()) and self._is_readable(entry):
                    paths.append(entry)

        walk(folder)
        return sorted(paths)

    def _is_readable(self, path):
        """Whether a file is an image that can be read; counts it among the others where it is not."""
        suffix, kind = path.suffix.lower(), None
        if path.name.startswith("."):
            return False
        if is_image_name(path):
            return True
        if suffix in HEIF_SUFFIXES:
            kind = None if register_heif() else "HEIC"
        elif suffix in AVIF_SUFFIXES:
            kind = None if can_read_avif() else "AVIF"
        elif suffix in RAW_SUFFIXES:
            kind = "camera raw"
        elif (not suffix or suffix[1:].isdigit()) and is_image_content(path):
            return True
        else:
            self._left_out.append(suffix or path.name)
            return False
        if kind:
            self._unread[kind, path] += 1
        return kind is None

    def _note_left_out(self):
        if self._left_out:
            ends = ", ".join(sorted(set(self._left_out)))
            self.notes.append(f"left out {len(self._left_out):,} files that are no images ({ends})")
        kinds = collections.Counter(kind for kind, _ in self._unread)
        for kind, count in kinds.items():
            path = next(path for k, path in self._unread if k == kind)
            self.notes.append(
                warn_and_note(f"skipped {count:,} {kind} files such as {path.relative_to(self.root)}; {HEIF_HINT}")
            )
        if self._system:
            names = ", ".join(sorted({d.name for d in self._system}))
            self.notes.append(f"skipped system and hidden folders: {names}")
        if self._links:
            listed = ", ".join(str(p.relative_to(self.root)) for p in self._links[:5])
            self.notes.append(f"skipped {len(self._links):,} links to folders that are read anyway: {listed}")


def is_system_folder(name):
    """Whether a folder is hidden or made by an operating system or a storage device."""
    return name.startswith(".") or name.lower() in SYSTEM_FOLDERS


def is_image_name(path):
    """Whether a file's ending is that of an image that can be read."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def file_identity(path):
    """Returns (device, inode) of a folder; the same for a link to it."""
    status = os.stat(path)
    return status.st_dev, status.st_ino
