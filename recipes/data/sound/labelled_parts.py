"""Labelled parts of recordings: from a folder per class, or from tables of labels."""

import collections
import typing
from pathlib import Path

from recipes.data.assemble import warn_and_note
from recipes.data.images.class_folders import nfc
from recipes.data.images.image_folder import is_system_folder
from recipes.data.sound.label_tables import LABEL_SUFFIXES, read_label_table
from recipes.data.sound.recordings import sounds_below
from zoo.arguments import suggestion


class Part(typing.NamedTuple):
    """A part of a recording with a label.

    Args:
        path: of the recording.
        start, end: [s]; None for all of it.
        label: name of the class; "" for none.
        place: table and line, or the file, for messages.
    """

    path: Path
    start: float | None
    end: float | None
    label: str
    place: str


def class_folder_parts(root, classes, notes):
    """Returns a `Part` for each recording in the class folders of `root`, or None where it has tables of labels.

    Raises:
        ValueError: if there are no recordings, or a class folder is empty or not one of `classes`.
    """
    folders = [d for d in sorted(root.iterdir()) if d.is_dir() and not is_system_folder(d.name)]
    sounds = {folder: sounds_below(folder) for folder in folders}
    loose = [path for path in sounds_below(root) if path.parent == root]
    tables = label_files(root)
    if tables and (loose or not any(sounds.values())):
        return None
    if not any(sounds.values()):
        received = f"{len(loose):,} recordings that are in no class folder" if loose else "none"
        raise ValueError(
            f"{root} must have one folder of recordings per class, as in {root.name}/wren/1.wav, or tables of labels "
            f"beside the recordings, got {received}."
        )
    if loose:
        notes.append(warn_and_note(f"left out {len(loose):,} recordings in no class folder, such as {loose[0].name}"))
    parts = []
    for folder, paths in sounds.items():
        label = nfc(folder.name)
        if not paths and not classes:
            raise ValueError(f"every class folder must have recordings, got none in {folder.name}.")
        if classes and label not in classes:
            raise ValueError(f"the class folders must be of {', '.join(classes)}, got {label!r} in {root}."
                             f"{suggestion(label, classes)}")  # fmt: skip
        parts += [Part(path, None, None, label, str(path)) for path in paths]
    return parts


def label_files(folder):
    """Returns the tables of labels of a folder, in the order of their names."""
    return [p for p in sorted(folder.iterdir()) if p.suffix.lower() in LABEL_SUFFIXES and not p.name.startswith(".")]


def table_parts(path, top, label):
    """Returns a `Part` for each row of a table of labels, or of all tables of a folder.

    Args:
        path: of the table or the folder.
        top: folder of the recordings.
        label: column of the class, or None.
    Raises:
        ValueError: naming file and row, if a recording is absent or several have its name.
    """
    tables = label_files(path) if path.is_dir() else [path]
    if not tables:
        raise ValueError(f"{path} must have tables of labels ({', '.join(LABEL_SUFFIXES)}), got none.")
    sounds = sounds_below(top)
    by_name, by_stem = collections.defaultdict(list), collections.defaultdict(list)
    for sound in sounds:
        by_name[sound.name].append(sound)
        by_stem[sound.stem].append(sound)
    parts = []
    for table in tables:
        for row in read_label_table(table, label):
            parts.append(
                Part(_recording_of(row, table, top, by_name, by_stem), row.start, row.end, row.label, row.place)
            )
    if not parts:
        raise ValueError(f"the tables of labels must have rows, got none in {path}.")
    return parts


def _recording_of(row, table, top, by_name, by_stem):
    """Returns the path of the recording of a row: as the table names it, or below the folder by its name."""
    file = row.file.replace("\\", "/")
    for path in (top / file, table.parent / file):
        if path.is_file() and path.is_relative_to(top):
            return path
    name = file.rpartition("/")[2]
    matches = by_name.get(name) or by_stem.get(name) or by_stem.get(Path(name).stem) or []
    if len(matches) == 1:
        return matches[0]
    if not matches:
        raise ValueError(f"a label must be of a recording below {top}, got {row.file!r} in {row.place}."
                         f"{suggestion(name, list(by_name))}")  # fmt: skip
    listed = " and ".join(str(path.relative_to(top)) for path in matches[:2])
    raise ValueError(
        f"a label must name one recording, got {row.file!r} in {row.place}, which may be {listed}; write its folder."
    )
