"""Parameter counts of all GANs; the losses and training steps of WGAN-GP and pix2pix."""

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
def test_both_networks_have_the_published_number_of_parameters(name, arguments, generator, discriminator, source):
    model = zoo.outline(name, **arguments)
    counts = [zoo.parameters(network)[1] for network in (model.generator, model.discriminator)]
    assert counts == [generator, discriminator], source


def test_the_critics_loss_is_the_wasserstein_distance_and_the_gradient_penalty():
    model = zoo.wgan_gp((8, 8, 1), 3, filters=4)
    gradient = RNG.normal(size=(8, 8, 1)).astype("float32")
    model.discriminate = lambda images, condition: keras.ops.sum(images * gradient, axis=(1, 2, 3))[:, None]
    real, generated = RNG.normal(size=(2, 4, 8, 8, 1)).astype("float32")
    distance = (real * gradient).sum((1, 2, 3)).mean() - (generated * gradient).sum((1, 2, 3)).mean()
    expected = -distance + 10 * (np.sqrt((gradient**2).sum()) - 1) ** 2
    loss = model.discriminator_loss(keras.ops.convert_to_tensor(real), keras.ops.convert_to_tensor(generated), [])
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    expected = -(generated * gradient).sum((1, 2, 3)).mean()
    assert float(model.generator_loss(None, generated, [])) == pytest.approx(expected, rel=1e-5)


def test_the_critic_is_updated_on_every_batch_and_the_generator_on_every_third():
    model = zoo.wgan_gp((8, 8, 1), 3, filters=4, critic_steps=3)
    model.compile()
    images = RNG.uniform(-1, 1, (4, 8, 8, 1)).astype("float32")
    changed = []
    for _ in range(6):
        before = [np.array(n.trainable_weights[0]) for n in (model.generator, model.discriminator)]
        model.train_on_batch(images)
        after = [np.array(n.trainable_weights[0]) for n in (model.generator, model.discriminator)]
        changed.append(tuple(bool(np.any(a != b)) for a, b in zip(after, before, strict=True)))
    assert changed == [(False, True), (False, True), (True, True)] * 2


def small_pix2pix(**arguments):
    return zoo.pix2pix((16, 16, 2), 3, **{"filters": 4, "depth": 3, "patch_depth": 1, **arguments})


def test_the_discriminators_patches_have_70_pixels():
    model = zoo.outline("pix2pix", **PHOTO)
    assert model.discriminator.output.shape == (None, 30, 30, 1)
    for depth, side in ((1, 16), (3, 70), (5, 286)):
        patch = stride = 1
        for layer in zoo.outline("pix2pix", **PHOTO, patch_depth=depth).discriminator.layers:
            if isinstance(layer, keras.layers.Conv2D):
                patch += (layer.kernel_size[0] - 1) * stride
                stride *= layer.strides[0]
        assert patch == side


def test_the_first_three_decoder_stages_have_dropout_of_one_half():
    model = zoo.outline("pix2pix", **PHOTO)
    dropouts = [layer for layer in model.generator.layers if isinstance(layer, keras.layers.Dropout)]
    assert [d.rate for d in dropouts] == [0.5] * 3
    assert [d.output.shape[1:] for d in dropouts] == [(2, 2, 512), (4, 4, 512), (8, 8, 512)]


def test_pix2pix_has_the_l1_loss_and_learns_its_targets():
    model = small_pix2pix(dropout=0)
    inputs = RNG.uniform(-1, 1, (2, 16, 16, 2)).astype("float32")
    targets = np.repeat(inputs[..., :1], 3, -1)
    outputs = np.asarray(model(inputs))
    model.discriminate = lambda images, condition: keras.ops.zeros((2, 4, 4, 1))
    loss = float(model.generator_loss(targets, outputs, [inputs]))
    assert loss == pytest.approx(np.log(2) + 100 * np.abs(targets - outputs).mean(), rel=1e-5)
    del model.discriminate
    model.compile(keras.optimizers.Adam(5e-3, beta_1=0.5))
    losses = model.fit(inputs, targets, epochs=40, verbose=0).history["generator_loss"]
    assert losses[-1] < losses[0] / 2


def test_pix2pix_requires_pairs_in_its_range_and_refuses_sampling_and_small_images():
    model = small_pix2pix()
    model.compile()
    inputs, targets = np.zeros((2, 16, 16, 2), "float32"), np.zeros((2, 16, 16, 3), "float32")
    with pytest.raises(ValueError, match="must be inputs and targets, got inputs alone"):
        model.fit(inputs, verbose=0)
    with pytest.raises(ValueError, match="targets must lie from -1 to 1, got values from 255 to 255"):
        model.fit(inputs, targets + 255, verbose=0)
    for call in (lambda: model.sample(2), lambda: model.interpolate(inputs[0], inputs[1])):
        with pytest.raises(ValueError, match=r"not from noise: use `predict\(images\)`"):
            call()
    with pytest.raises(ValueError, match="at least 256 and divisible by 256"):
        zoo.pix2pix((128, 128, 3))
    with pytest.raises(ValueError, match="at least 24 and divisible by 4"):
        zoo.pix2pix((16, 16, 3), depth=2)
    assert [s.shape.as_list() for s in model.signatures()["discriminate"][1]] == [
        [None, 16, 16, 3],
        [None, 16, 16, 2],
    ]
