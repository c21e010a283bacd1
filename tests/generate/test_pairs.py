"""Both networks of every pair have their papers' sizes; what is particular to WGAN-GP and to pix2pix."""

import keras
import numpy as np
import pytest

import zoo

RNG = np.random.default_rng(4)
PHOTO = {"input_shape": (256, 256, 3)}

# name, arguments, trainable parameters of the generator and of the discriminator, source
SIZES = [
    ("gan", {"image_shape": (28, 28, 1)}, 2503984, 1231441, "goodfeli/adversarial, mnist.yaml"),
    ("conditional_gan", {"image_shape": (28, 28, 1), "classes": 10}, 2413984, 1224351, "Mirza, Osindero 2014"),
    ("dcgan", {"image_shape": (64, 64, 3)}, 3576704, 2765568, "pytorch/examples, dcgan"),
    ("dcgan_paper", {"image_shape": (64, 64, 3)}, 18855040, 17232768, "Radford et al. 2015, figure 1"),
    ("wgan_gp", {"image_shape": (32, 32, 3)}, 5179907, 4114688, "by hand from gan_cifar.py, without the last bias"),
    ("pix2pix", PHOTO, 54413955, 2768705, "pytorch-CycleGAN-and-pix2pix, unet_256 and basic"),
    ("pix2pix", {**PHOTO, "depth": 7}, 41828995, 2768705, "the same, unet_128"),
]


@pytest.mark.parametrize(("name", "arguments", "generator", "discriminator", "source"), SIZES)
def test_both_networks_have_the_papers_size(name, arguments, generator, discriminator, source):
    model = zoo.outline(name, **arguments)
    found = [zoo.parameters(network)[1] for network in (model.generator, model.discriminator)]
    assert found == [generator, discriminator], source


def test_the_critics_loss_is_its_difference_and_the_penalty_of_its_slopes():
    model = zoo.wgan_gp((8, 8, 1), 3, filters=4)
    slope = RNG.normal(size=(8, 8, 1)).astype("float32")
    model.judge = lambda images, told: keras.ops.sum(images * slope, axis=(1, 2, 3))[:, None]
    real, made = RNG.normal(size=(2, 4, 8, 8, 1)).astype("float32")
    difference = (made * slope).sum((1, 2, 3)).mean() - (real * slope).sum((1, 2, 3)).mean()
    expected = difference + 10 * (np.sqrt((slope**2).sum()) - 1) ** 2
    found = model.discriminator_loss(keras.ops.convert_to_tensor(real), keras.ops.convert_to_tensor(made), [])
    assert float(found) == pytest.approx(expected, rel=1e-5)
    assert float(model.generator_loss(None, made, [])) == pytest.approx(-(made * slope).sum((1, 2, 3)).mean(), rel=1e-5)


def test_the_generator_learns_from_every_third_batch_of_the_critics_and_the_critic_from_all():
    model = zoo.wgan_gp((8, 8, 1), 3, filters=4, critic_steps=3)
    model.compile()
    images = RNG.uniform(-1, 1, (4, 8, 8, 1)).astype("float32")
    moved = []
    for _ in range(6):
        before = [np.array(n.trainable_weights[0]) for n in (model.generator, model.discriminator)]
        model.train_on_batch(images)
        after = [np.array(n.trainable_weights[0]) for n in (model.generator, model.discriminator)]
        moved.append(tuple(bool(np.any(a != b)) for a, b in zip(after, before, strict=True)))
    assert moved == [(False, True), (False, True), (True, True)] * 2


def translator(**changed):
    return zoo.pix2pix((16, 16, 2), 3, **{"filters": 4, "depth": 3, "patch_depth": 1, **changed})


def test_the_discriminator_judges_patches_of_70_pixels():
    model = zoo.outline("pix2pix", **PHOTO)
    assert model.discriminator.output.shape == (None, 30, 30, 1)
    for depth, side in ((1, 16), (3, 70), (5, 286)):
        seen = step = 1
        for layer in zoo.outline("pix2pix", **PHOTO, patch_depth=depth).discriminator.layers:
            if isinstance(layer, keras.layers.Conv2D):
                seen += (layer.kernel_size[0] - 1) * step
                step *= layer.strides[0]
        assert seen == side


def test_the_generators_first_three_stages_up_drop_half():
    model = zoo.outline("pix2pix", **PHOTO)
    drops = [layer for layer in model.generator.layers if isinstance(layer, keras.layers.Dropout)]
    assert [d.rate for d in drops] == [0.5] * 3
    assert [d.output.shape[1:] for d in drops] == [(2, 2, 512), (4, 4, 512), (8, 8, 512)]


def test_pix2pix_comes_close_to_its_targets_and_its_loss_says_how_close():
    model = translator(dropout=0)
    inputs = RNG.uniform(-1, 1, (2, 16, 16, 2)).astype("float32")
    targets = np.repeat(inputs[..., :1], 3, -1)
    made = np.asarray(model(inputs))
    model.judge = lambda images, told: keras.ops.zeros((2, 4, 4, 1))
    loss = float(model.generator_loss(targets, made, [inputs]))
    assert loss == pytest.approx(np.log(2) + 100 * np.abs(targets - made).mean(), rel=1e-5)
    del model.judge
    model.compile(keras.optimizers.Adam(5e-3, beta_1=0.5))
    losses = model.fit(inputs, targets, epochs=40, verbose=0).history["generator_loss"]
    assert losses[-1] < losses[0] / 2


def test_pix2pix_needs_pairs_in_its_range_and_refuses_what_it_cannot_do():
    model = translator()
    model.compile()
    inputs, targets = np.zeros((2, 16, 16, 2), "float32"), np.zeros((2, 16, 16, 3), "float32")
    with pytest.raises(ValueError, match="inputs and their targets, got inputs alone"):
        model.fit(inputs, verbose=0)
    with pytest.raises(ValueError, match="targets must lie from -1 to 1, got values from 255 to 255"):
        model.fit(inputs, targets + 255, verbose=0)
    for offered in (lambda: model.sample(2), lambda: model.interpolate(inputs[0], inputs[1])):
        with pytest.raises(ValueError, match=r"not of noise: use `predict\(images\)`"):
            offered()
    with pytest.raises(ValueError, match="at least 256 and divisible by 256"):
        zoo.pix2pix((128, 128, 3))
    with pytest.raises(ValueError, match="at least 24 and divisible by 4"):
        zoo.pix2pix((16, 16, 3), depth=2)
    assert [s.shape.as_list() for s in model.signatures()["discriminate"][1]] == [
        [None, 16, 16, 3],
        [None, 16, 16, 2],
    ]
