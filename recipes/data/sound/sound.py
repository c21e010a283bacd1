"""Recordings with a folder per class or with tables of labels, as clips of one length."""

import collections
import dataclasses
import re
from pathlib import Path
from typing import Literal

import numpy as np

from recipes.data.assemble import Pool, assemble, warn_and_note
from recipes.data.examples import Data
from recipes.data.sound.labelled_parts import class_folder_parts, table_parts
from recipes.data.sound.recordings import scan_recordings
from recipes.data.sound.sound_clips import SoundClips, clip_shape, consecutive_starts
from recipes.data.sound.sound_files import file_time
from recipes.data.source_spec import with_source_spec
from recipes.data.split import SplitOptions
from zoo.arguments import Count, FilePath, Fraction, Positive, Whole, checked

SHOWN = 5  # files or rows that a note lists
OVERLAP = 0.25  # seconds of a label, or half of it, that a clip must have to have the label
TOLERANCE = 0.05  # seconds that a label may end behind its recording


@checked
def read_sound(
    path: FilePath,
    *,
    seconds: Positive = 3.0,
    sample_rate: Count | None = None,
    crop: Literal["consecutive", "random"] = "consecutive",
    multilabel: bool = False,
    background: str | None = None,
    label: str | None = None,
    recordings: FilePath | None = None,
    group: str = "recording",
    test_pattern: str | None = None,
    strict: bool = False,
    classes: tuple[str, ...] = (),
    validation: Fraction = 0.15,
    test: Fraction = 0.15,
    seed: Whole = 0,
) -> Data:
    """Reads clips of sound from PATH/CLASS/**/recording, or from tables of labels beside the recordings.

    Recordings are WAV, FLAC, OGG, MP3 or AIFF files of any depth and rate. Channels are averaged, and other rates are
    resampled by soxr when a clip is read. A shorter part is padded with zeros on both sides. Clips of one recording are
    never in two splits, and neither are equal recordings.

    A table of labels is a CSV or TSV file with the columns file, start, end and label [s]; a selection table of Raven;
    BirdNET's CSV; or labels of Audacity. PATH may be one table, or a folder with a table per recording, which it is
    named after. A label at most as long as a clip gives one clip around its middle, a longer one consecutive clips.

    Args:
        path: folder, or table of labels.
        seconds: length of a clip [s].
        sample_rate: of the clips [Hz]; None for the most frequent one of the recordings.
        crop: of what is longer than a clip: consecutive clips without overlap, or one clip that is drawn anew each time
            it is read in training, and from the middle elsewhere.
        multilabel: whether a clip has each label of which it contains 0.25 s or half. The recordings that the tables
            name are then cut into consecutive clips. With clips of a minute the labels are weak: somewhere in it.
        background: class of the clips of labelled recordings in which there is no label; None leaves them out. Not for
            `multilabel`, where they have no label.
        label: column of the class in tables; None for label, Species, Common Name, Annotation, ...
        recordings: folder of the recordings of a table; None for that of the table.
        group: recording, folder (such as a site), day (by the date in the file's name or its metadata), or a regular
            expression that is searched in the path of each recording, whose match names the group. Groups stay in one
            split.
        test_pattern: regular expression; recordings in whose path it is found are the test split. None draws it.
        strict: whether unreadable files and labels behind the end of their recording are errors; else they are skipped
            and noted.
        classes: names of the classes, for data of which a class may be absent; () for those of the data.
        validation, test: fractions of the clips, 0 to 1.
        seed: seed of the split and of random crops.
    Returns:
        `Data` of kind sound: (samples, 1) float32, -1 to 1.
    Raises:
        ValueError: if there is no such path, no recordings, an ambiguous name, or a table that cannot be read; the
            message names file and row.
    """
    arguments = dict(locals())
    root, notes = Path(path), []
    if not root.exists():
        raise ValueError(f"there is no folder and no table {root}.")
    if multilabel and background:
        raise ValueError(f"sound: `background` must be unset with `multilabel`, got {background!r}.")
    top = Path(recordings) if recordings else root if root.is_dir() else root.parent
    is_table = not root.is_dir() or bool(recordings)
    parts = None if is_table else class_folder_parts(root, classes, notes)
    if parts is None:
        parts = table_parts(root, top, label)
    scan, failures = scan_recordings(list(dict.fromkeys(part.path for part in parts)))
    parts = _readable(parts, scan, failures, top, strict, notes)
    _note_content(scan, top, notes)
    rates = collections.Counter(recording.info.sample_rate for recording in scan.values())
    sample_rate = sample_rate or rates.most_common(1)[0][0]
    _note_conversions(scan, rates, sample_rate, notes)
    parts = _within_recordings(parts, scan, strict, notes)
    names = tuple(classes) or tuple(sorted({part.label for part in parts if part.label}))
    if multilabel:
        clips = _multilabel_clips(parts, scan, seconds, names)
    else:
        clips = _clips(parts, scan, seconds, crop, background)
        names = names if classes or not background else tuple(sorted({*names, background}))
    pools = _pools(clips, scan, top, group, test_pattern, sample_rate, seconds, names, multilabel)
    data = assemble(
        pools, SplitOptions(validation, test, seed), name=root.resolve().stem, kind="sound",
        shape=clip_shape(sample_rate, seconds), dtype="float32", classes=names if multilabel or classes else (),
        task="multilabel" if multilabel else "classification", complete=not classes, notes=notes, source=str(root),
        group=group, sound_options={"sample_rate": sample_rate, "seconds": seconds, "channels": 1},
    )  # fmt: skip
    if crop == "random":
        train = dataclasses.replace(data.train, inputs=dataclasses.replace(data.train.inputs, seed=seed))
        data = dataclasses.replace(data, train=train)
    return with_source_spec(data, "sound", arguments, sample_rate=sample_rate)


