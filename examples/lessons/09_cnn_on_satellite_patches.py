"""
A CNN on satellite patches
==========================

Which land cover does a satellite see? A convolutional network gets small patches of a Landsat image. Before it is
believed, it has to beat a baseline that only gets the mean color of the patch.

LeCun et al. (1998), *Gradient-based learning applied to document recognition*; the data are Statlog's Landsat MSS.
"""

# %%
# The patches
# -----------
# Each patch has 3 x 3 pixels of 80 m in four bands: green, red and two of near infrared. The label is the land cover of
# the pixel in the middle. Training and test patches come from one image and may overlap, so the accuracies are too high
# for another place; the comparison of models is fair.
import keras
import matplotlib.pyplot as plt
import numpy as np

import recipes
import zoo

data = recipes.load("bundled:satimage")
print(data)
mean = data.train.inputs.mean(axis=(0, 1, 2))
deviation = data.train.inputs.std(axis=(0, 1, 2))
train_patches = ((data.train.inputs - mean) / deviation).astype("float32")
test_patches = ((data.test.inputs - mean) / deviation).astype("float32")

figure, axes = plt.subplots(2, 6, figsize=(9, 3.4), layout="constrained")
for column, name in enumerate(data.classes):
    examples = np.flatnonzero(data.train.targets == column)[:2]
    for ax, patch in zip(axes[:, column], data.train.inputs[examples], strict=True):
        ax.imshow(np.clip(patch[..., [2, 1, 0]] / 140, 0, 1))  # vegetation is red in this false color
        ax.set(xticks=[], yticks=[])
    axes[0, column].set_title(name.replace(" ", "\n", 1), fontsize=9)
plt.show()

# %%
# The baseline: mean color
# ------------------------
# A network on four numbers, the means of the bands: :func:`zoo.dnn` with a hidden layer. It can learn any border
# between colors, so what the CNN has in addition is the arrangement of the pixels.


def fit(model, x, epochs, seed=1):
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
    keras.utils.set_random_seed(seed)
    model.fit(x, data.train.targets, batch_size=128, epochs=epochs, verbose=0)
    return model


def predict_classes(model, x):
    return model.predict(x, batch_size=len(x), verbose=0).argmax(axis=-1)


def accuracy(predicted):
    return float((predicted == data.test.targets).mean())


keras.utils.set_random_seed(1)
majority = accuracy(np.bincount(data.train.targets).argmax())
baseline = fit(zoo.dnn((4,), 6, units=(32,), activation="softmax"), train_patches.mean(axis=(1, 2)), epochs=10)
baseline_classes = predict_classes(baseline, test_patches.mean(axis=(1, 2)))
baseline_accuracy = accuracy(baseline_classes)
print(f"always the most frequent class: {majority:.1%} of the test patches are right")
print(f"mean color: {baseline_accuracy:.1%}")

# %%
# The network
# -----------
# :func:`zoo.cnn` with one block of two convolutions: the first sees each pixel with its neighbors.
cnn = fit(zoo.cnn(data.shape, 6, filters=(32,), units=(32,), dropout=0.1), train_patches, epochs=10)
cnn_classes = predict_classes(cnn, test_patches)
cnn_accuracy = accuracy(cnn_classes)
print(f"CNN with {cnn.count_params():,} weights: {cnn_accuracy:.1%}")

# %%
# The uncertainty of the difference comes from resampling the test patches.
difference = (cnn_classes == data.test.targets).astype(float) - (baseline_classes == data.test.targets)
resampled = np.random.default_rng(0).choice(difference, size=(1000, len(difference))).mean(axis=1)
low, high = np.percentile(resampled, [2.5, 97.5])
print(f"the CNN gains {difference.mean():+.1%} (95 % interval {low:+.1%} to {high:+.1%})")

# %%
# Where it gains
# --------------
# The recall of a class is the fraction of its patches that are right.
recalls = {
    name: [float((predicted[data.test.targets == c] == c).mean()) for c in range(6)]
    for name, predicted in {"mean color": baseline_classes, "CNN": cnn_classes}.items()
}
figure, ax = plt.subplots(figsize=(6.5, 3.8), layout="constrained")
for offset, (name, recall) in zip((0.2, -0.2), recalls.items(), strict=True):
    ax.barh(np.arange(6) + offset, recall, height=0.38, label=name)
ax.set(yticks=range(6), yticklabels=data.classes, xlabel="recall", xlim=(0, 1))
figure.legend(loc="outside upper center", ncols=2)
plt.show()
gain = np.subtract(recalls["CNN"], recalls["mean color"])
print(f"the largest gain is in {data.classes[gain.argmax()]}: {gain.max():+.1%}")

# %%
# Exercise
# --------
# Does the network use where the pixels are? Shuffle the nine pixels of each test patch, and compare the accuracy. Then
# replace all nine by the pixel in the middle.

# %%
# Solution
# --------
# Both are worse: the network weighs the middle more than its neighbors, and needs the neighbors.
random = np.random.default_rng(0)
pixels = test_patches.reshape(-1, 9, 4)
shuffled = random.permuted(np.broadcast_to(np.arange(9), (len(pixels), 9)), axis=1)
shuffled_patches = np.take_along_axis(pixels, shuffled[..., None], axis=1).reshape(test_patches.shape)
middle_only = np.broadcast_to(test_patches[:, 1:2, 1:2], test_patches.shape)
shuffled_accuracy = accuracy(predict_classes(cnn, shuffled_patches))
middle_accuracy = accuracy(predict_classes(cnn, middle_only))
print(f"CNN {cnn_accuracy:.1%}, shuffled pixels {shuffled_accuracy:.1%}, only the middle {middle_accuracy:.1%}")
