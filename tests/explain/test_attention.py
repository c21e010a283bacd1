"""Attention weights, attention rollout, and attributions to steps, bands and several inputs."""

import keras
import numpy as np
import pytest
from keras import layers

import zoo
from tests.explain.test_figures import presto_inputs
from tests.explain.test_gradients import linear, random_array
from tests.tolerance import assert_close
from zoo import explain


def tiny_vit(**arguments):
    return zoo.vit((16, 24, 3), 3, **{"patch": 8, "depth": 3, "width": 8, "units": 8, "heads": 2, **arguments})


def tiny_presto(outputs=3, **arguments):
    return zoo.presto((4, 17), outputs, **{"width": 16, "depth": 2, "units": 8, "heads": 2, **arguments})


def test_attention_of_a_vit_equals_attention_maps():
    model, x = tiny_vit(), random_array(2, 16, 24, 3)
    result, expected = explain.attention(model, x), zoo.attention_maps(model, x)
    assert list(result) == [f"block{i}_attention" for i in range(3)]
    for i in range(2):
        assert_close(result[f"block{i}_attention"], expected[:, i])
    assert_close(result["block2_attention"], expected[:, 2, :, :1])  # the query is the class token only


def test_a_model_predicts_the_same_after_its_attention_was_read():
    model, x = tiny_vit(), random_array(2, 16, 24, 3)
    before = model(x).numpy()
    explain.attention(model, x)
    np.testing.assert_array_equal(model(x), before)
    assert not any("call" in vars(layer) for layer in model.layers)


def test_attention_of_a_transformer_respects_padding_and_causal_masks():
    model = zoo.transformer_encoder((6,), 2, vocabulary=9, depth=2, width=8, units=8, heads=2, causal=True)
    tokens = np.array([[3, 1, 4, 1, 0, 0]])
    for weights in explain.attention(model, tokens).values():
        assert weights.shape == (1, 2, 6, 6)
        assert_close(weights.sum(axis=-1), 1)
        assert not np.triu(weights, 1).any()
        assert not weights[..., :4, 4:].any()
    both = zoo.transformer(9, depth=1, width=8, units=8, heads=2)
    result = explain.attention(both, {"source": tokens, "target": tokens[:, :3]})
    assert {name: w.shape[2:] for name, w in result.items()} == {
        "encoder0_attention": (6, 6),
        "decoder0_attention": (3, 3),
        "decoder0_memory": (3, 6),
    }


def test_rollout_is_the_product_of_the_blocks_with_their_skip_connections():
    model, x = tiny_vit(), random_array(2, 16, 24, 3)
    maps = zoo.attention_maps(model, x).mean(axis=2)  # (B, depth, 1 + N, 1 + N)
    expected = np.eye(7)
    for i in range(3):
        expected = (0.5 * maps[:, i] + 0.5 * np.eye(7)) @ expected
    result = explain.attention_rollout(model, x)
    assert result.shape == (2, 16, 24)
    corners = expected[:, 0, 1:].reshape(2, 2, 3)
    assert_close(result[:, [0, 0, -1], [0, -1, -1]], corners[:, [0, 0, 1], [0, 2, 2]], rtol=1e-4)
    assert result.sum() / 64 == pytest.approx(corners.sum(), rel=1e-3)


def test_rollout_of_a_series_is_a_fraction_for_each_step():
    model = zoo.transformer_encoder((7, 3), 2, depth=2, width=8, units=8, heads=2, causal=True)
    result = explain.attention_rollout(model, random_array(2, 7, 3))
    assert_close(result.sum(axis=1), 1)
    first = explain.attention_rollout(model, random_array(2, 7, 3), token=0)
    assert_close(first, [[1, 0, 0, 0, 0, 0, 0]] * 2)  # the first step attends to itself only
    tokens = explain.attention_rollout(tiny_presto(masked=False), presto_inputs(2, 4))
    assert tokens.shape == (2, 9 * 4 + 2)
    assert not tokens[:, -4:].any() or tokens[:, -4:].max() < tokens.max()  # Dynamic World is missing


def test_models_without_self_attention_and_unknown_tokens_raise_an_error():
    with pytest.raises(
        ValueError, match="attention: `lenet5` has no layer of the class keras.layers.MultiHeadAttention"
    ):
        explain.attention(zoo.lenet5((14, 14, 1), 2), random_array(1, 14, 14, 1))
    both = zoo.transformer(9, depth=1, width=8, units=8, heads=2)
    with pytest.raises(
        ValueError, match="every layer must be self-attention with the same tokens, got .* in decoder0_"
    ):
        explain.attention_rollout(both, {"source": np.ones((1, 6)), "target": np.ones((1, 3))})
    with pytest.raises(ValueError, match="`token` must be from 0 to 0, got 1"):
        explain.attention_rollout(tiny_vit(), random_array(1, 16, 24, 3), token=1)
    inputs = layers.Input((4, 4, 3))
    x = layers.Reshape((16, 3))(inputs)[:, :7]
    odd = keras.Model(inputs, layers.MultiHeadAttention(1, 2)(x, x))
    with pytest.raises(
        ValueError, match="must be a grid of patches and at most one class token, got 7 tokens for images of 4 x 4"
    ):
        explain.attention_rollout(odd, random_array(1, 4, 4, 3))


def test_attribution_with_one_input_equals_integrated_gradients_before_the_sum_over_bands():
    model, x = zoo.tempcnn((6, 4), 3, filters=(4,), units=4, activation="softmax"), random_array(3, 6, 4)
    result = explain.attribution(model, x, (2, 0, 1))
    (values,) = result.values.values()
    assert values.shape == x.shape
    assert_close(result.by_step(), explain.integrated_gradients(model, x, (2, 0, 1)))
    np.testing.assert_allclose(result.by_step().sum(axis=1), result.logit_change, rtol=0.02, atol=1e-4)
    assert_close(result.by_band().sum(axis=1), result.by_step().sum(axis=1), rtol=1e-4)


