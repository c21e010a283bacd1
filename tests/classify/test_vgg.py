"""VGG."""

import keras
import pytest

import zoo


def layers_of(model, kind):
    return [layer for layer in model.layers if isinstance(layer, kind)]


@pytest.mark.parametrize(("build", "convolutions"), [(zoo.vgg16, 13), (zoo.vgg19, 16)])
def test_every_convolution_is_3_by_3_with_same_padding(build, convolutions):
    with keras.StatelessScope(initialize_variables=False):
        model = build((224, 224, 3), 1000)
    conv_layers = layers_of(model, keras.layers.Conv2D)
    assert {(c.kernel_size, c.strides, c.padding) for c in conv_layers} == {((3, 3), (1, 1), "same")}
    assert len(conv_layers) == convolutions
    assert len(layers_of(model, keras.layers.Dense)) == 3
    assert [d.rate for d in layers_of(model, keras.layers.Dropout)] == [0.5, 0.5]
    assert not layers_of(model, keras.layers.BatchNormalization)


def test_batch_norm_follows_each_convolution_which_keeps_its_bias():
    model = zoo.vgg((4, 4, 3), 2, depths=(2, 1), units=(), batch_norm=True)
    names = [layer.name for layer in model.layers[1:5]]
    assert names == ["stem", "stem_norm", "stem_relu", "stage0_conv1"]
    assert len(layers_of(model, keras.layers.BatchNormalization)) == 3
    assert all(c.use_bias for c in layers_of(model, keras.layers.Conv2D))
