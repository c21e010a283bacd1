"""FusedAttention: parity with Keras, and Keras' implementation for other options."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from tests.tolerance import assert_close
from zoo.layers.fused_attention import FusedAttention

X = np.random.default_rng(0).normal(size=(3, 5, 8)).astype("float32")
MEMORY = np.random.default_rng(1).normal(size=(3, 7, 8)).astype("float32")
MASK = np.random.default_rng(2).random((3, 1, 7)) > 0.4
MASK[1] = False  # no step to attend to


def build_pair(*shapes, **settings):
    """Returns our layer and Keras' layer, built for these shapes with the same weights."""
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
@pytest.mark.parametrize("call", [{}, {"attention_mask": MASK}, {"use_causal_mask": True}])
def test_outputs_equal_keras(settings, call, monkeypatch):
    ours, theirs = build_pair((None, 5, 8), (None, 7, 8), **settings)
    monkeypatch.setattr(layers.EinsumDense, "call", None)  # fails if Keras' implementation is used
    outputs = ours(X, MEMORY, **call)
    monkeypatch.undo()
    assert_close(outputs, theirs(X, MEMORY, **call))


def test_attention_scores_equal_keras():
    ours, theirs = build_pair((None, 5, 8), (None, 5, 8))
    scores, expected = (layer(X, X, use_causal_mask=True, return_attention_scores=True)[1] for layer in (ours, theirs))
    assert_close(scores, expected)
    assert not np.triu(scores, 1).any()


def test_gradients_equal_keras():
    import tensorflow as tf

    gradients = []
    for layer in build_pair((None, 5, 8), (None, 7, 8)):
        with tf.GradientTape() as tape:
            loss = ops.sum(layer(X, MEMORY, attention_mask=MASK) ** 2)
        gradients.append(tape.gradient(loss, [w.value for w in layer.trainable_weights]))
    scale = max(
        np.abs(gradient).max() for gradient in gradients[1]
    )  # the gradients of the key biases are zero up to rounding
    for ours, theirs in zip(*gradients, strict=True):
        assert_close(ours, theirs, rtol=1e-5, scale=scale)


@pytest.mark.parametrize("settings", [{"dropout": 0.5}, {"attention_axes": (1, 2)}, {"use_gate": True}])
def test_other_options_use_keras_implementation(settings):
    x = X[:, :4].reshape(3, 2, 2, 8) if "attention_axes" in settings else X
    ours, theirs = build_pair((None, *x.shape[1:]), (None, *x.shape[1:]), **settings)
    assert_close(ours(x, x), theirs(x, x))


def test_separate_keys_and_propagated_masks_use_keras_implementation():
    ours, theirs = build_pair((None, 5, 8), (None, 7, 8), (None, 7, 8))
    assert_close(ours(X, MEMORY, -MEMORY), theirs(X, MEMORY, -MEMORY))
    x = layers.Masking()(np.where(np.arange(5)[:, None] < 3, X, 0))
    y = layers.Masking()(np.where(np.arange(5)[:, None] < 3, X, 0))
    assert_close(ours(x, x), theirs(y, y))


def test_masking_in_half_precision_does_not_overflow():
    layer = FusedAttention(2, 3, dtype="mixed_float16")
    outputs = ops.convert_to_numpy(layer(X, MEMORY, attention_mask=MASK))
    assert outputs.dtype == np.float16 and np.isfinite(outputs).all()


def test_quantized_kernels_give_about_the_same_outputs():
    layer, _ = build_pair((None, 5, 8), (None, 7, 8))
    before = np.asarray(layer(X, MEMORY))
    for projection in (layer.query_dense, layer.key_dense, layer.value_dense, layer.output_dense):
        projection.quantize("int8")
    assert_close(layer(X, MEMORY), before, rtol=0.15)


def test_a_loaded_model_predicts_the_same_for_any_length(tmp_path):
    inputs = layers.Input((None, 8))
    model = keras.Model(inputs, FusedAttention(2, 3)(inputs, inputs, use_causal_mask=True))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded.layers[-1]) is FusedAttention
    for x in (X, MEMORY):
        np.testing.assert_array_equal(loaded.predict(x, verbose=0), model.predict(x, verbose=0))
