"""Questions on scenes of land cover, buildings and nuclei: presence, count, area and comparison.

Answers follow from the masks of which the scenes are made. For every type and subject each answer is equally frequent
in each split, so that the question alone does not tell the answer.
"""

import collections
import itertools

import numpy as np

from recipes.data.examples import SPLITS
from recipes.data.questions import land_scenes
from recipes.data.questions.assemble_questions import QuestionPool, from_questions
from recipes.data.questions.image_questions import ImageQuestions
from recipes.data.questions.land_scenes import COVERS, MAX_OBJECTS
from recipes.data.split import content_keys

AREAS = ("none", "less than a quarter", "a quarter to a half", "more than a half")
AREA_LIMITS = (0.25, 0.5)  # between them
CLEAR_DIFFERENCE = 1 / 16  # of two areas that a question compares
OBJECTS = {"building": "buildings", "nucleus": "nuclei"}
FEWEST_SCENES = 30  # of a split
THRESHOLDS = {1: "one", 2: "two"}  # numbers of objects that a question compares with
LAND_FRACTION = 2 / 3  # of the scenes; the others are of nuclei
PER_SCENE = 2  # questions of one type, on average, at most

PHRASES = {
    "presence": (
        "Is there any {subject}?", "Does the image show {subject}?", "Can {subject} be seen here?",
        "Is {subject} present in the image?",
    ),
    "presence of objects": (
        "Are there any {subject}?", "Does the image show {subject}?", "Can {subject} be seen here?",
        "Are {subject} present in the image?",
    ),
    "count": (
        "How many {subject} are there?", "What is the number of {subject}?", "Count the {subject}.",
        "How many {subject} does the image show?",
    ),
    "area": (
        "How much of the image is {subject}?", "What part of the area is covered by {subject}?",
        "Which fraction of the scene is {subject}?", "How large is the area of {subject}?",
    ),
    "comparison": (
        "Is there more {subject} than {other}?", "Is the area of {subject} larger than that of {other}?",
        "Does {subject} cover more than {other}?", "Compared with {other}, is there more {subject}?",
    ),
    "comparison of objects": (
        "Are there more than {other} {subject}?", "Is the number of {subject} above {other}?",
        "Does the image show more than {other} {subject}?", "Do the {subject} number more than {other}?",
    ),
}  # fmt: skip


def questions_on_scenes(contents, scenes, split_options, *, name):
    """Returns `Data` of balanced questions on scenes.

    Args:
        contents: land, nuclei and footprints, as `land_scenes.split_sources` takes them.
        scenes: number of scenes of all splits.
        split_options: `SplitOptions`.
        name: of the data set.
    Raises:
        ValueError: if a split would have fewer than `FEWEST_SCENES` scenes.
    """
    validation, test = (round(scenes * fraction) for fraction in split_options.fractions)
    counts = {split: n for split, n in zip(SPLITS, (scenes - validation - test, validation, test), strict=True) if n}
    if min(counts.values()) < FEWEST_SCENES:
        raise ValueError(
            f"`scenes` must give each split {FEWEST_SCENES} scenes or more for balanced questions, got "
            f"{', '.join(f'{n} for {split}' for split, n in counts.items())}."
        )
    sources = land_scenes.split_sources(**contents, fractions=split_options.fractions, seed=split_options.seed)
    pools = []
    for number, (split, count) in enumerate(counts.items()):
        images, rows = generate(sources[SPLITS.index(split)], count, [split_options.seed, number])
        index, questions, types, answers = (np.array(c, dtype=object) for c in zip(*rows, strict=True))
        inputs = ImageQuestions(images, index.astype(np.int64), questions, types)
        names = np.array([f"{split} scene {i + 1}" for i in range(count)], object)
        pools.append(QuestionPool(inputs, answers, content_keys(images), names, split))
    shape = pools[0].inputs.images.shape[1:]
    return from_questions(pools, split_options, shape=shape, dtype="uint8", name=name)


def generate(sources, count, seed):
    """Returns scenes and balanced questions about them.

    Args:
        sources: `land_scenes.Sources`.
        count: number of scenes.
        seed: of all that is drawn.
    Returns:
        (images (count, 64, 64, 3) uint8, list of (index of the image, question, type, answer)).
    """
    rng = np.random.default_rng(seed)
    lands = round(count * LAND_FRACTION)
    scenes = [land_scenes.make_land(sources, rng) for _ in range(lands)]
    scenes += [land_scenes.make_cells(sources, rng) for _ in range(count - lands)]
    by_cell = collections.defaultdict(lambda: collections.defaultdict(list))
    for i, scene in enumerate(scenes):
        for kind, subject, other, answer in scene_answers(scene):
            by_cell[kind, subject, other][answer].append(i)
    cells = {cell: answers for cell, answers in by_cell.items() if len(answers) == len(answers_of(cell[0]))}
    numbers = {cell: min(map(len, answers.values())) for cell, answers in cells.items()}  # of questions per answer
    totals = collections.Counter()
    for cell, number in numbers.items():
        totals[question_type(cell[0])] += number * len(cells[cell])
    rows = []
    for (kind, subject, other), answers in cells.items():
        name = question_type(kind)
        number = round(numbers[kind, subject, other] * min(1.0, PER_SCENE * count / totals[name]))
        for answer, indices in answers.items():
            for i in rng.permutation(indices)[:number]:
                phrase = PHRASES[kind][rng.integers(len(PHRASES[kind]))]
                rows.append((int(i), phrase.format(subject=subject, other=other), name, answer))
    rows.sort(key=lambda row: row[0])
    return np.stack([scene.image for scene in scenes]), rows


def question_type(kind):
    """Returns presence, count, area or comparison of a key of `PHRASES`."""
    return kind.partition(" ")[0]


def answers_of(kind):
    """Returns the answers of a key of `PHRASES`."""
    if kind == "area":
        return AREAS
    return tuple(map(str, range(MAX_OBJECTS + 1))) if kind == "count" else ("yes", "no")


def scene_answers(scene):
    """Yields (key of `PHRASES`, subject, other subject or "", answer) of all that can be asked about a scene."""
    for cover, area in scene.areas.items():
        yield "presence", cover, "", yes_or_no(area > 0)
        yield "area", cover, "", AREAS[0 if area == 0 else 1 + int(np.searchsorted(AREA_LIMITS, area, side="right"))]
    for first, second in itertools.permutations(COVERS if scene.areas else (), 2):
        if abs(scene.areas[first] - scene.areas[second]) >= CLEAR_DIFFERENCE:
            yield "comparison", first, second, yes_or_no(scene.areas[first] > scene.areas[second])
    for name, number in scene.counts.items():
        yield "presence of objects", OBJECTS[name], "", yes_or_no(number > 0)
        yield "count", OBJECTS[name], "", str(number)
        for threshold, word in THRESHOLDS.items():
            yield "comparison of objects", OBJECTS[name], word, yes_or_no(number > threshold)


def yes_or_no(condition):
    """Returns yes or no."""
    return "yes" if condition else "no"
