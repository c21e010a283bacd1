"""New data for a trained model: files or tables, matched to its input schema and read in batches."""

import collections
import concurrent.futures
import itertools
import os
import typing
from pathlib import Path

import numpy as np

from recipes.data.images.image_files import resize_image
from recipes.data.new_image import read_image_for
from recipes.data.questions.new_questions import new_questions
from recipes.data.sound.new_sounds import sound_batches
from recipes.data.tables.table_files import TABLE_SUFFIXES, read_frame, table_chunks
from recipes.data.tables.text_encoding import kind_of_file
from recipes.data.text.text_rows import missing_advice, row_namer
from zoo.inputs import band_range_notes, match_frame, match_texts

SIGNATURE_BYTES = 64  # of a file, which say what it is
TABLE_ROWS = 8192  # rows of a table per batch
QUESTION_ROWS = 32  # rows of questions per batch, whose images are in memory
CHUNK_ROWS = 16 * TABLE_ROWS  # rows of a table in memory


class InputBatch(typing.NamedTuple):
    """A batch of new raw inputs."""

    names: typing.Any  # of the examples, a list or an array of texts: a file's path or a row's number
    inputs: typing.Any  # (N, ...) array, dict of (N,) arrays, or a list of (H, W, C) images
    failures: dict  # path of a file that could not be read -> reason
    notes: list  # sentences
    unit: int = 0  # number of the text file or of the table's chunk that it belongs to
    sizes: typing.Any = ()  # (height, width) of each image as the file has it, upright [pixels]


def is_files(schema, inputs):
    """Whether inputs are the path of a file, or a list of paths; for a model of texts, strings are texts."""
    first = inputs[0] if isinstance(inputs, list | tuple) and inputs else inputs
    return isinstance(first, os.PathLike) or (isinstance(first, str) and schema.kind != "text")


def is_table(inputs):
    """Whether inputs are a data frame or a dict of columns."""
    import pandas as pd

    return isinstance(inputs, dict | pd.DataFrame)


def read_new_table(schema, source):
    """Returns (data frame, notes) of new data: the path of a table, a data frame or a dict of columns."""
    frame, facts, _ = read_frame(source, schema.reading, **column_checks(schema))
    return frame, facts["notes"]


def column_checks(schema):
    """Returns which columns of a new table must have numbers only: `unchecked` and `checked` of `read_frame`."""
    categories = [c.source for c in schema.columns if c.kind != "number"]
    columns = schema.series["columns"] if schema.series else [c.source for c in schema.columns]
    columns = [] if schema.kind == "question" else columns
    series = [schema.series["time"], schema.series["group"]] if schema.series else []
    return {"unchecked": tuple(c for c in (*categories, *series) if c), "checked": tuple(columns)}