def _readable(parts, scan, failures, top, strict, notes):
    """Returns the parts of readable recordings; notes the others, which are an error under `strict`."""
    if failures:
        listed = [f"{_short(path, top)}: {reason}" for path, reason in failures.items()]
        text = "; ".join(listed[:SHOWN]) + (f" and {len(listed) - SHOWN:,} more" if listed[SHOWN:] else "")
        if strict or not scan:
            raise ValueError(f"every recording must be readable, got {len(failures):,} that are not. {text}.")
        notes.append(warn_and_note(f"skipped {len(failures):,} recordings that cannot be read. {text}"))
    return [part for part in parts if part.path in scan]


def _note_content(scan, top, notes):
    """Notes recordings that are silent, clipped, shorter than their header states, or equal to another."""
    silent = [r.path for r in scan.values() if r.is_silent]
    clipped = [r.path for r in scan.values() if r.is_clipped]
    cut = [r.path for r in scan.values() if r.info.stated_seconds]
    by_key = collections.defaultdict(list)
    for recording in scan.values():
        by_key[recording.key].append(recording.path)
    equal = [paths[1] for paths in by_key.values() if len(paths) > 1]
    for paths, what in (
        (silent, "recordings are silent"),
        (clipped, "recordings are clipped: more than 0.1 % of the samples are at the limit"),
        (cut, "recordings are truncated: they are read to their end, their header states more"),
        (equal, "recordings equal another one; they stay in one split"),
    ):
        if paths:
            listed = ", ".join(_short(p, top) for p in paths[:SHOWN])
            notes.append(warn_and_note(f"{len(paths):,} {what}, such as {listed}"))


def _note_conversions(scan, rates, sample_rate, notes):
    for rate, count in sorted(rates.items()):
        if rate != sample_rate:
            note = f"{count:,} recordings are resampled from {rate:,} to {sample_rate:,} Hz"
            notes.append(warn_and_note(f"{note}, and so have no sound above {rate // 2:,} Hz") if rate < sample_rate
                         else note)  # fmt: skip
    several = sum(recording.info.channels > 1 for recording in scan.values())
    if several:
        notes.append(f"{several:,} recordings have several channels, which are averaged")


def _within_recordings(parts, scan, strict, notes):
    """Returns the parts with start and end; those that begin behind the end of their recording are skipped or refused.

    What ends behind it is cut, and noted.
    """
    within, behind, cut = [], [], []
    for part in parts:
        length = scan[part.path].info.seconds
        if part.start is None:
            within.append(part._replace(start=0.0, end=length))
            continue
        text = f"{part.place}: {part.start:g} to {part.end:g} s of {part.path.name}, which has {length:.2f} s"
        if part.start >= length:
            behind.append(text)
            continue
        if part.end > length + TOLERANCE:
            cut.append(text)
        within.append(part._replace(end=min(part.end, length)))
    for texts, what in ((behind, "begin behind the end of their recording"), (cut, "end behind their recording")):
        listed = "; ".join(texts[:SHOWN]) + (f" and {len(texts) - SHOWN:,} more" if texts[SHOWN:] else "")
        if texts and (strict or not within):
            raise ValueError(f"labels must lie within their recording, got {len(texts):,} that {what}. {listed}.")
        if texts:
            done = "skipped" if texts is behind else "cut"
            notes.append(warn_and_note(f"{done} {len(texts):,} labels that {what}. {listed}"))
    return within


