"""Questions about image files: a table with a column of images, or RSVQA's own files."""

from pathlib import Path
from typing import Literal

import numpy as np

from recipes.data.assemble import warn_and_note
from recipes.data.examples import Data
from recipes.data.images.folder import conversion_notes, expected_image
from recipes.data.images.image_files import ImageFiles
from recipes.data.images.image_scan import scan_images
from recipes.data.questions.assemble_questions import QuestionPool, from_questions
from recipes.data.questions.image_questions import ImageQuestions
from recipes.data.questions.rsvqa_files import QuestionRows, read_rsvqa
from recipes.data.source_spec import absolute_path, with_source_spec
from recipes.data.split import SplitOptions
from recipes.data.tables.columns import existing_columns
from recipes.data.tables.table_files import read_frame
from recipes.data.tables.table_format import TableFormat, takes_table_format
from recipes.data.text.text_rows import row_namer
from zoo.arguments import FilePath, Fraction, Whole, checked
from zoo.inputs.texts import listed_rows

DROP_ADVICE = "missing='drop' leaves their questions out"


@checked
@takes_table_format
def read_questions(
    path: FilePath,
    *,
    images: FilePath | None = None,
    image: str = "image",
    question: str = "question",
    answer: str = "answer",
    type: str | None = None,
    count_ranges: bool = False,
    missing: Literal["error", "drop"] | None = None,
    classes: tuple[str, ...] = (),
    validation: Fraction = 0.15,
    test: Fraction = 0.15,
    seed: Whole = 0,
    table_format: TableFormat,
) -> Data:
    """Reads questions about images with their answers: a table, or a folder with RSVQA's files.

    A table has a row per question: the image's file, the question, the answer, and perhaps the question's type. A
    folder has images.json, questions.json and answers.json, or LR_split_train_images.json, ... of each split, as RSVQA
    has them; entries that are not active are left out, and answers are in lower case. An image with all of its
    questions, and images that are identical, stay in one split.

    Args:
        path: a CSV, Excel, Parquet or Feather file, or the folder of the JSON files.
        images: folder of the images; None for the folder of the table, or the folder that has the images of the JSON
            files.
        image, question, answer: columns of the table.
        type: column of the questions' type, such as count, by which metrics are listed; None for "type" where the table
            has it.
        count_ranges: of RSVQA's files, whether numbers and areas become ranges, such as "between 0 and 10".
        missing: error or drop, for questions that are empty, have no answer, or whose image is missing or cannot be
            read; None is error.
        classes: answers of a trained model, for data of an evaluation, of which other answers count as wrong; () reads
            them from the data.
        validation, test: fractions of the questions, 0 to 1, for splits that have no files.
        seed: seed of the split.
        table_format: options of reading the file, each an argument of its own, such as `separator` and `encoding`: the
            fields of `TableFormat`.
    Returns:
        `Data` of kind question.
    Raises:
        ValueError: if a column, a file or an id is missing, a question is empty or has no answer, or all answers are
            the same.
    """
    arguments = {name: value for name, value in locals().items() if name != "table_format"}
    source, notes, resolved, detected = Path(path), [], {}, ()
    if source.is_dir():
        rows = read_rsvqa(source, images, count_ranges)
    elif source.exists():
        rows, resolved, detected, notes = _table_rows(source, (image, question, answer, type), images, table_format)
    else:
        raise ValueError(f"there is no file or folder {source}.")
    pools, expected = _pools(rows, source if source.is_dir() else source.parent, missing, notes)
    shape, dtype, bands, gaps = expected
    if gaps:
        raise ValueError("the images must have a value in every pixel, got some with nodata.")
    data = from_questions(
        pools, SplitOptions(validation, test, seed), shape=shape, dtype=dtype, name=source.stem, classes=classes,
        missing=missing, notes=notes, source=str(source), bands=bands,
    )  # fmt: skip
    if images is not None:
        resolved = {**resolved, "images": absolute_path(images)}
    return with_source_spec(data, "questions", arguments, detected=detected, **resolved)


