"""What a model is made of, read from its graph: sizes, cost, receptive field; nothing is allocated and nothing run."""

from zoo.introspect.cost import macs, parameters
from zoo.introspect.describe import describe
from zoo.introspect.graph import outline, weightless
from zoo.introspect.receptive_field import receptive_field
from zoo.introspect.spatial import Spatial, last_spatial

__all__ = ["Spatial", "describe", "last_spatial", "macs", "outline", "parameters", "receptive_field", "weightless"]
