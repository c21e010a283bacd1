"""The last spatial feature map of a model."""

import keras
import numpy as np
import pytest
from keras import layers

import zoo
from zoo.introspect import last_spatial, weightless


def backbone(pooling=False):
    x = image = layers.Input((16, 16, 3))
    x = layers.Conv2D(4, 3, name="first")(x)
    x = layers.Conv2D(5, 3, strides=2, name="last")(x)
    return keras.Model(image, layers.GlobalAveragePooling2D(name="pool")(x) if pooling else x, name="backbone")


@pytest.mark.parametrize(
    ("name", "layer"), [("lenet5", "s4"), ("lenet5_1998", "s4_squash"), ("cnn", "block2_pool"), ("vit_tiny_16", "map")]
)
def test_the_map_is_the_input_of_the_pool_layer(name, layer):
    model = zoo.outline(name)
    spatial = last_spatial(model)
    assert spatial.layer is model.get_layer(layer)
    assert spatial.tensor is spatial.layer.output
    assert len(spatial.tensor.shape) == 4


def test_the_map_before_pool_is_preferred_to_a_later_one():
    x = image = layers.Input((16, 16, 3))
    x = layers.Conv2D(4, 3, name="before_pool")(x)
    side = layers.Conv2D(4, 3, name="side")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    model = keras.Model(image, [x, layers.UpSampling2D(2, name="later")(side)])
    assert last_spatial(model).layer.name == "before_pool"


def test_models_of_keras_applications_have_the_input_of_their_pooling():
    with weightless():
        resnet = keras.applications.ResNet50(weights=None)
        efficient = keras.applications.EfficientNetB0(weights=None)
    assert last_spatial(resnet).layer.name == "conv5_block3_out"
    assert last_spatial(efficient).layer.name == "top_activation"  # not the 1 x 1 map of a squeeze-and-excitation block


def test_the_tensor_of_a_sequential_model_can_be_an_output():
    model = keras.Sequential([layers.Input((8, 8, 1)), layers.Conv2D(2, 3, name="c"), layers.Flatten()])
    spatial = last_spatial(model)
    assert spatial.layer.name == "c"
    assert keras.Model(model.inputs, spatial.tensor).output_shape == (None, 6, 6, 2)


def test_a_nested_backbone_is_the_layer_where_it_outputs_the_map():
    image = layers.Input((16, 16, 3))
    inner = backbone()
    model = keras.Model(image, layers.Dense(2)(layers.GlobalAveragePooling2D(name="pool")(inner(image))))
    spatial = last_spatial(model)
    assert spatial.layer is inner
    assert keras.Model(model.inputs, spatial.tensor).output_shape == (None, 6, 6, 5)


def test_a_nested_backbone_is_searched_where_it_pools_the_map():
    inner = backbone(pooling=True)
    model = keras.Sequential([layers.Input((16, 16, 3)), layers.Rescaling(1 / 255), inner, layers.Dense(2)])
    spatial = last_spatial(model)
    assert spatial.layer is inner.get_layer("last")
    assert spatial.tensor is inner.get_layer("last").output


def test_series_have_maps_of_rank_three():
    model = keras.Sequential([layers.Input((20, 2)), layers.Conv1D(4, 3, name="c"), layers.LSTM(3)])
    assert last_spatial(model).layer.name == "c"


class Subclass(keras.Model):
    def __init__(self):
        super().__init__()
        self.map, self.dense = layers.Conv2D(2, 3), layers.Dense(2)

    def call(self, x):
        return self.dense(layers.Flatten()(self.map(x)))


def test_subclassed_models_are_searched():
    model = Subclass()
    model(np.ones((1, 8, 8, 1)))
    assert last_spatial(model).layer is model.map


def test_a_model_without_a_map_is_refused():
    with pytest.raises(ValueError, match="no layer of `dnn` outputs a map"):
        last_spatial(zoo.dnn((4,), 2))
    image = layers.Input((8, 8, 1))
    with pytest.raises(ValueError, match="no layer of `nothing` outputs a map"):
        last_spatial(keras.Model(image, image, name="nothing"))
    # an image that is only flattened has no layer with a map either
    with pytest.raises(ValueError, match="no layer of `dnn` outputs a map"):
        last_spatial(zoo.dnn((8, 8, 1), 2))
