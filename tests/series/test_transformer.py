"""The Transformer: parity with NumPy and torch.nn, causality, padding and positions."""

from pathlib import Path

import keras
import numpy as np
import pytest

import zoo
from tests.tolerance import assert_close
from zoo.layers import SinusoidalPosition
from zoo.layers.sinusoidal_position import sinusoids

RNG = np.random.default_rng(7)
TINY = {"depth": 2, "width": 8, "units": 12, "heads": 2}


def perturb(model):
    """Adds noise to all weights of the model."""
    model.set_weights([w + RNG.normal(0, 0.2, w.shape) for w in model.get_weights()])
    return model


def layer_norm(x, gamma, beta):
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5) * gamma + beta


def attend(x, memory, mask, q, bq, k, bk, v, bv, out, bias):
    """Multi-head attention by eq. 1 and section 3.2.2; mask (T, S) is True where a step may be attended to."""
    query, key, value = (
        np.einsum("btd,dhs->bhts", y, w) + b[:, None] for y, w, b in ((x, q, bq), (memory, k, bk), (memory, v, bv))
    )
    scores = np.where(mask, query @ key.swapaxes(2, 3) / np.sqrt(q.shape[-1]), -np.inf)
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    return np.einsum("bhts,hsd->btd", weights @ value, out) + bias


@pytest.mark.parametrize("causal", [False, True])
def test_a_block_equals_the_papers_equations(causal):
    model = perturb(zoo.transformer_encoder((5, 3), 2, **{**TINY, "depth": 1}, causal=causal, every_step=True))
    embed, *rest = (w.astype("float64") for w in model.get_weights())
    x = RNG.normal(size=(2, 5, 3))
    angle = np.arange(5)[:, None] / 10000 ** (np.arange(0, 8, 2) / 8)
    y = x @ embed + rest[0] + np.stack([np.sin(angle), np.cos(angle)], -1).reshape(5, 8)
    mask = np.tri(5, dtype=bool) if causal else np.ones((5, 5), bool)
    y = layer_norm(y + attend(y, y, mask, *rest[1:9]), *rest[9:11])
    y = layer_norm(y + np.maximum(y @ rest[11] + rest[12], 0) @ rest[13] + rest[14], *rest[15:17])
    assert_close(model(x), y @ rest[17] + rest[18])


def torch_name(path):
    """Returns the name of our weight in the golden file, and its third of that array or None."""
    layer, _, ending = path.rpartition("/")
    if layer == "embedding":
        return "table.weight", None
    stack, rest = layer[:7], layer[7:]
    number, _, part = rest.partition("_")
    theirs = f"{stack}.layers.{number}."
    kind = {"kernel": "weight", "bias": "bias", "gamma": "weight", "beta": "bias"}[ending]
    part, _, inner = part.partition("/")
    if inner:
        module = {"attention": "self_attn", "memory": "multihead_attn"}[part]
        if inner == "attention_output":
            return f"{theirs}{module}.out_proj.{kind}", None
        return f"{theirs}{module}.in_proj_{kind}", ("query", "key", "value").index(inner)
    last = "norm3" if stack == "decoder" else "norm2"
    ours = {"attention_norm": "norm1", "memory_norm": "norm2", "mlp_norm": last, "mlp1": "linear1", "mlp2": "linear2"}
    return f"{theirs}{ours[part]}.{kind}", None


def test_outputs_equal_torch_with_padding_in_source_and_target():
    golden = np.load(Path(__file__).parent.parent / "golden" / "transformer.npz")
    model = zoo.transformer(11, depth=2, width=16, units=24, heads=4, activation=None)
    for weight in model.weights:
        name, third = torch_name(weight.path)
        value = golden[name].astype("float32")
        value = value if third is None else np.split(value, 3)[third]
        if weight.path != "embedding/embeddings":
            value = value.T.reshape(weight.shape)
        weight.assign(value)
    logits = model({"source": golden["source"], "target": golden["target"]})
    assert_close(logits, golden["logits"])


def test_with_causal_attention_later_steps_do_not_change_earlier_outputs():
    model = perturb(zoo.transformer_encoder((None, 3), 2, **TINY, causal=True, every_step=True))
    x = RNG.normal(size=(2, 9, 3)).astype("float32")
    changed = x.copy()
    changed[:, 5:] = 1e3
    before, after = np.asarray(model(x)), np.asarray(model(changed))
    assert_close(before[:, :5], after[:, :5])
    assert np.abs(before[:, 5:] - after[:, 5:]).max() > 1e-3


def test_a_language_model_does_not_depend_on_the_token_it_predicts():
    model = perturb(zoo.transformer_encoder((None,), 9, vocabulary=9, **TINY, causal=True, every_step=True))
    tokens = np.array([[3, 1, 4, 1, 5]])
    other = np.array([[3, 1, 4, 2, 8]])
    assert_close(model(tokens)[:, :3], model(other)[:, :3])


