"""
Perceptron and XOR
==================

A perceptron draws one straight line between two classes. The exclusive or (XOR) of two inputs needs two lines, so a
perceptron cannot learn it; a network with one hidden layer can.

Rosenblatt (1958), *The perceptron*; Minsky and Papert (1969), *Perceptrons*.
"""

# %%
# The perceptron
# --------------
# It predicts 1 where ``w · x + b`` is positive. For each wrong example the rule of Rosenblatt adds the example to the
# weights, or subtracts it.
import keras
import matplotlib.pyplot as plt
import numpy as np

import zoo

points = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], "float32")
targets = {"AND": np.array([0, 0, 0, 1]), "OR": np.array([0, 1, 1, 1]), "XOR": np.array([0, 1, 1, 0])}


def train_perceptron(x, y, epochs=20):
    weights, bias = np.zeros(x.shape[1]), 0.0
    for _ in range(epochs):
        for example, target in zip(x, y, strict=True):
            error = target - float(weights @ example + bias > 0)
            weights, bias = weights + error * example, bias + error
    return weights, bias


perceptron_accuracy = {}
for name, y in targets.items():
    weights, bias = train_perceptron(points, y)
    perceptron_accuracy[name] = float(((points @ weights + bias > 0) == y).mean())
    print(f"{name}: {perceptron_accuracy[name]:.2f} of the four points are right, w = {weights}, b = {bias:.0f}")

# %%
# A hidden layer
# --------------
# :func:`zoo.dnn` is a stack of dense layers. Eight hidden units are enough for XOR.
keras.utils.set_random_seed(1)
model = zoo.dnn((2,), 1, units=(8,), activation="sigmoid")
model.compile(keras.optimizers.Adam(0.05), "binary_crossentropy")
many, many_targets = np.tile(points, (50, 1)), np.tile(targets["XOR"], 50)  # 200 examples make an epoch of 50 steps
history = model.fit(many, many_targets, epochs=12, batch_size=4, verbose=0)
network_accuracy = float(((model.predict(points, verbose=0)[:, 0] > 0.5) == targets["XOR"]).mean())
print(f"XOR with a hidden layer: {network_accuracy:.2f} of the four points are right")

# %%
# The regions of the two classes are no longer separated by one line.
axis = np.linspace(-0.5, 1.5, 60)
grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2).astype("float32")
probability = model.predict(grid, batch_size=3600, verbose=0).reshape(60, 60)
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
image = left.contourf(axis, axis, probability, levels=10, cmap="coolwarm")
left.scatter(*points.T, c=targets["XOR"], cmap="coolwarm", edgecolor="black", s=90)
left.set(xlabel="first input", ylabel="second input", title="Probability of class 1")
figure.colorbar(image, ax=left)
right.plot(history.history["loss"])
right.set(xlabel="epoch", ylabel="cross-entropy", title="Training loss")
plt.show()

# %%
# Exercise
# --------
# How many hidden units does XOR need? Train networks of 1 and 32 hidden units from two seeds each, and count how often
# all four points are right.

# %%
# Solution
# --------
# Two units can represent XOR, but training does not always reach that solution; more units make it easier.
solved = {}
for units in (1, 32):
    solved[units] = 0
    for seed in range(2):
        keras.utils.set_random_seed(seed)
        small = zoo.dnn((2,), 1, units=(units,), activation="sigmoid")
        small.compile(keras.optimizers.Adam(0.05), "binary_crossentropy")
        small.fit(many, many_targets, epochs=12, batch_size=4, verbose=0)
        solved[units] += int(((small.predict(points, verbose=0)[:, 0] > 0.5) == targets["XOR"]).all())
    print(f"{units} hidden units: solved from {solved[units]} of 2 seeds")
