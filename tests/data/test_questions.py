"""Questions about images: tables, RSVQA's files, and the generated scenes with their exact answers."""

import collections

import numpy as np
import pytest

import recipes
from recipes.data.bundled import kinds
from recipes.data.questions import land_questions, land_scenes
from recipes.data.questions.rsvqa_files import as_range
from tests.question_files import question_rows, write_images, write_rsvqa, write_table

SPLITS = ("train", "validation", "test")


@pytest.fixture(scope="module")
def contents():
    """Made-up pixels in the place of the bundled ones: four covers, bright nuclei and buildings."""
    rng = np.random.default_rng(0)
    names = np.repeat(land_scenes.COVER_CLASSES, 40)
    patches = rng.integers(40, 150, (160, 3, 3, 4)).astype(np.uint8)
    numbers = np.zeros((200, 200), np.int64)
    for i in range(36):
        row, column = 10 + 30 * (i // 6), 10 + 30 * (i % 6)
        numbers[row : row + 20, column : column + 16] = i + 1
    pixels = np.where(numbers > 0, 180, 20) + rng.integers(0, 20, numbers.shape)
    return {"land": (patches, names), "nuclei": (pixels, numbers), "footprints": (pixels, numbers > 0)}


@pytest.fixture(scope="module")
def scenes(contents):
    return kinds.questions_on_scenes(contents, scenes=300)


def test_a_table_is_read_with_its_images_and_types(tmp_path):
    data = recipes.load(f"questions:{write_table(tmp_path)}")
    assert (data.kind, data.task, data.shape, data.dtype) == ("question", "classification", (8, 8, 3), "uint8")
    assert data.classes == ("blue", "no", "red", "yes")
    assert sum(len(getattr(data, split)) for split in SPLITS) == 24
    first = data.train.inputs.read(0)
    is_red = first["image"][..., 0].mean() > 100
    answer = data.classes[data.train.targets[0]]
    assert (
        answer
        == {"Is it red?": "yes" if is_red else "no", "What color is it?": "red" if is_red else "blue"}[
            first["question"]
        ]
    )
    assert set(data.train.inputs.types) == {"presence", "color"}


def test_no_image_is_in_two_splits(tmp_path):
    names = write_images(tmp_path)
    (tmp_path / "copy.png").write_bytes((tmp_path / names[0]).read_bytes())  # an identical image under another name
    table = write_table(tmp_path, question_rows([*names, "copy.png"]))
    data = recipes.load(f"questions:{table}?validation=0.25&test=0.25")
    images = [{path.rpartition("/")[2] for path in _paths(getattr(data, split))} for split in SPLITS]
    assert not images[0] & images[1] and not images[0] & images[2] and not images[1] & images[2]
    assert len(set(map(len, images))) >= 1 and all(images)
    assert [("copy.png" in split) == (names[0] in split) for split in images] == [True, True, True]


def _paths(examples):
    return examples.inputs.with_used_images().images.paths


def test_files_of_rsvqa_are_read_by_split(tmp_path):
    write_images(tmp_path / "Images_LR")
    for split, ids in (("train", range(6)), ("val", range(6, 9)), ("test", range(9, 12))):
        write_rsvqa(tmp_path, f"LR_split_{split}_", ids)
    data = recipes.load(f"questions:{tmp_path}")
    assert [len(getattr(data, split)) for split in SPLITS] == [12, 6, 6]
    assert data.test.inputs.questions.tolist()[:2] == ["Is it red?", "What color is it?"]
    assert [data.classes[i] for i in data.test.targets[:2]] == ["no", "blue"]
    reread = recipes.reopen(data.source_spec)
    np.testing.assert_array_equal(reread.train.inputs.questions, data.train.inputs.questions)


def test_one_set_of_rsvqa_files_is_split(tmp_path):
    write_images(tmp_path)
    data = recipes.load(f"questions:{write_rsvqa(tmp_path, ids=range(10))}?validation=0.2&test=0.2")
    assert sum(len(getattr(data, split)) for split in SPLITS) == 20  # two images are not active


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("0", "0"), ("7", "between 0 and 10"), ("10", "between 0 and 10"), ("11", "between 10 and 100"),
        ("1000", "between 100 and 1000"), ("1001", "more than 1000"), ("250m2", "between 100m2 and 1000m2"),
        ("yes", "yes"),
    ],
)  # fmt: skip
def test_numbers_become_ranges(answer, expected):
    assert as_range(answer) == expected


def drop_question(content):
    content["questions"].pop(4)


def drop_answer(content):
    content["answers"].pop(4)


def wrong_image(content):
    content["questions"][4]["img_id"] = 7


def no_id(content):
    del content["answers"][0]["id"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (drop_question, "got question 4 of image 2, which questions.json lacks"),
        (drop_answer, "got answer 4 of question 4, which answers.json lacks"),
        (wrong_image, "question 4 must be about image 2.*got img_id 7"),
        (no_id, "answers.json must be JSON with a list 'answers' of entries with an id"),
    ],
)
def test_ids_that_do_not_fit_are_refused(tmp_path, change, message):
    write_images(tmp_path)
    write_rsvqa(tmp_path, change=change)
    with pytest.raises(ValueError, match=message):
        recipes.load(f"questions:{tmp_path}")


