"""Exports are checked in this process, except where a process of its own is what is tested."""

import pytest

from tests.serving.conftest import here
from zoo.export import parity_check

ISOLATED = ("tests.recipes.test_cli", "tests.recipes.test_preset_tokens")


@pytest.fixture(scope="module", autouse=True)
def checked_here(request):
    """Replaces the process that each export is checked in: it starts TensorFlow anew, which takes seconds."""
    with pytest.MonkeyPatch.context() as patch:
        if request.module.__name__ not in ISOLATED:
            patch.setattr(proof, "replayed", here)
        yield
