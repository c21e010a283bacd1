"""Augmentation of batches of images by named steps, inside a tf.data pipeline."""

from recipes.data.augment.data_echoing import echo_batches
from recipes.data.augment.geometric import affine_transform, integer_transform
from recipes.data.augment.joint import Joint
from recipes.data.augment.pipeline import Augmentation, augmentation
from recipes.data.augment.steps import steps

__all__ = ["Augmentation", "Joint", "affine_transform", "augmentation", "echo_batches", "integer_transform", "steps"]
