"""
VAE: a latent space to walk in
==============================

An autoencoder's codes have gaps: a random code decodes to nothing. A variational autoencoder (VAE) encodes each image
as a normal distribution that is pulled to N(0, 1), so that the space between the digits is filled and can be sampled.

Kingma and Welling (2013), *Auto-encoding variational Bayes*, https://arxiv.org/abs/1312.6114; Higgins et al. (2017),
*beta-VAE*, https://openreview.net/forum?id=Sy2fzU9gl.
"""

# %%
# Training
# --------
# :func:`zoo.vae` with a code of two numbers, which can be drawn. The loss is the reconstruction's cross-entropy plus
# the Kullback-Leibler divergence (KL) of the code from N(0, 1).
import keras
import matplotlib.pyplot as plt
import numpy as np

import recipes
import zoo

data = recipes.load("bundled:digits")
images, labels = data.train.inputs.astype("float32") / 255, data.train.targets


def train_vae(beta, epochs):
    keras.utils.set_random_seed(1)
    model = zoo.vae((8, 8, 1), latent=2, units=(64,), hidden_activation="relu", beta=beta)
    model.compile(keras.optimizers.Adam(0.003))
    history = model.fit(images, batch_size=64, epochs=epochs, verbose=0).history
    return model, history


model, history = train_vae(beta=1.0, epochs=30)
reconstruction, kl = history["reconstruction"][-1], history["kl"][-1]
print(f"After training: reconstruction {reconstruction:.1f} + KL {kl:.2f} nats for an image of 64 pixels")

# %%
# The KL term by hand
# -------------------
# For a normal distribution of mean m and variance s² it is (m² + s² - 1 - log s²) / 2, summed over the code. It is 0
# where the code says nothing of the image.
mean, log_variance = (np.asarray(x) for x in model.encoder(images))
kl_by_hand = float((0.5 * (mean**2 + np.exp(log_variance) - 1 - log_variance)).sum(axis=1).mean())
kl_of_layer = float(np.mean(zoo.layers.GaussianLatent.kl(mean, log_variance)))
print(f"KL by hand {kl_by_hand:.3f}, by zoo.layers.GaussianLatent {kl_of_layer:.3f}")

# %%
# The map of the codes
# --------------------
# The network never received a label. Digits of one kind lie together all the same, and each code on a grid decodes to
# something like a digit.
side = 9
quantiles = np.linspace(-1.8, 1.8, side)
grid = np.stack(np.meshgrid(quantiles, quantiles[::-1]), axis=-1).reshape(-1, 2).astype("float32")
decoded = np.asarray(model.decoder(grid)).reshape(side, side, 8, 8)
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4.2), layout="constrained")
points = left.scatter(*mean.T, c=labels, cmap="tab10", s=6)
left.set(xlabel="first number of the code", ylabel="second number", title="Codes of the digits", aspect="equal")
figure.colorbar(points, ax=left, ticks=range(10), label="digit")
tiles = decoded.transpose(0, 2, 1, 3).reshape(8 * side, 8 * side)
right.imshow(tiles, cmap="gray_r", interpolation="nearest", extent=(-1.8, 1.8, -1.8, 1.8))
right.set(xlabel="first number of the code", ylabel="second number", title="Decoded codes")
plt.show()


# %%
# How well do the codes separate the digits? A nearest-neighbor vote in the code predicts the digit of a test image.
def neighbor_accuracy(codes, other_codes):
    distance = ((other_codes[:, None] - codes[None]) ** 2).sum(axis=-1)
    votes = labels[np.argsort(distance, axis=1)[:, :9]]
    predicted = [np.bincount(row, minlength=10).argmax() for row in votes]
    return float(np.mean(predicted == data.test.targets))


test_images = data.test.inputs.astype("float32") / 255
code_accuracy = neighbor_accuracy(mean, np.asarray(model.encoder(test_images)[0]))
print(f"Accuracy of nine neighbors in two numbers: {code_accuracy:.2f}, by chance 0.10")

# %%
# A walk from a zero to a one
# ---------------------------
# Along the line between two codes the form changes. Along the line between two images one fades into the other.
first, last = (mean[labels == k].mean(axis=0) for k in (0, 1))
steps = np.linspace(0, 1, 8)[:, None]
walk = np.asarray(model.decoder(((1 - steps) * first + steps * last).astype("float32")))
pixels = [images[labels == k][0] for k in (0, 1)]
blend = np.array([(1 - s) * pixels[0] + s * pixels[1] for s in steps[:, 0]])
figure, axes = plt.subplots(2, 8, figsize=(8, 2.4), layout="constrained")
for row, values, title in zip(axes, (walk, blend), ("between the codes", "between the pixels"), strict=True):
    row[0].set_title(title, loc="left", fontsize=10)
    for ax, image in zip(row, values, strict=True):
        ax.imshow(image[..., 0], cmap="gray_r", vmin=0, vmax=1)
        ax.axis("off")
plt.show()

# %%
# Exercise
# --------
# Train with ``beta=0``, which leaves the KL term out. What happens to the codes, and does N(0, 1) still cover them?

# %%
# Solution
# --------
# The codes fly apart, as in an autoencoder: a code drawn from N(0, 1) lies between few of them.
plain, _ = train_vae(beta=0.0, epochs=12)
spread = {1.0: float(mean.std()), 0.0: float(np.asarray(plain.encoder(images)[0]).std())}
for beta, value in spread.items():
    print(f"beta {beta:g}: standard deviation of the codes {value:.2f}")
