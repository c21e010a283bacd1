"""Multi-head attention in fewer steps: Keras' answers, and Keras' way for what it does not know."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from tests.tolerance import assert_close
from zoo.layers.fused_attention import FusedAttention

X = np.random.default_rng(0).normal(size=(3, 5, 8)).astype("float32")
MEMORY = np.random.default_rng(1).normal(size=(3, 7, 8)).astype("float32")
KEPT = np.random.default_rng(2).random((3, 1, 7)) > 0.4
KEPT[1] = False  # nothing to attend to


def both(*shapes, **settings):
    """Our layer and Keras', built for these shapes with the same weights."""
    ours, theirs = FusedAttention(2, 3, **settings), layers.MultiHeadAttention(2, 3, **settings)
    rng = np.random.default_rng(3)
    for layer in (ours, theirs):
        layer.build(*shapes)
    values = [rng.normal(size=w.shape) for w in theirs.weights]
    ours.set_weights(values)
    theirs.set_weights(values)
    assert [w.path.split("/", 1)[1] for w in ours.weights] == [w.path.split("/", 1)[1] for w in theirs.weights]
    return ours, theirs


@pytest.mark.parametrize("settings", [{}, {"use_bias": False}, {"value_dim": 5}, {"output_shape": 6}])
@pytest.mark.parametrize("call", [{}, {"attention_mask": KEPT}, {"use_causal_mask": True}])
def test_it_answers_as_keras(settings, call, monkeypatch):
    ours, theirs = both((None, 5, 8), (None, 7, 8), **settings)
    monkeypatch.setattr(layers.EinsumDense, "call", None)  # so that it goes its own way
    found = ours(X, MEMORY, **call)
    monkeypatch.undo()
    assert_close(found, theirs(X, MEMORY, **call))


def test_its_scores_are_those_of_keras():
    ours, theirs = both((None, 5, 8), (None, 5, 8))
    found, expected = (layer(X, X, use_causal_mask=True, return_attention_scores=True)[1] for layer in (ours, theirs))
    assert_close(found, expected)
    assert not np.triu(found, 1).any()


def test_its_gradients_are_those_of_keras():
    import tensorflow as tf

    found = []
    for layer in both((None, 5, 8), (None, 7, 8)):
        with tf.GradientTape() as tape:
            loss = ops.sum(layer(X, MEMORY, attention_mask=KEPT) ** 2)
        found.append(tape.gradient(loss, [w.value for w in layer.trainable_weights]))
    scale = max(np.abs(gradient).max() for gradient in found[1])  # those of the keys' biases are zero up to rounding
    for ours, theirs in zip(*found, strict=True):
        assert_close(ours, theirs, rtol=1e-5, scale=scale)


@pytest.mark.parametrize("settings", [{"dropout": 0.5}, {"attention_axes": (1, 2)}, {"use_gate": True}])
def test_what_it_does_not_know_goes_keras_way(settings):
    x = X[:, :4].reshape(3, 2, 2, 8) if "attention_axes" in settings else X
    ours, theirs = both((None, *x.shape[1:]), (None, *x.shape[1:]), **settings)
    assert_close(ours(x, x), theirs(x, x))


def test_keys_of_their_own_and_the_masks_of_keras_go_keras_way():
    ours, theirs = both((None, 5, 8), (None, 7, 8), (None, 7, 8))
    assert_close(ours(X, MEMORY, -MEMORY), theirs(X, MEMORY, -MEMORY))
    x = layers.Masking()(np.where(np.arange(5)[:, None] < 3, X, 0))
    y = layers.Masking()(np.where(np.arange(5)[:, None] < 3, X, 0))
    assert_close(ours(x, x), theirs(y, y))


def test_half_precision_masks_without_overflow():
    layer = FusedAttention(2, 3, dtype="mixed_float16")
    found = ops.convert_to_numpy(layer(X, MEMORY, attention_mask=KEPT))
    assert found.dtype == np.float16 and np.isfinite(found).all()


def test_quantised_kernels_answer_about_the_same():
    layer, _ = both((None, 5, 8), (None, 7, 8))
    before = np.asarray(layer(X, MEMORY))
    for projection in (layer.query_dense, layer.key_dense, layer.value_dense, layer.output_dense):
        projection.quantize("int8")
    assert_close(layer(X, MEMORY), before, rtol=0.15)


def test_any_length_and_a_saved_model(tmp_path):
    inputs = layers.Input((None, 8))
    model = keras.Model(inputs, FusedAttention(2, 3)(inputs, inputs, use_causal_mask=True))
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert type(again.layers[-1]) is FusedAttention
    for x in (X, MEMORY):
        np.testing.assert_array_equal(again.predict(x, verbose=0), model.predict(x, verbose=0))
