"""Keras layers that architectures and recipes use: one file per layer."""

from zoo.layers.all_pairs import AllPairs
from zoo.layers.any_size import CutToSize, PadToMultiple
from zoo.layers.attention_pooling import AttentionPooling
from zoo.layers.backbone_input import BackboneInput
from zoo.layers.batch_ensemble import BatchEnsembleDense, EnsembleHead
from zoo.layers.bicubic import Bicubic
from zoo.layers.boltzmann import Boltzmann
from zoo.layers.carry_forward import CarryForward
from zoo.layers.class_token import ClassToken
from zoo.layers.correlation_lookup import CorrelationLookup
from zoo.layers.corrupt import Corrupt
from zoo.layers.cost_volume import CostVolume
from zoo.layers.coupling import Coupling
from zoo.layers.downsample_conv import DownsampleConv2D
from zoo.layers.drop_path import DropPath
from zoo.layers.dropout_16bit import Dropout16Bit
from zoo.layers.feature_tokens import FeatureTokens
from zoo.layers.fused_attention import FusedAttention
from zoo.layers.gaussian_latent import GaussianLatent
from zoo.layers.group_norm import GroupNorm
from zoo.layers.impute import Impute
from zoo.layers.lasso_dense import LassoDense
from zoo.layers.last_step import LastStep
from zoo.layers.local_response import LocalResponse
from zoo.layers.location_encoding import LocationEncoding
from zoo.layers.map_attention import MapAttention
from zoo.layers.mask_token import MaskToken
from zoo.layers.maxent_features import MaxentFeatures
from zoo.layers.maxout import Maxout
from zoo.layers.narrow_conv_transpose import NarrowConv2DTranspose
from zoo.layers.normalize_text import NormalizeText
from zoo.layers.peephole_conv_lstm import PeepholeConvLSTM2D
from zoo.layers.piecewise_linear import PiecewiseLinear
from zoo.layers.pixel_logit import PixelLogit
from zoo.layers.position_embedding import PositionEmbedding
from zoo.layers.preset_tokens import PresetTokens
from zoo.layers.presto_bands import PrestoBands
from zoo.layers.radial_basis import RadialBasis
from zoo.layers.relative_attention import RelativeAttention
from zoo.layers.season_position import SeasonPosition
from zoo.layers.since_last import SinceLast
from zoo.layers.sinusoidal_position import SinusoidalPosition
from zoo.layers.spec_augment import SpecAugment
from zoo.layers.spectrogram import Spectrogram
from zoo.layers.step_embedding import StepEmbedding
from zoo.layers.subsampling import Subsampling
from zoo.layers.table_conv import TableConv2D
from zoo.layers.upsample import Upsample
from zoo.layers.upsample_conv import UpsampleConv2D
from zoo.layers.warp import Warp
from zoo.layers.weight_average import WeightAverage

__all__ = [
    "AllPairs",
    "AttentionPooling",
    "BackboneInput",
    "BatchEnsembleDense",
    "Bicubic",
    "Boltzmann",
    "CarryForward",
    "ClassToken",
    "CorrelationLookup",
    "Corrupt",
    "CostVolume",
    "Coupling",
    "CutToSize",
    "DownsampleConv2D",
    "DropPath",
    "Dropout16Bit",
    "EnsembleHead",
    "FeatureTokens",
    "FusedAttention",
    "GaussianLatent",
    "GroupNorm",
    "Impute",
    "LassoDense",
    "LastStep",
    "LocalResponse",
    "LocationEncoding",
    "MapAttention",
    "MaskToken",
    "MaxentFeatures",
    "Maxout",
    "NarrowConv2DTranspose",
    "NormalizeText",
    "PadToMultiple",
    "PeepholeConvLSTM2D",
    "PiecewiseLinear",
    "PixelLogit",
    "PositionEmbedding",
    "PresetTokens",
    "PrestoBands",
    "RadialBasis",
    "RelativeAttention",
    "SeasonPosition",
    "SinceLast",
    "SinusoidalPosition",
    "SpecAugment",
    "Spectrogram",
    "StepEmbedding",
    "Subsampling",
    "TableConv2D",
    "Upsample",
    "UpsampleConv2D",
    "Warp",
    "WeightAverage",
]
