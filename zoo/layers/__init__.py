"""Keras layers that own weights, randomness or a loss; one a file."""

from zoo.layers.maxout import Maxout
from zoo.layers.radial_basis import RadialBasis
from zoo.layers.subsampling import Subsampling
from zoo.layers.table_conv import TableConv2D

__all__ = ["Maxout", "RadialBasis", "Subsampling", "TableConv2D"]
