"""Files of RSVQA: images.json, questions.json and answers.json, or three of them for each split."""

import json
import re
import typing
from pathlib import Path

import numpy as np

from recipes.data.images.image_files import SUFFIXES
from zoo.arguments import suggestion

CONTENTS = ("images", "questions", "answers")
SPLIT_NAMES = {"train": "train", "val": "validation", "test": "test"}  # in the names of the files
RANGES = ((10, "between 0 and 10"), (100, "between 10 and 100"), (1000, "between 100 and 1000"))
ABOVE = "more than 1000"


class QuestionRows(typing.NamedTuple):
    """The questions of one split, in the order of the file."""

    images: np.ndarray  # (N,) file of the image, below the folder
    questions: np.ndarray  # (N,)
    answers: np.ndarray  # (N,)
    types: np.ndarray  # (N,)
    row_name: typing.Callable  # from a row, from 0, to its name: "question 12"


def read_rsvqa(folder, images=None, count_ranges=False):
    """Returns {split: `QuestionRows`} of a folder with RSVQA's JSON files; the split is None where there are none.

    Args:
        folder: `Path` with images.json, questions.json and answers.json, or PREFIX_split_train_images.json, ..., also
            with val and test.
        images: `Path` of the folder of the images, ID.tif or of another format; None to look for it below `folder`.
        count_ranges: whether numbers become ranges, such as "between 0 and 10", and areas in m2 too, as the authors
            have them for the low resolution set.
    Raises:
        ValueError: if a file is absent, or ids do not fit together.
    """
    return {split: _rows(files, folder, images, count_ranges) for split, files in _files(folder).items()}


def _files(folder):
    """Returns {split: {content: path}} of the JSON files."""
    paths = {path.name: path for path in sorted(folder.glob("*.json"))}
    pattern = re.compile(r"(?:(?:.*_)?split_(train|val|test)_)?(images|questions|answers)\.json")
    splits = {}
    for name, path in paths.items():
        match = pattern.fullmatch(name)
        if match:
            splits.setdefault(SPLIT_NAMES.get(match[1]), {})[match[2]] = path
    if len(splits) > 1:
        splits.pop(None, None)  # all questions, of which the splits have parts
    if not splits:
        hint = suggestion("questions.json", paths)
        raise ValueError(
            f"{folder} must have images.json, questions.json and answers.json, or such files of each split as in "
            f"LR_split_train_questions.json, got {', '.join(paths) or 'no JSON files'}.{hint}"
        )
    for files in splits.values():
        absent = [content for content in CONTENTS if content not in files]
        if absent:
            example = next(iter(files.values())).name
            raise ValueError(f"{folder} must have a file of {' and of '.join(absent)} beside {example}.")
    return splits


def _entries(path, content):
    """Returns {id: entry} of the active entries of a JSON file."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))[content]
        return {int(entry["id"]): entry for entry in entries if entry.get("active", True)}
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} must be JSON with a list {content!r} of entries with an id, got {type(error).__name__}: {error}."
        ) from None


def _rows(files, folder, images, count_ranges):
    entries = {content: _entries(path, content) for content, path in files.items()}
    questions, answers = entries["questions"], entries["answers"]
    rows = []
    for image_id, image in entries["images"].items():
        for question_id in image.get("questions_ids", ()):
            question = _entry(questions, question_id, "question", f"image {image_id}", files)
            if int(question.get("img_id", image_id)) != image_id:
                raise ValueError(
                    f"question {question_id} must be about image {image_id}, which lists it in {files['images'].name}, "
                    f"got img_id {question['img_id']} in {files['questions'].name}."
                )
            ids = question.get("answers_ids") or [None]
            answer = str(_entry(answers, ids[0], "answer", f"question {question_id}", files)["answer"]).lower()
            answer = as_range(answer) if count_ranges else answer
            rows.append((image_id, question["question"], answer, question.get("type", ""), question_id))
    if not rows:
        raise ValueError(f"{files['questions'].name} must have active questions about active images, got none.")
    place = _image_folder(Path(images) if images else folder, rows[0][0])
    suffix = next((s for s in SUFFIXES if (place / f"{rows[0][0]}{s}").is_file()), ".tif")
    columns = [np.array(column, object) for column in zip(*rows, strict=True)]
    paths = np.array([str(place / f"{image_id}{suffix}") for image_id in columns[0]], object)
    return QuestionRows(paths, *columns[1:4], lambda row: f"question {columns[4][row]}")


def _entry(entries, number, what, owner, files):
    if number is None or int(number) not in entries:
        raise ValueError(
            f"every id must have an active entry, got {what} {number} of {owner}, which {files[f'{what}s'].name} lacks."
        )
    return entries[int(number)]


def _image_folder(folder, image_id):
    """Returns the folder that has the file of an image: `folder` itself or one directly in it."""
    places = [folder, *sorted(p for p in folder.iterdir() if p.is_dir())] if folder.is_dir() else []
    for place in places:
        if any((place / f"{image_id}{suffix}").is_file() for suffix in SUFFIXES):
            return place
    raise ValueError(
        f"the images must be files named by their id, such as {image_id}.tif, in {folder} or a folder in it; `images` "
        "names another folder."
    )


def as_range(answer):
    """Returns the range of a number or of an area in m2, as the authors' code has it; other answers stay."""
    unit = "m2" if answer.endswith("m2") else ""
    number = answer.removesuffix("m2")
    if not number.isdigit() or int(number) == 0:
        return answer
    text = next((text for limit, text in RANGES if int(number) <= limit), ABOVE)
    return re.sub(r"(\d+)", rf"\1{unit}", text)
