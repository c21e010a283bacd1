"""CoAtNet: timm's numbers, a bias that only knows offsets, and what the layout decides."""

from pathlib import Path

import keras
import numpy as np
import pytest

import zoo
from tests.tolerance import assert_close
from zoo.classify.coatnet import features
from zoo.layers import DropPath, RelativeAttention

SMALL = {"depths": (2, 2, 1, 2, 1), "filters": (4, 4, 8, 8, 16), "head_size": 4}
GOLDEN = Path(__file__).parents[1] / "golden" / "coatnet.npz"
CONVOLUTION = {
    "norm0": "pre_norm",
    "expand": "conv1_1x1",
    "norm1": "norm1",
    "depthwise": "conv2_kxk",
    "norm2": "norm2",
    "squeeze1": "se.fc1",
    "squeeze2": "se.fc2",
    "project": "conv3_1x1",
    "shortcut": "shortcut.expand",
}
TRANSFORMER = {"norm2": "norm2", "mlp1": "mlp.fc1", "mlp2": "mlp.fc2", "shortcut": "shortcut.expand"}
OTHERS = {
    "stem": "stem.conv1",
    "stem_norm0": "stem.norm1",
    "stem1": "stem.conv2",
    "norm": "head.norm",
    "hidden": "head.pre_logits.fc",
    "head": "head.fc",
}
ENDS = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}


def reference():
    """timm 1.0.31 on PyTorch 2.13: MaxxVit with CoAtNet's blocks, max pooling and TensorFlow's padding, seed 3
    (golden/make_coatnet.py). Images lie in -1..1."""
    with np.load(GOLDEN) as file:
        arrays = {k: file[k].astype("float32") for k in file.files}
    answers = {k: arrays.pop(k) for k in ("expansion", "depthwise")}
    return arrays.pop("images") / np.float32(127.5) - 1, answers, arrays.pop("map"), arrays


def from_timm(path, shape, weights, head_size=4):
    """Takes from `weights` what timm calls our weight `path`, in our layout."""
    layer, *_, kind = path.split("/")
    end = ENDS.get(kind, "bias" if kind == "bias" else "weight")
    if not layer.startswith("stage"):
        prefix = OTHERS[layer]
    else:
        stage, block, part = layer.split("_")
        prefix = f"stages.{int(stage[5:]) - 1}.blocks.{block[5:]}."
        if part == "attention" and kind == "table":
            return weights.pop(f"{prefix}attn.rel_pos.relative_position_bias_table").reshape(shape)
        if part == "attention" and "qkv" in path:
            value = weights.pop(f"{prefix}attn.qkv.{end}")  # timm: heads, then q, k and v; ours: q, k and v, then heads
            value = value.reshape(-1, 3, head_size, *value.shape[1:2]).swapaxes(0, 1)
            return value.reshape(shape[-1], -1).T.reshape(shape)
        if part == "attention":
            prefix += "attn.proj"
        elif stage in ("stage1", "stage2"):
            prefix += CONVOLUTION[part]
        elif part == "norm1":  # where the block pools, timm has the norm inside a pair
            prefix += "norm1.norm" if f"{prefix}norm1.norm.weight" in weights else "norm1"
            prefix = prefix if f"{prefix}.{end}" in weights else f"{prefix}.norm"
        else:
            prefix += TRANSFORMER[part]
    value = weights.pop(f"{prefix}.{end}")
    if "depthwise" in layer:
        return value.transpose(2, 3, 0, 1)
    return (value.transpose(2, 3, 1, 0) if value.ndim == 4 else value.T).reshape(shape)


@pytest.fixture(scope="module", params=["expansion", "depthwise"])
def golden(request):
    images, answers, last, weights = reference()
    model = zoo.coatnet((32, 64, 2), 3, **SMALL, downsample=request.param, activation=None)
    for weight in model.weights:
        weight.assign(from_timm(weight.path, weight.shape, weights))
    assert weights == {}
    return model, images, answers[request.param], last, request.param


def test_answers_are_timms_wherever_the_stride_is(golden):
    model, images, answer, *_ = golden
    assert np.ptp(answer, axis=0).max() > 0.01
    assert_close(model(images, training=False), answer, rtol=5e-5)


def test_the_map_before_the_pool_is_timms(golden):
    model, images, _, last, downsample = golden
    if downsample == "expansion":
        before = keras.Model(model.input, model.get_layer("pool").input)(images, training=False)
        assert_close(before, last, rtol=1e-3)  # it reaches 500


@pytest.mark.parametrize(("downsample", "strides"), [("expansion", (2, 1)), ("depthwise", (1, 2))])
def test_the_stride_is_where_it_was_asked_for(downsample, strides):
    model = zoo.coatnet((32, 64, 2), 3, **SMALL, downsample=downsample)
    found = [model.get_layer(f"stage2_block0_{part}").strides[0] for part in ("expand", "depthwise")]
    assert tuple(found) == strides
    assert model.get_layer("stage1_block1_expand").strides == (1, 1)


def test_features_halve_at_every_stage_and_are_finest_first():
    stages = features(keras.Input((64, 32, 3)), **SMALL)
    assert [tuple(s.shape[1:]) for s in stages] == [(32, 16, 4), (16, 8, 4), (8, 4, 8), (4, 2, 8), (2, 1, 16)]


