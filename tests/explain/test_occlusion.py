"""Occlusion against the sum that a linear model must lose."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from tests.explain.test_gradients import draw, kernel, linear
from tests.tolerance import assert_close
from zoo import explain


@keras.saving.register_keras_serializable("tests")
class Counter(layers.Layer):
    """Passes its input on and counts its calls."""

    def build(self, _):
        self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False, name="calls")

    def call(self, x):
        self.calls.assign_add(1)
        return x


def test_a_linear_model_loses_the_sum_over_the_patch():
    model = linear((6, 4, 5), activation="softmax")
    x = draw(2, 6, 4, 5)
    fill = (0.1, 0.2, 0.3, 0.4, 0.5)
    found = explain.occlusion(model, x, 1, patch=(3, 2), stride=(3, 2), fill=fill)
    lost = (kernel(model, 1, (6, 4, 5)) * (x - np.array(fill))).sum(axis=-1)
    sums = lost.reshape(2, 2, 3, 2, 2).sum(axis=(2, 4))
    assert_close(found, sums.repeat(3, axis=1).repeat(2, axis=2), rtol=1e-4)


def test_patches_that_overlap_are_averaged_and_the_last_ends_at_the_border():
    model = linear((5,), classes=2)
    model.layers[-1].set_weights([np.array([[1.0, 0], [2, 0], [4, 0], [8, 0], [16, 0]]), np.zeros(2)])
    # patches at 0, 2 and, moved back from 4, 2: the sides are 3, so 0-2 loses 7 and 2-4 loses 28
    found = explain.occlusion(model, np.ones((1, 5)), 0, patch=3, stride=2)
    assert_close(found, [[7, 7, 17.5, 28, 28]])
    found = explain.occlusion(model, np.ones((1, 5)), 0, patch=2, stride=2)  # 0-1, 2-3 and 3-4
    assert_close(found, [[3, 3, 12, 18, 24]])


def test_by_default_a_tables_features_are_hidden_one_by_one():
    model = linear((6,))
    x = draw(3, 6)
    assert_close(explain.occlusion(model, x, 2), x * kernel(model, 2, (6,)), rtol=1e-4)


def test_series_lose_steps():
    model = linear((8, 2))
    x = draw(1, 8, 2)
    found = explain.occlusion(model, x, 0, patch=1, stride=1)
    assert_close(found, (x * kernel(model, 0, (8, 2))).sum(axis=-1), rtol=1e-4)


def test_hidden_inputs_are_batched():
    inputs = layers.Input((6, 6, 1))
    counter = Counter()
    model = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(counter(inputs))))
    before = int(counter.calls.numpy())
    explain.occlusion(model, draw(3, 6, 6, 1), 0, patch=2, stride=2, batch_size=10)
    assert int(counter.calls.numpy()) - before == 1 + 3  # the inputs, then 3 x 9 hidden ones in tens


def test_models_of_tokens_can_be_occluded():
    inputs = layers.Input((5,), dtype="int32")
    embedded = layers.Embedding(10, 1, embeddings_initializer=lambda s, dtype: ops.reshape(ops.arange(10.0), (10, 1)))
    head = layers.Dense(1, kernel_initializer="ones")
    model = keras.Model(inputs, head(layers.Flatten()(embedded(inputs))))
    assert_close(explain.occlusion(model, [[1, 5, 9, 2, 0]], 0, fill=1), [[0, 4, 8, 1, -1]])
    with pytest.raises(ValueError, match="saliency: gradients need inputs of real numbers, the model's are int32"):
        explain.saliency(model, [[1, 5, 9, 2, 0]])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"patch": 9}, r"`patch` must be 2 sides within the sides of the input \(6, 4\), got \(9, 9\)"),
        ({"patch": (2, 2, 2)}, "`patch` must be 2 sides"),
        ({"patch": 2, "stride": 3}, r"`stride` must be 2 sides within those of the patch, .* \(2, 2\), got \(3, 3\)"),
        ({"patch": 0}, r"`patch\[0\]` must be a whole number of at least 1|`patch`.* at least 1"),
        ({"fill": (0, 0)}, "`fill` must be one number or 3, one for each band, got 2"),
    ],
)
def test_what_cannot_be_hidden_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        explain.occlusion(linear((6, 4, 3)), draw(1, 6, 4, 3), **arguments)
