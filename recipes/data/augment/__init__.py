"""Random changes to batches of images, by name, inside a tf.data pipeline."""

from recipes.data.augment.data_echoing import echo_batches
from recipes.data.augment.geometric import move, move_whole
from recipes.data.augment.joint import Joint
from recipes.data.augment.pipeline import Augmentation, augmentation
from recipes.data.augment.steps import steps

__all__ = ["Augmentation", "Joint", "augmentation", "echo_batches", "move", "move_whole", "steps"]
