"""Masked autoencoders: masks, positions, loss, the encoder, reconstructions, and refused arguments."""

import keras
import numpy as np
import pytest

import zoo
from tests.tolerance import assert_close
from zoo.generate.masked_patches import from_patches, to_patches
from zoo.layers.sine_cosine_position import SineCosinePosition, sine_cosine_positions

RNG = np.random.default_rng(0)
TINY = {"patch": 4, "depth": 1, "width": 8, "units": 12, "heads": 2, "decoder_depth": 1}
TINY |= {"decoder_width": 8, "decoder_heads": 2}


def tiny(shape=(8, 12, 2), **changes):
    return zoo.mae(shape, **{**TINY, "mask": 0.5, **changes})


def images(count=3, shape=(8, 12, 2)):
    return RNG.normal(size=(count, *shape)).astype("float32")


def test_patches_are_cut_row_by_row_and_joined_again():
    x = images()
    patches = np.asarray(to_patches(x, 4))
    assert patches.shape == (3, 6, 32)
    np.testing.assert_array_equal(patches[1, 4], x[1, 4:8, 4:8].ravel())  # the second of the second row
    np.testing.assert_array_equal(from_patches(patches, x.shape[1:], 4), x)


def test_positions_are_those_of_the_paper_in_plain_numpy():
    rows, columns, width = 2, 3, 8
    expected = np.zeros((6, 8))
    for i in range(rows):
        for j in range(columns):
            for half, position in ((0, j), (4, i)):
                for k in range(2):
                    angle = position / 10000 ** (k / 2)
                    expected[i * columns + j, half + k] = np.sin(angle)
                    expected[i * columns + j, half + 2 + k] = np.cos(angle)
    assert_close(sine_cosine_positions(rows, columns, width), expected)
    with pytest.raises(ValueError, match="must be divisible by 4, got 6"):
        SineCosinePosition(2, 3)(np.zeros((1, 6, 6), "float32"))
    with pytest.raises(ValueError, match="must have 2 x 3 tokens, got 5"):
        SineCosinePosition(2, 3)(np.zeros((1, 5, 8), "float32"))


def test_the_parameters_follow_from_the_sizes():
    """ViT-B/16 with the decoder of 8 blocks of 512: the authors' 111,907,840 without the fixed positions."""

    def block(width, units):
        return 4 * (width**2 + width) + 2 * width * units + units + width + 4 * width

    encoder = 16**2 * 3 * 768 + 768 + 768 + 12 * block(768, 3072) + 2 * 768
    decoder = 768 * 512 + 512 + 512 + 8 * block(512, 2048) + 2 * 512 + 512 * 768 + 768
    assert encoder + decoder + 197 * (768 + 512) == 111_907_840
    total, trainable = zoo.parameters(zoo.outline("mae", input_shape=(224, 224, 3)))
    assert total == trainable == encoder + decoder


@pytest.mark.parametrize("normalize", [True, False])
def test_the_loss_is_the_error_of_the_masked_patches_alone(normalize):
    model, x = tiny(normalize=normalize), images()
    model.compile()
    predicted = np.asarray(to_patches(model.predict(x, verbose=0), 4))
    targets = np.asarray(to_patches(x, 4))
    if normalize:
        targets = (targets - targets.mean(-1, keepdims=True)) / np.sqrt(targets.var(-1, keepdims=True) + 1e-6)
    masked = ~model.is_visible()
    assert masked.sum() == 3
    expected = ((predicted - targets) ** 2)[:, masked].mean((1, 2))
    assert_close(model.errors(x), expected)
    assert_close(model.evaluate(x, verbose=0), expected.mean())


def test_the_encoder_sees_only_the_visible_patches_in_the_autoencoder():
    model, x = tiny(), images()
    changed = np.asarray(to_patches(x, 4)).copy()
    changed[:, ~model.is_visible()] += 100
    changed = np.asarray(from_patches(changed, x.shape[1:], 4))
    assert_close(model.predict(x, verbose=0), model.predict(changed, verbose=0))
    encoder = model.encoder()
    assert np.abs(encoder.predict(x, verbose=0) - encoder.predict(changed, verbose=0)).max() > 1e-3


