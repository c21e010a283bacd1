"""Leaf layers of nested models."""

import keras
from keras import layers

from zoo.backbones.stages import stages
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
