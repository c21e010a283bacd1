"""
The loss landscape
==================

Training goes downhill in a space of thousands of weights. Two random directions through the trained weights make a map
of it, if the directions are scaled like the weights: otherwise a network looks flat because its weights are large.

Li et al. (2018), *Visualizing the loss landscape of neural nets*, https://arxiv.org/abs/1712.09913.
"""

# %%
# A trained network
# -----------------
import keras
import matplotlib.pyplot as plt
import numpy as np

import recipes
import zoo

data = recipes.load("bundled:digits")
images, labels = data.train.inputs.astype("float32") / 255, data.train.targets
keras.utils.set_random_seed(1)
model = zoo.dnn((8, 8, 1), 10, units=(32, 32), activation="softmax")
model.compile(keras.optimizers.Adam(0.005), "sparse_categorical_crossentropy")
start = model.get_weights()
history = model.fit(images, labels, batch_size=64, epochs=10, verbose=0)
trained = model.get_weights()
x, y = images[:300], labels[:300]


def loss_of(weights):
    model.set_weights(weights)
    value = float(keras.ops.mean(keras.losses.sparse_categorical_crossentropy(y, model(x))))
    model.set_weights(trained)
    return value


print(f"Loss with random weights {loss_of(start):.2f}, after training {loss_of(trained):.3f}")

# %%
# Two directions
# --------------
# Each direction is random, and each of its filters has the norm of the network's filter: a step of 1 changes a filter
# by as much as its size. :func:`zoo.explain.landscape` evaluates the loss on a grid.
surface = zoo.explain.landscape(model, x, y, dimensions=2, points=15, extent=1.0, batch_size=300)
middle = len(surface.coordinates) // 2
lowest, highest = float(surface.loss.min()), float(surface.loss.max())
at_weights = float(surface.loss[middle, middle])
print(f"On the map the loss lies between {lowest:.3f} and {highest:.2f}; at the weights it is {at_weights:.3f}")
figure, ax = plt.subplots(figsize=(5, 4), layout="constrained")
axis = surface.coordinates
contours = ax.contourf(axis, axis, np.log10(surface.loss.T), levels=15, cmap="viridis")
ax.plot(0, 0, "o", color="tab:red", label="trained weights")
ax.set(xlabel="first direction [norms of the filters]", ylabel="second direction", aspect="equal")
ax.legend()
figure.colorbar(contours, ax=ax, label="log10 of the loss")
plt.show()

# %%
# From random to trained weights
# ------------------------------
# On the straight line between both, the loss mostly falls, without the hills that one might fear (Goodfellow et al.
# 2014, https://arxiv.org/abs/1412.6544).
steps = np.linspace(-0.2, 1.4, 25)
line = [loss_of([a + s * (b - a) for a, b in zip(start, trained, strict=True)]) for s in steps]
figure, ax = plt.subplots(figsize=(6, 3), layout="constrained")
ax.plot(steps, line, ".-")
ax.axvline(0, color="gray", linestyle=":")
ax.axvline(1, color="gray", linestyle=":")
ax.set(xlabel="0 = random weights, 1 = trained weights", ylabel="loss")
plt.show()
print(f"Lowest loss on the line {min(line):.3f} at {steps[int(np.argmin(line))]:.2f}")

# %%
# Why the directions are scaled
# -----------------------------
# A network of ReLU units computes the same if the weights of one layer are multiplied by 4 and those of the next
# divided by 4. Steps of one size in all directions draw another map for it; steps in norms of the filters draw the same
# one. Here along one direction, with the biases of the first layer multiplied too.
rescaled = [w.copy() for w in trained]
rescaled[0], rescaled[1], rescaled[2] = rescaled[0] * 4, rescaled[1] * 4, rescaled[2] / 4
print(f"Loss of the rescaled network {loss_of(rescaled):.3f}, of the trained one {loss_of(trained):.3f}")


def curve(weights, normalized):
    """Returns the loss along one random direction at the steps -1, ..., 1."""
    if normalized:
        model.set_weights(weights)
        result = zoo.explain.landscape(model, x, y, points=11, extent=1.0, batch_size=300, seed=1).loss
        model.set_weights(trained)
        return result
    rng = np.random.default_rng(1)
    direction = [rng.normal(0, 0.2, w.shape) * (w.ndim > 1) for w in weights]
    return np.array([loss_of([w + s * d for w, d in zip(weights, direction, strict=True)]) for s in steps11])


steps11 = np.linspace(-1, 1, 11)
change = {}
for normalized in (False, True):
    first, second = curve(trained, normalized), curve(rescaled, normalized)
    change[normalized] = float(np.abs(np.log(first / second)).mean())
    print(f"{'norms of the filters' if normalized else 'equal steps'}: the two curves differ by a factor "
          f"of {np.exp(change[normalized]):.2f} on average")  # fmt: skip

# %%
# Exercise
# --------
# Small batches are said to end in flatter minima than large ones. Train the network again with batches of 1,258 digits,
# in 40 epochs, and compare the mean loss at a distance of 0.5 along one direction.

# %%
# Solution
# --------
# Compare with care: the losses at the weights themselves differ too, and a difference from one seed is not a law.
model.set_weights(start)
model.fit(images, labels, batch_size=len(images), epochs=40, verbose=0)
large = zoo.explain.landscape(model, x, y, points=5, extent=1.0, batch_size=300, seed=1).loss
model.set_weights(trained)
small = zoo.explain.landscape(model, x, y, points=5, extent=1.0, batch_size=300, seed=1).loss
for name, values in (("batches of 64", small), ("all digits", large)):
    print(f"{name}: loss {values[2]:.3f} at the weights, {values[[1, 3]].mean():.3f} at a distance of 0.5")
