"""
Pooling and receptive field
===========================

A 3 x 3 filter sees nine pixels. Yet a cell at the end of a convolutional network depends on a large part of the image:
its receptive field grows with every convolution, and faster after every pooling.

Araujo, Norris and Sim (2019), *Computing receptive fields of convolutional neural networks*; Luo et al. (2016),
*Understanding the effective receptive field in deep convolutional neural networks*.
"""

# %%
# Pooling
# -------
# Max pooling takes the largest of 2 x 2 values. The map has a quarter of the cells, and changes less when the image is
# shifted by a pixel.
import keras
import matplotlib.pyplot as plt
import numpy as np
import tensorflow as tf

import recipes
import zoo

data = recipes.load("bundled:animal-silhouettes")
giraffe = data.train.inputs[data.train.targets == data.classes.index("giraffe")][0] / np.float32(255)


def max_pool(image, size=2):
    height, width = image.shape[0] // size, image.shape[1] // size
    return image[: height * size, : width * size].reshape(height, size, width, size).max(axis=(1, 3))


pooled = max_pool(giraffe[..., 0])
in_keras = keras.layers.MaxPooling2D(2)(giraffe[None])[0, ..., 0].numpy()
print(f"{giraffe.shape[:2]} becomes {pooled.shape}; equal to Keras: {bool((pooled == in_keras).all())}")


def change_by_a_shift(image):
    """Returns the mean difference between the maps of an image and of its copy one pixel further to the right."""
    changes, original, shifted = [], image, np.roll(image, 1, axis=1)
    for _ in range(4):
        changes.append(float(np.abs(original - shifted).mean() / original.mean()))
        original, shifted = max_pool(original), max_pool(shifted)
    return changes


animals = data.train.inputs[:200, ..., 0] / np.float32(255)
shift_changes = np.mean([change_by_a_shift(animal) for animal in animals], axis=0)
for poolings, change in enumerate(shift_changes):
    print(f"after {poolings} poolings a shift by one pixel changes {change:.1%} of the map")

figure, axes = plt.subplots(1, 4, figsize=(9, 2.6), layout="constrained")
image = giraffe[..., 0]
for ax in axes:
    ax.imshow(image, cmap="gray_r", vmin=0, vmax=1)
    ax.set(title=f"{image.shape[0]} x {image.shape[1]}", xticks=[], yticks=[])
    image = max_pool(image)
plt.show()

# %%
# The receptive field by counting
# -------------------------------
# A filter of size k adds ``(k - 1) * jump`` pixels to the field, where the jump is the distance in the image between
# neighboring cells. Each pooling with stride 2 adds one jump, and doubles it.


def counted_field(operations):
    field, jump, fields = 1, 1, []
    for size, stride in operations:
        field, jump = field + (size - 1) * jump, jump * stride
        fields.append(field)
    return fields


CONVOLUTION, POOLING = (3, 1), (2, 2)
with_pooling = counted_field([CONVOLUTION, CONVOLUTION, POOLING] * 3)
without_pooling = counted_field([CONVOLUTION] * 9)
print(f"six convolutions and three poolings: {with_pooling}")
print(f"nine convolutions: {without_pooling}")

# %%
# The receptive field by measuring
# --------------------------------
# The gradient of one cell with respect to the image is 0 outside of its receptive field. :func:`zoo.receptive_field`
# follows the graph of a model instead, and :func:`zoo.last_spatial` returns the last feature map.
keras.utils.set_random_seed(1)
model = zoo.cnn((64, 64, 1), 10, filters=(8, 16, 32), units=())
feature_maps = keras.Model(model.inputs, zoo.last_spatial(model).tensor)


def gradient_of_the_middle(feature_maps, samples=64):
    images = tf.random.normal((samples, *model.input.shape[1:]))
    with tf.GradientTape() as tape:
        tape.watch(images)
        maps = feature_maps(images)
        middle = maps[:, maps.shape[1] // 2, maps.shape[2] // 2]
    return np.abs(tape.gradient(middle, images).numpy()).sum(axis=(0, 3))


def extent(gradient):
    rows = np.flatnonzero(gradient.sum(axis=1))
    return int(rows[-1] - rows[0] + 1)


gradient = gradient_of_the_middle(feature_maps)
measured, from_graph = extent(gradient), zoo.receptive_field(model)
print(f"zoo.cnn: counted {with_pooling[-1]}, measured {measured}, zoo.receptive_field {from_graph} pixels")

# %%
# The pixels in the middle of the field matter most, since more paths lead through them: the effective receptive field
# is smaller.
across = np.sort(gradient.ravel())[::-1]
effective = int((across.cumsum() < 0.9 * across.sum()).sum()) / from_graph**2
print(f"{effective:.0%} of the field's pixels have 90 % of the gradient")

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8), layout="constrained")
left.plot(range(1, 10), with_pooling, marker="o", label="with pooling")
left.plot(range(1, 10), without_pooling, marker="o", label="without pooling")
left.set(xlabel="layer", ylabel="receptive field [pixels]", title="Counted")
left.legend()
figure.colorbar(right.imshow(gradient, cmap="magma"), ax=right, label="gradient")
right.set(xlabel="column", ylabel="row", title="Measured for one cell")
plt.show()

# %%
# Exercise
# --------
# LeNet-5 has 5 x 5 convolutions, each followed by 2 x 2 pooling. Count its receptive field, and compare with
# :func:`zoo.receptive_field`. Then do it for ResNet-20 of :func:`zoo.resnet20`: how can it be larger than its images of
# 32 x 32 pixels?

# %%
# Solution
# --------
# The longest path of ResNet-20 has 19 convolutions of 3 x 3. The first one of the second and of the third stage has a
# stride of 2. The field of a cell goes beyond the border, where there is nothing to see: the cell sees the whole image.
lenet_counted = counted_field([(5, 1), (2, 2), (5, 1), (2, 2)])[-1]
resnet_counted = counted_field([(3, 1)] * 7 + [(3, 2)] + [(3, 1)] * 5 + [(3, 2)] + [(3, 1)] * 5)[-1]
lenet, resnet = zoo.receptive_field(zoo.lenet5((28, 28, 1), 10)), zoo.receptive_field(zoo.resnet20((32, 32, 3), 10))
print(f"LeNet-5: counted {lenet_counted}, zoo.receptive_field {lenet} pixels")
print(f"ResNet-20: counted {resnet_counted}, zoo.receptive_field {resnet} pixels")
