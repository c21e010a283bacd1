"""
Vision transformer
==================

A vision transformer (ViT) cuts an image into patches and treats them as the words of a sentence. It is not built for
images: which patches are neighbors it has to learn. That takes data, of which this lesson has little.

Dosovitskiy et al. (2021), *An image is worth 16 x 16 words*; Abnar and Zuidema (2020), *Quantifying attention flow in
transformers*.
"""

# %%
# Patches as tokens
# -----------------
# A silhouette of 28 x 28 pixels becomes 16 patches of 7 x 7, and each patch a token: a vector of numbers.
import keras
import matplotlib.pyplot as plt
import numpy as np

import recipes
import zoo

PATCH = 7
data = recipes.load("bundled:animal-silhouettes")
x, y = data.train.inputs[:1200] / np.float32(255), data.train.targets[:1200]
test_x, test_y = data.test.inputs[:500] / np.float32(255), data.test.targets[:500]
animal = x[np.flatnonzero(y == data.classes.index("elephant"))[0]]


def cut(image, patch=PATCH):
    """Returns the patches (N, patch, patch) of an image (H, W, 1), row by row."""
    rows, columns = image.shape[0] // patch, image.shape[1] // patch
    grid = image[..., 0].reshape(rows, patch, columns, patch).swapaxes(1, 2)
    return grid.reshape(rows * columns, patch, patch)


patches = cut(animal)
figure = plt.figure(figsize=(9, 3.2), layout="constrained")
left, right = figure.subfigures(1, 2, width_ratios=(1, 2.4))
ax = left.subplots()
ax.imshow(animal[..., 0], cmap="gray_r")
ax.set(title="image", xticks=np.arange(6.5, 28, 7), yticks=np.arange(6.5, 28, 7), xticklabels=[], yticklabels=[])
ax.grid(color="tab:orange")
for number, ax in enumerate(right.subplots(2, 8).flat):
    ax.imshow(patches[number], cmap="gray_r", vmin=0, vmax=1)
    ax.set(title=f"token {number + 1}", xticks=[], yticks=[])
    ax.title.set_fontsize(8)
plt.show()

# %%
# A ViT and a CNN of equal size
# -----------------------------
# :func:`zoo.vit` with two blocks, and :func:`zoo.cnn` with about as many weights. Both get 1,200 silhouettes of ten
# animals, the same optimizer and the same number of steps.


def build_vit():
    keras.utils.set_random_seed(1)
    return zoo.vit(data.shape, 10, patch=PATCH, depth=2, width=32, units=64, heads=4)


def build_cnn():
    keras.utils.set_random_seed(1)
    return zoo.cnn(data.shape, 10, filters=(16, 32), convolutions=1, units=(10,), max_norm=None, dropout=0.0)


def train(model, images, epochs=4):
    model.compile(keras.optimizers.Adam(0.004), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(images, y, batch_size=60, epochs=epochs, verbose=0)
    return model


def test_accuracy(model, images=test_x):
    return float((model.predict(images, batch_size=250, verbose=0).argmax(axis=-1) == test_y).mean())


vit, cnn = train(build_vit(), x), train(build_cnn(), x)
accuracy = {"ViT": test_accuracy(vit), "CNN": test_accuracy(cnn)}
weights = {"ViT": vit.count_params(), "CNN": cnn.count_params()}
for name in accuracy:
    print(f"{name}: {weights[name]:,} weights, {accuracy[name]:.1%} of the test silhouettes are right")
difference = accuracy["CNN"] - accuracy["ViT"]
standard_error = np.sqrt(sum(a * (1 - a) / len(test_y) for a in accuracy.values()))
print(f"CNN minus ViT: {difference:+.1%} with a standard error of {standard_error:.1%}")

# %%
# A difference below two standard errors does not say which of them is better: that takes more images and more steps.

# %%
# What the class token looks at
# -----------------------------
# :func:`zoo.attention_maps` returns the weights of all heads in all blocks. Rollout multiplies the blocks: how much of
# each patch is in the class token at the end.


def rollout(model, images):
    maps = zoo.attention_maps(model, images).mean(axis=2)  # mean over the heads
    total = np.eye(maps.shape[-1])
    for block in range(maps.shape[1]):
        total = 0.5 * (maps[:, block] + np.eye(maps.shape[-1])) @ total  # half is the shortcut around the attention
    side = int(np.sqrt(maps.shape[-1] - 1))
    return total[:, 0, 1:].reshape(-1, side, side)


attention = rollout(vit, test_x[:200])
ink = np.array([[patch.mean() > 0 for patch in cut(image)] for image in test_x[:200]]).reshape(attention.shape)
attention_ratio = float(attention[ink].mean() / attention[~ink].mean())
print(f"a patch of the animal has {attention_ratio:.2f} times the attention of an empty patch")
figure, axes = plt.subplots(2, 5, figsize=(9, 3.8), layout="constrained")
for image, weight, (top, bottom) in zip(test_x, attention, axes.T, strict=False):
    top.imshow(image[..., 0], cmap="gray_r")
    bottom.imshow(weight, cmap="viridis", vmin=0)
    for ax in (top, bottom):
        ax.set(xticks=[], yticks=[])
axes[0, 0].set_ylabel("silhouette")
axes[1, 0].set_ylabel("attention")
plt.show()

# %%
# Exercise
# --------
# The order of the patches is only in the position vectors of the ViT. Shuffle the patches of the test images, all in
# the same way, and measure the accuracy of both networks. Then shuffle the position vectors in this way, too.

# %%
# Solution
# --------
# Both networks fail on shuffled patches. With shuffled position vectors the ViT is exactly as good as before: neighbors
# mean nothing to it, but what it learned about them. The filters of the CNN cannot be rearranged like that.
order = np.random.default_rng(0).permutation(16)
grid = np.stack([cut(image)[order] for image in test_x]).reshape(-1, 4, 4, PATCH, PATCH)
shuffled_test = grid.swapaxes(2, 3).reshape(test_x.shape)
shuffled = {"ViT": test_accuracy(vit, shuffled_test), "CNN": test_accuracy(cnn, shuffled_test)}
table = vit.get_layer("position").get_weights()[0]  # the first row belongs to the class token
vit.get_layer("position").set_weights([np.concatenate([table[:1], table[1:][order]])])
shuffled["ViT, positions shuffled, too"] = test_accuracy(vit, shuffled_test)
for name, value in shuffled.items():
    print(f"{name}: {value:.1%} of the shuffled test silhouettes are right")
