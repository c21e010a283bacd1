"""Attention, its rollout, and attributions to steps, bands and several inputs."""

import keras
import numpy as np
import pytest
from keras import layers

import zoo
from tests.explain.test_gradients import draw, linear
from tests.explain.test_inside import presto_inputs
from tests.tolerance import assert_close
from zoo import explain


def tiny_vit(**arguments):
    return zoo.vit((16, 24, 3), 3, **{"patch": 8, "depth": 3, "width": 8, "units": 8, "heads": 2, **arguments})


def tiny_presto(outputs=3, **arguments):
    return zoo.presto((4, 17), outputs, **{"width": 16, "depth": 2, "units": 8, "heads": 2, **arguments})


def test_attention_of_a_vit_is_that_of_attention_maps():
    model, x = tiny_vit(), draw(2, 16, 24, 3)
    found, expected = explain.attention(model, x), zoo.attention_maps(model, x)
    assert list(found) == [f"block{i}_attention" for i in range(3)]
    for i in range(2):
        assert_close(found[f"block{i}_attention"], expected[:, i])
    assert_close(found["block2_attention"], expected[:, 2, :, :1])  # the class token alone asks


def test_the_model_answers_as_before_when_its_attention_was_read():
    model, x = tiny_vit(), draw(2, 16, 24, 3)
    before = model(x).numpy()
    explain.attention(model, x)
    np.testing.assert_array_equal(model(x), before)
    assert not any("call" in vars(layer) for layer in model.layers)


def test_masks_and_causes_are_in_the_attention_of_a_transformer():
    model = zoo.transformer_encoder((6,), 2, vocabulary=9, depth=2, width=8, units=8, heads=2, causal=True)
    tokens = np.array([[3, 1, 4, 1, 0, 0]])
    for weights in explain.attention(model, tokens).values():
        assert weights.shape == (1, 2, 6, 6)
        assert_close(weights.sum(axis=-1), 1)
        assert not np.triu(weights, 1).any()
        assert not weights[..., :4, 4:].any()
    both = zoo.transformer(9, depth=1, width=8, units=8, heads=2)
    found = explain.attention(both, {"source": tokens, "target": tokens[:, :3]})
    assert {name: w.shape[2:] for name, w in found.items()} == {
        "encoder0_attention": (6, 6),
        "decoder0_attention": (3, 3),
        "decoder0_memory": (3, 6),
    }


def test_rollout_is_the_product_of_the_blocks_with_their_skips():
    model, x = tiny_vit(), draw(2, 16, 24, 3)
    maps = zoo.attention_maps(model, x).mean(axis=2)  # (B, depth, 1 + N, 1 + N)
    expected = np.eye(7)
    for i in range(3):
        expected = (0.5 * maps[:, i] + 0.5 * np.eye(7)) @ expected
    found = explain.attention_rollout(model, x)
    assert found.shape == (2, 16, 24)
    corners = expected[:, 0, 1:].reshape(2, 2, 3)
    assert_close(found[:, [0, 0, -1], [0, -1, -1]], corners[:, [0, 0, 1], [0, 2, 2]], rtol=1e-4)
    assert found.sum() / 64 == pytest.approx(corners.sum(), rel=1e-3)


def test_rollout_of_a_series_is_a_share_for_each_step():
    model = zoo.transformer_encoder((7, 3), 2, depth=2, width=8, units=8, heads=2, causal=True)
    found = explain.attention_rollout(model, draw(2, 7, 3))
    assert_close(found.sum(axis=1), 1)
    first = explain.attention_rollout(model, draw(2, 7, 3), token=0)
    assert_close(first, [[1, 0, 0, 0, 0, 0, 0]] * 2)  # the first step sees itself only
    tokens = explain.attention_rollout(tiny_presto(masked=False), presto_inputs(2, 4))
    assert tokens.shape == (2, 9 * 4 + 2)
    assert not tokens[:, -4:].any() or tokens[:, -4:].max() < tokens.max()  # Dynamic World is missing


def test_models_without_attention_or_with_memory_are_refused():
    with pytest.raises(
        ValueError, match="attention: `lenet5` has no layer of the kind keras.layers.MultiHeadAttention"
    ):
        explain.attention(zoo.lenet5((14, 14, 1), 2), draw(1, 14, 14, 1))
    both = zoo.transformer(9, depth=1, width=8, units=8, heads=2)
    with pytest.raises(ValueError, match="tokens must attend to themselves, the same in every layer; in decoder0_"):
        explain.attention_rollout(both, {"source": np.ones((1, 6)), "target": np.ones((1, 3))})
    with pytest.raises(ValueError, match="`token` must be one of 1 from 0, got 1"):
        explain.attention_rollout(tiny_vit(), draw(1, 16, 24, 3), token=1)
    inputs = layers.Input((4, 4, 3))
    x = layers.Reshape((16, 3))(inputs)[:, :7]
    odd = keras.Model(inputs, layers.MultiHeadAttention(1, 2)(x, x))
    with pytest.raises(
        ValueError, match="must be a grid of patches and at most one more, got 7 tokens of images of 4 x 4"
    ):
        explain.attention_rollout(odd, draw(1, 4, 4, 3))


def test_attribution_with_one_input_is_integrated_gradients_before_the_sum_over_bands():
    model, x = zoo.tempcnn((6, 4), 3, filters=(4,), units=4, activation="softmax"), draw(3, 6, 4)
    found = explain.attribution(model, x, (2, 0, 1))
    (values,) = found.parts.values()
    assert values.shape == x.shape
    assert_close(found.steps(), explain.integrated_gradients(model, x, (2, 0, 1)))
    np.testing.assert_allclose(found.steps().sum(axis=1), found.change, rtol=0.02, atol=1e-4)
    assert_close(found.bands().sum(axis=1), found.steps().sum(axis=1), rtol=1e-4)


