"""
Loss and gradient descent
=========================

A loss says how wrong a model is. Its gradient says in which direction each weight has to change. Both are written here
in NumPy, for linear and for logistic regression, and give the same weights as Keras.

Cauchy (1847), *Méthode générale pour la résolution des systèmes d'équations simultanées*.
"""

# %%
# A line through penguins
# -----------------------
# The body mass of a penguin is to be predicted from the length of its flipper. Both are numbers near zero in these
# units: centimeters above 19, and kilograms above 4.
import keras
import matplotlib.pyplot as plt
import numpy as np

import recipes
import zoo

data = recipes.load("bundled:penguins")
x = data.train.inputs["flipper_length_mm"] / 10 - 19
y = data.train.inputs["body_mass_g"] / 1000 - 4

# %%
# The loss is the mean squared error of ``w x + b``. Its gradient has one number for each weight.


def squared_error(w, b):
    return np.mean((w * x + b - y) ** 2)


def squared_error_gradient(w, b):
    error = w * x + b - y
    return np.array([np.mean(2 * error * x), np.mean(2 * error)])


# %%
# The difference quotient is a test of every gradient that is derived by hand.
step = 1e-3
quotient = (squared_error(0.5 + step, 0.2) - squared_error(0.5 - step, 0.2)) / (2 * step)
print(f"gradient of w at (0.5, 0.2): {squared_error_gradient(0.5, 0.2)[0]:.4f}, difference quotient: {quotient:.4f}")

# %%
# Gradient descent
# ----------------
# Each step goes against the gradient, and its length is the gradient times the learning rate.


def descend(gradient, start, learning_rate, steps):
    weights = [np.array(start)]
    for _ in range(steps):
        weights.append(weights[-1] - learning_rate * gradient(*weights[-1]))
    return np.array(weights)


paths = {rate: descend(squared_error_gradient, (-1.0, 1.0), rate, 30) for rate in (0.01, 0.1, 0.25)}
least_squares = np.polyfit(x, y, 1)
for rate, path in paths.items():
    print(f"learning rate {rate}: loss {squared_error(*path[-1]):.3f} after 30 steps, w = {path[-1][0]:.3f}")
print(f"least squares: loss {squared_error(*least_squares):.3f}, w = {least_squares[0]:.3f} kg per cm")

ws, bs = np.linspace(-1.5, 2.5, 60), np.linspace(-1.2, 1.5, 60)
surface = np.array([[squared_error(w, b) for w in ws] for b in bs])
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
left.contour(ws, bs, surface, levels=15, cmap="Greys_r", linewidths=0.7)
for rate, path in paths.items():
    left.plot(*path.T, marker=".", label=f"learning rate {rate}")
    right.plot([squared_error(*weights) for weights in path], label=f"learning rate {rate}")
left.set(xlabel="w", ylabel="b", title="Paths on the loss", xlim=(-1.5, 2.5), ylim=(-1.2, 1.5))
right.set(xlabel="step", ylabel="mean squared error", title="Loss", yscale="log")
right.legend()
plt.show()

# %%
# The same in Keras
# -----------------
# :func:`zoo.dnn` without hidden layers is linear regression. From the same start, with all examples in one batch, Keras
# takes the same steps.


def train_in_keras(inputs, targets, start, loss, learning_rate, steps, activation="linear"):
    model = zoo.dnn(inputs.shape[1:], 1, units=(), activation=activation)
    model.set_weights([np.reshape(start[:-1], (-1, 1)), np.reshape(start[-1], (1,))])
    model.compile(keras.optimizers.SGD(learning_rate), loss)
    model.fit(inputs, targets, batch_size=len(inputs), epochs=steps, verbose=0)
    return np.concatenate([weights.ravel() for weights in model.get_weights()])


keras_line = train_in_keras(x[:, None], y, (-1.0, 1.0), "mean_squared_error", 0.1, 30)
line_difference = np.abs(keras_line - paths[0.1][-1]).max()
print(f"NumPy {paths[0.1][-1]}, Keras {keras_line}: the largest difference is {line_difference:.0e}")

# %%
# Logistic regression
# -------------------
# Is a penguin a Gentoo? The model is the sigmoid of a weighted sum of four measures, each with mean 0 and standard
# deviation 1. The loss is the cross-entropy, and its gradient looks as before: the error times the input.
columns = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]
measures = np.stack([data.train.inputs[column] for column in columns], axis=1)
measures = (measures - measures.mean(axis=0)) / measures.std(axis=0)
is_gentoo = (data.train.targets == data.classes.index("Gentoo")).astype("float32")


def probability(weights):
    return 1 / (1 + np.exp(-(measures @ weights[:-1] + weights[-1])))


def cross_entropy(weights):
    p = probability(weights)
    return -np.mean(is_gentoo * np.log(p) + (1 - is_gentoo) * np.log(1 - p))


def cross_entropy_gradient(*weights):
    error = probability(np.array(weights)) - is_gentoo
    return np.append(measures.T @ error, error.sum()) / len(error)


logistic_path = descend(cross_entropy_gradient, np.zeros(5), 0.5, 50)
keras_weights = train_in_keras(measures, is_gentoo, np.zeros(5), "binary_crossentropy", 0.5, 50, "sigmoid")
logistic_difference = np.abs(keras_weights - logistic_path[-1]).max()
training_accuracy = float(((probability(logistic_path[-1]) > 0.5) == is_gentoo).mean())
print(f"cross-entropy {cross_entropy(logistic_path[0]):.3f} before and {cross_entropy(logistic_path[-1]):.3f} after")
print(f"{training_accuracy:.1%} of the penguins are right; NumPy and Keras differ by {logistic_difference:.0e}")

# %%
# Exercise
# --------
# With which learning rate does gradient descent on the line no longer converge? The curvature of the loss, the largest
# eigenvalue of its matrix of second derivatives, predicts it: 2 / curvature. Compute it and try a learning rate 5 %
# below and 5 % above.

# %%
# Solution
# --------
# The second derivatives of the mean squared error do not depend on the weights.
design = np.stack([x, np.ones_like(x)], axis=1)
curvature = np.linalg.eigvalsh(2 * design.T @ design / len(x)).max()
limit = 2 / curvature
losses = {}
for factor in (0.95, 1.05):
    losses[factor] = squared_error(*descend(squared_error_gradient, (-1.0, 1.0), factor * limit, 100)[-1])
    print(f"learning rate {factor * limit:.3f}, {factor} times the limit: loss {losses[factor]:.3g} after 100 steps")
