"""Every architecture of the registry passes the parity check: by raw inputs, or by signatures of its own."""

import numpy as np
import pytest

import zoo
from tests.cases import CASES
from tests.export.test_export import read_record
from tests.test_contract import batch, build
from zoo.registry import entries

# A variant is its family's code with other defaults.
FAMILIES = [name for name in sorted(CASES) if not entries[name].parent]


def images_of_free_size(model, name):
    """Inputs of the signatures that take images of any size; an export generates those of the others itself."""
    generator, side = np.random.default_rng(1), CASES[name].free
    return {
        signature: {s.name: generator.random([2, *(n or side for n in s.shape[1:])]) for s in specs}
        for signature, (_, specs) in model.signatures().items()
        if any(None in s.shape[1:] for s in specs)
    }


@pytest.mark.slow  # two seconds each, of which there are dozens
@pytest.mark.usefixtures("parity_check_in_process")
@pytest.mark.parametrize("name", FAMILIES)
def test_an_export_predicts_like_the_model(name, tmp_path):
    model = build(name)
    generates = hasattr(model, "signatures")
    inputs = images_of_free_size(model, name) if generates else batch(model, name)
    export = zoo.export(model, tmp_path, inputs=inputs)
    record = read_record(export)
    assert export.difference <= 1e-5
    assert {c["batch_size"] for c in record["comparisons"]} & {1, 2}
    if generates:
        assert export.signatures == tuple(model.signatures())
        assert {c["kind"] for c in record["comparisons"]} == {"exact"}, record["notes"]
