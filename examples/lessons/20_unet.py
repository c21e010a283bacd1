"""
U-Net: a class for each pixel
=============================

Where are the cell nuclei? A threshold of the brightness finds them as long as the light is even. A U-Net looks at the
surroundings of each pixel, and its skip connections bring the fine detail back that pooling loses.

Ronneberger, Fischer and Brox (2015), *U-Net*, https://arxiv.org/abs/1505.04597; Otsu (1979), *A threshold selection
method from gray-level histograms*.
"""

# %%
# Nuclei in poor light
# --------------------
# Tiles of a microscope's image with a mask of the nuclei. We add what a poor lamp adds: light that falls off to a side,
# and noise.
import keras
import matplotlib.pyplot as plt
import numpy as np

import recipes
import zoo

data = recipes.load("bundled:nuclei")
scale = np.percentile(data.train.inputs, 95)
rng = np.random.default_rng(1)
SIDE = 32


def make_images(examples, copies=1):
    """Returns every second pixel of the tiles in even light, the same in poor light, and their masks."""
    images = np.clip(examples.inputs[:, ::2, ::2].astype("float32") / scale, 0, 1).repeat(copies, axis=0)
    masks = examples.targets[:, ::2, ::2].repeat(copies, axis=0)
    angle = rng.uniform(0, 2 * np.pi, (len(images), 1, 1, 1))
    axis = np.linspace(-0.5, 0.5, SIDE)
    ramp = np.cos(angle) * axis[None, :, None, None] + np.sin(angle) * axis[None, None, :, None]
    poor = images + ramp + rng.normal(0, 0.1, images.shape)
    return images, poor.astype("float32"), masks


even, poor, masks = make_images(data.train, copies=3)
test_even, test_poor, test_masks = make_images(data.test)
print(f"{len(masks)} images to train on, {len(test_masks)} to test; {masks.mean():.0%} of the pixels are nuclei")


# %%
# The baseline
# ------------
# Otsu's threshold separates the histogram into two groups with the smallest variance within them. We compute it for
# each image. The intersection over union (IoU) compares a mask with the true one.
def iou(predicted, true):
    return float((predicted & true).sum() / (predicted | true).sum())


def otsu(image):
    """Returns the threshold with the largest variance between both groups, which has the smallest within them."""
    values = np.sort(image, axis=None)
    below = np.arange(1, len(values))  # number of pixels below each threshold
    sums = np.cumsum(values)
    difference = sums[:-1] / below - (sums[-1] - sums[:-1]) / (len(values) - below)
    return values[(below * (len(values) - below) * difference**2).argmax()]


def by_threshold(images):
    return np.array([image[..., 0] > otsu(image) for image in images])


true = test_masks == 1
score = {"threshold, even light": iou(by_threshold(test_even), true)}
score["threshold, poor light"] = iou(by_threshold(test_poor), true)
print("IoU:", {name: f"{value:.2f}" for name, value in score.items()})

# %%
# The network
# -----------
# :func:`zoo.unet` with three scales. The skip connections join maps of equal size: a pixel of the output depends on a
# field of the input that grows with the depth.
keras.utils.set_random_seed(1)
model = zoo.unet((SIDE, SIDE, 1), 2, filters=(8, 16, 32), dropout=0.0)
field = zoo.receptive_field(model)
print(f"{model.count_params():,} weights; receptive field {field}")
model.compile(keras.optimizers.Adam(0.005), "sparse_categorical_crossentropy")
history = model.fit(poor, masks, batch_size=16, epochs=8, verbose=0)
predicted = np.asarray(model(test_poor)).argmax(axis=-1) == 1
score["U-Net, poor light"] = iou(predicted, true)
print(f"U-Net in poor light: IoU {score['U-Net, poor light']:.2f}")
figure, axes = plt.subplots(4, 4, figsize=(5.4, 5.6), layout="constrained")
largest = np.argsort(-true.sum(axis=(1, 2)))[:4]
rows = {"image": test_poor[..., 0], "true mask": true, "threshold": by_threshold(test_poor), "U-Net": predicted}
for row, (name, pictures) in zip(axes, rows.items(), strict=True):
    row[0].set_ylabel(name)
    for ax, i in zip(row, largest, strict=True):
        ax.imshow(pictures[i], cmap="gray")
        ax.set(xticks=[], yticks=[])
plt.show()

# %%
# What the skip connections do
# ----------------------------
# Cut them: replace the map that a skip brings by zeros in the trained network, and predict again.
decoder = [layer for layer in model.layers if layer.name.endswith("_concat")]


def without_skip(cut):
    """Returns the network with zeros for the skip connections of these names."""

    def clone(layer):
        if layer.name not in cut:
            return layer
        return keras.layers.Lambda(lambda maps: keras.ops.concatenate([0 * maps[0], maps[1]], axis=-1), name=layer.name)

    return keras.models.clone_model(model, clone_function=clone)


for layer in decoder:
    changed = without_skip([layer.name])
    score[layer.name] = iou(np.asarray(changed(test_poor)).argmax(axis=-1) == 1, true)
    print(f"IoU without the skip connection of {layer.name}: {score[layer.name]:.2f}")

# %%
# Exercise
# --------
# A fairer baseline removes the light first: fit a plane to the brightness of each image, subtract it, and compute
# Otsu's threshold. Does the U-Net still win?

# %%
# Solution
# --------
# Who knows what is wrong with the images can correct it. The plane also removes a part of the nuclei where they are on
# one side of the image.
yy, xx = np.mgrid[:SIDE, :SIDE].reshape(2, -1)
design = np.stack([np.ones_like(yy), yy, xx], axis=1).astype(float)
flat = test_poor.reshape(len(test_poor), -1).T
corrected = (flat - design @ np.linalg.lstsq(design, flat, rcond=None)[0]).T.reshape(test_poor.shape)
score["plane, then threshold"] = iou(by_threshold(corrected), true)
for name in ("threshold, poor light", "plane, then threshold", "U-Net, poor light"):
    print(f"{name}: IoU {score[name]:.2f}")
