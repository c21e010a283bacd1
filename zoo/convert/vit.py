"""Weight names of ViT in timm, torchvision, Hugging Face and KerasHub."""

from zoo.convert.name_map import NameMap


def _block_names(prefix, **suffixes):
    """Returns the names of a block's layers.

    Args:
        prefix: function from the block's number to the beginning of the source's names.
        **suffixes: end of the source's name for each layer. In attention it may be (name, i) for the i-th third of an
            array that contains queries, keys and values.
    """

    def name(suffix):
        if isinstance(suffix, tuple):
            return lambda at: (prefix(at.b) + suffix[0], suffix[1], 3)
        return lambda at: prefix(at.b) + suffix

    attention = ("query", "key", "value", "attention_output")
    return {f"block{{b}}_{'attention/' if k.startswith(attention) else ''}{k}": name(s) for k, s in suffixes.items()}


_TIMM = {
    "class_token/token": "cls_token",
    "position/table": "pos_embed",
    "stem": "patch_embed.proj",
    "norm": "norm",
    "head": "head",
} | _block_names(
    lambda b: f"blocks.{b}.",
    norm1="norm1",
    query=("attn.qkv", 0),
    key=("attn.qkv", 1),
    value=("attn.qkv", 2),
    attention_output="attn.proj",
    norm2="norm2",
    mlp1="mlp.fc1",
    mlp2="mlp.fc2",
)


def _torchvision_names(mlp1, mlp2):
    """Names in torchvision. Packed attention has full names without a separator; the MLP's names changed once."""
    packed = {"kernel": "self_attention.in_proj_weight", "bias": "self_attention.in_proj_bias"}
    layers = ("query", "key", "value")
    query_key_value = {f"{k}/{weight}": (name, i) for i, k in enumerate(layers) for weight, name in packed.items()}
    return {
        "class_token/token": "class_token",
        "position/table": "encoder.pos_embedding",
        "stem": "conv_proj",
        "norm": "encoder.ln",
        "head": "heads.head",
    } | _block_names(
        lambda b: f"encoder.layers.encoder_layer_{b}.",
        **query_key_value,
        norm1="ln_1",
        attention_output="self_attention.out_proj",
        norm2="ln_2",
        mlp1=mlp1,
        mlp2=mlp2,
    )


_HUGGING_FACE = {
    "class_token/token": "embeddings.cls_token",
    "position/table": "embeddings.position_embeddings",
    "stem": "embeddings.patch_embeddings.projection",
    "norm": "layernorm",
    "head": "classifier",
}
# Names in files, and in the models of transformers 5.
_HUGGING_FACE_FILE = _HUGGING_FACE | _block_names(
    lambda b: f"encoder.layer.{b}.",
    norm1="layernorm_before",
    query="attention.attention.query",
    key="attention.attention.key",
    value="attention.attention.value",
    attention_output="attention.output.dense",
    norm2="layernorm_after",
    mlp1="intermediate.dense",
    mlp2="output.dense",
)
_HUGGING_FACE_5 = _HUGGING_FACE | _block_names(
    lambda b: f"layers.{b}.",
    norm1="layernorm_before",
    query="attention.q_proj",
    key="attention.k_proj",
    value="attention.v_proj",
    attention_output="attention.o_proj",
    norm2="layernorm_after",
    mlp1="mlp.fc1",
    mlp2="mlp.fc2",
)
_HUB = {
    "class_token/token": "vit_patching_and_embedding/class_token",
    "position/table": "vit_patching_and_embedding/position_embedding/embeddings",
    "stem": "vit_patching_and_embedding/patch_embedding",
    "norm": "vit_encoder/ln",
    "head": "predictions",
} | _block_names(
    lambda b: f"vit_encoder/transformer_block_{b + 1}/",
    norm1="ln_1",
    query="mha/query",
    key="mha/key",
    value="mha/value",
    attention_output="mha/attention_output",
    norm2="ln_2",
    mlp1="mlp/dense_1",
    mlp2="mlp/dense_2",
)
# Hugging Face's pooler is a dense layer with tanh that its classifier does not use.
_POOLER = {"prefix": "vit.", "head_prefixes": ("pooler.",)}

NAME_MAPS = (
    NameMap("timm", "torch", _TIMM),
    NameMap("torchvision", "torch", _torchvision_names("mlp.0", "mlp.3")),
    NameMap("torchvision", "torch", _torchvision_names("mlp.linear_1", "mlp.linear_2")),
    NameMap("Hugging Face", "torch", _HUGGING_FACE_FILE, **_POOLER),
    NameMap("Hugging Face", "torch", _HUGGING_FACE_5, **_POOLER),
    NameMap("KerasHub", "keras", _HUB),
)