def test_attributions_of_a_linear_model_with_two_inputs_are_weight_times_difference():
    one, two = layers.Input((5, 2), name="one"), layers.Input((3,), name="two")
    joined = layers.Concatenate()([layers.Flatten()(one), two])
    model = keras.Model([one, two], layers.Dense(2, activation="softmax")(joined))
    w = model.layers[-1].kernel.numpy()[:, 1]
    x, z = random_array(2, 5, 2), random_array(2, 3)
    result = explain.attribution(model, [x, z], 1, baseline={"one": (0.5, -1.0)}, steps=2)
    assert_close(result.values["one"], w[:10].reshape(5, 2) * (x - [0.5, -1.0]), rtol=1e-4)
    assert_close(result.values["two"], w[10:] * z, rtol=1e-4)
    partial = explain.attribution(model, [x, z], 1, input_names="two", steps=2)
    assert (list(partial.values), partial.fixed_inputs) == (["two"], ("one",))
    assert_close(partial.logit_change, z @ w[10:], rtol=1e-4)


def test_presto_is_explained_by_month_and_band_and_hidden_months_have_no_attribution(tmp_path):
    import matplotlib.image

    model, x = tiny_presto(depth=1), presto_inputs(2, 4)
    mask = np.zeros((2, 4, 17))
    mask[:, 1, :2] = 1
    x["x"][:, 1, :2] = np.nan
    result = explain.attribution(model, {**x, "mask": mask}, 1, steps=32)
    assert result.fixed_inputs == ("dynamic_world", "mask", "month")
    assert not result.values["x"][:, 1, :2].any()
    assert np.abs(result.values["x"]).sum() > 0
    assert sorted(result.values) == ["latlons", "x"]
    total = sum(values.reshape(2, -1).sum(axis=1) for values in result.values.values())
    np.testing.assert_allclose(total, result.logit_change, rtol=0.02, atol=1e-3)
    figure = result.figure(tmp_path / "months.png", bands=tuple(f"B{i}" for i in range(17)))
    assert [t.get_text() for t in figure.axes[2].get_yticklabels()][:2] == ["B0", "B1"]
    assert matplotlib.image.imread(tmp_path / "months.png").std() > 0.02


def test_a_model_with_a_prediction_per_step_is_explained_for_one_step():
    model = zoo.lstm((6, 2), 2, units=(4,), every_step=True)
    x = random_array(2, 6, 2)
    result = explain.attribution(model, x, 1, output_step=2, steps=16).by_step()
    assert not result[:, 3:].any()  # later steps have no influence
    assert result[:, :3].all()
    last = explain.attribution(model, x, 1, steps=16)
    assert_close(last.by_step(), explain.attribution(model, x, 1, output_step=5, steps=16).by_step())


def test_a_single_sigmoid_has_two_classes_and_the_default_is_the_predicted_one():
    model, x = linear((4, 2), classes=1, activation="sigmoid"), random_array(3, 4, 2)
    yes = explain.attribution(model, x, 1)
    assert_close(explain.attribution(model, x, 0).by_step(), -yes.by_step())
    signs = np.where(model.predict(x, verbose=0) > 0.5, 1, -1)
    assert_close(explain.attribution(model, x).by_step(), signs * yes.by_step())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"target": 3}, "`target` must be from 0 to 2, got 3"),
        ({"target": (0, 1, 2)}, "`target` must be one output, or one for each example, got 3 for 2"),
        ({"input_names": "serie"}, "`input_names` must be of the inputs .*, got 'serie'"),
        (
            {"baseline": (0, 1, 2)},
            r"`baseline` of .* must be a number, or of a shape that broadcasts to \(5, 2\), got \(3,\)",
        ),
        ({"baseline": {"zzz": 1}}, "`baseline` has 'zzz', which is not an input"),
        ({"output_step": 0}, "`output_step` must be None, as the output of the model has no steps, got 0"),
        ({"inputs": np.full((2, 5, 2), np.nan)}, "outputs NaN or infinity"),
    ],
)
def test_wrong_arguments_of_attribution_raise_an_error(arguments, message):
    with pytest.raises(ValueError, match=f"attribution: .*{message}"):
        explain.attribution(linear((5, 2)), **{"inputs": random_array(2, 5, 2), **arguments})


def test_unsupported_models_of_attribution_raise_an_error():
    tokens = layers.Input((6,), dtype="int32", name="tokens")
    words = keras.Model(tokens, layers.Dense(2)(layers.Flatten()(layers.Embedding(3, 2)(tokens))))
    with pytest.raises(ValueError, match="has no gradient with respect to tokens"):
        explain.attribution(words, np.zeros((1, 6), int))
    image = layers.Input((4, 4, 1))
    with pytest.raises(ValueError, match=r"`model` must output \(B, outputs\) or \(B, T, outputs\)"):
        explain.attribution(keras.Model(image, layers.Conv2D(2, 1)(image)), random_array(1, 4, 4, 1))
    step_function = keras.Model(image, layers.Dense(2)(layers.Flatten()(keras.ops.sign(image))))
    with pytest.raises(ValueError, match="after 64 steps the attributions of example 0 still miss"):
        explain.attribution(step_function, np.ones((1, 4, 4, 1)), 1, steps=2)
    with pytest.raises(ValueError, match=r"`name` must be one of the series \(none\), got None"):
        explain.attribution(linear((4,)), random_array(1, 4)).by_step()
