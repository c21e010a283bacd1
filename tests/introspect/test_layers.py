"""Leaf layers of nested models, and the head of a model."""

import keras
import pytest
from keras import layers

import zoo
from zoo.backbones.stages import stages
from zoo.introspect.head import head_layer, is_head
from zoo.introspect.layers import leaf_layers


class Subclassed(keras.Model):
    """A model with a layer, and a weight of its own."""

    def build(self, input_shape):
        self.dense = layers.Dense(3, name="dense")
        self.dense.build(input_shape)
        self.shift = self.add_weight(shape=(3,), name="shift")

    def call(self, x):
        return self.dense(x) + self.shift


def nested_model():
    block = keras.Sequential([keras.Input((4,)), layers.Dense(4, name="first"), layers.ReLU(name="relu")], name="block")
    x = keras.Input((4,), name="inputs")
    y = block(block(x))
    return keras.Model(x, layers.Dense(2, name="head")(Subclassed(name="subclassed")(y)))


def test_leaf_layers_are_listed_once_by_path_without_input_layers():
    model = nested_model()
    assert [*leaf_layers(model)] == ["block/first", "block/relu", "subclassed/dense", "head"]
    assert leaf_layers(model)["block/first"] is model.get_layer("block").get_layer("first")


def test_sequential_and_subclassed_models_can_count_as_one_layer():
    model = nested_model()
    assert [*leaf_layers(model, functional_only=True)] == ["block", "subclassed", "head"]
    paths = {w.path for stage in stages(model) for layer in stage.layers for w in layer.weights}
    assert paths == {w.path for w in model.weights if not w.path.startswith("head/")}


def head_of(*stack, input_shape=(4,)):
    x = keras.Input(input_shape)
    return head_layer(keras.Sequential([x, *stack]).outputs[0])


def test_the_head_is_found_behind_activations_dropout_and_reshaping():
    dense = layers.Dense(3, name="logits")
    assert head_of(dense) is dense
    dense = layers.Dense(3, name="logits")
    assert head_of(layers.ReLU(), dense, layers.Dropout(0.5), layers.Softmax()) is dense
    conv = layers.Conv2D(3, 1, name="logits")
    assert head_of(conv, layers.Flatten(), layers.Activation("sigmoid"), input_shape=(1, 1, 2)) is conv
    named = layers.Conv2D(3, 3, name="head")  # a map of classes
    assert head_of(named, layers.Activation("softmax"), input_shape=(8, 8, 2)) is named


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
    ids=["hidden activation", "tokens", "3 x 3 convolution", "flattened map", "activation behind it", "no weights"],
)
def test_other_ends_are_no_head(stack, input_shape):
    assert head_of(*stack, input_shape=input_shape) is None


def test_layers_called_head_or_head_and_more_belong_to_the_head():
    names = [layer.name for layer in zoo.transfer(zoo.lenet5((28, 28, 1), 10), 3, dropout=0.1).layers if is_head(layer)]
    assert names == ["head_dropout", "head"]
