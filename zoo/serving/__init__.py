"""Serving an export: a client, a development server, and what the stock tensorflow/serving image needs."""

from zoo.export.training_statistics import TrainingStatistics, training_statistics
from zoo.serving.client import Client, ServingError
from zoo.serving.configs import Configs, configs
from zoo.serving.server import NOTE, Server

__all__ = [
    "NOTE",
    "Client",
    "Configs",
    "Server",
    "ServingError",
    "TrainingStatistics",
    "configs",
    "training_statistics",
]
