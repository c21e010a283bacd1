"""ResNet v1, v1.5 and v2, and the small ResNets for CIFAR."""

import keras
import numpy as np
import pytest

import zoo
from zoo.classify import resnet_cifar


def build_outline(build, shape, classes=10, **options):
    """Builds a model without allocating its weights, which is fast at any depth."""
    with keras.StatelessScope(initialize_variables=False):
        return build(shape, classes, **options)


def convolutions(model):
    return [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]


def strided_convolutions(model):
    return sorted(c.name for c in convolutions(model) if c.strides == (2, 2))


def stride_names(part, stages=(1, 2, 3), block=0):
    return sorted(["stem", *(f"stage{i}_block{block}_{p}" for i in stages for p in (part, "shortcut"))])


@pytest.mark.parametrize("build", [zoo.resnet50, zoo.resnet101, zoo.resnet152])
def test_version_1_5_has_the_stride_in_the_3_by_3_convolution(build):
    model = build_outline(build, (64, 64, 3))
    assert strided_convolutions(model) == stride_names("conv1")
    assert model.get_layer("stage1_block0_conv1").kernel_size == (3, 3)


def test_version_1_has_the_stride_in_the_first_1_by_1_convolution():
    model = build_outline(zoo.resnet50, (64, 64, 3), version=1)
    assert strided_convolutions(model) == stride_names("conv0")
    assert model.get_layer("stage1_block0_conv0").kernel_size == (1, 1)


@pytest.mark.parametrize("version", [1, 1.5])
def test_basic_blocks_have_the_stride_in_the_first_convolution(version):
    assert strided_convolutions(build_outline(zoo.resnet18, (64, 64, 3), version=version)) == stride_names("conv0")


def test_the_stem_for_small_images_keeps_their_size_and_the_stages_have_strides_1_to_8():
    model = build_outline(zoo.resnet18, (32, 32, 3), stem="3x3")
    assert [model.get_layer(f"stage{i}_block1_relu").output.shape[1] for i in range(4)] == [32, 16, 8, 4]
    assert (
        sum(int(np.prod(w.shape)) for w in model.trainable_weights) == 11_173_962
    )  # of the usual ResNet-18 for CIFAR-10
    with pytest.raises(ValueError, match="at least 8"):
        zoo.resnet18((4, 4, 3), 10, stem="3x3")
    with pytest.raises(ValueError, match="at least 32"):
        zoo.resnet18((16, 16, 3), 10)


@pytest.mark.parametrize(
    ("build", "count", "shortcuts"), [(zoo.resnet18, 20, 3), (zoo.resnet34, 36, 3), (zoo.resnet50, 53, 4)]
)
def test_shortcuts_are_projected_only_where_the_shape_changes(build, count, shortcuts):
    layers = convolutions(build_outline(build, (64, 64, 3)))
    assert len(layers) == count
    assert sum(c.name.endswith("block0_shortcut") for c in layers) == shortcuts
    assert sum("shortcut" in c.name for c in layers) == shortcuts
    assert not any(c.use_bias for c in layers)


def test_normalization_has_pytorchs_epsilon_and_momentum():
    norms = [
        n for n in build_outline(zoo.resnet18, (64, 64, 3)).layers if isinstance(n, keras.layers.BatchNormalization)
    ]
    assert {(n.epsilon, n.momentum) for n in norms} == {(1e-5, 0.9)}


def test_strided_convolutions_have_zeros_on_every_side():
    # The bright corner pixel is multiplied by kernel entry 7 // 2 = 3; TensorFlow's padding would use entry 2.
    model = zoo.resnet((32, 32, 1), 2, depths=(1,))
    kernel = np.arange(49.0).reshape(7, 7, 1, 1) * np.ones((1, 1, 1, 64))
    model.get_layer("stem").set_weights([kernel])
    x = np.zeros((1, 32, 32, 1), "float32")
    x[0, 0, 0] = 1
    backbone = keras.Model(model.input, model.get_layer("stem").output)
    assert np.asarray(backbone(x))[0, 0, 0, 0] == 3 * 7 + 3


def test_v2_has_the_stride_in_the_last_block_of_a_stage():
    model = build_outline(zoo.resnet50v2, (64, 64, 3))
    assert strided_convolutions(model) == ["stage0_block2_conv1", "stage1_block3_conv1", "stage2_block5_conv1", "stem"]
    assert [model.get_layer(f"stage{i}_block{j}_shortcut").strides for i, j in ((0, 2), (1, 3), (2, 5))] == [(2, 2)] * 3


def test_v2_has_a_bias_where_no_normalization_follows():
    biased = {c.name.split("_")[-1] for c in convolutions(build_outline(zoo.resnet50v2, (64, 64, 3))) if c.use_bias}
    assert biased == {"stem", "shortcut", "conv2"}


@pytest.mark.parametrize(
    ("build", "n"), [(zoo.resnet20, 3), (zoo.resnet32, 5), (zoo.resnet44, 7), (zoo.resnet56, 9), (zoo.resnet110, 18)]
)
def test_cifar_has_6n_plus_1_convolutions_and_one_dense_layer(build, n):
    model = build_outline(build, (32, 32, 3))
    layers = convolutions(model)
    assert len(layers) == 6 * n + 1
    assert {c.kernel_size for c in layers} == {(3, 3)}
    assert [layer.name for layer in model.layers if isinstance(layer, keras.layers.Dense)] == ["head"]
    assert strided_convolutions(model) == ["stage1_block0_conv0", "stage2_block0_conv0"]


def test_cifar_shortcuts_take_every_second_pixel_and_pad_with_zero_maps():
    inputs = keras.Input((5, 6, 3))
    model = keras.Model(inputs, resnet_cifar.residual(inputs, 6, 2, "block"))
    shortcut = keras.Model(inputs, model.get_layer("block_widen").output)
    assert shortcut.count_params() == 0
    x = np.random.default_rng(0).normal(0, 1, (2, 5, 6, 3)).astype("float32")
    expected = np.pad(x[:, ::2, ::2], [(0, 0), (0, 0), (0, 0), (1, 2)])
    np.testing.assert_array_equal(np.asarray(shortcut(x)), expected)
