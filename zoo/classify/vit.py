"""The vision transformer: a transformer encoder on a sequence of image patches."""

import keras
import numpy as np
from keras import layers, ops

from zoo.arguments import Activation, Count, Rate, Shape, checked, image_shape
from zoo.blocks import head
from zoo.layers.class_token import ClassToken
from zoo.layers.drop_path import DropPath
from zoo.layers.fused_attention import FusedAttention
from zoo.layers.position_embedding import PositionEmbedding
from zoo.registry import register, variant

AUGREG_PAPER = "https://arxiv.org/abs/2106.10270"  # Steiner et al. 2021, table 2
SCALING_PAPER = "https://arxiv.org/abs/2106.04560"  # Zhai et al. 2021, table 2


@register(
    task="classify",
    source="https://arxiv.org/abs/2010.11929",
    example={"input_shape": (224, 224, 3), "classes": 1000},
)
def vit(
    input_shape: Shape,
    classes: Count,
    *,
    patch: Count = 16,
    depth: Count = 12,
    width: Count = 768,
    units: Count = 3072,
    heads: Count = 12,
    dropout: Rate = 0.0,
    drop_path: Rate = 0.0,
    activation: Activation = "softmax",
    name: str = "vit",
) -> keras.Model:
    """Vision transformer: patches become tokens, and the head classifies the class token after the last block.

    (B, H, W, C) float, -1 to 1 in the paper  ->  (B, classes) probabilities.

    The head uses only the class token. The last block therefore computes attention for the class token only, with the
    same result at lower cost. Patches after that block receive no gradient, so the feature map for explanations is its
    input: the output of the layer `map`, (B, H / patch, W / patch, width). `attention_maps` returns the attention of
    all tokens in all blocks.

    Args:
        input_shape: (H, W, C) of one image [pixels]; H and W are not None and are divisible by `patch`.
        classes: number of classes.
        patch: side of a patch [pixels].
        depth: number of transformer blocks.
        width: length of a token vector.
        units: number of units of the hidden layer of each block's MLP.
        heads: number of attention heads; must divide `width`.
        dropout: dropout rate after the position embedding and each dense layer but queries, keys and values; 0.1 on
            ImageNet.
        drop_path: stochastic depth rate of the last block, 0.1 in DeiT. It rises linearly from 0 in the first block.
        activation: of the output: softmax, sigmoid, or None for logits.
        name: the model's name.
    Returns:
        Uncompiled functional model; 86,567,656 parameters at the defaults on (224, 224, 3) with 1000 classes.
    Raises:
        ValueError: if H or W is None or not divisible by `patch`, or `heads` does not divide `width`.

    Source: Dosovitskiy et al. 2020, https://arxiv.org/abs/2010.11929, section 3.1 and table 1. Ti and S are from
        Touvron et al. 2020, https://arxiv.org/abs/2012.12877, table 1.
    Differs: exact GELU, as in timm, torchvision and Hugging Face, where Google's JAX code approximates it by tanh. The
        head is one dense layer, as in fine-tuning. It is not initialized with zeros, since an untrained model would
        then predict the same for all images.
    """
    image_shape(name, input_shape, at_least=patch, multiple=patch, fixed=True)
    if width % heads:
        raise ValueError(f"{name}: `heads` must divide `width` = {width}, got {heads}.")
    inputs = layers.Input(input_shape, name="image")
    x = _embed(inputs, patch, width, dropout)
    rates = np.linspace(0, drop_path, depth)
    for i in range(depth - 1):
        x = encoder_block(x, f"block{i}", units, heads, dropout, rates[i])
    class_token = layers.Cropping1D((0, x.shape[1] - 1), name="class")(x)
    patches = _feature_map(x, input_shape, patch, "map")
    patches = layers.Reshape((-1, width), name="patches")(patches)
    x = layers.Concatenate(axis=1, name="tokens")([class_token, patches])
    x = encoder_block(x, f"block{depth - 1}", units, heads, dropout, rates[-1], query_token=class_token)
    x = layers.Flatten(name="pool")(layers.LayerNormalization(epsilon=1e-6, name="norm")(x))
    return keras.Model(inputs, head(x, classes, activation), name=name)


