"""
Adversarial examples
====================

A change that we hardly notice turns a correct prediction into a wrong one. The gradient of the loss says how: every
pixel moves a little in the direction that hurts most (fast gradient sign method, FGSM).

Szegedy et al. (2013), *Intriguing properties of neural networks*, https://arxiv.org/abs/1312.6199; Goodfellow, Shlens
and Szegedy (2015), *Explaining and harnessing adversarial examples*, https://arxiv.org/abs/1412.6572.
"""

# %%
# A network of digits
# -------------------
import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

import recipes
import zoo

data = recipes.load("bundled:digits")
images, labels = data.train.inputs.astype("float32") / 255, data.train.targets
test, test_labels = data.test.inputs.astype("float32") / 255, data.test.targets
keras.utils.set_random_seed(1)
model = zoo.dnn((8, 8, 1), 10, units=(64,), activation="softmax")
model.compile(keras.optimizers.Adam(0.005), "sparse_categorical_crossentropy")
model.fit(images, labels, batch_size=64, epochs=10, verbose=0)


def accuracy_on(inputs):
    return float((np.asarray(model(inputs)).argmax(axis=1) == test_labels).mean())


clean = accuracy_on(test)
print(f"Accuracy on {len(test)} other digits: {clean:.3f}")

# %%
# FGSM by hand
# ------------
# One derivative of the loss with respect to the image, its sign, and a step of ``epsilon`` for each pixel. Pixels lie
# from 0 to 1. :func:`zoo.explain.fgsm` makes the same images.
epsilon = 0.1
with tf.GradientTape() as tape:
    x = tf.constant(test)
    tape.watch(x)
    loss = keras.losses.sparse_categorical_crossentropy(test_labels, model(x))
by_hand = np.clip(test + epsilon * np.sign(tape.gradient(loss, x).numpy()), 0, 1)
attacked = zoo.explain.fgsm(model, test, tuple(test_labels), epsilon=epsilon, low=(0.0,), high=(1.0,))
same = float(np.isclose(by_hand, attacked, atol=1e-5).mean())
print(f"{same:.3f} of the pixels are the same by hand and by zoo.explain.fgsm")

# %%
# Random noise of the same size is harmless: the direction matters.
noise = np.clip(test + epsilon * np.random.default_rng(1).choice((-1, 1), test.shape), 0, 1).astype("float32")
accuracy = {"clean": clean, "noise": accuracy_on(noise), "FGSM": accuracy_on(attacked)}
print(f"Accuracy at epsilon {epsilon}:", {name: round(value, 3) for name, value in accuracy.items()})
fooled = np.flatnonzero(np.asarray(model(attacked)).argmax(axis=1) != test_labels)[:6]
figure, axes = plt.subplots(3, 6, figsize=(7, 4.2), layout="constrained")
for row, inputs, title in zip(axes, (test, noise, attacked), accuracy, strict=True):
    predicted = np.asarray(model(inputs[fooled])).argmax(axis=1)
    for ax, image, p, label in zip(row, inputs[fooled], predicted, test_labels[fooled], strict=True):
        ax.imshow(image[..., 0], cmap="gray_r", vmin=0, vmax=1)
        ax.set(xticks=[], yticks=[])
        ax.set_title(f"predicts {p}", fontsize=9, color="black" if p == label else "tab:red")
    row[0].set_ylabel(title)
plt.show()

# %%
# Accuracy against epsilon
# ------------------------
# :func:`zoo.explain.robustness_curve` attacks with increasing epsilon.
epsilons = (0.02, 0.05, 0.1, 0.15, 0.2)
curve = zoo.explain.robustness_curve(
    model, test, tuple(test_labels), epsilons=epsilons, attack="fgsm", low=(0.0,), high=(1.0,)
)
for e, a in zip(curve.epsilon, curve.accuracy, strict=True):
    print(f"epsilon {e:.2f}: accuracy {a:.3f}")

# %%
# Exercise
# --------
# The defense of the paper trains on attacked images. Attack the training images with an epsilon of 0.1, continue the
# training on them together with the clean ones, and repeat this five times. Draw the curve again.

# %%
# Solution
# --------
# The attack must follow the network: images that were attacked once are soon harmless. What remains is a network that
# is harder to attack, not one that cannot be attacked.
for _ in range(5):
    hard = zoo.explain.fgsm(model, images, tuple(labels), epsilon=0.1, low=(0.0,), high=(1.0,), batch_size=1300)
    model.fit(np.concatenate([images, hard]), np.concatenate([labels, labels]), batch_size=64, epochs=2, verbose=0)
trained_curve = zoo.explain.robustness_curve(
    model, test, tuple(test_labels), epsilons=epsilons, attack="fgsm", low=(0.0,), high=(1.0,)
)
figure, ax = plt.subplots(figsize=(6, 3.2), layout="constrained")
ax.plot(curve.epsilon, curve.accuracy, "o-", label="trained on clean digits")
ax.plot(trained_curve.epsilon, trained_curve.accuracy, "o-", label="and on attacked ones")
ax.set(xlabel="epsilon [pixels from 0 to 1]", ylabel="accuracy", ylim=(0, 1.02))
ax.legend()
plt.show()
print(f"At epsilon 0.1: {curve.accuracy[3]:.3f} before and {trained_curve.accuracy[3]:.3f} after adversarial training")
