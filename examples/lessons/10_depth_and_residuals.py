"""
Plain depth and ResNet
======================

More layers can represent more, yet from some depth on plain networks get worse, even on the data they are trained on.
The shortcuts of a ResNet carry the input of a block past it, and with it the gradient.

He, Zhang, Ren and Sun (2016), *Deep residual learning for image recognition*; Veit, Wilber and Belongie (2016),
*Residual networks behave like ensembles of relatively shallow networks*.
"""

# %%
# Two networks of equal depth
# ---------------------------
# :func:`zoo.resnet_cifar` adds the input of each block to its output. The plain network is a copy of it, whose ``Add``
# layers pass on the block alone. Both have the same layers, weights and initial values.
import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

import recipes
import zoo

data = recipes.load("bundled:digits")
x, y = data.train.inputs[:128] / np.float32(255), data.train.targets[:128]


class BlockOnly(keras.layers.Layer):
    """Returns the second input of `Add`, the output of the block, without the shortcut."""

    def call(self, inputs):
        return inputs[1]


def without_shortcuts(model):
    def copy(layer):
        if isinstance(layer, keras.layers.Add):
            return BlockOnly(name=layer.name)
        return type(layer).from_config(layer.get_config())

    plain = keras.models.clone_model(model, clone_function=copy)
    plain.set_weights(model.get_weights())
    return plain


def build(blocks):
    """Returns a ResNet with `blocks` blocks in each of its three stages and the plain network of the same depth."""
    keras.utils.set_random_seed(1)
    residual = zoo.resnet_cifar(data.shape, 10, depths=(blocks,) * 3)
    return {"ResNet": residual, "plain": without_shortcuts(residual)}


models = build(4)
convolutions = [layer for layer in models["plain"].layers if isinstance(layer, keras.layers.Conv2D)]
print(f"{len(convolutions)} convolutions, {models['plain'].count_params():,} weights in each of both networks")

# %%
# Gradients before training
# -------------------------
# Without normalization the gradient of a deep plain network vanishes, as in the lesson on activations. These networks
# have batch normalization after each convolution, which turns it around: the gradient grows from layer to layer on its
# way back. In the ResNet it hardly does.


def loss_and_gradients(model, images, labels):
    with tf.GradientTape() as tape:
        losses = keras.losses.sparse_categorical_crossentropy(labels, model(images, training=True))
        loss = tf.reduce_mean(losses)
    return loss, tape.gradient(loss, [weight.value for weight in model.trainable_weights])


def gradient_norms(model, gradients):
    """Returns the norm of the gradient of each convolution, from the first to the last."""
    pairs = zip(model.trainable_weights, gradients, strict=True)
    return np.array([np.linalg.norm(gradient) for weight, gradient in pairs if len(weight.shape) == 4])


norms = {name: gradient_norms(model, loss_and_gradients(model, x, y)[1]) for name, model in models.items()}
ratios = {name: float(norm[:5].mean() / norm[-5:].mean()) for name, norm in norms.items()}
for name, ratio in ratios.items():
    print(f"{name}: the first five convolutions have {ratio:.1f} times the gradient of the last five")

# %%
# Training
# --------
# Both networks take the same steps of plain gradient descent on 128 digits.
losses = {}
for name, model in models.items():
    losses[name], random, compiled = [], np.random.default_rng(1), tf.function(loss_and_gradients)
    for _ in range(25):
        batch = random.choice(128, size=32, replace=False)
        loss, gradients = compiled(model, x[batch], y[batch])
        losses[name].append(float(loss))
        for weight, gradient in zip(model.trainable_weights, gradients, strict=True):
            weight.assign_sub(0.05 * gradient)
final_loss = {name: float(np.mean(values[-5:])) for name, values in losses.items()}
for name, value in final_loss.items():
    print(f"{name}: training loss {value:.3f} in the last five of 25 steps")

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
for name in models:
    left.semilogy(range(1, len(norms[name]) + 1), norms[name], marker=".", label=name)
    right.plot(range(1, 26), losses[name], label=name)
left.set(xlabel="convolution", ylabel="norm of the gradient", title="Before training")
right.set(xlabel="step", ylabel="cross-entropy", title="Training loss")
left.legend()
plt.show()

# %%
# Exercise
# --------
# From which depth on does the plain network have this problem? Measure the ratio for 1 and 2 blocks in each stage, and
# compare with the one above.

# %%
# Solution
# --------
# The ratio of the plain network grows with the depth, that of the ResNet hardly does.
depth_ratios = {"ResNet": [], "plain": []}
for blocks in (1, 2):
    for name, model in build(blocks).items():
        norm = gradient_norms(model, loss_and_gradients(model, x, y)[1])
        depth_ratios[name].append(float(norm[:5].mean() / norm[-5:].mean()))
        print(f"{name}, {len(norm)} convolutions: {depth_ratios[name][-1]:.2f}")
