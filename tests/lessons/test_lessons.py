"""Every lesson has an exercise with its solution, a length that is read in one sitting, and a test of its results."""

import ast
from pathlib import Path

import pytest

from tests.lessons.run_lesson import FOLDER, LESSONS


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_has_a_title_an_exercise_and_a_solution(name):
    text = (FOLDER / f"{name}.py").read_text("utf-8")
    docstring = ast.get_docstring(ast.parse(text))
    title, underline, empty, *rest = docstring.splitlines()
    assert underline == "=" * len(title) and not empty and rest
    assert "# Exercise\n# --------\n" in text
    assert text.index("# Solution\n# --------\n") > text.index("# Exercise\n")
    assert "plt.show()" in text
    assert len(text.splitlines()) <= 160


def test_every_lesson_is_executed_by_a_test():
    tests = "".join(path.read_text("utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    assert [name for name in LESSONS if f'run_lesson("{name}")' not in tests] == []
