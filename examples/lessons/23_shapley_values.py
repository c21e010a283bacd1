"""
Shapley values
==============

Which columns moved this prediction, and by how much? Shapley's value from game theory is the mean contribution of a
column over all orders in which the columns could join. With four columns it is computed exactly.

Shapley (1953), *A value for n-person games*; Lundberg and Lee (2017), *A unified approach to interpreting model
predictions*, https://arxiv.org/abs/1705.07874.
"""

# %%
# A model of a table
# ------------------
# Three species of penguins by four measurements of their body, standardized.
import itertools
import math

import keras
import matplotlib.pyplot as plt
import numpy as np

import recipes
import zoo

data = recipes.load("bundled:penguins")
columns = [name for name, kind in data.columns.items() if kind == "number"]
table = np.stack([data.train.inputs[name] for name in columns], axis=1).astype("float32")
mean, deviation = table.mean(axis=0), table.std(axis=0)
x, y = (table - mean) / deviation, data.train.targets
test = (np.stack([data.test.inputs[name] for name in columns], axis=1).astype("float32") - mean) / deviation

keras.utils.set_random_seed(1)
model = zoo.dnn((len(columns),), len(data.classes), units=(16,), activation="softmax")
model.compile(keras.optimizers.Adam(0.03), "sparse_categorical_crossentropy")
model.fit(x, y, batch_size=64, epochs=12, verbose=0)
probabilities = np.asarray(model(test))
accuracy = float((probabilities.argmax(1) == data.test.targets).mean())
print(f"Accuracy on {len(test)} other penguins: {accuracy:.2f}")

# %%
# The value of a set of columns
# -----------------------------
# The columns of the set are the penguin's, and the others are those of penguins of a background. The value of the set
# is the mean logit over the background, and that of the empty set the mean logit of the background itself.
background, penguin = x[:20], test[0]
species = int(probabilities[0].argmax())
logits = keras.Model(model.input, model.get_layer("head").output)  # before the softmax
players = range(len(columns))
subsets = [s for size in range(len(columns) + 1) for s in itertools.combinations(players, size)]
rows = np.tile(background, (len(subsets), 1, 1))
for subset, block in zip(subsets, rows, strict=True):
    block[:, list(subset)] = penguin[list(subset)]
outputs = np.asarray(logits(rows.reshape(-1, len(columns))), "float64")[:, species]
value = dict(zip(subsets, outputs.reshape(len(subsets), -1).mean(axis=1), strict=True))
print(
    f"{len(subsets)} sets of columns; the logit is {value[()]:.2f} without any and {value[tuple(players)]:.2f} with all"
)

# %%
# The mean over all orders
# ------------------------
# A column's contribution to a set is the change of the value when it joins. Each set of size s precedes it in
# s! (n - 1 - s)! of the n! orders.
by_hand = np.zeros(len(columns))
for i in players:
    for subset in subsets:
        if i not in subset:
            orders = math.factorial(len(subset)) * math.factorial(len(columns) - 1 - len(subset))
            by_hand[i] += orders * (value[tuple(sorted((*subset, i)))] - value[subset]) / math.factorial(len(columns))

# %%
# :func:`zoo.explain.shap_values` returns the same numbers. Their sum is the logit minus the background's: nothing is
# left over.
by_zoo = zoo.explain.shap_values(model, penguin[None], (species,), background=background)[0]
total = float(value[tuple(players)] - value[()])
for name, ours, theirs in zip(columns, by_hand, by_zoo, strict=True):
    print(f"{name}: {ours:+.3f} by hand, {theirs:+.3f} by zoo.explain.shap_values")
print(f"sum {by_hand.sum():+.3f}, difference of the logits {total:+.3f}")
figure, ax = plt.subplots(figsize=(6, 2.6), layout="constrained")
ax.barh(columns, by_hand, color=np.where(by_hand < 0, "#2166ac", "#b2182b"))
ax.axvline(0, color="black", linewidth=0.8)
ax.invert_yaxis()
ax.set(xlabel="Shapley value [logit]", title=f"Why {data.classes[species]}?")
plt.show()

# %%
# One prediction and the whole table
# ----------------------------------
# The mean of the absolute values over many penguins says which columns matter to the model at all. It does not say what
# causes the species, and columns that go together share their credit.
explained = test[:20]
values = zoo.explain.shap_values(model, explained, background=background)
importance = np.abs(values).mean(axis=0)
print("Mean absolute Shapley value:", {c: f"{v:.2f}" for c, v in zip(columns, importance, strict=True)})

# %%
# Exercise
# --------
# With 30 columns there are a billion sets, so the values are estimated: draw random orders, let the columns join in
# that order, and average the changes. How far are 5, 50 and 500 orders from the exact values?

# %%
# Solution
# --------
# The error falls with the square root of the number of orders. Each order's changes sum to the same total, so that the
# sum is exact from the first order on.
rng = np.random.default_rng(0)
errors = {}
for count in (5, 50, 500):
    squares = []
    for _ in range(20):  # repetitions
        estimate = np.zeros(len(columns))
        for _ in range(count):
            order = rng.permutation(len(columns))
            for position, i in enumerate(order):
                before = tuple(sorted(order[:position].tolist()))
                estimate[i] += (value[tuple(sorted((*before, int(i))))] - value[before]) / count
        squares.append((estimate - by_hand) ** 2)
    errors[count] = float(np.sqrt(np.mean(squares)))
    print(f"{count} orders: root mean square error {errors[count]:.3f}")
