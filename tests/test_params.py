"""Exact parameter counts, each with where it comes from; nothing is allocated to count them."""

import keras
import numpy as np
import pytest

import zoo


def count(name, arguments):
    """(trainable, all) parameters."""
    with keras.StatelessScope(initialize_variables=False):
        model = zoo.build(name, **arguments)

    def total(weights):
        return sum(int(np.prod(w.shape)) for w in weights)

    return total(model.trainable_weights), total(model.weights)


PHOTO = {"input_shape": (224, 224, 3), "classes": 1000}
CIFAR = {"input_shape": (32, 32, 3), "classes": 10}
DIGIT = {"input_shape": (28, 28, 1), "classes": 10}
SINGLE = {"filters": (32, 64, 128, 256), "convolutions": 1, "units": (512,), "max_norm": None, "dropout": 0.5}

# name, arguments, trainable, all, source
COUNTS = [
    # tabular: by hand, from the lectures' slides
    ("dnn", {"input_shape": (3,), "outputs": 1, "units": (4, 10, 10)}, 187, 187, "16 + 50 + 110 + 11"),
    ("dnn", {"input_shape": (2,), "outputs": 1, "units": (2,)}, 9, 9, "XOR 2-2-1"),
    ("dnn", {"input_shape": (32, 32, 3), "outputs": 10}, 1578506, 1578506, "3072-512-10"),
    ("dnn", {"input_shape": (32, 32, 3), "outputs": 10, "units": (512, 512)}, 1841162, 1841162, "3072-512-512-10"),
    ("dnn", {"input_shape": (784,), "outputs": 10, "units": (512, 512)}, 669706, 669706, "784-512-512-10"),
    # cnn: the lectures
    ("cnn", CIFAR, 2395434, 2395434, "32-32-64-64-128-128-1024"),
    ("cnn", {**CIFAR, "units": (1024, 512)}, 2915114, 2915114, "with a second dense layer of 512"),
    ("cnn", {**CIFAR, "classes": 56, **SINGLE}, 941944, 941944, "the ecology lecture's four single blocks"),
    # LeNet-5: LeCun et al. 1998, section II.B
    ("lenet5", DIGIT, 61706, 61706, "dense C3"),
    ("lenet5", {"input_shape": (32, 32, 1), "classes": 10, "padding": "valid"}, 61706, 61706, "dense C3"),
    ("lenet5", {**CIFAR, "padding": "valid"}, 62006, 62006, "dense C3, three bands"),
    ("lenet5_1998", {"input_shape": (32, 32, 1), "classes": 10}, 60000, 60840, "60,000 trainable, 840 fixed"),
]


@pytest.mark.parametrize(
    ("name", "arguments", "trainable", "every", "source"), COUNTS, ids=[f"{c[0]}-{c[3]}" for c in COUNTS]
)
def test_parameter_count_is_the_papers(name, arguments, trainable, every, source):
    assert count(name, arguments) == (trainable, every), source


def test_every_family_has_a_count():
    from zoo.registry import entries

    counted = {c[0] for c in COUNTS}
    assert [n for n in zoo.names() if n not in counted and entries[n].parent is None] == []
