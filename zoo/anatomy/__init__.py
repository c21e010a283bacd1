"""What a model is made of, read from its graph: sizes, cost, receptive field; nothing is allocated and nothing run."""

from zoo.anatomy.cost import macs, parameters
from zoo.anatomy.field import receptive_field
from zoo.anatomy.graph import outline, weightless
from zoo.anatomy.spatial import Spatial, last_spatial
from zoo.anatomy.table import describe

__all__ = ["Spatial", "describe", "last_spatial", "macs", "outline", "parameters", "receptive_field", "weightless"]