def test_masks_differ_between_images_and_steps_in_training_only():
    order = tiny().get_layer("order")
    tokens = np.zeros((20, 6, 8), "float32")
    first, second = (np.asarray(order(tokens, training=True)) for _ in range(2))
    for orders in (first, second):
        np.testing.assert_array_equal(np.sort(orders, axis=1), np.tile(np.arange(6), (20, 1)))
        assert len({tuple(row) for row in orders}) > 1
    assert not np.array_equal(first, second)
    fixed = np.asarray(order(tokens))
    assert len({tuple(row) for row in fixed}) == 1


def test_the_encoder_has_the_weights_of_the_autoencoder_and_is_a_backbone():
    model, x = tiny(), images()
    features = model.encoder().predict(x, verbose=0)
    assert features.shape == (3, 8)
    tokens = keras.Model(model.input, model.get_layer("position").output).predict(x, verbose=0)
    token = np.broadcast_to(np.asarray(model.get_layer("class_token").token), (3, 1, 8))
    y = np.concatenate([token, tokens], axis=1)
    normalized = model.get_layer("block0_norm1")(y)
    y = y + model.get_layer("block0_attention")(normalized, normalized)
    y = y + model.get_layer("block0_mlp2")(model.get_layer("block0_mlp1")(model.get_layer("block0_norm2")(y)))
    assert_close(features, np.asarray(model.get_layer("norm")(y))[:, 1:].mean(1))
    transferred = zoo.transfer(model.encoder(), 3)
    inputs = keras.Model(transferred.input, transferred.get_layer("head").input)
    assert_close(inputs.predict(x, verbose=0), features)
    assert len(zoo.stages(transferred)) >= 2


def test_reconstructions_keep_the_visible_patches_and_a_training_improves_the_others():
    ramp = np.linspace(0, 1, 16, dtype="float32")
    x = (ramp[None, :, None] * RNG.random((64, 1, 1)) + ramp[None, None] * RNG.random((64, 1, 1)))[..., None]
    model = tiny((16, 16, 1), normalize=False)
    reconstructed, is_masked = model.reconstruct(x)
    assert reconstructed.shape == x.shape and is_masked.shape == (16, 16) and is_masked.mean() == 0.5
    np.testing.assert_array_equal(reconstructed[:, ~is_masked], x.astype("float32")[:, ~is_masked])
    visible = x[:, ~is_masked].mean(axis=1, keepdims=True)
    assert_close(model.baseline_errors(x), ((x[:, is_masked] - visible) ** 2).mean((1, 2)))
    before = model.errors(x).mean()
    model.compile(optimizer=keras.optimizers.Adam(1e-2))
    model.fit(x, epochs=15, batch_size=16, verbose=0)
    assert model.errors(x).mean() < min(before, model.baseline_errors(x).mean())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mask": 0.99}, "`mask` must leave 1 to 5 of the 6 patches .* got 0.99, which leaves 0; set `patch`"),
        ({"mask": 0.0}, "`mask` must leave 1 to 5"),
        ({"heads": 3}, "`heads` must divide the width 8, got 3"),
        ({"decoder_heads": 5}, "`decoder_heads` must divide the width 8, got 5"),
        ({"width": 6}, "the widths must be divisible by 4, got 6"),
    ],
)
def test_unsuitable_sizes_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        tiny(**changes)


def test_images_of_other_shapes_and_nan_are_refused():
    model = tiny()
    with pytest.raises(ValueError, match=r"`images` must be \(N, 8, 12, 2\), got \(3, 8, 8, 2\)"):
        model.reconstruct(images(3, (8, 8, 2)))
    with pytest.raises(ValueError, match="must be finite numbers, got NaN or infinity"):
        model.errors(np.full((1, 8, 12, 2), np.nan))
