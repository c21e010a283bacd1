"""Trains LeNet-5 on all devices of this machine with Keras' JAX backend, as a way to TPUs and other accelerators.

    pip install jax                                       (jax[cuda12] or jax[tpu] for GPUs or TPUs)
    python examples/jax_data_parallel.py
    XLA_FLAGS=--xla_force_host_platform_device_count=2 python examples/jax_data_parallel.py    (two parts of a CPU)

The builders of `zoo` run on any backend of Keras; `recipes` needs TensorFlow. Keras gives each device a part of every
batch and a copy of the weights; `batch_size` is that of all devices, and the loss is that of one device.
"""

import os

os.environ["KERAS_BACKEND"] = "jax"  # before Keras is imported

import keras
import numpy as np

import zoo


def bright_quarters(count, side=28):
    """Images of noise in which one quarter is brighter; the class is its number."""
    rng = np.random.default_rng(0)
    images, labels = rng.random((count, side, side, 1), "float32"), rng.integers(0, 4, count)
    for image, label in zip(images, labels, strict=True):
        row, column = divmod(label, 2)
        half = side // 2
        image[row * half : (row + 1) * half, column * half : (column + 1) * half] += 0.5
    return images, labels


def main():
    devices = keras.distribution.list_devices()
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=devices))
    keras.utils.set_random_seed(0)
    model = zoo.build("lenet5", (28, 28, 1), 4)  # after set_distribution, which places the weights
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    images, labels = bright_quarters(256)
    history = model.fit(images, labels, batch_size=32, epochs=3, shuffle=False, verbose=0).history
    print(f"{len(devices)} devices")
    for loss, accuracy in zip(history["loss"], history["accuracy"], strict=True):
        print(f"loss {loss:.6f}  accuracy {accuracy:.3f}")


if __name__ == "__main__":
    main()
