"""TempCNN: its layers, regularization and invalid arguments."""

import keras
import numpy as np
import pytest

import zoo


def test_it_has_three_blocks_a_dense_layer_and_a_head():
    kinds = [type(x).__name__ for x in zoo.tempcnn((46, 3), 13).layers]
    block = ["BatchNormalization", "Activation", "Dropout"]
    assert kinds == ["InputLayer", *["Conv1D", *block] * 3, "Flatten", "Dense", *block, "Dense", "Activation"]


def test_every_kernel_but_that_of_the_head_is_regularized():
    model = zoo.tempcnn((6, 2), 3, filters=(4,), units=(5,), l2=0.5)
    kernels = [model.get_layer(n).kernel.numpy() for n in ("conv0", "hidden0")]
    assert float(sum(model.losses)) == pytest.approx(0.5 * sum((k**2).sum() for k in kernels), rel=1e-5)
    assert zoo.tempcnn((6, 2), 3, l2=0).losses == []


def test_dropout_zero_adds_no_dropout_layers():
    assert not any(isinstance(x, keras.layers.Dropout) for x in zoo.tempcnn((6, 2), 3, dropout=0).layers)


def test_the_order_of_the_dates_matters():
    x = np.random.default_rng(1).normal(size=(2, 6, 2))
    model = zoo.tempcnn((6, 2), 3, filters=(4,), units=(5,))
    assert np.abs(model(x) - model(x[:, ::-1])).max() > 1e-3


def test_an_unknown_length_is_refused():
    with pytest.raises(
        ValueError, match=r"tempcnn: `input_shape` must be \(T, F\) with every size given, got \(None, 2\)"
    ):
        zoo.tempcnn((None, 2), 3)
