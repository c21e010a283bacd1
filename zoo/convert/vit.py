"""ViT's weights by timm, torchvision, Hugging Face and KerasHub."""

from zoo.convert.name_map import NameMap


def _blocks(begin, **ends):
    """Rows for what a block owns: `begin(b)` begins their names, and `ends` says how each part's ends.

    A part of attention may be (name, i): a third of an array of theirs that holds queries, keys and values.
    """

    def row(end):
        if isinstance(end, tuple):
            return lambda at: (begin(at.b) + end[0], end[1], 3)
        return lambda at: begin(at.b) + end

    attention = ("query", "key", "value", "attention_output")
    return {f"block{{b}}_{'attention/' if k.startswith(attention) else ''}{k}": row(end) for k, end in ends.items()}


_TIMM = {
    "class_token/token": "cls_token",
    "position/table": "pos_embed",
    "stem": "patch_embed.proj",
    "norm": "norm",
    "head": "head",
} | _blocks(
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


def _torchvision(mlp1, mlp2):
    """Their multi-head attention has two whole names that follow no rule; the MLP's names changed once."""
    packed = {"kernel": "self_attention.in_proj_weight", "bias": "self_attention.in_proj_bias"}
    thirds = {f"{k}/{kind}": (end, i) for i, k in enumerate(("query", "key", "value")) for kind, end in packed.items()}
    return {
        "class_token/token": "class_token",
        "position/table": "encoder.pos_embedding",
        "stem": "conv_proj",
        "norm": "encoder.ln",
        "head": "heads.head",
    } | _blocks(
        lambda b: f"encoder.layers.encoder_layer_{b}.",
        **thirds,
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
# what the files have, and what the networks of transformers 5 have
_HUGGING_FACE_FILE = _HUGGING_FACE | _blocks(
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
_HUGGING_FACE_5 = _HUGGING_FACE | _blocks(
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
} | _blocks(
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
_POOLER = {"backbone": "vit.", "heads": ("pooler.",)}

SCHEMES = (
    NameMap("timm", "torch", _TIMM),
    NameMap("torchvision", "torch", _torchvision("mlp.0", "mlp.3")),
    NameMap("torchvision", "torch", _torchvision("mlp.linear_1", "mlp.linear_2")),
    NameMap("Hugging Face", "torch", _HUGGING_FACE_FILE, **_POOLER),
    NameMap("Hugging Face", "torch", _HUGGING_FACE_5, **_POOLER),
    NameMap("KerasHub", "keras", _HUB),
)
