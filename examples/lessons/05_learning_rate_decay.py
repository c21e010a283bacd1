"""
Learning-rate decay
===================

A batch gives only an estimate of the gradient. With a constant learning rate the weights therefore never come to rest:
they wander around the minimum. A learning rate that falls has large steps first and small ones at the end.

Robbins and Monro (1951), *A stochastic approximation method*; Loshchilov and Hutter (2017), *SGDR: stochastic gradient
descent with warm restarts*.
"""

# %%
# Schedules
# ---------
# A schedule is a function from the epoch to the learning rate. Keras has the same ones as functions of the step, in
# ``keras.optimizers.schedules``.
import keras
import matplotlib.pyplot as plt
import numpy as np

import recipes
import zoo

EPOCHS, HIGH, LOW = 24, 0.1, 0.001


def step_decay(epoch):
    return HIGH * 0.1 ** (epoch >= EPOCHS // 2) * 0.1 ** (epoch >= 3 * EPOCHS // 4)


def cosine_decay(epoch):
    return 0.5 * HIGH * (1 + np.cos(np.pi * epoch / EPOCHS))


SCHEDULES = {
    "constant high": lambda epoch: HIGH,
    "constant low": lambda epoch: LOW,
    "step decay": step_decay,
    "cosine decay": cosine_decay,
}
keras_cosine = keras.optimizers.schedules.CosineDecay(HIGH, decay_steps=EPOCHS)
cosine_difference = max(abs(float(keras_cosine(epoch)) - cosine_decay(epoch)) for epoch in range(EPOCHS))
print(f"the cosine decay differs from Keras' by {cosine_difference:.0e} at most")

# %%
# Noise around the minimum
# ------------------------
# The body mass of penguins is predicted by linear regression, with batches of four. The minimum is computed exactly by
# least squares, so the distance of the loss from its minimum can be measured.
data = recipes.load("bundled:penguins")
columns = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm"]
x = np.stack([data.train.inputs[column] for column in columns], axis=1)
x = np.append((x - x.mean(axis=0)) / x.std(axis=0), np.ones((len(x), 1)), axis=1)
y = data.train.inputs["body_mass_g"] / 1000
least_squares = np.linalg.lstsq(x, y, rcond=None)[0]


def loss(weights):
    return np.mean((x @ weights - y) ** 2)


def excess_losses(schedule, seed=0, batch_size=4):
    random, weights, losses = np.random.default_rng(seed), np.zeros(4), []
    for epoch in range(EPOCHS):
        for batch in np.array_split(random.permutation(len(x)), len(x) // batch_size):
            gradient = 2 * x[batch].T @ (x[batch] @ weights - y[batch]) / len(batch)
            weights = weights - schedule(epoch) * gradient
        losses.append(loss(weights) - loss(least_squares))
    return losses


excess = {name: excess_losses(schedule) for name, schedule in SCHEDULES.items()}
for name, losses in excess.items():
    print(f"{name}: {losses[-1]:.1e} above the minimum after {EPOCHS} epochs")

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
for name, schedule in SCHEDULES.items():
    left.semilogy(range(EPOCHS), [schedule(epoch) for epoch in range(EPOCHS)], marker=".", label=name)
    right.semilogy(range(1, EPOCHS + 1), excess[name], marker=".", label=name)
left.set(xlabel="epoch", ylabel="learning rate", title="Schedule")
right.set(xlabel="epoch", ylabel="loss above the minimum", title="Linear regression")
left.legend()
plt.show()

# %%
# The same in Keras
# -----------------
# A schedule takes the place of the learning rate of an optimizer, and counts steps instead of epochs. :func:`zoo.dnn`
# without hidden layers is linear regression. With batches in another order it comes as close to the minimum.
batches = len(x) // 4
schedule = keras.optimizers.schedules.CosineDecay(HIGH, decay_steps=EPOCHS * batches)
keras.utils.set_random_seed(1)
model = zoo.dnn((3,), 1, units=())
model.compile(keras.optimizers.SGD(schedule), "mean_squared_error")
model.fit(x[: batches * 4, :3], y[: batches * 4], batch_size=4, epochs=EPOCHS, verbose=0)
keras_excess = float(loss(np.concatenate([weights.ravel() for weights in model.get_weights()])) - loss(least_squares))
print(f"Keras with a cosine decay: {keras_excess:.1e} above the minimum")

# %%
# Exercise
# --------
# How far from the minimum does linear regression stay with a constant learning rate? Measure the mean over the last
# twelve epochs for constant rates of 0.1, 0.03, 0.01 and 0.003.

# %%
# Solution
# --------
# The distance falls with the learning rate, until the rate is too low to arrive within the run.
floors = {}
for rate in (0.1, 0.03, 0.01, 0.003):
    floors[rate] = float(np.mean([excess_losses(lambda epoch, rate=rate: rate, seed)[-12:] for seed in range(3)]))
    print(f"learning rate {rate}: {floors[rate]:.1e} above the minimum")
