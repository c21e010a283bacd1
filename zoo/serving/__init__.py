"""Serving an export: a client, a development server, and what the stock tensorflow/serving image needs."""

from zoo.export.training_statistics import Seen, seen
from zoo.serving.client import Client, ServingError
from zoo.serving.configs import Configs, configs
from zoo.serving.server import NOTE, Server

__all__ = ["NOTE", "Client", "Configs", "Seen", "Server", "ServingError", "configs", "seen"]
