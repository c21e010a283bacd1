"""The head of a model."""

import keras
import pytest
from keras import layers

import zoo
from zoo.introspect.head import head_layer, is_head


def head_of_stack(*stack, input_shape=(4,)):
    x = keras.Input(input_shape)
    return head_layer(keras.Sequential([x, *stack]).outputs[0])


def test_the_head_is_found_behind_activations_dropout_and_reshaping():
    dense = layers.Dense(3, name="logits")
    assert head_of_stack(dense) is dense
    dense = layers.Dense(3, name="logits")
    assert head_of_stack(layers.ReLU(), dense, layers.Dropout(0.5), layers.Softmax()) is dense
    conv = layers.Conv2D(3, 1, name="logits")
    assert head_of_stack(conv, layers.Flatten(), layers.Activation("sigmoid"), input_shape=(1, 1, 2)) is conv
    named = layers.Conv2D(3, 3, name="head")  # a map of classes
    assert head_of_stack(named, layers.Activation("softmax"), input_shape=(8, 8, 2)) is named


@pytest.mark.parametrize(
    ("stack", "input_shape"),
    [
        ([layers.Dense(3, "relu")], (4,)),
        ([layers.Dense(3)], (5, 4)),
        ([layers.Conv2D(3, 3), layers.Flatten()], (3, 3, 2)),
        ([layers.Conv2D(3, 1), layers.Flatten()], (2, 2, 2)),
        ([layers.Dense(3), layers.ReLU()], (4,)),
        ([layers.Dropout(0.5)], (4,)),
    ],
    ids=[
        "hidden activation",
        "tokens",
        "3 x 3 convolution",
        "flattened map",
        "hidden activation after it",
        "no weights",
    ],
)
def test_other_last_layers_are_not_a_head(stack, input_shape):
    assert head_of_stack(*stack, input_shape=input_shape) is None


def test_layers_belong_to_the_head_by_their_names():
    names = [layer.name for layer in zoo.transfer(zoo.lenet5((28, 28, 1), 10), 3, dropout=0.1).layers if is_head(layer)]
    assert names == ["head_dropout", "head"]
