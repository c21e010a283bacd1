"""Serving exports: a client, a development server, and the configuration of the stock tensorflow/serving image."""

from zoo.export.training_statistics import TrainingStatistics, training_statistics
from zoo.serving.client import Client, ServingError
from zoo.serving.configs import Configs, configs
from zoo.serving.server import DEVELOPMENT_NOTE, Server

__all__ = [
    "DEVELOPMENT_NOTE",
    "Client",
    "Configs",
    "Server",
    "ServingError",
    "TrainingStatistics",
    "configs",
    "training_statistics",
]
