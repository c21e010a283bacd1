"""Quiet TensorFlow, and one seed for every test."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

import keras
import pytest

pytest_plugins = ["tests.exported_models"]  # fixtures of tests/export, tests/serving and tests/cli


@pytest.fixture(autouse=True)
def seed():
    keras.utils.set_random_seed(7)
    yield
    keras.config.set_dtype_policy("float32")
