"""
Attention and positions
=======================

Attention lets every step of a sequence look at every other one, however far away. It is a weighted mean, whose weights
follow from the content alone. It has no notion of order; the position has to be added to the content.

Bahdanau, Cho and Bengio (2015), *Neural machine translation by jointly learning to align and translate*; Vaswani et al.
(2017), *Attention is all you need*.
"""

# %%
# Attention by hand
# -----------------
# Each step has a query, a key and a value. The weight of step j for step i is the softmax of the product of query i and
# key j. The output of step i is the mean of all values with these weights.
import keras
import matplotlib.pyplot as plt
import numpy as np

import zoo

WIDTH = 8


def attention(query, key, value):
    scores = query @ key.T / np.sqrt(query.shape[-1])
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights = weights / weights.sum(axis=-1, keepdims=True)
    return weights @ value, weights


keras.utils.set_random_seed(1)
sequence = np.random.default_rng(1).normal(size=(6, WIDTH)).astype("float32")  # six steps
layer = keras.layers.MultiHeadAttention(num_heads=1, key_dim=WIDTH)
keras_output, keras_weights = layer(sequence[None], sequence[None], return_attention_scores=True)

query_kernel, query_bias, key_kernel, key_bias, value_kernel, value_bias, output_kernel, output_bias = [
    np.squeeze(weights) for weights in layer.get_weights()
]
mixed, weights = attention(
    sequence @ query_kernel + query_bias, sequence @ key_kernel + key_bias, sequence @ value_kernel + value_bias
)
output = mixed @ output_kernel + output_bias
attention_difference = float(np.abs(output - keras_output.numpy()[0]).max())
weight_difference = float(np.abs(weights - keras_weights.numpy()[0, 0]).max())
print(f"each row of weights adds up to {weights.sum(axis=1).round(6)}")
print(f"Keras differs by {attention_difference:.0e} in the output and by {weight_difference:.0e} in the weights")

# %%
# Without positions
# -----------------
# Permuted steps give the same outputs in permuted order. A mean over the steps is then the same: the sequence is a bag.
order = np.array([3, 0, 5, 1, 4, 2])
permuted_output = layer(sequence[None, order], sequence[None, order]).numpy()[0]
print(f"permuted input, permuted output: {np.abs(permuted_output - output[order]).max():.0e} apart")

# %%
# With positions
# --------------
# The Transformer adds a vector to each step that depends on its position only: sines and cosines of several
# wavelengths. The layer ``SinusoidalPosition`` of the zoo does this.


def with_positions(length, width):
    """Returns sines and cosines of different wavelengths, one row for each position."""
    angles = np.arange(length)[:, None] / 10000 ** (np.arange(0, width, 2) / width)
    return np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(length, width)


positions = with_positions(6, WIDTH)
layer_positions = zoo.layers.SinusoidalPosition(scale=1.0)(np.zeros((1, 6, WIDTH), "float32")).numpy()[0]
position_difference = float(np.abs(positions - layer_positions).max())
print(f"positions by hand and of the layer differ by {position_difference:.0e}")

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
figure.colorbar(left.imshow(weights, cmap="viridis", vmin=0), ax=left)
left.set(xlabel="step j", ylabel="step i", title="Attention weights")
figure.colorbar(right.imshow(with_positions(40, 32), cmap="RdBu", aspect="auto"), ax=right)
right.set(xlabel="feature", ylabel="position", title="Position encoding")
plt.show()

# %%
# A task of order
# ---------------
# Each sequence has ten tokens; 1 and 2 occur once. Which of them comes first? :func:`zoo.transformer_encoder` learns
# it. A copy, whose layer ``position`` is replaced by one that changes nothing, cannot.
random = np.random.default_rng(0)


def sequences(count):
    tokens = random.integers(3, 10, size=(count, 10))
    places = np.argsort(random.random((count, 10)), axis=1)[:, :2]
    np.put_along_axis(tokens, places, np.array([[1, 2]]), axis=1)
    return tokens.astype("int32"), (places[:, 0] < places[:, 1]).astype("float32")


def build():
    keras.utils.set_random_seed(1)
    return zoo.transformer_encoder(
        (10,), 1, vocabulary=10, depth=1, width=16, units=32, heads=2, dropout=0.0, activation="sigmoid"
    )


def without_positions(model):
    def copy(layer):
        if layer.name == "position":
            return keras.layers.Identity(name="position")
        return type(layer).from_config(layer.get_config())

    return keras.models.clone_model(model, clone_function=copy)


x, y = sequences(1280)
new_x, new_y = sequences(512)
models = {"with positions": build(), "without positions": without_positions(build())}
accuracy, permuted_change = {}, {}
for name, model in models.items():
    model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy")
    model.fit(x, y, batch_size=64, epochs=15, verbose=0)
    probability = model(new_x).numpy()[:, 0]
    accuracy[name] = float(((probability > 0.5) == new_y).mean())
    reversed_probability = model(new_x[:, ::-1]).numpy()[:, 0]
    permuted_change[name] = float(np.abs(probability - reversed_probability).max())
    print(
        f"{name}: {accuracy[name]:.0%} of new sequences are right; reversed, probabilities change by up to "
        f"{permuted_change[name]:.1g}"
    )

# %%
# Exercise
# --------
# A model that predicts the next word must not look ahead. Give ``attention`` an argument ``causal`` that lets step i
# attend to the steps up to i only, and compare with ``use_causal_mask=True`` of Keras. Which outputs change when the
# last step of the sequence changes?

# %%
# Solution
# --------
# The scores of later steps become minus infinity, so that their softmax is 0. Only the last output changes.


def causal_output(steps):
    query, key = steps @ query_kernel + query_bias, steps @ key_kernel + key_bias
    scores = query @ key.T / np.sqrt(WIDTH)
    scores = np.where(np.tri(len(steps), dtype=bool), scores, -np.inf)
    causal_weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    causal_weights = causal_weights / causal_weights.sum(axis=-1, keepdims=True)
    return causal_weights @ (steps @ value_kernel + value_bias) @ output_kernel + output_bias


keras_causal = layer(sequence[None], sequence[None], use_causal_mask=True).numpy()[0]
causal_difference = float(np.abs(causal_output(sequence) - keras_causal).max())
changed = sequence.copy()
changed[-1] += 1
changes = np.abs(causal_output(changed) - causal_output(sequence)).max(axis=1)
print(f"Keras differs by {causal_difference:.0e}")
print("changes of the six outputs: " + ", ".join(f"{change:.2f}" for change in changes))
