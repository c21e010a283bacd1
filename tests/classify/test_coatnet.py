"""CoAtNet: parity with timm, the relative position bias, and the layout."""

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
OTHER_LAYERS = {
    "stem": "stem.conv1",
    "stem_norm0": "stem.norm1",
    "stem1": "stem.conv2",
    "norm": "head.norm",
    "hidden": "head.pre_logits.fc",
    "head": "head.fc",
}
SUFFIXES = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}


def load_reference():
    """timm 1.0.31 on PyTorch 2.13: MaxxVit with CoAtNet's blocks, max pooling and TensorFlow's padding, seed 3
    (golden/make_coatnet.py). Images lie in -1..1."""
    with np.load(GOLDEN) as file:
        arrays = {k: file[k].astype("float32") for k in file.files}
    outputs = {k: arrays.pop(k) for k in ("expansion", "depthwise")}
    return arrays.pop("images") / np.float32(127.5) - 1, outputs, arrays.pop("map"), arrays


def pop_timm_weight(path, shape, weights, head_size=4):
    """Removes from `weights` timm's counterpart of our weight `path` and returns it in our layout."""
    layer, *_, kind = path.split("/")
    end = SUFFIXES.get(kind, "bias" if kind == "bias" else "weight")
    if not layer.startswith("stage"):
        prefix = OTHER_LAYERS[layer]
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
        elif part == "norm1":  # in a block with pooling, timm nests the norm
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
    images, outputs, last, weights = load_reference()
    model = zoo.coatnet((32, 64, 2), 3, **SMALL, downsample=request.param, activation=None)
    for weight in model.weights:
        weight.assign(pop_timm_weight(weight.path, weight.shape, weights))
    assert weights == {}
    return model, images, outputs[request.param], last, request.param


def test_outputs_equal_timms_for_both_positions_of_the_stride(golden):
    model, images, output, *_ = golden
    assert np.ptp(output, axis=0).max() > 0.01
    assert_close(model(images, training=False), output, rtol=5e-5)


def test_the_map_before_the_pool_equals_timms(golden):
    model, images, _, last, downsample = golden
    if downsample == "expansion":
        pooled = keras.Model(model.input, model.get_layer("pool").input)(images, training=False)
        assert_close(pooled, last, rtol=1e-3)  # values up to 500


@pytest.mark.parametrize(("downsample", "strides"), [("expansion", (2, 1)), ("depthwise", (1, 2))])
def test_downsample_selects_the_convolution_with_the_stride(downsample, strides):
    model = zoo.coatnet((32, 64, 2), 3, **SMALL, downsample=downsample)
    actual = [model.get_layer(f"stage2_block0_{part}").strides[0] for part in ("expand", "depthwise")]
    assert tuple(actual) == strides
    assert model.get_layer("stage1_block1_expand").strides == (1, 1)


def test_features_halve_at_every_stage_and_are_finest_first():
    stages = features(keras.Input((64, 32, 3)), **SMALL)
    assert [tuple(s.shape[1:]) for s in stages] == [(32, 16, 4), (16, 8, 4), (8, 4, 8), (4, 2, 8), (2, 1, 16)]


def test_the_feature_map_for_explanations_is_that_of_the_last_stage():
    model = zoo.coatnet((32, 64, 3), 3, **SMALL)
    assert zoo.introspect.last_spatial(model).tensor is model.get_layer("pool").input


def test_a_mixed_stage_has_two_widths_at_one_resolution():
    mixed = {"layout": "C-C-CT-T", "depths": (2, 1, 1, 2, 1, 1), "filters": (4, 4, 4, 6, 8, 16), "head_size": 4}
    model = zoo.coatnet((32, 32, 3), 3, **mixed)
    assert model.get_layer("stage3_block1_add").output.shape == (None, 2, 2, 6)
    assert model.get_layer("stage3_block2_mlp_add").output.shape == (None, 2, 2, 8)
    assert model.get_layer("stage3_block2_shortcut").kernel.shape == (6, 8)
    stages = features(keras.Input((32, 32, 3)), **mixed)
    assert [s.shape[-1] for s in stages] == [4, 4, 4, 8, 16]


def test_only_convolution_blocks_have_squeeze_and_excitation():
    model = zoo.coatnet((32, 64, 2), 3, **SMALL)
    squeezed = {x.name.rpartition("_")[0] for x in model.layers if "squeeze1" in x.name}
    assert squeezed == {"stage1_block0", "stage1_block1", "stage2_block0"}
    attention = {x.name.rpartition("_")[0] for x in model.layers if isinstance(x, RelativeAttention)}
    assert attention == {"stage3_block0", "stage3_block1", "stage4_block0"}


def test_the_bias_has_one_number_for_each_offset_and_head():
    layer = RelativeAttention(heads=3, width=6)
    layer.build((None, 4, 5, 2))
    assert layer.table.shape == (2 * 4 - 1, 2 * 5 - 1, 3)
    layer.table.assign(np.arange(7 * 9 * 3).reshape(7, 9, 3))
    bias = np.asarray(layer.bias()).reshape(3, 4, 5, 4, 5)
    assert len(np.unique(bias)) == 7 * 9 * 3
    # both positions moved by (1, 1): the same bias
    np.testing.assert_array_equal(bias[:, 1:, 1:, 1:, 1:], bias[:, :-1, :-1, :-1, :-1])
    # appendix A.1, counted from 1: P[i - i' + H, j - j' + W]
    assert bias[2, 3, 0, 1, 4] == np.asarray(layer.table)[3 - 1 + 4 - 1, 0 - 4 + 5 - 1, 2]


def test_the_bias_is_added_inside_the_softmax():
    layer = RelativeAttention(heads=1, width=3)
    x = np.random.default_rng(0).random((1, 2, 2, 3), "float32")
    layer.build(x.shape)
    layer.out.kernel.assign(np.eye(3))
    center = np.full((3, 3, 1), -1e4)
    center[1, 1] = 0  # every position attends only to itself
    layer.table.assign(center)
    value = (x.reshape(4, 3) @ np.asarray(layer.qkv.kernel))[:, 6:]
    assert_close(np.asarray(layer(x)).reshape(4, 3), value)


def test_relative_attention_refuses_heads_that_do_not_divide_and_unknown_sizes():
    with pytest.raises(ValueError, match="`heads` must divide `width` = 8, got 3"):
        RelativeAttention(3, 8)
    with pytest.raises(ValueError, match="height and width must be given"):
        RelativeAttention(2, 8)(keras.Input((None, 4, 3)))


def test_the_drop_path_rate_rises_linearly_over_all_blocks():
    model = zoo.coatnet((32, 32, 2), 3, **SMALL, drop_path=0.5)
    rates = [x.rate for x in model.layers if isinstance(x, DropPath)]
    assert rates == pytest.approx([0.1, 0.2, 0.3, 0.3, 0.4, 0.4, 0.5, 0.5])
    assert not any(isinstance(x, DropPath) for x in zoo.coatnet((32, 32, 2), 3, **SMALL).layers)


@pytest.mark.slow
def test_training_separates_bright_from_dark_images():
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
def test_invalid_arguments_are_refused(shape, changed, message):
    with pytest.raises(ValueError, match=message):
        zoo.coatnet(shape, 3, **{**SMALL, **changed})
