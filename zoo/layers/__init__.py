"""Keras layers that own weights, randomness or a loss; one a file."""

from zoo.layers.class_token import ClassToken
from zoo.layers.drop_path import DropPath
from zoo.layers.impute import Impute
from zoo.layers.local_response import LocalResponse
from zoo.layers.maxout import Maxout
from zoo.layers.position_embedding import PositionEmbedding
from zoo.layers.radial_basis import RadialBasis
from zoo.layers.relative_attention import RelativeAttention
from zoo.layers.subsampling import Subsampling
from zoo.layers.table_conv import TableConv2D

__all__ = [
    "ClassToken",
    "DropPath",
    "Impute",
    "LocalResponse",
    "Maxout",
    "PositionEmbedding",
    "RadialBasis",
    "RelativeAttention",
    "Subsampling",
    "TableConv2D",
]
