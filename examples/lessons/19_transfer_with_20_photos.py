"""
Transfer learning with 20 photos
================================

Twenty labelled photos are too few to learn what an edge or a texture is. A network that learned it from a million other
photos turns each one into a vector of features, and a logistic regression on these needs few labels.

Yosinski et al. (2014), *How transferable are features in deep neural networks?*, https://arxiv.org/abs/1411.1792; Tan
and Le (2019), *EfficientNet*, https://arxiv.org/abs/1905.11946.
"""

# %%
# Twenty photos of five things
# ----------------------------
# We cut crops out of five photos: four of each from the left half to train on, and others from the right half to test.
# They are gray, in light of random brightness, so that color does not tell the class. Crops of empty sky are skipped.
import keras
import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import recipes
import zoo

data = recipes.load("bundled:photos")
photos = [data.train.inputs.read(i) for i in range(len(data.train))]
SIDE, TRAIN, TEST = 96, 4, 10
rng = np.random.default_rng(1)


def crops_of(photo, n, first, last):
    """Returns n gray crops whose left sides lie between two columns of the photo, (n, 96, 96, 3) from 0 to 255."""
    gray = photo.mean(axis=-1)
    crops = []
    while len(crops) < n:
        y, x = rng.integers(0, gray.shape[0] - SIDE), rng.integers(first, last - SIDE)
        crop = gray[y : y + SIDE, x : x + SIDE]
        if crop.std() > 20:
            crops.append(np.clip(crop * rng.uniform(0.7, 1.2), 0, 255))
    return np.repeat(np.array(crops, "float32")[..., None], 3, axis=-1)


def make_split(n, is_test):
    halves = [(p.shape[1] // 2, p.shape[1]) if is_test else (0, p.shape[1] // 2) for p in photos]
    images = np.concatenate([crops_of(p, n, *half) for p, half in zip(photos, halves, strict=True)])
    return images, np.repeat(np.arange(len(photos)), n)


train, labels = make_split(TRAIN, is_test=False)
test, test_labels = make_split(TEST, is_test=True)
print(f"{len(train)} crops to train on, {len(test)} to test, {len(photos)} classes: by chance {1 / len(photos):.2f}")
figure, axes = plt.subplots(2, len(photos), figsize=(7, 3), layout="constrained")
for row, images, n, title in zip(axes, (train, test), (TRAIN, TEST), ("train", "test"), strict=True):
    row[0].set_ylabel(title)
    for k, ax in enumerate(row):
        ax.imshow(images[k * n] / 255)
        ax.set(xticks=[], yticks=[])
plt.show()

# %%
# Frozen features
# ---------------
# :func:`zoo.extract_features` runs EfficientNet-Lite0 with its weights from ImageNet, without its head. Nothing of it
# is trained.
features = zoo.extract_features("efficientnet_lite0", np.concatenate([train, test]))
train_features, test_features = features[: len(train)], features[len(train) :]
print(f"Each photo becomes {features.shape[1]} numbers")


def fit_and_score(x, y, other):
    classifier = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500, C=0.1)).fit(x, y)
    return float(classifier.score(other, test_labels))


accuracy = {"features": fit_and_score(train_features, labels, test_features)}
accuracy["pixels"] = fit_and_score(train[:, ::4, ::4, 0].reshape(len(train), -1), labels,
                                   test[:, ::4, ::4, 0].reshape(len(test), -1))  # fmt: skip

# %%
# From scratch
# ------------
# A small convolutional network with random weights has to learn all from the twenty photos.
keras.utils.set_random_seed(1)
scratch = zoo.cnn((SIDE // 2, SIDE // 2, 1), len(photos), filters=(8, 16, 32), convolutions=1, units=(), dropout=0.0)
scratch.compile(keras.optimizers.Adam(0.003), "sparse_categorical_crossentropy", metrics=["accuracy"])
small, test_small = (x[:, ::2, ::2, :1] / 127.5 - 1 for x in (train, test))
history = scratch.fit(small, labels, batch_size=20, epochs=25, verbose=0)
accuracy["from scratch"] = float((np.asarray(scratch(test_small)).argmax(axis=1) == test_labels).mean())
print(f"From scratch the accuracy on the training photos is {history.history['accuracy'][-1]:.2f}; on others:")
for name, value in accuracy.items():
    print(f"  {name}: {value:.2f}")
figure, ax = plt.subplots(figsize=(6, 2.4), layout="constrained")
ax.barh(list(accuracy), list(accuracy.values()), color=["tab:blue", "tab:gray", "tab:gray"])
ax.axvline(1 / len(photos), color="black", linestyle=":")
ax.invert_yaxis()
ax.set(xlabel="accuracy on photos of the other half (dotted: chance)", xlim=(0, 1))
plt.show()

# %%
# Which photos are alike for the network?
# ---------------------------------------
# The nearest training photo in the space of the features is often one of the same thing, although no label was used.
distance = np.linalg.norm(test_features[:, None] - train_features, axis=-1)
nearest = float((labels[distance.argmin(axis=1)] == test_labels).mean())
print(f"The nearest photo is of the same class for {nearest:.2f} of the test photos")

# %%
# Exercise
# --------
# How many photos are needed? Compute the accuracy with 1, 2 and 4 photos of each class, as the mean over ten random
# choices.

# %%
# Solution
# --------
# One photo of each class is already better than chance, and each further one helps.
by_count = {}
for count in (1, 2, 4):
    scores = []
    for seed in range(10 if count < TRAIN else 1):
        order = np.random.default_rng(seed)
        rows = np.concatenate([order.choice(np.flatnonzero(labels == k), count, False) for k in range(len(photos))])
        scores.append(fit_and_score(train_features[rows], labels[rows], test_features))
    by_count[count] = float(np.mean(scores))
    print(f"{count} photos of each class: accuracy {by_count[count]:.2f}")