def test_the_map_to_explain_is_that_of_the_last_stage():
    model = zoo.coatnet((32, 64, 3), 3, **SMALL)
    assert zoo.introspect.last_spatial(model).tensor is model.get_layer("pool").input


def test_a_mixed_stage_has_two_widths_at_one_size():
    mixed = {"layout": "C-C-CT-T", "depths": (2, 1, 1, 2, 1, 1), "filters": (4, 4, 4, 6, 8, 16), "head_size": 4}
    model = zoo.coatnet((32, 32, 3), 3, **mixed)
    assert model.get_layer("stage3_block1_add").output.shape == (None, 2, 2, 6)
    assert model.get_layer("stage3_block2_mlp_add").output.shape == (None, 2, 2, 8)
    assert model.get_layer("stage3_block2_shortcut").kernel.shape == (6, 8)
    stages = features(keras.Input((32, 32, 3)), **mixed)
    assert [s.shape[-1] for s in stages] == [4, 4, 4, 8, 16]


def test_squeeze_and_excitation_are_in_the_convolution_blocks_only():
    model = zoo.coatnet((32, 64, 2), 3, **SMALL)
    squeezed = {x.name.rpartition("_")[0] for x in model.layers if "squeeze1" in x.name}
    assert squeezed == {"stage1_block0", "stage1_block1", "stage2_block0"}
    attending = {x.name.rpartition("_")[0] for x in model.layers if isinstance(x, RelativeAttention)}
    assert attending == {"stage3_block0", "stage3_block1", "stage4_block0"}


def test_the_bias_has_one_number_for_each_offset_and_head():
    layer = RelativeAttention(heads=3, width=6)
    layer.build((None, 4, 5, 2))
    assert layer.table.shape == (2 * 4 - 1, 2 * 5 - 1, 3)
    layer.table.assign(np.arange(7 * 9 * 3).reshape(7, 9, 3))
    bias = np.asarray(layer.bias()).reshape(3, 4, 5, 4, 5)
    assert len(np.unique(bias)) == 7 * 9 * 3
    # both places moved by (1, 1): the same bias
    np.testing.assert_array_equal(bias[:, 1:, 1:, 1:, 1:], bias[:, :-1, :-1, :-1, :-1])
    # appendix A.1, counted from 1: P[i - i' + H, j - j' + W]
    assert bias[2, 3, 0, 1, 4] == np.asarray(layer.table)[3 - 1 + 4 - 1, 0 - 4 + 5 - 1, 2]


def test_the_bias_is_inside_the_softmax():
    layer = RelativeAttention(heads=1, width=3)
    x = np.random.default_rng(0).random((1, 2, 2, 3), "float32")
    layer.build(x.shape)
    layer.out.kernel.assign(np.eye(3))
    centre = np.full((3, 3, 1), -1e4)
    centre[1, 1] = 0  # every place sees only itself
    layer.table.assign(centre)
    value = (x.reshape(4, 3) @ np.asarray(layer.qkv.kernel))[:, 6:]
    assert_close(np.asarray(layer(x)).reshape(4, 3), value)


def test_relative_attention_refuses_what_it_cannot_place():
    with pytest.raises(ValueError, match="`heads` must divide `width` = 8, got 3"):
        RelativeAttention(3, 8)
    with pytest.raises(ValueError, match="height and width must be given"):
        RelativeAttention(2, 8)(keras.Input((None, 4, 3)))


def test_drop_path_rises_linearly_over_all_blocks():
    model = zoo.coatnet((32, 32, 2), 3, **SMALL, drop_path=0.5)
    rates = [x.learning_rate for x in model.layers if isinstance(x, DropPath)]
    assert rates == pytest.approx([0.1, 0.2, 0.3, 0.3, 0.4, 0.4, 0.5, 0.5])
    assert not any(isinstance(x, DropPath) for x in zoo.coatnet((32, 32, 2), 3, **SMALL).layers)


def test_it_learns_to_tell_bright_from_dark():
    model = zoo.coatnet((32, 32, 1), 2, **SMALL)
    x = np.random.default_rng(0).random((8, 32, 32, 1), "float32")
    y = np.array([0, 1] * 4)
    x[y == 1] += 2
    model.compile(keras.optimizers.Adam(1e-3, global_clipnorm=1.0), "sparse_categorical_crossentropy")
    losses = model.fit(x, y, batch_size=8, epochs=12, verbose=0).history["loss"]
    assert losses[-1] < losses[0] / 2


@pytest.mark.parametrize(
    ("shape", "changed", "message"),
    [
        ((32, 48, 3), {}, "divisible by 32 .pixels., got .32, 48, 3"),
        ((None, 32, 3), {}, "every size given"),
        ((32, 32, 3), {"layout": "C-C-A-T"}, "`layout` must be stages of C and T"),
        ((32, 32, 3), {"layout": "C-C--T"}, "`layout` must be stages of C and T"),
        ((32, 32, 3), {"depths": (2, 1, 1, 1)}, "`depths` must have 5 entries"),
        ((32, 32, 3), {"filters": (4, 4, 4)}, "`filters` must have 5 entries"),
        ((32, 32, 3), {"head_size": 5}, "`head_size` must divide"),
        ((32, 32, 3), {"downsample": "pool"}, "`downsample` must be one of 'expansion', 'depthwise'"),
    ],
)
def test_what_does_not_fit_is_refused(shape, changed, message):
    with pytest.raises(ValueError, match=message):
        zoo.coatnet(shape, 3, **{**SMALL, **changed})
