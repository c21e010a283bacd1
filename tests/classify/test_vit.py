"""The vision transformer: parity with timm, attention maps, and invalid arguments."""

import math
from pathlib import Path

import keras
import numpy as np
import pytest

import zoo
from tests.tolerance import assert_close
from zoo.classify.vit import attention_maps, features

SMALL = {"patch": 8, "depth": 3, "width": 16, "units": 32, "heads": 2}
GOLDEN = Path(__file__).parents[1] / "golden" / "vit.npz"
TIMM_NAMES = {
    "norm1": "norm1",
    "attention": "attn",
    "norm2": "norm2",
    "mlp1": "mlp.fc1",
    "mlp2": "mlp.fc2",
    "norm": "norm",
}


def load_reference():
    """timm 1.0.31 on PyTorch 2.13: VisionTransformer of 3 blocks, seed 3 (golden/make_vit.py). Images lie in -1..1."""
    with np.load(GOLDEN) as file:
        arrays = {k: file[k].astype("float32") for k in file.files}
    images = arrays.pop("images") / np.float32(127.5) - 1
    return images, arrays.pop("answer"), arrays.pop("map"), arrays


def pop_timm_weight(path, weights, heads=2):
    """Removes from `weights` timm's counterpart of our weight `path` and returns it in our layout."""
    layer, *_, kind = path.split("/")
    if path == "class_token/token":
        return weights.pop("cls_token")[0, 0]
    if path == "position/table":
        return weights.pop("pos_embed")[0]
    if layer in ("stem", "head"):
        value = weights.pop(
            f"{'patch_embed.proj' if layer == 'stem' else 'head'}.{'bias' if kind == 'bias' else 'weight'}"
        )
        return value.transpose(2, 3, 1, 0) if value.ndim == 4 else value.T
    block, _, part = layer.partition("_")
    prefix = f"blocks.{block[5:]}.{TIMM_NAMES[part]}" if part else "norm"
    end = "bias" if kind in ("bias", "beta") else "weight"
    if "attention_output" in path:
        value = weights.pop(f"{prefix}.proj.{end}")
        return value if end == "bias" else value.T.reshape(heads, -1, value.shape[0])
    if part == "attention":
        third = ("query", "key", "value").index(path.split("/")[1])
        stacked = weights[f"{prefix}.qkv.{end}"] if third < 2 else weights.pop(f"{prefix}.qkv.{end}")
        value = np.split(stacked, 3)[third]
        return value.reshape(heads, -1) if end == "bias" else value.T.reshape(value.shape[1], heads, -1)
    return weights.pop(f"{prefix}.{end}").T


@pytest.fixture(scope="module")
def golden():
    images, output, last, weights = load_reference()
    model = zoo.vit((16, 24, 5), 3, **SMALL, activation=None)
    for weight in model.weights:
        weight.assign(pop_timm_weight(weight.path, weights))
    assert weights == {}
    return model, images, output, last


def test_outputs_equal_timms(golden):
    model, images, output, _ = golden
    assert np.ptp(output, axis=0).min() > 0.1  # the outputs depend on the images, not only on the biases
    assert_close(model(images), output, rtol=2e-5)


def test_features_equal_timms_with_the_models_weights(golden):
    model, images, _, last = golden
    inputs = keras.Input((16, 24, 5))
    encoder = keras.Model(inputs, features(inputs, **SMALL))
    for layer in encoder.layers:
        if layer.weights:
            layer.set_weights(model.get_layer(layer.name).get_weights())
    stages = encoder(images)
    assert [tuple(s.shape) for s in stages] == [(2, 2, 3, 16)] * 3
    assert_close(stages[-1], last, rtol=1e-4)
    feature_map = keras.Model(model.input, model.get_layer("map").output)(images)
    assert_close(stages[-2], feature_map)


def test_features_come_after_each_quarter_of_the_blocks():
    inputs = keras.Input((8, 8, 3))
    stages = features(inputs, patch=4, depth=12, width=4, units=4, heads=1)
    encoder = keras.Model(inputs, stages)
    depths = [sum("_mlp2" in x.name for x in keras.Model(inputs, s).layers) for s in stages]
    assert depths == [3, 6, 9, 12]
    assert len(encoder.output) == 4


