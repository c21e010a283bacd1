"""
Autoencoder and denoising
=========================

An autoencoder squeezes an image through a few numbers, its code, and has to draw it again. What it learns without
labels is what images have in common. Principal component analysis (PCA) does the same with straight lines only.

Hinton and Salakhutdinov (2006), *Reducing the dimensionality of data with neural networks*; Vincent et al. (2008),
*Extracting and composing robust features with denoising autoencoders*.
"""

# %%
# PCA with ten numbers
# --------------------
# PCA finds the ten directions along which digits differ most. The code of a digit is its position along each of them.
import keras
import matplotlib.pyplot as plt
import numpy as np

import recipes
import zoo

LATENT = 10
data = recipes.load("bundled:mnist-5k")
train_images = data.train.inputs / np.float32(255)
test_images = data.test.inputs[:500] / np.float32(255)
flat = train_images.reshape(len(train_images), -1)
mean = flat.mean(axis=0)
all_directions = np.linalg.eigh(np.cov(flat.T))[1].T[::-1].astype("float32")  # eigenvectors, most variance first
directions = all_directions[:LATENT]
pca_codes = (test_images.reshape(500, -1) - mean) @ directions.T
pca_images = (pca_codes @ directions + mean).reshape(test_images.shape)


def error(images):
    """Returns the mean squared error per pixel on the test images."""
    return float(np.mean((images - test_images) ** 2))


# %%
# An autoencoder with ten numbers
# -------------------------------
# :func:`zoo.autoencoder` has dense layers that bend. ``encode`` returns the codes, and ``compile`` without arguments
# takes the loss of its paper.
keras.utils.set_random_seed(1)
model = zoo.autoencoder(data.shape, LATENT, units=(128, 64))
model.compile()
history = model.fit(train_images, batch_size=64, epochs=12, verbose=0)
reconstructed = model.predict(test_images, batch_size=500, verbose=0)
errors = {"mean image": error(flat.mean(axis=0).reshape(data.shape)), "PCA": error(pca_images)}
errors["autoencoder"] = error(reconstructed)
for name, value in errors.items():
    print(f"{name}: mean squared error {value:.4f}")
print(f"{np.prod(data.shape)} pixels as {model.encode(test_images).shape[1]} numbers")

# %%
# The price: PCA has a weight per pixel and direction, the network many times more.
weights = {"PCA": directions.size + mean.size, "autoencoder": model.count_params()}
print(f"weights of PCA: {weights['PCA']:,}, of the autoencoder: {weights['autoencoder']:,}")


def draw_rows(rows):
    axes = plt.subplots(len(rows), 8, figsize=(9, 1.25 * len(rows)), layout="constrained")[1]
    for row, (name, images) in zip(axes, rows.items(), strict=True):
        for ax, image in zip(row, images, strict=False):
            ax.imshow(image[..., 0], cmap="gray_r", vmin=0, vmax=1)
            ax.set(xticks=[], yticks=[])
        row[0].set_ylabel(name)
    plt.show()


draw_rows({"digit": test_images, "PCA": pca_images, "autoencoder": reconstructed})

# %%
# Between two digits
# ------------------
# The codes of two digits can be interpolated, and decoded on the way. The pixels in between are no mixture of two
# images.
draw_rows(
    {
        "codes": model.interpolate(test_images[0], test_images[1], 8),
        "pixels": [(1 - weight) * test_images[0] + weight * test_images[1] for weight in np.linspace(0, 1, 8)],
    }
)

# %%
# Denoising
# ---------
# A denoising autoencoder gets noisy images and has to draw the clean ones. :func:`zoo.denoising_autoencoder` is
# convolutional, and adds the noise itself while it is trained.
keras.utils.set_random_seed(1)
denoiser = zoo.denoising_autoencoder(data.shape, filters=(16, 16))
denoiser.compile()
denoiser.fit(train_images[:1500], batch_size=32, epochs=4, verbose=0)
noise = np.random.default_rng(0).normal(scale=0.4, size=test_images.shape)
noisy = np.clip(test_images + noise, 0, 1).astype("float32")
denoised = denoiser.predict(noisy, batch_size=500, verbose=0)
denoising_errors = {"noisy": error(noisy), "denoised": error(denoised)}
print(f"mean squared error: noisy {denoising_errors['noisy']:.4f}, denoised {denoising_errors['denoised']:.4f}")
draw_rows({"noisy": noisy, "denoised": denoised, "digit": test_images})

# %%
# Exercise
# --------
# PCA can denoise, too: the noise is spread over all directions, the digits are not. How many directions are best for
# these noisy digits, and is it better than the network?

# %%
# Solution
# --------
# Few directions blur the digit, many bring back the noise. In between PCA is a strong baseline: a network that is
# trained as briefly as this one is about as good. Clipped noise is brighter on average; the mean of noisy training
# images takes that away.
random = np.random.default_rng(1)
noisy_mean = np.clip(flat[:500] + random.normal(scale=0.4, size=(500, flat.shape[1])), 0, 1).mean(axis=0)
pca_errors = {}
for count in (5, 10, 20, 40, 80, 160):
    part = all_directions[:count]
    codes = (noisy.reshape(500, -1) - noisy_mean) @ part.T
    pca_errors[count] = error((codes @ part + mean).reshape(test_images.shape))
    print(f"{count} directions: mean squared error {pca_errors[count]:.4f}")
best_count = min(pca_errors, key=pca_errors.get)
print(f"PCA with {best_count} directions {pca_errors[best_count]:.4f}, network {denoising_errors['denoised']:.4f}")
