"""RAFT, small: parity with torchvision, and invalid arguments."""

from pathlib import Path

import numpy as np
import pytest

import zoo
from tests.golden.seeded_arrays import images, seeded_array
from tests.tolerance import assert_close
from zoo.introspect import outline

GOLDEN = Path(__file__).parents[1] / "golden" / "raft_small.npz"
TORCHVISION_NAMES = {
    "motion_cost": "motion_encoder.convcorr1.0",
    "motion_flow0": "motion_encoder.convflow1.0",
    "motion_flow1": "motion_encoder.convflow2.0",
    "motion_out": "motion_encoder.conv.0",
    "gru_update": "recurrent_block.convgru1.convz",
    "gru_reset": "recurrent_block.convgru1.convr",
    "gru_candidate": "recurrent_block.convgru1.convq",
    "change": "flow_head.conv1",
    "head": "flow_head.conv2",
}


def torchvision_name(path):
    """Returns torchvision's name of our weight `path`."""
    layer, kind = path.split("/")
    end = "weight" if kind == "kernel" else "bias"
    if layer in TORCHVISION_NAMES:
        return f"update_block.{TORCHVISION_NAMES[layer]}.{end}"
    encoder, *parts = layer.split("_")
    start = {"features": "feature_encoder", "context": "context_encoder"}[encoder]
    if len(parts) == 1:
        return f"{start}.{'convnormrelu.0' if parts == ['stem'] else 'conv'}.{end}"
    stage, block, part = parts
    part = "downsample" if part == "shortcut" else f"convnormrelu{int(part[-1]) + 1}"
    return f"{start}.layer{int(stage[-1]) + 1}.{block[-1]}.{part}.0.{end}"


def test_flows_equal_torchvisions():
    """torchvision 0.28.0 on PyTorch 2.13: raft_small after 1, 2 and 3 updates (golden/make_raft.py)."""
    with np.load(GOLDEN) as file:
        names, expected = list(file["names"]), file["flows"]
    model = zoo.raft_small((None, None, 3), updates=3, all_flows=True)
    assert sorted(torchvision_name(w.path) for w in model.weights) == sorted(names)
    for weight in model.weights:
        kernel = len(weight.shape) == 4
        shape = [weight.shape[i] for i in (3, 2, 0, 1)] if kernel else weight.shape
        value = seeded_array(torchvision_name(weight.path), tuple(shape))
        weight.assign(value.transpose(2, 3, 1, 0) if kernel else value)
    frames = {n: images(n, (2, 128, 136, 3)) for n in ("first", "second")}
    flows = [np.asarray(flow)[:, ::7, ::7] for flow in model(frames)][::-1]
    assert np.abs(expected).mean() > 3
    for ours, theirs in zip(flows, expected, strict=True):
        assert_close(ours, theirs, rtol=2e-4)


def test_updates_share_their_weights():
    shapes = [[w.shape for w in outline("raft_small", input_shape=(64, 64, 3), updates=n).weights] for n in (1, 5)]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((60, 64, 3), "must be at least 64 and divisible by 8"),
        ((56, 64, 3), "must be at least 64 and divisible by 8"),
        ((64, 64), "must be .H, W, C."),
    ],
)
def test_invalid_sizes_are_refused(shape, message):
    with pytest.raises(ValueError, match=f"raft_small: .*{message}"):
        zoo.raft_small(shape)
