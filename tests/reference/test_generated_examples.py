"""Generated examples: their class, their seed, and the gain in accuracy."""

import numpy as np
import pytest

import recipes
import zoo
from recipes.reference.generated_examples import gain_from_generated, generate_examples
from tests.tolerance import assert_close

RNG = np.random.default_rng(0)
IMAGES, LABELS = RNG.uniform(0, 1, (12, 8, 8, 1)).astype("float32"), np.repeat([0, 2], 6)


def test_a_vae_decodes_interpolations_within_a_class():
    model = zoo.vae((8, 8, 1), 2, units=(4,))
    images, labels = generate_examples(model, IMAGES, LABELS, 5, seed=1)
    assert images.shape == (10, 8, 8, 1) and labels.tolist() == [0] * 5 + [2] * 5
    repeated, _ = generate_examples(model, IMAGES, LABELS, 5, seed=1)
    np.testing.assert_array_equal(images, repeated)
    model.encode = lambda images: LABELS[:, None].astype("float32") * [[1, 1]]  # code = class
    decoded = model.decoder.predict(np.float32([[0, 0], [2, 2]]), verbose=0)
    images, _ = generate_examples(model, IMAGES, LABELS, 1)
    assert_close(images, decoded)


def test_a_conditional_model_samples_each_class():
    model = zoo.conditional_gan((8, 8, 1), 3, units=(4, 3, 6), maxout=(5, 3, 4), maxout_pieces=(2, 2, 2), latent=3)
    images, labels = generate_examples(model, IMAGES, LABELS, 2, seed=3)
    np.testing.assert_array_equal(images, model.sample(4, seed=3, labels=[0, 0, 2, 2]))
    assert labels.tolist() == [0, 0, 2, 2]


def test_models_without_classes_or_encoder_raise():
    with pytest.raises(ValueError, match="must be class-conditional, or have an encoder and a decoder, got dcgan"):
        generate_examples(zoo.dcgan((8, 8, 1), 3, filters=2), IMAGES, LABELS, 2)
    with pytest.raises(ValueError, match="one per image, got 3 for 12"):
        generate_examples(zoo.vae((8, 8, 1), 2, units=(4,)), IMAGES, LABELS[:3], 2)


def squares(count=90):
    """Returns images of squares on the left (class 0) or on the right (class 1)."""
    images = np.zeros((count, 8, 8, 1), "uint8")
    for i, image in enumerate(images):
        top, left = RNG.integers(0, 5), 5 * (i % 2)
        image[top : top + 3, left : left + 3] = RNG.integers(100, 255)
    return recipes.load((images, np.arange(count) % 2))


@pytest.mark.slow
def test_the_gain_is_the_mean_difference_from_real_images_alone():
    sizes = {"real_per_class": 16, "generated_per_class": 16, "seeds": 1, "steps": 4, "epochs": 2}
    gains = gain_from_generated(squares(), "vae", **sizes, latent=2, units=(8,))
    assert list(gains) == ["real", "augmented", "generated", "generated and augmented"]
    assert gains["real"]["gain"] == 0
    for row in gains.values():
        assert row["gain"] == pytest.approx(row["accuracy"] - gains["real"]["accuracy"])
        assert 0 <= row["accuracy"] <= 1 and len(row["accuracies"]) == 1
    with pytest.raises(ValueError, match="`real_per_class` must be at most"):
        gain_from_generated(squares(), real_per_class=999)