def test_the_decoder_depends_on_the_whole_source_and_on_no_later_target():
    model = perturb(zoo.transformer(9, **TINY))
    x = {"source": np.array([[3, 1, 4, 1]]), "target": np.array([[1, 5, 2, 6]])}
    before = np.asarray(model(x))
    later = np.asarray(model({**x, "target": np.array([[1, 5, 7, 8]])}))
    assert_close(before[:, :2], later[:, :2])
    assert np.abs(before[:, 2:] - later[:, 2:]).max() > 1e-4
    source = np.asarray(model({**x, "source": np.array([[3, 1, 4, 8]])}))
    assert (np.abs(before - source).max(-1) > 1e-5).all()


def test_without_positions_a_block_is_permutation_equivariant():
    model = perturb(zoo.transformer_encoder((6, 3), 2, **TINY, every_step=True))
    blocks = keras.Model(model.get_layer("position").output, model.output)
    x = RNG.normal(size=(2, 6, 8))
    order = RNG.permutation(6)
    assert_close(blocks(x[:, order]), np.asarray(blocks(x))[:, order])
    x = RNG.normal(size=(2, 6, 3))
    assert np.abs(np.asarray(model(x[:, order])) - np.asarray(model(x))[:, order]).max() > 1e-3


def test_the_product_of_two_positions_depends_on_their_distance_only():
    table = np.asarray(sinusoids(60, 32, 10000.0), "float64")
    products = table @ table.T
    for offset in (0, 1, 7, 30):
        assert_close(np.diag(products, offset), products[0, offset], rtol=1e-4)
    assert_close(np.diag(products), 16, rtol=1e-4)
    assert_close(table[3, :4], [np.sin(3), np.cos(3), np.sin(3 / 10 ** (1 / 4)), np.cos(3 / 10**0.25)], rtol=1e-5)


def test_tokens_are_scaled_by_the_root_of_the_width_and_series_are_not():
    x = RNG.normal(size=(1, 4, 16)).astype("float32")
    positions = np.asarray(sinusoids(4, 16, 10000.0))
    assert_close(SinusoidalPosition()(x), x * 4 + positions)
    assert_close(SinusoidalPosition(1)(x), x + positions)
    assert zoo.transformer(9, **TINY).get_layer("source_position").scale is None
    assert zoo.transformer_encoder((5, 3), 2, **TINY).get_layer("position").scale == 1


@pytest.mark.parametrize("causal", [False, True])
def test_padding_does_not_change_the_output(causal):
    model = perturb(zoo.transformer_encoder((None,), 2, vocabulary=9, **TINY, causal=causal))
    assert_close(model(np.array([[3, 1, 8, 0, 0]])), model(np.array([[3, 1, 8]])))
    model = perturb(zoo.transformer_encoder((None, 3), 2, **TINY, causal=causal, mask_value=-999.25))
    x = RNG.normal(size=(2, 4, 3)).astype("float32")
    padded = np.concatenate([x, np.full((2, 3, 3), -999.25, "float32")], 1)
    assert_close(model(padded), model(x))
    assert np.abs(model(padded + 1) - model(x + 1)).max() > 1e-3


def test_one_table_embeds_source_and_target_and_gives_the_logits():
    model = zoo.transformer(9, **TINY, activation=None)
    tables = [w for w in model.weights if 9 in w.shape]
    assert [w.path for w in tables] == ["embedding/embeddings"]
    last = keras.Model(model.input, model.get_layer("decoder1_mlp_norm").output)
    x = {"source": np.array([[3, 1]]), "target": np.array([[1, 5, 2]])}
    assert_close(model(x), np.asarray(last(x)) @ np.asarray(tables[0]).T)


def test_invalid_arguments_are_refused():
    with pytest.raises(ValueError, match="`width` must be even and divisible by `heads` = 3, got 8"):
        zoo.transformer(9, width=8, heads=3)
    with pytest.raises(ValueError, match="`width` must be even and divisible by `heads` = 1, got 7"):
        zoo.transformer_encoder((5, 3), 2, width=7, heads=1)
    with pytest.raises(ValueError, match="`mask_value` must be None for tokens, whose padding is 0, got 1.0"):
        zoo.transformer_encoder((5,), 2, vocabulary=9, mask_value=1)
    with pytest.raises(ValueError, match="transformer: `vocabulary` must be a whole number of at least 1, got 2.5"):
        zoo.transformer(2.5)
    with pytest.raises(ValueError, match="SinusoidalPosition: the width of a token must be even, got 5"):
        SinusoidalPosition().build((None, 3, 5))
