"""
Optimizers raced
================

Stochastic gradient descent has one learning rate for all weights. Momentum remembers the last steps; RMSprop and Adam
divide each weight's step by the size of its recent gradients. They start here at the same point, and race.

Polyak (1964), *Some methods of speeding up the convergence of iteration methods*; Tieleman and Hinton (2012), RMSprop,
lecture 6.5 of *Neural networks for machine learning*; Kingma and Ba (2015), *Adam*.
"""

# %%
# Four rules
# ----------
# Each rule turns the gradient ``g`` into a step, and remembers something in ``state``.
import keras
import matplotlib.pyplot as plt
import numpy as np

import recipes
import zoo


def sgd(g, state, t, rate):
    return -rate * g


def momentum(g, state, t, rate, remembered=0.9):
    state["velocity"] = remembered * state.get("velocity", 0) - rate * g
    return state["velocity"]


def rmsprop(g, state, t, rate, remembered=0.9):
    state["square"] = remembered * state.get("square", 0) + (1 - remembered) * g**2
    return -rate * g / np.sqrt(state["square"] + 1e-7)


def adam(g, state, t, rate, beta_1=0.9, beta_2=0.999):
    state["mean"] = beta_1 * state.get("mean", 0) + (1 - beta_1) * g
    state["square"] = beta_2 * state.get("square", 0) + (1 - beta_2) * g**2
    corrected_rate = rate * np.sqrt(1 - beta_2**t) / (1 - beta_1**t)  # as both averages start at 0
    return -corrected_rate * state["mean"] / (np.sqrt(state["square"]) + 1e-7)


RULES = {"SGD": sgd, "momentum": momentum, "RMSprop": rmsprop, "Adam": adam}

# %%
# A ravine
# --------
# The loss curves a hundred times more along ``y`` than along ``x``; its minimum is at (0, 0). Plain SGD needs a small
# learning rate for the steep direction, and then creeps along the flat one.


def ravine(x, y):
    return 0.5 * (0.01 * x**2 + y**2)


def run(rule, rate, steps=100, start=(-8.0, 1.5)):
    points, state = [np.array(start)], {}
    for t in range(1, steps + 1):
        g = points[-1] * (0.01, 1.0)  # gradient of the ravine
        points.append(points[-1] + rule(g, state, t, rate))
    return np.array(points)


LEARNING_RATES = {"SGD": 1.0, "momentum": 0.3, "RMSprop": 0.1, "Adam": 0.3}
paths = {name: run(rule, LEARNING_RATES[name]) for name, rule in RULES.items()}
final_loss = {name: float(ravine(*path[-1])) for name, path in paths.items()}
for name, loss in final_loss.items():
    print(f"{name}, learning rate {LEARNING_RATES[name]}: loss {loss:.1e} after 100 steps")

xs, ys = np.linspace(-9, 3, 80), np.linspace(-2, 2, 60)
figure, axes = plt.subplots(2, 2, figsize=(9, 5), sharex=True, sharey=True, layout="constrained")
for ax, (name, path) in zip(axes.flat, paths.items(), strict=True):
    ax.contour(xs, ys, ravine(*np.meshgrid(xs, ys)), levels=np.geomspace(0.005, 3, 10), colors="lightgray")
    ax.plot(*path.T, marker=".", markersize=4)
    ax.plot(0, 0, "k*")
    ax.set(title=name)
figure.supxlabel("x")
figure.supylabel("y")
plt.show()

# %%
# The rules are those of Keras
# ----------------------------
# Keras' optimizers take the same steps from the same start.
differences = {}
for name, optimizer in {
    "SGD": keras.optimizers.SGD(1.0),
    "momentum": keras.optimizers.SGD(0.3, momentum=0.9),
    "RMSprop": keras.optimizers.RMSprop(0.1),
    "Adam": keras.optimizers.Adam(0.3),
}.items():
    point = keras.Variable([-8.0, 1.5])
    for _ in range(10):
        optimizer.apply([point.numpy() * np.float32([0.01, 1.0])], [point])
    differences[name] = float(np.abs(point.numpy() - paths[name][10]).max())
    print(f"{name}: Keras and NumPy differ by {differences[name]:.0e} after 10 steps")

# %%
# The race on a network
# ---------------------
# Four networks have the same initial weights and get the same batches: 30 measures of cell nuclei, benign or malignant.
data = recipes.load("bundled:breast-cancer")
table = np.stack(list(data.train.inputs.values()), axis=1)
table = (table - table.mean(axis=0)) / table.std(axis=0)
losses = {}
for name, optimizer in {
    "SGD": keras.optimizers.SGD(0.01),
    "momentum": keras.optimizers.SGD(0.01, momentum=0.9),
    "RMSprop": keras.optimizers.RMSprop(0.001),
    "Adam": keras.optimizers.Adam(0.001),
}.items():
    keras.utils.set_random_seed(1)
    model = zoo.dnn((30,), 1, units=(32,), activation="sigmoid")
    model.compile(optimizer, "binary_crossentropy")
    history = model.fit(table, data.train.targets, epochs=6, batch_size=16, verbose=0).history
    losses[name] = history["loss"]
    print(f"{name}: training loss {losses[name][0]:.3f} in the first epoch and {losses[name][-1]:.3f} in the last")

figure, ax = plt.subplots(figsize=(6, 3.6), layout="constrained")
for name, loss in losses.items():
    ax.semilogy(range(1, 7), loss, marker=".", label=name)
ax.set(xlabel="epoch", ylabel="cross-entropy", title="Keras' default learning rates")
ax.legend()
plt.show()

# %%
# Exercise
# --------
# A race is fair only if every optimizer has a good learning rate. Which one is best for each rule in the ravine, among
# 0.01, 0.03, 0.1, 0.3, 1 and 3? Does the order change?

# %%
# Solution
# --------
# The order changes, except that plain SGD stays last: a race compares rules together with their learning rates.
best, best_loss = {}, {}
for name, rule in RULES.items():
    with np.errstate(over="ignore"):
        tried = {rate: float(ravine(*run(rule, rate)[-1])) for rate in (0.01, 0.03, 0.1, 0.3, 1.0, 3.0)}
    best[name], best_loss[name] = min(tried, key=tried.get), min(tried.values())
    print(f"{name}: best {best[name]}; " + ", ".join(f"{rate}: {loss:.0e}" for rate, loss in tried.items()))
print("order above: " + ", ".join(sorted(final_loss, key=final_loss.get)))
print("order with the best learning rates: " + ", ".join(sorted(best_loss, key=best_loss.get)))
