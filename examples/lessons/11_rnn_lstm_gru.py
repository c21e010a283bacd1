"""
RNN, LSTM and GRU
=================

A recurrent network reads a series step by step and keeps a state. How long does it remember? In Elman's network (RNN)
each step writes over the whole state. LSTM and GRU have gates, which decide what is written and what stays.

Elman (1990), *Finding structure in time*; Hochreiter and Schmidhuber (1997), *Long short-term memory*; Cho et al.
(2014), *Learning phrase representations using RNN encoder-decoder*.
"""

# %%
# A memory task
# -------------
# A meadow is visited now and then; at each visit it is mown (1) or not (-1). The second input is 1 at a visit. Between
# visits the first input has random numbers from -1 to 1, which say nothing. At every step the network is to output the
# result of the last visit.
import keras
import matplotlib.pyplot as plt
import numpy as np

import zoo

STEPS = 20
random = np.random.default_rng(0)


def meadows(count):
    """Returns inputs (count, STEPS, 2), targets (count, STEPS, 1) and steps since the last visit (count, STEPS)."""
    values, visits = random.choice([-1.0, 1.0], (count, STEPS)), random.random((count, STEPS)) < 0.1
    visits[:, 0] = True
    inputs = np.stack([np.where(visits, values, random.uniform(-1, 1, values.shape)), visits], axis=-1)
    last_visit = np.maximum.accumulate(np.where(visits, np.arange(STEPS), 0), axis=1)
    targets = np.take_along_axis(values, last_visit, axis=1) > 0
    age = np.where(last_visit > 0, np.arange(STEPS) - last_visit, -1)  # not for the visit at the start
    return inputs.astype("float32"), targets[..., None].astype("float32"), age


x, y, _ = meadows(640)
new_x, new_y, age = meadows(500)
meadow = np.abs(np.diff(y[..., 0])).sum(axis=1).argmax()  # the one that changes most often
visits = np.flatnonzero(x[meadow, :, 1])
figure, ax = plt.subplots(figsize=(7, 2.6), layout="constrained")
ax.step(range(STEPS), 2 * y[meadow, :, 0] - 1, where="post", color="tab:orange", label="target")
ax.plot(x[meadow, :, 0], ".", color="gray", label="first input")
ax.plot(visits, x[meadow, visits, 0], "o", color="tab:blue", label="visit")
ax.set(xlabel="step", xticks=range(0, STEPS, 2), yticks=(-1, 1), yticklabels=("not mown", "mown"))
figure.legend(loc="outside upper center", ncols=3)
plt.show()

# %%
# Three networks
# --------------
# :func:`zoo.rnn`, :func:`zoo.lstm` and :func:`zoo.gru` with 16 units each, trained in the same way.
models, losses, right = {}, {}, {}
for name, builder in {"RNN": zoo.rnn, "LSTM": zoo.lstm, "GRU": zoo.gru}.items():
    keras.utils.set_random_seed(1)
    models[name] = model = builder((STEPS, 2), 1, units=(16,), every_step=True, activation="sigmoid")
    model.compile(keras.optimizers.Adam(0.015), "binary_crossentropy")
    losses[name] = model.fit(x, y, batch_size=64, epochs=12, verbose=0).history["loss"]
    right[name] = ((model.predict(new_x, batch_size=500, verbose=0) > 0.5) == new_y)[..., 0]
    print(f"{name}: {model.count_params()} weights, {right[name].mean():.1%} of all steps are right")

# %%
# How far back each remembers
# ---------------------------
# The accuracy by the number of steps since the last visit, where a random guess has one half. The visit at the start is
# left out: it is easier, as it has a fixed place.
ages = [(0, 0), (1, 2), (3, 4), (5, 7), (8, 12)]
memory = {name: [float(r[(age >= low) & (age <= high)].mean()) for low, high in ages] for name, r in right.items()}
figure, (left, right_axes) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
labels = [f"{low}" if low == high else f"{low} to {high}" for low, high in ages]
for (name, accuracies), style in zip(memory.items(), ("o-", "s--", "^:"), strict=True):
    print(f"{name}: " + ", ".join(f"{a:.2f} after {label}" for a, label in zip(accuracies, labels, strict=True)))
    left.plot(labels, accuracies, style, label=name)
    right_axes.plot(range(1, 13), losses[name], style, label=name)
left.axhline(0.5, color="gray", linestyle=":")
left.set(xlabel="steps since the last visit", ylabel="accuracy", title="Memory")
right_axes.set(xlabel="epoch", ylabel="cross-entropy", title="Training loss")
left.legend()
plt.show()

# %%
# LSTM and GRU remember the visit over all of these steps. The RNN learns more slowly, and lacks not only memory: it is
# also wrong right at a visit, since one state has to hold the old result and to take up the new one.

# %%
# Exercise
# --------
# How many weights do the layers have? An RNN has a matrix from the F inputs, one from the U units and a bias for the
# new state; LSTM has that four times (three gates and the new content), GRU three times (two gates and the new state).
# Count them, and compare with Keras.

# %%
# Solution
# --------
# Keras' GRU has a second bias, which belongs to the matrix of the units: its reset gate is applied after the product.
F, U = 2, 16
counted = {"RNN": (F + U + 1) * U, "LSTM": 4 * (F + U + 1) * U, "GRU": 3 * (F + U + 2) * U}
head_weights = U + 1
in_keras = {name: model.count_params() - head_weights for name, model in models.items()}
for name in counted:
    print(f"{name}: {counted[name]} counted, {in_keras[name]} in Keras")
