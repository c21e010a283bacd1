"""Serving an export: a client, a development server, and what the stock tensorflow/serving image needs."""

from zoo.serving.client import Client, ServingError
from zoo.serving.configs import Configs, configs
from zoo.serving.server import NOTE, Server
from zoo.serving.skew import Seen, seen

__all__ = ["NOTE", "Client", "Configs", "Seen", "Server", "ServingError", "configs", "seen"]
