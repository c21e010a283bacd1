"""`Data` of questions about images: checks questions and answers, and splits by image."""

import dataclasses

import numpy as np

from recipes.data.assemble import Pool, assemble, warn_and_note
from recipes.data.examples import SPLITS
from recipes.data.targets import gaps
from zoo.arguments import suggestion
from zoo.inputs.texts import as_texts, empty_texts, listed_rows, normalize_text

SHOWN = 5  # answers that a note lists
UNKNOWN_ANSWER = -1  # index of an answer that is none of the classes of a trained model


@dataclasses.dataclass
class QuestionPool:
    """Questions as a reader returns them, before they are split.

    Args:
        inputs: `ImageQuestions`.
        answers: (N,) as the user wrote them.
        image_keys: (M,) content hash of each image; images of one key stay in one split.
        image_names: (M,) name of each image.
        split: train, validation or test, or None where all is to be split.
        row_name: function from a question, from 0, to what an error calls it; None for "row 1", ...
    """

    inputs: object
    answers: np.ndarray
    image_keys: np.ndarray
    image_names: np.ndarray
    split: str | None = None
    row_name: object = None


def from_questions(pools, split_options, *, shape, dtype, name, classes=(), missing=None, notes=(), **facts):
    """Returns `Data` of kind question.

    Args:
        pools: a `QuestionPool` for each split, or one to be split; no image is in two splits.
        split_options: `SplitOptions`.
        shape, dtype: of one image, as `Data` has them.
        name: of the data set.
        classes: answers of a trained model, for data of an evaluation, of which other answers count as wrong; () reads
            them from the data.
        missing: error or drop, for rows with an empty question or without an answer; None is error.
        notes: sentences of the reader.
        **facts: source, license, description, bands, as `Data` has them.
    Raises:
        ValueError: if a question is empty or has no answer, or there are fewer than two different answers.
    """
    notes = list(notes)
    cleaned = [_without_empty(pool, missing, notes) for pool in pools]
    answers = np.concatenate([pool.answers for pool in cleaned]) if cleaned else np.empty(0, object)
    if not len(answers):
        raise ValueError("there must be questions with answers, got none.")
    names = tuple(classes) or tuple(np.unique(answers.astype(str)).tolist())
    if len(names) < 2:
        raise ValueError(f"the questions must have two different answers or more, got only {names[0]!r}.")
    if classes:
        notes += _unknown_answers(answers, classes)
    index = {answer: i for i, answer in enumerate(names)}
    assembled = []
    for pool in cleaned:
        targets = np.array([index.get(str(answer), UNKNOWN_ANSWER) for answer in pool.answers], np.int64)
        keys, images = pool.image_keys[pool.inputs.image_index], pool.image_names[pool.inputs.image_index]
        assembled.append(Pool(pool.inputs, targets, pool.split, images.astype(object), keys, groups=images))
    data = _assembled(assembled, split_options, names, missing, notes, shape, dtype, name, facts)
    return data if classes else with_unseen_answers(data)


def _assembled(pools, split_options, names, missing, notes, shape, dtype, name, facts):
    """Returns `Data`; targets that are no class are set after the classes are read."""
    targets = [pool.y for pool in pools]
    for pool in pools:
        pool.y = np.maximum(pool.y, 0)
    data = assemble(
        pools, split_options, name=name, kind="question", shape=shape, dtype=dtype, task="classification",
        classes=names, missing=missing, outputs=("answer",), notes=notes, complete=False, group="image", **facts,
    )  # fmt: skip
    if all((y >= 0).all() for y in targets):
        return data
    (pool,), (values,) = pools, targets  # of an evaluation, all in one split
    return dataclasses.replace(data, train=dataclasses.replace(data.train, targets=values.astype(np.int32)))


def with_unseen_answers(data):
    """Returns the data with a note on answers of validation and test that no training question has."""
    trained, notes = np.unique(data.train.targets), []
    for split in SPLITS[1:]:
        targets = getattr(data, split).targets
        unseen = ~np.isin(targets, trained)
        if unseen.any():
            answers = [data.classes[i] for i in np.unique(targets[unseen])]
            notes.append(
                warn_and_note(
                    f"{unseen.sum():,} of {len(targets):,} questions of the {split} split have an answer that no "
                    f"training question has, and count as wrong: {_listed(answers)}"
                )
            )
    return dataclasses.replace(data, notes=(*data.notes, *notes))


def _without_empty(pool, missing, notes):
    """Returns a pool without questions that are empty or have no answer, which is an error unless they are dropped."""
    questions = as_texts(pool.inputs.questions, "the questions")
    answers = np.asarray(pool.answers, dtype=object)
    without_answer = gaps(answers)
    answers = np.array(["" if gap else _text(a) for a, gap in zip(answers, without_answer, strict=True)], object)
    empty, without_answer = empty_texts(questions), answers == ""
    dropped = empty | without_answer
    if dropped.any() and missing != "drop":
        what = "empty questions" if empty.any() else "questions without an answer"
        rows = listed_rows(empty if empty.any() else without_answer, pool.row_name)
        raise ValueError(f"every row must have a question and an answer, got {what} in {rows}; missing='drop' leaves "
                         "them out.")  # fmt: skip
    if dropped.any():
        notes.append(f"left out {dropped.sum():,} of {len(dropped):,} questions that are empty or have no answer")
    questions = np.array([normalize_text(text) for text in questions], object)
    inputs = dataclasses.replace(pool.inputs, questions=questions).take(np.flatnonzero(~dropped)).with_used_images()
    used = np.unique(pool.inputs.image_index[~dropped])
    return dataclasses.replace(
        pool,
        inputs=inputs,
        answers=answers[~dropped],
        image_keys=np.asarray(pool.image_keys)[used],
        image_names=np.asarray(pool.image_names)[used],
    )


def _text(answer):
    """Returns an answer as text; 3.0 is 3, as a column of whole numbers with gaps is one of floats."""
    return f"{answer:g}" if isinstance(answer, float) else str(answer).strip()


def _unknown_answers(answers, classes):
    """Returns notes on answers that are none of the classes of a trained model."""
    unknown = ~np.isin(answers.astype(str), list(classes))
    if not unknown.any():
        return []
    listed = sorted(set(answers[unknown].tolist()))
    note = (
        f"{unknown.sum():,} of {len(answers):,} questions have an answer that the model was not trained on, and count "
        f"as wrong: {_listed(listed)}{suggestion(listed[0], classes)}"
    )
    return [warn_and_note(note)]


def _listed(answers):
    more = f" and {len(answers) - SHOWN} more" if len(answers) > SHOWN else ""
    return ", ".join(map(repr, answers[:SHOWN])) + more
