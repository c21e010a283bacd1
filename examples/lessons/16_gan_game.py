"""
The GAN game
============

A generator makes points from noise, and a discriminator says whether a point is real. Each is the other's teacher:
where the discriminator can no longer tell, the generator has learned the distribution.

Goodfellow et al. (2014), *Generative adversarial networks*, https://arxiv.org/abs/1406.2661; Salimans et
al. (2016), *Improved techniques for training GANs*, https://arxiv.org/abs/1606.03498.
"""

# %%
# The players
# -----------
# The real points lie in three clusters. A point is an image of two pixels for :func:`zoo.gan`, whose generator and
# discriminator are small dense networks here.
import keras
import matplotlib.pyplot as plt
import numpy as np
from keras import ops

import zoo

centers = np.array([[0.2, 0.25], [0.8, 0.25], [0.5, 0.8]])
SPREAD = 0.04
rng = np.random.default_rng(1)


def real_points(n):
    points = centers[rng.integers(0, len(centers), n)] + rng.normal(0, SPREAD, (n, 2))
    return np.clip(points, 0, 1).astype("float32").reshape(n, 1, 2, 1)


keras.utils.set_random_seed(1)
model = zoo.gan((1, 2, 1), latent=4, units=(64, 64), maxout=(64, 64), dropout=0.0)
model.compile(keras.optimizers.Adam(0.004, beta_1=0.5), keras.optimizers.Adam(0.004, beta_1=0.5))

# %%
# The rounds
# ----------
# In each step the discriminator is updated on real and generated points, then the generator on the discriminator's
# verdict. We save the points that the generator makes along the way.
noise = np.random.default_rng(0).standard_normal((500, model.latent)).astype("float32")
snapshots = {}


def save_points(epoch, logs):
    snapshots[epoch + 1] = np.asarray(model.generator(noise)).reshape(-1, 2)


snapshots[0] = np.asarray(model.generator(noise)).reshape(-1, 2)
callback = keras.callbacks.LambdaCallback(on_epoch_end=save_points)
history = model.fit(real_points(128 * 50), batch_size=128, epochs=12, verbose=0, callbacks=[callback]).history


def fraction_near(points):
    """Fraction of the points within four standard deviations of a cluster's center."""
    distance = np.linalg.norm(points[:, None] - centers, axis=-1)
    return float((distance.min(axis=1) < 4 * SPREAD).mean())


near = {epoch: fraction_near(points) for epoch, points in snapshots.items()}
epochs_of_figure = (0, 2, 6, 12)
figure, axes = plt.subplots(1, 4, figsize=(9, 2.7), sharey=True, layout="constrained")
for ax, epoch in zip(axes, epochs_of_figure, strict=True):
    ax.scatter(*centers.T, s=300, facecolors="none", edgecolors="tab:orange")
    ax.scatter(*snapshots[epoch].T, s=2)
    ax.set(xlim=(0, 1), ylim=(0, 1), aspect="equal", title=f"after {epoch} epochs", xlabel="first pixel")
axes[0].set_ylabel("second pixel")
plt.show()
print(
    "Fraction of the generated points in a cluster:",
    ", ".join(f"{near[e]:.2f} after {e}" for e in epochs_of_figure),
    "epochs",
)

# %%
# Who wins?
# ---------
# Against a perfect generator the best discriminator says 1/2 everywhere, and its loss is log 2. The losses say little
# of the quality of the points, unlike those of a classifier.
real, generated = real_points(500), snapshots[12].reshape(-1, 1, 2, 1).astype("float32")
verdict = {
    name: np.asarray(ops.sigmoid(model.discriminator(x)))[:, 0]
    for name, x in (("real", real), ("generated", generated))
}
right = float(np.mean([*(verdict["real"] > 0.5), *(verdict["generated"] <= 0.5)]))
print(f"Mean verdict on real points {verdict['real'].mean():.2f}, on generated ones {verdict['generated'].mean():.2f}")
print(f"The discriminator is right on {right:.2f} of both; last loss {history['discriminator_loss'][-1]:.2f}, "
      f"log 2 = {np.log(2):.2f}")  # fmt: skip
figure, ax = plt.subplots(figsize=(6, 3), layout="constrained")
ax.plot(history["discriminator_loss"], label="discriminator")
ax.plot(history["generator_loss"], label="generator")
ax.axhline(np.log(2), color="gray", linestyle=":", label="log 2")
ax.set(xlabel="epoch", ylabel="loss")
ax.legend()
plt.show()

# %%
# Exercise
# --------
# The game says that the generator minimizes log(1 - D(G(z))); the paper trains it on -log D(G(z)). Compute the
# derivative of both with respect to the discriminator's logit. Which one teaches a generator whose points are easily
# recognized?

# %%
# Solution
# --------
# At a logit of -6 the discriminator is sure that a point is not real. There log(1 - D) is flat, and -log D is steep.
logit = np.linspace(-6, 6, 121)
probability = 1 / (1 + np.exp(-logit))
slopes = {"log(1 - D)": -probability, "-log D": probability - 1}
for name, slope in slopes.items():
    print(f"derivative of {name} at a logit of {logit[0]:.0f}: {slope[0]:.4f}")
step = 1e-4  # the derivatives by finite differences
by_differences = {
    name: (loss(logit + step) - loss(logit - step)) / (2 * step)
    for name, loss in (("log(1 - D)", lambda v: -np.log1p(np.exp(v))), ("-log D", lambda v: np.log1p(np.exp(-v))))
}
largest = max(float(np.abs(slopes[name] - by_differences[name]).max()) for name in slopes)
print(f"Largest difference from the finite differences: {largest:.0e}")
