"""
Overfitting and regularization
==============================

A network with more weights than examples can learn its examples by heart. The loss on the training data then goes on
falling while the loss on other data does not: it overfits. Regularization makes the difference smaller; more data does
it best.

Srivastava et al. (2014), *Dropout: a simple way to prevent neural networks from overfitting*; Krogh and Hertz (1991),
*A simple weight decay can improve generalization*.
"""

# %%
# A hundred digits
# ----------------
# The network is trained on 100 handwritten digits. It has hundreds of weights for each of them.
import keras
import matplotlib.pyplot as plt
import numpy as np

import recipes
import zoo

data = recipes.load("bundled:mnist-5k")
images, labels = data.train.inputs / np.float32(255), data.train.targets
few = np.concatenate([np.flatnonzero(labels == digit)[:10] for digit in range(10)])
validation = data.validation.inputs / np.float32(255), data.validation.targets
EPOCHS = 30


def build(**options):
    keras.utils.set_random_seed(1)
    model = zoo.dnn(data.shape, 10, units=(64,), activation="softmax", **options)
    cross_entropy = keras.metrics.SparseCategoricalCrossentropy(name="cross_entropy")  # without the L2 penalty
    model.compile(keras.optimizers.Adam(0.005), "sparse_categorical_crossentropy", metrics=[cross_entropy, "accuracy"])
    model.optimizer.build(model.trainable_variables)
    return model


def train(model, x, y, epochs=12, **options):
    order = np.random.default_rng(1).permutation(len(x))
    options |= {"batch_size": 10, "epochs": epochs, "validation_data": validation, "validation_batch_size": 750}
    return model.fit(x[order], y[order], verbose=0, **options).history


plain = build()
variables = [*plain.variables, *plain.optimizer.variables]
start = [variable.numpy() for variable in variables]
print(f"{plain.count_params():,} weights, {plain.count_params() // len(few)} for each digit")
histories = {"plain": train(plain, images[few], labels[few])}

# %%
# Early stopping
# --------------
# The validation loss has a minimum: that is when to stop. In a training that is
# ``keras.callbacks.EarlyStopping(patience=5, restore_best_weights=True)``.
validation_loss = histories["plain"]["val_cross_entropy"]
best_epoch = int(np.argmin(validation_loss))
overfitted_loss, early_loss = validation_loss[-1], validation_loss[best_epoch]
print(f"validation loss: {early_loss:.3f} in epoch {best_epoch + 1}, {overfitted_loss:.3f} in the last")

# %%
# L2, dropout, augmentation, more data
# ------------------------------------
# L2 adds the squared weights to the loss. Dropout sets half of the hidden units to zero in each step. Augmentation
# makes new examples out of the old ones, here by shifts of one pixel. The last run has 1,200 examples. All have about
# as many steps.


def restart():
    for variable, value in zip(variables, start, strict=True):
        variable.assign(value)
    return plain


shifts = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1) if abs(down) + abs(right) < 2]
shifted = np.concatenate([np.roll(images[few], shift, axis=(1, 2)) for shift in shifts])
histories["L2"] = train(build(l2=0.005), images[few], labels[few])
histories["dropout"] = train(build(dropout=0.5), images[few], labels[few])
histories["augmentation"] = train(restart(), shifted, np.tile(labels[few], 5), epochs=2)
histories["more data"] = train(restart(), images[:1200], labels[:1200], epochs=1)

for name, history in histories.items():
    train_loss, val_loss = history["cross_entropy"][-1], history["val_cross_entropy"][-1]
    accuracy = history["val_accuracy"][-1]
    print(f"{name}: loss {train_loss:.3f} on training and {val_loss:.3f} on validation data, accuracy {accuracy:.1%}")

figure, axes = plt.subplots(1, 3, figsize=(10, 3.6), sharey=True, layout="constrained")
for ax, name in zip(axes, ("plain", "L2", "dropout"), strict=True):
    steps = 120 * np.arange(1, len(histories[name]["loss"]) + 1) / len(histories[name]["loss"])
    ax.plot(steps, histories[name]["cross_entropy"], marker=".", label="training")
    ax.plot(steps, histories[name]["val_cross_entropy"], marker=".", label="validation")
    ax.set(xlabel="step", title=name, yscale="log")
axes[0].set_ylabel("cross-entropy")
axes[0].axvline(120 * (best_epoch + 1) / 12, color="gray", linestyle=":", label="stop here")
axes[0].legend()
plt.show()

# %%
# The loss of dropout on the training data is higher, as it is measured with half of the units.

# %%
# Exercise
# --------
# How many examples does the network need? Train the plain network on 50, 200, 600 and 1,200 digits, with 120 steps
# each, and draw the gap between training and validation loss.

# %%
# Solution
# --------
# With the number of examples the validation accuracy rises, and the gap closes. It can become negative: the training
# loss of an epoch is a mean over its steps, in which the network was still worse.
sizes, gaps, accuracies = (50, 200, 600, 1200), [], []
for size in sizes:
    history = train(restart(), images[:size], labels[:size], epochs=(epochs := 1200 // size), validation_freq=epochs)
    gaps.append(history["val_cross_entropy"][-1] - history["cross_entropy"][-1])
    accuracies.append(history["val_accuracy"][-1])
    print(f"{size} examples: gap {gaps[-1]:.3f}, validation accuracy {accuracies[-1]:.1%}")
figure, ax = plt.subplots(figsize=(6, 3.6), layout="constrained")
ax.semilogx(sizes, gaps, marker="o")
ax.set(xlabel="training examples", ylabel="validation loss - training loss", xticks=sizes, xticklabels=sizes)
ax.minorticks_off()
plt.show()
