"""Accuracy of answers for each type of question, with intervals by image, and the commonest answers."""

import numpy as np

from recipes.reports import verdict as verdicts

COMMONEST = "the commonest answer of each type"
ALL = "all"  # name of the type where types are not stated


def commonest_answers(targets, types):
    """Returns {type: index of its commonest answer}; "" is for types that training did not have.

    Args:
        targets: (N,) index of the answer.
        types: (N,) type of each question of the training split.
    """
    names = np.unique(types.astype(str))
    answers = {str(name): int(np.bincount(targets[types == name]).argmax()) for name in names}
    return {"": int(np.bincount(targets).argmax()), **answers}


def predict_commonest(commonest, types):
    """Returns (N,) the commonest answer of each question's type."""
    return np.array([commonest.get(str(name), commonest[""]) for name in types], np.int64)


def compare(correct, other, images, split, seed, baseline_name=None):
    """Returns the verdict on (N,) right answers beside those of a baseline; images are drawn, with their questions."""

    def scores(weights):
        return verdicts.mean_score(weights, correct), verdicts.mean_score(weights, other)

    options = {"unit": "questions", "groups": images, "seed": seed, "baseline_name": baseline_name}
    return verdicts.verdict("accuracy", scores, len(correct), split, **options)


def accuracy_interval(correct, images, seed):
    """Returns the 95 % interval of an accuracy [low, high]; None for a single image."""
    return compare(correct, np.zeros(len(correct)), images, "train", seed)["interval"]


def by_type(questions, correct, commonest, seed):
    """Returns, for each type of question: questions, accuracy, its interval, and the accuracy of the commonest answer.

    Args:
        questions: `ImageQuestions`.
        correct: (N,) whether the model's answer is right.
        commonest: (N,) whether the commonest answer of the type is right.
        seed: of the intervals.
    """
    return {
        name: {
            "questions": int(rows.sum()),
            "accuracy": float(correct[rows].mean()),
            "interval": accuracy_interval(correct[rows], questions.image_index[rows], seed),
            "commonest_answer": float(commonest[rows].mean()),
        }
        for name, rows in _rows_by_type(questions)
    }


def margins(questions, correct, question_only, split, seed):
    """Returns, for each type, the accuracy of a model of questions alone and the margin over it with its interval.

    Args:
        questions, correct, seed: as `by_type` takes them.
        question_only: (N,) whether the answer of the model of questions is right.
        split: train, validation or test.
    """
    margin_by_type = {}
    for name, rows in _rows_by_type(questions):
        entry = compare(correct[rows], question_only[rows], questions.image_index[rows], split, seed)
        margin_by_type[name] = {
            "question_only": entry["baseline"],
            "margin": entry["difference"],
            "margin_interval": entry["interval"],
        }
    return margin_by_type


def describe(name, row):
    """Returns a sentence on one type of question.

    Args:
        name: of the type.
        row: of `by_type`, perhaps with that of `margins`.
    """
    start = "Questions" if name == ALL else f"Questions of the type {name}"
    sentence = f"{start} ({row['questions']:,}): {percent(row['accuracy'])} right, the commonest answer "
    sentence += percent(row["commonest_answer"])
    if "question_only" not in row:
        return f"{sentence}."
    interval = row["margin_interval"]
    limits = f" (95 % interval {100 * interval[0]:+.1f} to {100 * interval[1]:+.1f})" if interval else ""
    sentence += f", without the image {percent(row['question_only'])}"
    return f"{sentence}: a margin of {100 * row['margin']:+.1f}{limits}."


def percent(fraction):
    """Returns a fraction as text, such as 79.1 %."""
    return f"{100 * fraction:.1f} %"


def _rows_by_type(questions):
    """Returns (name, (N,) bool) of each type of question."""
    names = np.unique(questions.types.astype(str))
    return [(str(name) or ALL, questions.types == name) for name in names]
