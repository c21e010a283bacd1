"""FlowNetS and PWC-Net: sizes and units of their flows."""

import keras
import numpy as np
import pytest

import zoo
from tests.tolerance import assert_close
from zoo.introspect import outline

TINY = {"flownet_s": {"width": 0.02}, "pwcnet": {"width": 0.05, "search_radius": 1}}
both_networks = pytest.mark.parametrize("name", sorted(TINY))


def frames(height=64, width=128):
    rng = np.random.default_rng(0)
    return {n: rng.random((1, height, width, 3), "float32") for n in ("first", "second")}


@both_networks
def test_all_flows_have_sizes_from_full_to_a_64th(name):
    model = outline(name, input_shape=(128, 192, 3), all_flows=True)
    sizes = [(128, 192), (32, 48), (16, 24), (8, 12), (4, 6), (2, 3)]
    assert [o.shape for o in model.output] == [(None, *size, 2) for size in sizes]


@both_networks
def test_the_full_flow_is_the_upsampled_quarter_with_and_without_all_flows(name):
    single, several = (zoo.build(name, (None, None, 3), all_flows=a, **TINY[name]) for a in (False, True))
    single.set_weights(several.get_weights())
    x = frames()
    full_flow, quarter, *_ = several(x)
    assert_close(single(x), full_flow)
    expected = keras.layers.UpSampling2D(4, interpolation="bilinear")(quarter)
    assert_close(full_flow, expected)


@both_networks
def test_one_unit_of_the_network_is_twenty_pixels(name):
    """With zero kernels, a bias of (0.1, -0.2) in the last layer gives a flow of (2, -4) pixels everywhere."""
    model = zoo.build(name, (64, 64, 3), **TINY[name])
    for weight in model.weights:
        weight.assign(keras.ops.zeros_like(weight))
    if name == "flownet_s":  # its head has no bias: a map of ones and a kernel are equivalent
        model.get_layer("conv2").bias.assign(keras.ops.ones_like(model.get_layer("conv2").bias))
        kernel = np.zeros(model.get_layer("head").kernel.shape, "float32")
        kernel[1, 1, 0] = (0.1, -0.2)
        model.get_layer("head").kernel.assign(kernel)
    else:
        model.get_layer("head").bias.assign([0.1, -0.2])
    assert_close(model(frames(64, 64)), np.broadcast_to([2.0, -4.0], (1, 64, 64, 2)))


def test_pwcnet_warps_by_the_current_flow_in_cells_of_each_scale():
    """A flow of 64 pixels moves the maps of the second frame by 2, 4, 8 and 16 cells."""
    model = zoo.pwcnet((64, 64, 3), **TINY["pwcnet"])
    for weight in model.weights:
        weight.assign(keras.ops.zeros_like(weight))
    for level in range(2, 6):  # set at every scale, since zero kernels pass nothing on
        model.get_layer(f"flow{level}_up").bias.assign([64 / 20, -64 / 20])
    flows = keras.Model(model.input, [model.get_layer(f"level{level}_flow").output for level in (5, 4, 3, 2)])
    for flow, cells in zip(flows(frames(64, 64)), (2, 4, 8, 16), strict=True):
        assert_close(flow, np.broadcast_to([cells, -cells], flow.shape))


def test_pwcnet_applies_the_same_kernels_to_both_frames():
    model = zoo.pwcnet((64, 64, 3), **TINY["pwcnet"])
    maps = keras.Model(model.input, model.get_layer("pyramid6_conv1").output)
    x = frames(64, 64)
    first, second = np.asarray(maps(x))
    swapped = np.asarray(maps({"first": x["second"], "second": x["first"]}))
    assert_close(swapped, np.stack([second, first]))
    assert np.abs(first - second).max() > 0


@both_networks
def test_frames_with_sizes_that_are_not_divisible_are_refused(name):
    with pytest.raises(ValueError, match=f"{name}: H and W of `input_shape` must be at least 1 and divisible by 64"):
        zoo.build(name, (64, 100, 3))


def test_training_learns_a_known_shift():
    """Some steps halve the endpoint error for a second frame that is the first shifted by two pixels."""
    x = frames(64, 64)
    x["second"] = np.roll(x["first"], 2, axis=2)
    flow = np.broadcast_to(np.array([2, 0], "float32"), (1, 64, 64, 2))
    model = zoo.flownet_s((64, 64, 3), width=0.1)
    model.compile(
        keras.optimizers.Adam(1e-3), lambda y_true, y_pred: keras.ops.norm(y_true - y_pred, axis=-1), jit_compile=False
    )
    before = model.evaluate(x, flow, verbose=0)
    model.fit(x, flow, epochs=25, verbose=0)
    assert model.evaluate(x, flow, verbose=0) < before / 2
