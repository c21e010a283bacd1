"""
Saliency and occlusion
======================

Where did the network look? Two methods explain it from different sides: the gradient of the class's logit at each
pixel, and the loss of the logit when a patch is hidden. Marks at places that we chose show whether they are right.

Simonyan, Vedaldi and Zisserman (2013), *Deep inside convolutional networks*, https://arxiv.org/abs/1312.6034; Zeiler
and Fergus (2013), *Visualizing and understanding convolutional networks*, https://arxiv.org/abs/1311.2901; Adebayo et
al. (2018), *Sanity checks for saliency maps*, https://arxiv.org/abs/1810.03292.
"""

# %%
# Two kinds of marks
# ------------------
# Each noisy image has a small cross or a small ring at a random place, and nothing else tells the class.
import keras
import matplotlib.pyplot as plt
import numpy as np

import zoo

SIDE, MARK = 24, 7
rng = np.random.default_rng(1)
row, column = np.mgrid[-3:4, -3:4]
marks = np.array([np.minimum(abs(row), abs(column)) == 0, np.hypot(row, column).round() == 3], float)


def make_images(n):
    images, kinds = rng.normal(0, 0.15, (n, SIDE, SIDE, 1)), rng.integers(0, 2, n)
    inside = np.zeros((n, SIDE, SIDE), bool)
    for image, mask, kind in zip(images, inside, kinds, strict=True):
        y, x = rng.integers(0, SIDE - MARK + 1, 2)
        image[y : y + MARK, x : x + MARK, 0] += marks[kind]
        mask[y : y + MARK, x : x + MARK] = True
    return images.astype("float32"), kinds, inside


images, kinds, _ = make_images(800)
test, test_kinds, inside = make_images(100)
keras.utils.set_random_seed(1)
model = zoo.cnn((SIDE, SIDE, 1), 2, filters=(8, 16), convolutions=1, units=(16,), dropout=0.0)
model.compile(keras.optimizers.Adam(0.005), "sparse_categorical_crossentropy")
model.fit(images, kinds, batch_size=40, epochs=6, verbose=0)
accuracy = float((np.asarray(model(test)).argmax(1) == test_kinds).mean())
print(f"Accuracy on other images: {accuracy:.2f}")

# %%
# Occlusion by hand
# -----------------
# Hide a patch, and see how much the logit of the predicted class falls. With patches side by side this is what
# :func:`zoo.explain.occlusion` returns.
logits = keras.Model(model.input, model.get_layer("head").output)
image, predicted = test[0], int(np.asarray(model(test[:1])).argmax())
hidden, corners = [], [(y, x) for y in range(0, SIDE, 6) for x in range(0, SIDE, 6)]
for y, x in corners:
    hidden.append(image.copy())
    hidden[-1][y : y + 6, x : x + 6] = 0
outputs = np.asarray(logits(np.array([image, *hidden])))[:, predicted]
by_hand = np.repeat(np.repeat((outputs[0] - outputs[1:]).reshape(4, 4), 6, axis=0), 6, axis=1)
by_zoo = zoo.explain.occlusion(model, image[None], patch=(6,), stride=(6,))[0]
difference = float(np.abs(by_hand - by_zoo).max() / np.abs(by_hand).max())
print(f"Largest difference between occlusion by hand and by zoo.explain: {difference:.0e} of the largest value")

# %%
# Two maps of each image
# ----------------------
explained = slice(0, 20)
maps = {
    "saliency": zoo.explain.saliency(model, test[explained]),
    "occlusion": zoo.explain.occlusion(model, test[explained], patch=(5,), stride=(2,), batch_size=500),
}
figure, axes = plt.subplots(3, 4, figsize=(6, 4.8), layout="constrained")
for ax, picture in zip(axes[0], test, strict=False):
    ax.imshow(picture[..., 0], cmap="gray")
for line, (name, values) in zip(axes[1:], maps.items(), strict=True):
    line[0].set_ylabel(name)
    for ax, picture in zip(line, values, strict=False):
        limit = np.abs(picture).max()
        ax.imshow(picture, cmap="RdBu_r", vmin=-limit, vmax=limit)
axes[0, 0].set_ylabel("image")
for ax in axes.flat:
    ax.set(xticks=[], yticks=[])
plt.show()


# %%
# Are they right?
# ---------------
# The mark covers 49 of the 576 pixels. How many of a map's 49 largest values lie within it?
def hit_rate(values, masks):
    largest = np.argsort(-values.reshape(len(values), -1), axis=1)[:, : MARK**2]
    return float(np.take_along_axis(masks.reshape(len(masks), -1), largest, axis=1).mean())


chance = MARK**2 / SIDE**2
hits = {name: hit_rate(values, inside[explained]) for name, values in maps.items()}
print(
    "Fraction of the largest values within the mark:", {k: f"{v:.2f}" for k, v in hits.items()}, f"chance {chance:.2f}"
)
agreement = float(zoo.explain.agreement(maps).matrix[0, 1])
print(f"Mean rank correlation of the two maps: {agreement:.2f}")

# %%
# Exercise
# --------
# A map that looks right may show edges and not the network. Compute both maps for the same network with random weights,
# and compare the fractions. Does a method fail this test?

# %%
# Solution
# --------
# A map that is as good for a random network does not explain the trained one. Occlusion is above chance for random
# weights too: hiding the brightest place of an image changes the output of any network.
keras.utils.set_random_seed(2)
untrained = zoo.cnn((SIDE, SIDE, 1), 2, filters=(8, 16), convolutions=1, units=(16,), dropout=0.0)
random_hits = {
    "saliency": hit_rate(zoo.explain.saliency(untrained, test[explained]), inside[explained]),
    "occlusion": hit_rate(
        zoo.explain.occlusion(untrained, test[explained], patch=(5,), stride=(2,), batch_size=500), inside[explained]
    ),
}
for name in maps:
    print(f"{name}: {hits[name]:.2f} with the trained network, {random_hits[name]:.2f} with random weights")
