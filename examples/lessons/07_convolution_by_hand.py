"""
Convolution and filters by hand
===============================

A filter of 3 x 3 numbers slides over an image. At each place the nine pixels under it are multiplied by its numbers and
added up. Filters that people designed blur, sharpen and find edges; a convolutional network learns other ones.

Sobel and Feldman (1968), *An isotropic 3 x 3 image gradient operator*; LeCun et al. (1989), *Backpropagation applied to
handwritten zip code recognition*.
"""

# %%
# A satellite image
# -----------------
# One tile of ``bundled:footprints``: buildings in one panchromatic band, here scaled to 0 to 1.
import keras
import matplotlib.pyplot as plt
import numpy as np

import recipes

data = recipes.load("bundled:footprints")
most_buildings = (data.train.targets > 0).mean(axis=(1, 2)).argmax()
tile = data.train.inputs[most_buildings, :, :, 0].astype("float32")
tile = np.clip((tile - tile.min()) / (np.percentile(tile, 99.5) - tile.min()), 0, 1)
print(f"tile {data.train.names[most_buildings]}, {tile.shape[0]} x {tile.shape[1]} pixels")

# %%
# Five filters
# ------------
# The mean blurs. Sharpening subtracts the neighbors. Sobel's filters are the differences between the left and the
# right, and between above and below. Laplace's filter is the difference between the neighbors and the middle.
FILTERS = {
    "mean": np.full((3, 3), 1 / 9),
    "sharpen": np.array([[0, -1, 0], [-1, 5, -1], [0, -1, 0]]),
    "Sobel, horizontal": np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]),
    "Sobel, vertical": np.array([[-1, -2, -1], [0, 0, 0], [1, 2, 1]]),
    "Laplacian": np.array([[0, 1, 0], [1, -4, 1], [0, 1, 0]]),
}
for name, kernel in FILTERS.items():
    print(f"{name}: the nine numbers add up to {kernel.sum():.0f}")

# %%
# A filter whose numbers add up to 1 keeps the brightness. One whose numbers add up to 0 is 0 where the image is flat.


def convolve(image, kernel):
    height, width = image.shape
    size = len(kernel)
    output = np.zeros((height - size + 1, width - size + 1), "float32")
    for row in range(output.shape[0]):
        for column in range(output.shape[1]):
            output[row, column] = (image[row : row + size, column : column + size] * kernel).sum()
    return output


filtered = {name: convolve(tile, kernel) for name, kernel in FILTERS.items()}
print(f"{tile.shape} becomes {filtered['mean'].shape}, since the filter has to stay inside of the image")

figure, axes = plt.subplots(2, 3, figsize=(9, 6.4), layout="constrained")
for ax, (name, image) in zip(axes.flat, {"image": tile, **filtered}.items(), strict=True):
    signed = image.min() < -0.5  # filters that find edges have both signs
    limit = np.abs(image).max()
    options = {"cmap": "RdBu", "vmin": -limit, "vmax": limit} if signed else {"cmap": "gray", "vmin": 0, "vmax": 1}
    figure.colorbar(ax.imshow(image, **options), ax=ax, shrink=0.7)
    ax.set(title=name, xticks=[], yticks=[])
plt.show()

# %%
# The same in Keras
# -----------------
# ``keras.ops.conv`` applies all five filters in one call; the layer ``Conv2D`` does the same with filters that it
# learns. Both slide the filter without turning it, which mathematicians call a cross-correlation.
kernels = np.stack(list(FILTERS.values()), axis=-1)[:, :, None].astype("float32")  # (3, 3, 1, 5)
maps = keras.ops.convert_to_numpy(keras.ops.conv(tile[None, :, :, None], kernels, padding="valid"))
differences = {name: float(np.abs(maps[0, ..., i] - filtered[name]).max()) for i, name in enumerate(FILTERS)}
print(f"the largest difference between Keras and the loops is {max(differences.values()):.0e}")

# %%
# Edges
# -----
# The two Sobel filters are the two parts of a vector, the gradient of the image. Its length says how strong an edge is,
# its direction where the image becomes brighter. Roofs, walls and streets are straight and parallel, so a few
# directions are frequent among the strong edges.
edges = np.hypot(filtered["Sobel, horizontal"], filtered["Sobel, vertical"])
directions = np.degrees(np.arctan2(filtered["Sobel, vertical"], filtered["Sobel, horizontal"]))
strong = edges > np.percentile(edges, 95)


def fraction_along_the_axes(angles):
    """Returns the fraction of directions within 15 degrees of right, left, up or down; a third of random ones are."""
    return float((np.abs((angles + 45) % 90 - 45) < 15).mean())


strong_fraction = fraction_along_the_axes(directions[strong])
weak_fraction = fraction_along_the_axes(directions[~strong])
print(f"along the axes: {strong_fraction:.0%} of the strong edges, {weak_fraction:.0%} of the others, 33 % by chance")

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4.2), layout="constrained")
left.imshow(edges, cmap="gray", vmax=np.percentile(edges, 99))
left.set(title="Length of the gradient", xticks=[], yticks=[])
right.hist([directions[strong], directions[~strong]], bins=24, range=(-180, 180), density=True)
right.legend(["strong edges", "others"], loc="upper center")
right.set(
    xlabel="direction [degrees], 0 is to the right, 90 down", yticks=[], ylabel="density", xticks=range(-180, 181, 90)
)
plt.show()

# %%
# Exercise
# --------
# The Sobel filter is separable: a column ``[1, 2, 1]`` that blurs, times a row ``[-1, 0, 1]`` that takes the
# difference. Show that two passes with three numbers each give the same as one pass with nine. Which of the five
# filters are separable?

# %%
# Solution
# --------
# A filter is separable if its matrix has rank 1. Two passes need 6 instead of 9 multiplications for each pixel.
smoothing, difference = np.array([1, 2, 1]), np.array([-1, 0, 1])
blurred = sum(smoothing[i] * tile[i : i + 98] for i in range(3))
two_passes = sum(difference[i] * blurred[:, i : i + 98] for i in range(3))
separable_difference = float(np.abs(two_passes - filtered["Sobel, horizontal"]).max())
ranks = {name: int(np.linalg.matrix_rank(kernel)) for name, kernel in FILTERS.items()}
print(f"two passes differ from one by {separable_difference:.0e}")
print("separable: " + ", ".join(name for name, rank in ranks.items() if rank == 1))
