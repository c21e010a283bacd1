"""Inspects models through their graphs: size, cost, receptive field. Nothing is allocated, and nothing runs."""

from zoo.introspect.architecture_table import describe
from zoo.introspect.cost import macs, parameters
from zoo.introspect.drawing import Drawing, draw
from zoo.introspect.graph import outline, weightless
from zoo.introspect.receptive_field import receptive_field
from zoo.introspect.spatial import Spatial, last_spatial

__all__ = [
    "Drawing",
    "Spatial",
    "describe",
    "draw",
    "last_spatial",
    "macs",
    "outline",
    "parameters",
    "receptive_field",
    "weightless",
]