def file_batches(schema, files, batch_size, size=None, *, skip=0, shard=(1, 1), threads=None, tokens=None):
    """Yields new inputs from files in batches, in their order; the next ones are read while one is predicted.

    Args:
        schema: `InputSchema` of the trained model.
        files: path or paths: images; recordings, whose consecutive clips are predicted; tables; for texts text
            files, or tables with the column of texts.
        batch_size: images per batch.
        size: (H, W) that images are resized to; None keeps the files'.
        skip: number of inputs (images, text files, rows) to leave out at the beginning; whole batches.
        shard: (i, n) for the i-th of n shards, from 1. Of tables it has every n-th chunk of `CHUNK_ROWS` rows, and of
            text files every n-th; of images it is all of `files`, which `shard_of` returns.
        threads: number of threads that read images; None for one per core.
        tokens: for texts, `TextTokens` of the model, for notes on texts that are cut; None for no such notes.
    Yields:
        `InputBatch`.
    Raises:
        ValueError: if a table does not exist or does not match the schema, or the model's inputs are no files.
    """
    files = [files] if isinstance(files, str | os.PathLike) else list(files)
    if not files and shard == (1, 1):  # a shard of few files may have none
        raise ValueError("predict: `files` must have at least one file, got none.")
    if schema.kind == "image":
        yield from _image_batches(schema, files[skip:], batch_size, size, shard[0] - 1, threads or os.cpu_count())
    elif schema.kind == "question":
        yield from read_ahead(_question_batches(schema, files, skip, shard, tokens))
    elif schema.kind == "sound":
        yield from (InputBatch(*batch) for batch in read_ahead(sound_batches(schema, files, batch_size)))
    elif schema.kind in ("table", "text"):
        yield from read_ahead(_row_batches(schema, files, skip, shard, tokens), CHUNK_ROWS // TABLE_ROWS)  # a chunk
    else:
        raise ValueError(
            f"predict: the model must take images, sound, a table, texts or questions to read files, got {schema.kind}."
        )


def shard_of(files, shard):
    """Returns the i-th of n runs of a list, whose lengths differ by at most one."""
    i, n = shard
    return files[(i - 1) * len(files) // n : i * len(files) // n]


def _row_batches(schema, files, skip, shard, tokens):
    """Yields the rows of tables and the texts of files; a row's batch ends with its chunk."""
    units, shown_on_texts = itertools.count(), set()
    for file in files:
        if schema.kind == "text" and not is_table_name(file):
            unit = next(units)
            if unit % shard[1] == shard[0] - 1:
                if skip:
                    skip -= 1
                else:
                    matched = match_texts(schema, _read_text(file), tokens=tokens, row_name=lambda _, file=file: file)
                    notes = _new_notes([*matched.notes, *_line_notes(matched.batch[0], file)], shown_on_texts)
                    yield InputBatch([str(file)], matched.batch, {}, notes, unit)
            continue
        prefix, shown = f"{file} " if len(files) > 1 else "", set()
        for frame, first, notes in table_chunks(file, schema.reading, rows=CHUNK_ROWS, **column_checks(schema)):
            unit = next(units)
            if unit % shard[1] != shard[0] - 1:
                continue
            if skip and skip >= len(frame):
                skip -= len(frame)
                continue
            caller = f"predict: {file}" if prefix else "predict"
            if schema.kind == "table":
                matched = match_frame(schema, frame, caller, first_row=first)
            else:
                matched = match_texts(
                    schema, frame, caller, tokens=tokens,
                    row_name=row_namer(file, schema.reading, range(first, first + len(frame))),
                    advice=missing_advice(notes, "leave them out"),
                )  # fmt: skip
            notes = [f"{prefix}{note}" for note in _new_notes([*notes, *matched.notes], shown)]
            for start in range(skip, len(frame), TABLE_ROWS):
                stop = min(start + TABLE_ROWS, len(frame))
                names = _row_names(prefix, first + start + 1, first + stop + 1)
                yield InputBatch(names, _rows(matched.batch, start, stop), {}, notes, unit)
                notes = []
            skip = 0


def _question_batches(schema, files, skip, shard, tokens):
    """Yields the questions of tables with the images that they are about; a batch ends with its chunk."""
    units, shown = itertools.count(), set()
    for file in files:
        prefix = f"{file} " if len(files) > 1 else ""
        for frame, first, notes in table_chunks(file, schema.reading, rows=CHUNK_ROWS, **column_checks(schema)):
            unit = next(units)
            if unit % shard[1] != shard[0] - 1:
                continue
            for start in range(min(skip, len(frame)), len(frame), QUESTION_ROWS):
                part, row = frame.iloc[start : start + QUESTION_ROWS], first + start
                yield read_question_batch(schema, part, file, prefix, row, tokens, notes, shown)._replace(unit=unit)
                notes = []
            skip = max(0, skip - len(frame))


def read_question_batch(schema, frame, file, prefix, first_row, tokens, notes, shown):
    """Returns the `InputBatch` of some rows of a table of questions, whose images are read; others are failures.

    Args:
        schema: `InputSchema` of kind question.
        frame: the rows.
        file: path of the table, to whose folder the images' paths are relative.
        prefix: before the names of the rows.
        first_row: number of the first row, from 0.
        tokens: as `file_batches` takes them.
        notes: sentences of the table's reader.
        shown: set of sentences that were noted before, which is extended.
    """
    names = np.array([f"{prefix}row {first_row + i + 1}" for i in range(len(frame))], object)
    questions, of_texts = new_questions(
        schema, frame, f"predict: {file}" if prefix else "predict", tokens=tokens, folder=str(Path(file).parent),
        row_name=lambda row: names[row],
    )  # fmt: skip
    images, reasons, of_images = {}, {}, []
    for index in np.unique(questions.image_index):
        try:
            images[index] = questions.read_image(index)
        except Exception as error:  # a broken file may raise anything in a decoder; its reason is recorded
            reasons[index] = failure_reason(error)
    of_images += questions.images.notes
    readable = np.isin(questions.image_index, list(images))
    failures = {names[i]: reasons[questions.image_index[i]] for i in np.flatnonzero(~readable)}
    questions = questions.take(np.flatnonzero(readable)).with_images(images)
    notes = _new_notes([*notes, *of_texts, *new_file_notes(of_images, shown)], shown)
    return InputBatch(list(names[readable]), questions, failures, notes)


def _row_names(prefix, start, stop):
    """Returns the array of texts "row 1", ... from `start` to before `stop`."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    numbers = pc.cast(pa.array(range(start, stop), pa.int64()), pa.string())
    return pd.array(pc.binary_join_element_wise(f"{prefix}row ", numbers, ""), dtype="str")


def _rows(batch, start, stop):
    return {c: v[start:stop] for c, v in batch.items()} if isinstance(batch, dict) else batch[start:stop]


def is_table_name(file):
    """Whether a file is a table by its name."""
    return Path(file).suffix.lower() in (*TABLE_SUFFIXES, ".gz")


def _read_text(file):
    content = Path(file).read_bytes()
    kind = kind_of_file(content[:SIGNATURE_BYTES])
    if kind:
        raise ValueError(f"predict: a file must be a text or a table of texts, got {file}, which is {kind}.")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"predict: the text must be UTF-8, got {file}: {error}.") from None


def _line_notes(text, file):
    """Returns a note on a file of several lines, which may be meant as several texts."""
    lines = sum(bool(line.strip()) for line in text.splitlines())
    name = Path(file).name
    return [f"files of several lines are one text each: {name} has {lines:,}; for a text per line write a table"][
        : lines > 1
    ]


def _new_notes(notes, shown):
    """Returns the notes on subjects that no earlier chunk had a note on."""
    subjects = {note.partition(":")[0].lstrip("0123456789,"): note for note in notes}  # without the number of rows
    new = [note for subject, note in subjects.items() if subject not in shown]
    shown |= set(subjects)
    return new


def read_ahead(items, count=2):
    """Yields the items of an iterator, which a thread computes up to `count` items ahead."""
    items = iter(items)
    with concurrent.futures.ThreadPoolExecutor(1) as executor:
        pending = collections.deque(executor.submit(next, items, executor) for _ in range(count))
        while (item := pending.popleft().result()) is not executor:
            pending.append(executor.submit(next, items, executor))
            yield item


def _image_batches(schema, files, batch_size, size, unit, threads):
    """Reads images in threads, a batch ahead of the one that is predicted."""
    shown = set()

    def read_one(path):
        notes = []
        try:
            image = read_image_for(schema, Path(path).expanduser(), notes)
            if size is not None and schema.image.get("size") == "tiles" and image.shape[:2] != tuple(size):
                raise ValueError(
                    f"the image must have {size[0]} x {size[1]} pixels, as the tiles in training, got "
                    f"{image.shape[0]} x {image.shape[1]}; `zoo predict-raster` predicts rasters of any size"
                )
        except Exception as error:  # a broken file may raise anything in a decoder; its reason is recorded
            return failure_reason(error), [], None
        return (image if size is None else resize_image(image, size)), notes, image.shape[:2]

    with concurrent.futures.ThreadPoolExecutor(threads) as executor:
        groups = (files[i : i + batch_size] for i in range(0, len(files), batch_size))
        submitted = ((group, [executor.submit(read_one, path) for path in group]) for group in groups)
        ahead = collections.deque(itertools.islice(submitted, 2))
        while ahead:
            group, pending = ahead.popleft()
            results = [future.result() for future in pending]
            ahead.extend(itertools.islice(submitted, 1))
            images = [image for image, *_ in results if not isinstance(image, str)]
            pairs = list(zip(map(str, group), results, strict=True))
            names = [path for path, (image, *_) in pairs if not isinstance(image, str)]
            failures = {path: image for path, (image, *_) in pairs if isinstance(image, str)}
            notes = new_file_notes([note for _, notes, _ in results for note in notes], shown)
            notes += _new_notes(band_range_notes(schema, names, images), shown)
            sizes = [size for image, _, size in results if not isinstance(image, str)]
            yield InputBatch(names, images, failures, notes, unit, sizes)


def failure_reason(error):
    """Returns why a file could not be read, in one line."""
    return " ".join((getattr(error, "reason", None) or str(error) or type(error).__name__).split())


def new_file_notes(notes, shown):
    """Returns the notes, PATH: SENTENCE, whose sentence no other file had."""
    sentences = {note.rpartition(": ")[2]: note for note in reversed(notes)}
    new = [note for sentence, note in sentences.items() if sentence not in shown]
    shown |= set(sentences)
    return new