def test_a_folder_without_files_or_images_is_refused(tmp_path):
    with pytest.raises(ValueError, match="must have images.json"):
        recipes.load(f"questions:{tmp_path}")
    write_rsvqa(tmp_path)
    with pytest.raises(ValueError, match="files named by their id, such as 0.tif"):
        recipes.load(f"questions:{tmp_path}")
    (tmp_path / "answers.json").unlink()
    with pytest.raises(ValueError, match="must have a file of answers"):
        recipes.load(f"questions:{tmp_path}")
    with pytest.raises(ValueError, match="there is no file or folder"):
        recipes.load(f"questions:{tmp_path / 'none'}")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("0.png", "", "yes", "presence")], r"got empty questions in row 25"),
        ([("0.png", "Is it red?", "", "presence")], r"got questions without an answer in row 25"),
        ([("none.png", "Is it red?", "yes", "presence")], "1 about 1 images that do not exist, the first is none.png"),
        ([("", "Is it red?", "yes", "presence")], "every row must have an image, got none in row 25"),
    ],
)
def test_bad_rows_are_refused_or_dropped(tmp_path, rows, message):
    table = write_table(tmp_path, question_rows(write_images(tmp_path)) + rows)
    with pytest.raises(ValueError, match=message):
        recipes.load(f"questions:{table}")
    if rows[0][0]:
        with pytest.warns() if rows[0][0] == "none.png" else _no_warning():
            data = recipes.load(f"questions:{table}?missing=drop")
        assert sum(len(getattr(data, split)) for split in SPLITS) == 24
        assert "left out 1" in " ".join(data.notes)


def _no_warning():
    import contextlib

    return contextlib.nullcontext()


def test_a_broken_image_is_named(tmp_path):
    table = write_table(tmp_path)
    (tmp_path / "3.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match="2 about 1 images that cannot be read, the first is 3.png of row 7"):
        recipes.load(f"questions:{table}")


def test_wrong_columns_and_a_single_answer_are_refused(tmp_path):
    rows = question_rows(write_images(tmp_path))
    table = write_table(tmp_path, rows, header="image,questions,answer,type")
    with pytest.raises(ValueError, match="`question` must name columns of the table.*Did you mean `questions`"):
        recipes.load(f"questions:{table}")
    assert len(recipes.load(f"questions:{table}?question=questions").train)
    same = write_table(tmp_path, [(*row[:2], "yes", "") for row in rows])
    with pytest.raises(ValueError, match="two different answers or more, got only 'yes'"):
        recipes.load(f"questions:{same}")


def test_an_answer_without_a_training_question_is_noted(tmp_path):
    write_images(tmp_path)

    def rename(content):
        for entry in content["answers"][18:]:
            entry["answer"] = {"blue": "green"}.get(entry["answer"], entry["answer"])

    for split, ids in (("train", range(6)), ("val", range(6, 9)), ("test", range(9, 12))):
        write_rsvqa(tmp_path, f"LR_split_{split}_", ids, rename)
    with pytest.warns(UserWarning, match="2 of 6 questions of the test split.*count as wrong: 'green'"):
        data = recipes.load(f"questions:{tmp_path}")
    assert "green" in data.classes


def test_answers_of_scenes_are_balanced_and_types_are_all_there(scenes):
    for split in SPLITS:
        examples = getattr(scenes, split)
        by_cell = collections.defaultdict(collections.Counter)
        for question, kind, target in zip(
            examples.inputs.questions, examples.inputs.types, examples.targets, strict=True
        ):
            subject = next(s for s in (*land_scenes.COVERS, "buildings", "nuclei") if s in question)
            by_cell[kind, subject if kind in ("presence", "area", "count") else ""][scenes.classes[target]] += 1
        assert {kind for kind, _ in by_cell} == {"presence", "count", "area", "comparison"}
        for (kind, _), answers in by_cell.items():
            assert len(answers) == len(land_questions.answers_of(kind))
            assert len(set(answers.values())) == 1


def test_answers_of_scenes_are_exact(contents):
    sources = land_scenes.split_sources(**contents, fractions=(0.2, 0.2), seed=0)[0]
    rng = np.random.default_rng(1)
    for _ in range(5):
        scene = land_scenes.make_land(sources, rng)
        answers = {(kind, subject): a for kind, subject, other, a in land_questions.scene_answers(scene) if not other}
        assert answers["count", "buildings"] == str(scene.counts["building"])
        assert 0 < sum(scene.areas.values()) <= 1
        for cover, area in scene.areas.items():
            assert (answers["presence", cover] == "yes") == (area > 0)
            assert (answers["area", cover] == "more than a half") == (area >= 0.5)
            assert (answers["area", cover] == "none") == (area == 0)


def test_objects_are_counted_as_they_are_pasted(contents):
    from scipy import ndimage

    sources = land_scenes.split_sources(**contents, fractions=(0.2, 0.2), seed=0)[0]
    rng = np.random.default_rng(2)
    for _ in range(20):
        scene = land_scenes.make_cells(sources, rng)
        assert ndimage.label(scene.image[..., 0] > 120)[1] == scene.counts["nucleus"]


def test_sources_and_scenes_of_the_splits_differ(contents, scenes):
    parts = land_scenes.split_sources(**contents, fractions=(0.2, 0.2), seed=0)
    assert sum(len(part.buildings) for part in parts) == 36
    assert [sum(map(len, part.patches)) for part in parts] == [96, 32, 32]
    keys = [{image.tobytes() for image in getattr(scenes, split).inputs.images} for split in SPLITS]
    assert not keys[0] & keys[1] and not keys[0] & keys[2] and not keys[1] & keys[2]


def test_too_few_scenes_are_refused(contents):
    with pytest.raises(ValueError, match="`scenes` must give each split 30 scenes or more.*8 for test"):
        kinds.questions_on_scenes(contents, scenes=50)