def _table_rows(source, columns, images, table_format):
    """Returns ({None: `QuestionRows`}, resolved options, names of those detected, notes) of a table."""
    *columns, type_column = columns
    texts = tuple(c for c in (*columns, type_column) if c)
    frame, facts, resolved = read_frame(str(source), table_format, unchecked=texts)
    frame = frame.set_axis([str(c) for c in frame.columns], axis=1).reset_index(drop=True)
    options = ("image", "question", "answer")
    names = [existing_columns(option, (c,), frame)[0] for option, c in zip(options, columns, strict=True)]
    type_column = type_column or ("type" if "type" in frame else None)
    if type_column:
        (type_column,) = existing_columns("type", (type_column,), frame)
    row_name = row_namer(str(source), resolved)
    if not len(frame):
        raise ValueError(f"{source} must have a row or more, got only the columns {', '.join(frame.columns)}.")
    without = frame[names[0]].isna().to_numpy()
    if without.any():
        raise ValueError(f"every row must have an image, got none in {listed_rows(without, row_name)}.")
    place = Path(images) if images else source.parent
    files = np.array([str(place / str(name).strip()) for name in frame[names[0]]], object)
    types = np.full(len(frame), "", object)
    if type_column:
        is_stated = frame[type_column].notna().to_numpy()
        types[is_stated] = frame[type_column][is_stated].astype(str)
    rows = QuestionRows(files, *(frame[n].to_numpy(object) for n in names[1:]), types, row_name)
    return {None: rows}, resolved.options(), resolved.detected_by(table_format), list(facts["notes"])


def _pools(rows, root, missing, notes):
    """Returns ([`QuestionPool`], what `expected_image` returns) of the questions of each split."""
    files = list(dict.fromkeys(file for part in rows.values() for file in part.images))
    absent = {file for file in files if not Path(file).is_file()}
    _report(rows, absent, "do not exist", missing, notes)
    files = [file for file in files if file not in absent]
    scan = scan_images([Path(file) for file in files], root)
    broken = {files[i] for i in np.flatnonzero(scan.kind < 0)}
    _report(rows, broken, "cannot be read", missing, notes)
    readable = np.flatnonzero(scan.kind >= 0)
    if not len(readable):
        raise ValueError("there must be questions about images that can be read, got none.")
    files, scan = [files[i] for i in readable], scan.take(readable)
    expected = expected_image([(None, None, Path(file)) for file in files], scan, notes)
    notes += conversion_notes(scan, expected)
    orientations = np.array([kind.orientation for kind in scan.kinds], np.uint8)[scan.kind]
    sizes = np.stack([scan.height, scan.width], axis=1)
    all_images = ImageFiles(np.array(files, object), orientations, *expected, sizes=sizes)
    index, names = {file: i for i, file in enumerate(files)}, np.array([Path(file).name for file in files], object)
    pools = []
    for split, part in rows.items():
        has_image = np.array([file in index for file in part.images], bool)
        inputs = ImageQuestions(
            all_images,
            np.array([index[file] for file in part.images[has_image]], np.int64),
            part.questions[has_image],
            part.types[has_image],
        )
        numbers = np.flatnonzero(has_image)

        def row_name(row, part=part, numbers=numbers):
            return part.row_name(int(numbers[row]))

        pools.append(QuestionPool(inputs, part.answers[has_image], scan.keys, names, split, row_name))
    return pools, expected


def _report(rows, files, what, missing, notes):
    """Notes questions about files that are missing or broken where they are dropped; else raises a ValueError."""
    if not files:
        return
    count = sum(file in files for part in rows.values() for file in part.images)
    part, row = next((p, i) for p in rows.values() for i, file in enumerate(p.images) if file in files)
    first = f"{Path(part.images[row]).name} of {part.row_name(row)}"
    if missing != "drop":
        raise ValueError(
            f"every question must have an image, got {count:,} about {len(files):,} images that {what}, the first is "
            f"{first}; {DROP_ADVICE}."
        )
    notes.append(
        warn_and_note(f"left out {count:,} questions about {len(files):,} images that {what}, such as {first}")
    )