def test_attributions_of_a_linear_model_with_two_inputs_are_weight_times_difference():
    one, two = layers.Input((5, 2), name="one"), layers.Input((3,), name="two")
    joined = layers.Concatenate()([layers.Flatten()(one), two])
    model = keras.Model([one, two], layers.Dense(2, activation="softmax")(joined))
    w = model.layers[-1].kernel.numpy()[:, 1]
    x, z = draw(2, 5, 2), draw(2, 3)
    found = explain.attribution(model, [x, z], 1, baseline={"one": (0.5, -1.0)}, steps=2)
    assert_close(found.parts["one"], w[:10].reshape(5, 2) * (x - [0.5, -1.0]), rtol=1e-4)
    assert_close(found.parts["two"], w[10:] * z, rtol=1e-4)
    only = explain.attribution(model, [x, z], 1, only="two", steps=2)
    assert (list(only.parts), only.held) == (["two"], ("one",))
    assert_close(only.change, z @ w[10:], rtol=1e-4)


def test_presto_is_explained_by_month_and_band_and_what_is_hidden_adds_nothing(tmp_path):
    import matplotlib.image

    model, x = tiny_presto(depth=1), presto_inputs(2, 4)
    mask = np.zeros((2, 4, 17))
    mask[:, 1, :2] = 1
    x["x"][:, 1, :2] = np.nan
    found = explain.attribution(model, {**x, "mask": mask}, 1, steps=32)
    assert found.held == ("dynamic_world", "mask", "month")
    assert not found.parts["x"][:, 1, :2].any()
    assert np.abs(found.parts["x"]).sum() > 0
    assert sorted(found.parts) == ["latlons", "x"]
    total = sum(part.reshape(2, -1).sum(axis=1) for part in found.parts.values())
    np.testing.assert_allclose(total, found.change, rtol=0.02, atol=1e-3)
    figure = found.figure(tmp_path / "months.png", bands=tuple(f"B{i}" for i in range(17)))
    assert [t.get_text() for t in figure.axes[2].get_yticklabels()][:2] == ["B0", "B1"]
    assert matplotlib.image.imread(tmp_path / "months.png").std() > 0.02


def test_a_model_that_answers_every_step_is_explained_for_one_of_them():
    model = zoo.lstm((6, 2), 2, units=(4,), every_step=True)
    x = draw(2, 6, 2)
    found = explain.attribution(model, x, 1, step=2, steps=16).steps()
    assert not found[:, 3:].any()  # what comes later says nothing
    assert found[:, :3].all()
    last = explain.attribution(model, x, 1, steps=16)
    assert_close(last.steps(), explain.attribution(model, x, 1, step=5, steps=16).steps())


def test_a_single_sigmoid_and_a_target_of_none():
    model, x = linear((4, 2), classes=1, activation="sigmoid"), draw(3, 4, 2)
    yes = explain.attribution(model, x, 1)
    assert_close(explain.attribution(model, x, 0).steps(), -yes.steps())
    signs = np.where(model.predict(x, verbose=0) > 0.5, 1, -1)
    assert_close(explain.attribution(model, x).steps(), signs * yes.steps())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"target": 3}, "`target` must be from 0 to 2, got 3"),
        ({"target": (0, 1, 2)}, "`target` must be one output, or one for each example, got 3 for 2"),
        ({"only": "serie"}, "`only` must be names of the inputs .*, got 'serie'"),
        ({"baseline": (0, 1, 2)}, r"`baseline` of .* must be a number, or of a shape that fits \(5, 2\), got \(3,\)"),
        ({"baseline": {"zzz": 1}}, "`baseline` has 'zzz', no input"),
        ({"step": 0}, "`step` must be None, as the model gives one answer, got 0"),
        ({"inputs": np.full((2, 5, 2), np.nan)}, "answers NaN or infinity"),
    ],
)
def test_bad_arguments_of_attribution_are_named(arguments, message):
    with pytest.raises(ValueError, match=f"attribution: .*{message}"):
        explain.attribution(linear((5, 2)), **{"inputs": draw(2, 5, 2), **arguments})


def test_models_that_attribution_cannot_explain_are_refused():
    tokens = layers.Input((6,), dtype="int32", name="tokens")
    words = keras.Model(tokens, layers.Dense(2)(layers.Flatten()(layers.Embedding(3, 2)(tokens))))
    with pytest.raises(ValueError, match="has no gradient to tokens"):
        explain.attribution(words, np.zeros((1, 6), int))
    image = layers.Input((4, 4, 1))
    with pytest.raises(ValueError, match=r"`model` must answer \(B, outputs\) or \(B, T, outputs\)"):
        explain.attribution(keras.Model(image, layers.Conv2D(2, 1)(image)), draw(1, 4, 4, 1))
    stairs = keras.Model(image, layers.Dense(2)(layers.Flatten()(keras.ops.sign(image))))
    with pytest.raises(ValueError, match="after 64 steps the parts of example 0 still miss"):
        explain.attribution(stairs, np.ones((1, 4, 4, 1)), 1, steps=2)
    with pytest.raises(ValueError, match=r"`name` must be one of the series \(none\), got None"):
        explain.attribution(linear((4,)), draw(1, 4)).steps()