def _clips(parts, scan, seconds, crop, background):
    """Returns (path, start, length, label) of each clip of one label."""
    clips, labelled = [], collections.defaultdict(list)
    for part in parts:
        length = scan[part.path].info.seconds
        labelled[part.path].append((part.start, part.end))
        if not part.label:
            continue
        if part.end - part.start <= seconds:
            start = (part.start + part.end - seconds) / 2
            start = max(0.0, min(start, length - seconds))
            clips.append((part.path, start, min(seconds, length), part.label))
        elif crop == "random":
            clips.append((part.path, part.start, part.end - part.start, part.label))
        else:
            for start in consecutive_starts(part.start, part.end, seconds):
                clips.append((part.path, start, min(seconds, part.end - start), part.label))
    if background:
        for path, spans in labelled.items():
            length = scan[path].info.seconds
            for start in consecutive_starts(0.0, length, seconds):
                if all(end <= start or begin >= start + seconds for begin, end in spans):
                    clips.append((path, start, min(seconds, length - start), background))
    return clips


def _multilabel_clips(parts, scan, seconds, names):
    """Returns (path, start, length, multi-hot labels) of the consecutive clips of all recordings with labels."""
    by_path = collections.defaultdict(list)
    for part in parts:
        by_path[part.path].append(part)
    clips = []
    for path, labels in by_path.items():
        length = scan[path].info.seconds
        for start in consecutive_starts(0.0, length, seconds):
            present = np.zeros(len(names), np.uint8)
            for part in labels:
                overlap = min(part.end, start + seconds) - max(part.start, start)
                if part.label in names and overlap >= min(OVERLAP, (part.end - part.start) / 2) and overlap > 0:
                    present[names.index(part.label)] = 1
            clips.append((path, start, min(seconds, length - start), present))
    return clips


def _pools(clips, scan, top, group, test_pattern, sample_rate, seconds, names, multilabel):
    """Returns the `Pool`s of clips: the test split by its pattern, or by the folders of splits, and all others."""
    if not clips:
        raise ValueError("the recordings must have a labelled part, got none.")
    paths = [clip[0] for clip in clips]
    groups = groups_of_recordings(dict.fromkeys(paths), top, group)
    splits = np.array([_split_of(path, test_pattern, top) for path in paths], dtype=object)
    if test_pattern and not (splits == "test").any():
        raise ValueError(f"`test_pattern` must match a recording, got {test_pattern!r} not in {_short(paths[0], top)}.")
    targets = np.stack([c[3] for c in clips]) if multilabel else np.array([c[3] for c in clips], dtype=object)
    if not multilabel and (unknown := sorted(set(targets) - set(names))):
        raise ValueError(f"the labels must be of {', '.join(names)}, got {unknown[0]!r}.")
    keys = _keys(clips, scan)
    labels = [f"{_short(c[0], top)} @ {c[1]:g} s" if c[1] or c[2] < scan[c[0]].info.seconds else str(c[0])
              for c in clips]  # fmt: skip
    pools = []
    for split in dict.fromkeys(splits):
        indices = np.flatnonzero(splits == split)
        inputs = SoundClips(
            np.array([str(paths[i]) for i in indices]), np.array([clips[i][1] for i in indices], float),
            np.array([clips[i][2] for i in indices], float), sample_rate, seconds,
        )  # fmt: skip
        of_groups = np.array([groups[paths[i]] for i in indices])
        of_clips = np.array([labels[i] for i in indices])
        pools.append(Pool(inputs, targets[indices], split, of_clips, keys[indices], of_groups))
    return sorted(pools, key=lambda pool: pool.split == "test")


def _keys(clips, scan):
    """Returns (N,) uint64, equal for clips of the same part of equal recordings."""
    numbers = {key: i for i, key in enumerate(dict.fromkeys(scan[c[0]].key for c in clips))}
    keys = [(numbers[scan[c[0]].key] << 32) + int(c[1] * 1000) % (1 << 32) for c in clips]
    return np.array(keys, np.uint64)


def _split_of(path, test_pattern, top):
    return "test" if test_pattern and re.search(test_pattern, path.relative_to(top).as_posix()) else None


def groups_of_recordings(paths, top, group):
    """Returns path -> group of recordings, as the option `group` of `read_sound` has it."""
    groups = {}
    try:
        pattern = None if group in ("recording", "folder", "day") else re.compile(group)
    except re.error as error:
        raise ValueError(f"`group` must be recording, folder, day or a regular expression, got {group!r}: {error}."
                         ) from None  # fmt: skip
    for path in paths:
        name = path.relative_to(top).as_posix()
        if group == "recording":
            groups[path] = name
        elif group == "folder":
            groups[path] = Path(name).parent.as_posix()
        elif group == "day":
            time = file_time(path)
            if time is None:
                raise ValueError(f"`group` day needs a date in each file's name, as in SITE_20240501_053000.wav, got "
                                 f"{name}.")  # fmt: skip
            groups[path] = time.date().isoformat()
        else:
            match = pattern.search(name)
            if not match:
                raise ValueError(f"`group` must match every recording's path, got {group!r} not in {name}.")
            groups[path] = match[1] if pattern.groups else match[0]
    return groups


def _short(path, top):
    """Returns a path below the folder of the data."""
    return path.relative_to(top).as_posix() if path.is_relative_to(top) else str(path)