def numpy_vit(model, images):
    """Returns the attention maps of every block and the logits by eqs. 1 to 4."""
    erf = np.vectorize(math.erf)
    w = {x.path: np.asarray(x, "float64") for x in model.weights}

    def norm(x, name):
        x = x - x.mean(-1, keepdims=True)
        return x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-6) * w[f"{name}/gamma"] + w[f"{name}/beta"]

    k = w["stem/kernel"].shape[0]
    b, h, v, c = images.shape
    patches = images.reshape(b, h // k, k, v // k, k, c).transpose(0, 1, 3, 2, 4, 5).reshape(b, -1, k * k * c)
    x = patches @ w["stem/kernel"].reshape(k * k * c, -1) + w["stem/bias"]
    x = np.concatenate([np.tile(w["class_token/token"], (b, 1, 1)), x], axis=1) + w["position/table"]
    maps = []
    for i in range(sum(p.endswith("norm1/gamma") for p in w)):
        y, at = norm(x, f"block{i}_norm1"), f"block{i}_attention"
        q, key, value = (
            np.einsum("bnd,dhs->bhns", y, w[f"{at}/{p}/kernel"]) + w[f"{at}/{p}/bias"][:, None]
            for p in ("query", "key", "value")
        )
        scores = np.exp(q @ key.swapaxes(2, 3) / np.sqrt(q.shape[-1]))
        maps.append(scores / scores.sum(-1, keepdims=True))
        out = np.einsum("bhns,hsd->bnd", maps[-1] @ value, w[f"{at}/attention_output/kernel"])
        x = x + out + w[f"{at}/attention_output/bias"]
        y = norm(x, f"block{i}_norm2") @ w[f"block{i}_mlp1/kernel"] + w[f"block{i}_mlp1/bias"]
        x = x + y * (1 + erf(y / np.sqrt(2))) / 2 @ w[f"block{i}_mlp2/kernel"] + w[f"block{i}_mlp2/bias"]
    return np.stack(maps, axis=1), norm(x, "norm")[:, 0] @ w["head/kernel"] + w["head/bias"]


def test_attention_maps_equal_the_equations_before_and_after_saving(golden, tmp_path):
    model, images, output, _ = golden
    maps = attention_maps(model, images)
    assert maps.shape == (2, 3, 2, 7, 7)
    assert maps.dtype == np.float32
    assert_close(maps.sum(-1), 1)
    expected, logits = numpy_vit(model, images)
    assert_close(maps, expected, rtol=3e-5)
    assert_close(logits, output, rtol=1e-4)
    model.save(tmp_path / "model.keras")
    np.testing.assert_array_equal(attention_maps(keras.models.load_model(tmp_path / "model.keras"), images), maps)
    np.testing.assert_array_equal(model(images), model(images))  # attention_maps did not change the model


def test_attention_maps_of_another_model_are_refused():
    with pytest.raises(ValueError, match="`model` must be a vision transformer"):
        attention_maps(zoo.lenet5((14, 14, 1), 2), np.zeros((1, 14, 14, 1)))


@pytest.mark.slow
def test_the_feature_map_for_explanations_has_gradients_at_every_patch(golden):
    import tensorflow as tf

    model, images, *_ = golden
    assert zoo.introspect.last_spatial(model).layer is model.get_layer("map")
    map_and_output = keras.Model(model.input, [model.get_layer("map").output, model.output])
    last_block = keras.Model([model.get_layer("class").output, model.get_layer("map").output], model.output)
    token = keras.Model(model.input, model.get_layer("class").output)(images)
    patches, output = map_and_output(images)
    with tf.GradientTape() as tape:
        tape.watch(patches)
        recomputed = last_block([token, patches])
    assert_close(recomputed, output)
    assert np.abs(tape.gradient(recomputed, patches)).max(axis=(0, 3)).min() > 0  # every patch has an effect


def test_initial_weights_are_the_papers():
    model = zoo.vit((32, 32, 3), 10, patch=4, depth=1, width=48, units=96, heads=3)
    w = {x.path: np.asarray(x) for x in model.weights}
    bound = np.sqrt(6 / (48 + 48))
    for part in ("query", "key", "value", "attention_output"):
        kernel = w[f"block0_attention/{part}/kernel"]
        assert 0.95 * bound < np.abs(kernel).max() <= bound
    assert not np.array_equal(w["block0_attention/query/kernel"], w["block0_attention/key/kernel"])
    assert not w["class_token/token"].any()
    assert w["position/table"].shape == (65, 48)
    assert 0.018 < w["position/table"].std() < 0.022
    assert 0 < np.abs(w["block0_mlp1/bias"]).max() < 1e-5
    assert all(x.epsilon == 1e-6 for x in model.layers if isinstance(x, keras.layers.LayerNormalization))


def test_the_drop_path_rate_rises_linearly_and_dropout_follows_each_dense_layer():
    model = zoo.vit((8, 8, 3), 2, **{**SMALL, "drop_path": 0.2, "dropout": 0.1})
    rates = {x.name: x.rate for x in model.layers if isinstance(x, zoo.layers.DropPath)}
    assert rates == {
        f"block{i}_{part}_path": pytest.approx(rate)
        for i, rate in ((1, 0.1), (2, 0.2))
        for part in ("attention", "mlp")
    }
    assert sum(isinstance(x, keras.layers.Dropout) for x in model.layers) == 1 + 3 * 3
    x = np.ones((2, 8, 8, 3), "float32")
    assert np.abs(np.subtract(model(x, training=True), model(x, training=True))).max() > 0


@pytest.mark.parametrize(
    ("shape", "changed", "message"),
    [
        ((16, 20, 3), {}, "divisible by 8 .pixels., got .16, 20, 3"),
        ((4, 4, 3), {}, "at least 8"),
        ((None, 16, 3), {}, "every size given"),
        ((16, 16, 3), {"heads": 3}, "`heads` must divide `width` = 16, got 3"),
        ((16, 16, 3), {"dropout": 1.0}, "`dropout`"),
    ],
)
def test_invalid_arguments_are_refused(shape, changed, message):
    with pytest.raises(ValueError, match=message):
        zoo.vit(shape, 3, **{**SMALL, **changed})