def features(x, *, patch=16, depth=12, width=768, units=3072, heads=12, dropout=0.0, drop_path=0.0):
    """Returns the patch tokens after each quarter of the blocks, as four maps (B, H / patch, W / patch, width).

    The weights have the names of those of `vit`. With fewer than four blocks there are as many maps as blocks.
    """
    size = x.shape[1:3]
    x = _embed(x, patch, width, dropout)
    rates = np.linspace(0, drop_path, depth)
    ends = {-(-depth * quarter // 4) for quarter in (1, 2, 3, 4)}
    stages = []
    for i in range(depth):
        x = encoder_block(x, f"block{i}", units, heads, dropout, rates[i])
        if i + 1 in ends:
            stages.append(_feature_map(x, size, patch, f"map{len(stages)}"))
    return stages


def _embed(x, patch, width, dropout):
    """Embeds the patches (eq. 1): (B, H, W, C)  ->  (B, 1 + HW / patch², width), with the class token first."""
    x = layers.Conv2D(width, patch, strides=patch, kernel_initializer="lecun_normal", name="stem")(x)
    x = layers.Reshape((-1, width), name="embedding")(x)
    x = PositionEmbedding(name="position")(ClassToken(name="class_token")(x))
    return layers.Dropout(dropout, name="dropout")(x) if dropout else x


def _feature_map(x, size, patch, name):
    """Arranges the patch tokens as a map: (B, 1 + N, width)  ->  (B, H / patch, W / patch, width)."""
    x = layers.Cropping1D((1, 0), name=f"{name}_tokens")(x)
    return layers.Reshape((size[0] // patch, size[1] // patch, x.shape[-1]), name=name)(x)


def encoder_block(x, name, units, heads, dropout, drop_path, query_token=None):
    """Applies a block (eqs. 2 and 3). With `query_token`, (B, 1, width), the block's output is that token only."""
    width = x.shape[-1]
    # Glorot's bound for (width, width); Keras takes a (width, heads, size) kernel for that of a convolution
    bound = (3 / width) ** 0.5
    kernel = keras.initializers.RandomUniform(-bound, bound)

    def add(x, branch, part):
        if dropout:
            branch = layers.Dropout(dropout, name=f"{name}_{part}_dropout")(branch)
        if drop_path:
            branch = DropPath(drop_path, name=f"{name}_{part}_path")(branch)
        return layers.Add(name=f"{name}_{part}_add")([x, branch])

    y = layers.LayerNormalization(epsilon=1e-6, name=f"{name}_norm1")(x)
    query = y
    if query_token is not None:
        x, query = query_token, layers.Cropping1D((0, y.shape[1] - 1), name=f"{name}_query")(y)
    attention = FusedAttention(heads, width // heads, kernel_initializer=kernel, name=f"{name}_attention")
    x = add(x, attention(query, y), "attention")
    y = layers.LayerNormalization(epsilon=1e-6, name=f"{name}_norm2")(x)
    y = layers.Dense(units, activation="gelu", bias_initializer=_bias_initializer(), name=f"{name}_mlp1")(y)
    if dropout:
        y = layers.Dropout(dropout, name=f"{name}_mlp1_dropout")(y)
    return add(x, layers.Dense(width, bias_initializer=_bias_initializer(), name=f"{name}_mlp2")(y), "mlp")


def _bias_initializer():
    return keras.initializers.RandomNormal(stddev=1e-6)


@checked
def attention_maps(model: keras.Model, images) -> np.ndarray:
    """Returns the attention weights of all tokens in every head of every block, the input of attention rollout.

    (B, H, W, C) float  ->  (B, depth, heads, 1 + N, 1 + N). Row i has the weights of token i and sums to 1.
    Token 0 is the class token, the others are the N patches, row by row.

    Args:
        model: a model of `vit` or one of its variants, new, trained or loaded.
        images: array or tensor (B, H, W, C), the input of the model.
    Returns:
        float32 array with B * depth * heads * (1 + N)² elements.
    Raises:
        ValueError: if the model has no blocks of a vision transformer.
    """
    blocks = [x for x in model.layers if isinstance(x, layers.MultiHeadAttention) and x.name.startswith("block")]
    if not blocks:
        raise ValueError(f"attention_maps: `model` must be a vision transformer of the zoo, got {model.name}.")
    normalized = keras.Model(model.input, [block.input[1] for block in blocks])(images, training=False)
    maps = [block(x, x, return_attention_scores=True)[1] for block, x in zip(blocks, normalized, strict=True)]
    return np.stack([ops.convert_to_numpy(ops.cast(m, "float32")) for m in maps], axis=1)


# Dosovitskiy et al., table 1
vit_base_16 = variant(vit, "vit_base_16")
vit_base_32 = variant(vit, "vit_base_32", patch=32)
vit_large_16 = variant(vit, "vit_large_16", depth=24, width=1024, units=4096, heads=16)
vit_large_32 = variant(vit, "vit_large_32", patch=32, depth=24, width=1024, units=4096, heads=16)
vit_huge_14 = variant(vit, "vit_huge_14", patch=14, depth=32, width=1280, units=5120, heads=16)
# Steiner et al., table 2, who took them from DeiT
vit_tiny_16 = variant(vit, "vit_tiny_16", source=AUGREG_PAPER, width=192, units=768, heads=3)
vit_small_16 = variant(vit, "vit_small_16", source=AUGREG_PAPER, width=384, units=1536, heads=6)
vit_small_32 = variant(vit, "vit_small_32", source=AUGREG_PAPER, patch=32, width=384, units=1536, heads=6)
# Zhai et al., table 2: g/14, and the larger G/14
vit_g_14 = variant(vit, "vit_g_14", source=SCALING_PAPER, patch=14, depth=40, width=1408, units=6144, heads=16)
vit_giant_14 = variant(vit, "vit_giant_14", source=SCALING_PAPER, patch=14, depth=48, width=1664, units=8192, heads=16)
