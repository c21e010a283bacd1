"""
Activations
===========

Without an activation between them, two dense layers are one dense layer. The activation bends the function; its
gradient decides whether a deep network can be trained.

Glorot and Bengio (2010), *Understanding the difficulty of training deep feedforward neural networks*; Glorot, Bordes
and Bengio (2011), *Deep sparse rectifier neural networks*.
"""

# %%
# Curves and gradients
# --------------------
# The gradient of an activation multiplies the error on its way back. ``sigmoid`` passes on a quarter of it at most.
import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

import recipes
import zoo

NAMES = ("sigmoid", "tanh", "relu", "leaky_relu", "elu")
x = tf.linspace(-6.0, 6.0, 241)
curves, gradients = {}, {}
for name in NAMES:
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = keras.activations.get(name)(x)
    curves[name], gradients[name] = y.numpy(), tape.gradient(y, x).numpy()
    print(f"{name}: the gradient is {gradients[name].min():.4f} to {gradients[name].max():.2f}")

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
for name in NAMES:
    left.plot(x, curves[name], label=name)
    right.plot(x, gradients[name], label=name)
left.set(xlabel="input", ylabel="output", title="Activation", ylim=(-1.5, 3))
right.set(xlabel="input", ylabel="gradient", title="Gradient")
left.legend()
plt.show()

# %%
# Saturation
# ----------
# Far from zero the curve of a sigmoid is flat: the unit is saturated and passes on nearly no gradient. ReLU does not
# saturate for positive inputs, but has a gradient of 0 for all negative ones.
random_numbers = np.random.default_rng(0).normal(size=10_000).astype("float32")
saturated = {name: [] for name in NAMES}
for deviation in (1, 3, 10):
    for name in NAMES:
        at_input = np.interp(np.clip(random_numbers * deviation, -6, 6), x, gradients[name])
        saturated[name].append(float((at_input < 0.05).mean()))
print("fraction of inputs with a gradient below 0.05, where inputs have a standard deviation of 1, 3 and 10:")
for name, fractions in saturated.items():
    print(f"{name:>10}: " + ", ".join(f"{f:.2f}" for f in fractions))

# %%
# Vanishing gradients
# -------------------
# A network of 20 hidden layers gets one batch of digits. The gradient of the loss is measured in each hidden layer,
# before any training.
data = recipes.load("bundled:digits")
images, labels = data.train.inputs[:256] / np.float32(255), data.train.targets[:256]


def deep_network(activation, depth=20):
    keras.utils.set_random_seed(1)
    return zoo.dnn(data.shape, 10, units=(64,) * depth, hidden_activation=activation)


def gradient_norms(model):
    kernels = [layer.kernel.value for layer in model.layers if layer.name.startswith("hidden")]
    with tf.GradientTape() as tape:
        loss = keras.losses.sparse_categorical_crossentropy(labels, model(images), from_logits=True)
        loss = tf.reduce_mean(loss)
    return np.array([np.linalg.norm(gradient) for gradient in tape.gradient(loss, kernels)])


norms = {name: gradient_norms(deep_network(name)) for name in NAMES}
figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
for name in NAMES:
    axes.semilogy(range(1, 21), norms[name], marker=".", label=name)
    print(f"{name}: the first layer has {norms[name][0] / norms[name][-1]:.1e} times the gradient of the last")
axes.set(xlabel="hidden layer", ylabel="norm of the gradient", xticks=(1, 5, 10, 15, 20))
axes.legend()
plt.show()

# %%
# What it means for training
# --------------------------
# Six layers are enough: the network of sigmoids does not learn in the time in which the one of ReLU does.
accuracy = {}
for name in ("sigmoid", "relu"):
    model = deep_network(name, depth=6)
    model.compile(
        keras.optimizers.SGD(0.1), keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"]
    )
    history = model.fit(images, labels, epochs=30, batch_size=32, verbose=0).history
    accuracy[name] = history["accuracy"][-1]
    print(f"{name}: training accuracy {accuracy[name]:.2f} after 30 epochs")

# %%
# Exercise
# --------
# How many hidden layers of sigmoids can there be before the first layer has less than a thousandth of the gradient of
# the last layer? Measure it for one to ten layers, and do the same for ``tanh``.

# %%
# Solution
# --------
# Each layer of sigmoids costs about the same factor, so the ratio falls exponentially with the depth.
ratios = {"sigmoid": [], "tanh": []}
for name, ratio in ratios.items():
    for depth in range(1, 11):
        layer_norms = gradient_norms(deep_network(name, depth))
        ratio.append(layer_norms[0] / layer_norms[-1])
    print(f"{name}: " + ", ".join(f"{r:.0e}" for r in ratio))
deepest = {name: int((np.array(ratio) >= 1e-3).sum()) for name, ratio in ratios.items()}
print(f"up to {deepest['sigmoid']} layers of sigmoids and {deepest['tanh']} of ten layers of tanh")
