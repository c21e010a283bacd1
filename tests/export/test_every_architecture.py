"""Every architecture of the registry is exported and proved: those that predict by raw inputs, others by signatures."""

import json
from pathlib import Path

import numpy as np
import pytest

import zoo
from tests.cases import CASES
from tests.test_contract import batch, build
from zoo.registry import entries

# A variant is its family's code with other defaults.
FAMILIES = [name for name in sorted(CASES) if not entries[name].parent]


def free(model, name):
    """Images for the signatures that take any size, as the case has it; an export draws the others itself."""
    draw, side = np.random.default_rng(1), CASES[name].free
    return {
        signature: {s.name: draw.random([2, *(n or side for n in s.shape[1:])]) for s in specs}
        for signature, (_, specs) in model.signatures().items()
        if any(None in s.shape[1:] for s in specs)
    }


@pytest.mark.slow  # two seconds each, of which there are dozens
@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("name", FAMILIES)
def test_it_is_exported_and_proved(name, tmp_path):
    model = build(name)
    own = hasattr(model, "signatures")
    found = zoo.export(model, tmp_path, inputs=free(model, name) if own else batch(model, name))
    told = json.loads((Path(found.path) / "assets.extra" / "parity.json").read_text())
    assert found.difference <= 1e-5
    assert {c["batch"] for c in told["compared"]} & {1, 2}
    assert found.signatures == (tuple(model.signatures()) if own else found.signatures)
    assert not own or {c["kind"] for c in told["compared"]} == {"exact"}, told["notes"]
