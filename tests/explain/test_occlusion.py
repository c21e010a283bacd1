"""Occlusion of linear models, whose logit falls by a known sum."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from tests.explain.test_gradients import kernel, linear, random_array
from tests.tolerance import assert_close
from zoo import explain


@keras.saving.register_keras_serializable("tests")
class Counter(layers.Layer):
    """Returns its input and counts its calls."""

    def build(self, _):
        self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False, name="calls")

    def call(self, x):
        self.calls.assign_add(1)
        return x


def test_the_logit_of_a_linear_model_falls_by_the_sum_over_the_patch():
    model = linear((6, 4, 5), activation="softmax")
    x = random_array(2, 6, 4, 5)
    fill = (0.1, 0.2, 0.3, 0.4, 0.5)
    decrease = explain.occlusion(model, x, 1, patch=(3, 2), stride=(3, 2), fill=fill)
    contributions = (kernel(model, 1, (6, 4, 5)) * (x - np.array(fill))).sum(axis=-1)
    sums = contributions.reshape(2, 2, 3, 2, 2).sum(axis=(2, 4))
    assert_close(decrease, sums.repeat(3, axis=1).repeat(2, axis=2), rtol=1e-4)


def test_overlapping_patches_are_averaged_and_the_last_ends_at_the_border():
    model = linear((5,), classes=2)
    model.layers[-1].set_weights([np.array([[1.0, 0], [2, 0], [4, 0], [8, 0], [16, 0]]), np.zeros(2)])
    # patches at 0, 2 and, moved back from 4, 2: the side is 3, so hiding 0-2 costs 7 and hiding 2-4 costs 28
    decrease = explain.occlusion(model, np.ones((1, 5)), 0, patch=3, stride=2)
    assert_close(decrease, [[7, 7, 17.5, 28, 28]])
    decrease = explain.occlusion(model, np.ones((1, 5)), 0, patch=2, stride=2)  # 0-1, 2-3 and 3-4
    assert_close(decrease, [[3, 3, 12, 18, 24]])


def test_the_features_of_a_table_are_hidden_one_by_one_by_default():
    model = linear((6,))
    x = random_array(3, 6)
    assert_close(explain.occlusion(model, x, 2), x * kernel(model, 2, (6,)), rtol=1e-4)


def test_the_steps_of_a_series_are_hidden():
    model = linear((8, 2))
    x = random_array(1, 8, 2)
    decrease = explain.occlusion(model, x, 0, patch=1, stride=1)
    assert_close(decrease, (x * kernel(model, 0, (8, 2))).sum(axis=-1), rtol=1e-4)


def test_hidden_inputs_are_batched():
    inputs = layers.Input((6, 6, 1))
    counter = Counter()
    model = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(counter(inputs))))
    before = int(counter.calls.numpy())
    explain.occlusion(model, random_array(3, 6, 6, 1), 0, patch=2, stride=2, batch_size=10)
    assert int(counter.calls.numpy()) - before == 1 + 3  # the inputs, then 3 x 9 hidden ones in tens


def test_token_models_support_occlusion_but_not_saliency():
    inputs = layers.Input((5,), dtype="int32")
    embedded = layers.Embedding(10, 1, embeddings_initializer=lambda s, dtype: ops.reshape(ops.arange(10.0), (10, 1)))
    head = layers.Dense(1, kernel_initializer="ones")
    model = keras.Model(inputs, head(layers.Flatten()(embedded(inputs))))
    assert_close(explain.occlusion(model, [[1, 5, 9, 2, 0]], 0, fill=1), [[0, 4, 8, 1, -1]])
    with pytest.raises(
        ValueError, match="saliency: gradients need floating-point inputs, the model's inputs are int32"
    ):
        explain.saliency(model, [[1, 5, 9, 2, 0]])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"patch": 9}, r"`patch` must be 2 sides within the sides of the input \(6, 4\), got \(9, 9\)"),
        ({"patch": (2, 2, 2)}, "`patch` must be 2 sides"),
        (
            {"patch": 2, "stride": 3},
            r"`stride` must be 2 sides within those of the patch, to hide every pixel, \(2, 2\), got \(3, 3\)",
        ),
        ({"patch": 0}, r"`patch\[0\]` must be a whole number of at least 1|`patch`.* at least 1"),
        ({"fill": (0, 0)}, "`fill` must be one number or 3, one for each band, got 2"),
    ],
)
def test_wrong_patches_strides_and_fills_raise_an_error(arguments, message):
    with pytest.raises(ValueError, match=message):
        explain.occlusion(linear((6, 4, 3)), random_array(1, 6, 4, 3), **arguments)
