"""The space of a search: its text form, the defaults, and names that do not exist."""

import pytest

import recipes
from recipes.tuning.space import Choice, Range, default_space, default_values, parse_dimension, read_space, with_values


@pytest.mark.parametrize(
    "text, expected",
    [
        ("1e-4:1e-2:log", Range(1e-4, 1e-2, True, False)),
        ("16:256:log", Range(16, 256, True, True)),
        ("0:0.5", Range(0, 0.5, False, False)),
        ("16,32,64", Choice((16, 32, 64))),
        ("adam,sgd", Choice(("adam", "sgd"))),
        ("[32],[64,64]", Choice(((32,), (64, 64)))),
        ([(32,), (64, 64)], Choice(((32,), (64, 64)))),
    ],
)
def test_ranges_and_choices_are_read_from_text(text, expected):
    assert parse_dimension("x", text) == expected


@pytest.mark.parametrize(
    "text, message",
    [
        ("3:1", "with LOW below HIGH"),
        ("0:1:log", "LOW above 0"),
        ("1:2:lin", "LOW:HIGH"),
        ("a:b", "LOW:HIGH"),
        ("1:inf", "LOW:HIGH"),
        ("7", "two choices or more"),
        ("7,", "two choices or more"),
    ],
)
def test_a_text_that_is_neither_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        parse_dimension("x", text)


def test_names_that_do_not_exist_have_a_suggestion():
    with pytest.raises(ValueError, match="Did you mean `learning_rate`"):
        read_space({"learning_rte": "0.1,0.2"}, recipes.Regression(), "dnn")
    with pytest.raises(ValueError, match="got 'seed'"):
        read_space({"seed": "1,2"}, recipes.Regression(), "dnn")


def test_the_default_space_surrounds_the_defaults():
    task = recipes.Regression(learning_rate=0.002)
    space = default_space(task, "dnn", 400)
    assert space["learning_rate"] == Range(0.0002, 0.02, True, False)
    assert space["batch_size"] == Choice((16, 32, 64))
    values = default_values(space, task, "dnn", {"dropout": 0.1}, 400)
    assert values == {"learning_rate": 0.002, "batch_size": 32, "dropout": 0.1}
    assert None not in [space[name].encode(value) for name, value in values.items()]


def test_values_go_to_the_task_or_to_the_architecture():
    task, arguments = with_values(recipes.Regression(), {"dropout": 0.1}, {"batch_size": 8, "units": (4,)})
    assert (task.batch_size, arguments) == (8, {"dropout": 0.1, "units": (4,)})


@pytest.mark.parametrize(
    "dimension", [Range(1, 100, True, True), Range(0.0, 0.5), Choice((16, 32)), Choice(((1,), (2,)))]
)
def test_grid_points_lie_inside_and_are_stored_and_read_back(dimension):
    points = dimension.points()
    assert len(points) >= 2
    for point in points:
        assert dimension.encode(dimension.decode(point)) == point
    assert dimension.encode("nothing of it") is None
