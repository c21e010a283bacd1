"""Presto's weights as its authors released them, https://github.com/nasaharvest/presto."""

from zoo.convert.name_map import NameMap

_GROUPS = {
    "s1": "S1",
    "s2_rgb": "S2_RGB",
    "s2_red_edge": "S2_Red_Edge",
    "s2_nir_10m": "S2_NIR_10m",
    "s2_nir_20m": "S2_NIR_20m",
    "s2_swir": "S2_SWIR",
    "era5": "ERA5",
    "srtm": "SRTM",
    "ndvi": "NDVI",
}


def _blocks(ours, theirs):
    def named(part):
        return lambda at: f"{theirs}.{at.b}.{part(at)}"

    thirds = {
        f"{ours}{{b}}_attention/{part}": lambda at, i=i: (f"{theirs}.{at.b}.attn.qkv", i, 3)
        for i, part in enumerate(("query", "key", "value"))
    }
    return thirds | {
        f"{ours}{{b}}_attention/attention_output": named(lambda at: "attn.proj"),
        f"{ours}{{b}}_norm{{i}}": named(lambda at: f"norm{at.i}"),
        f"{ours}{{b}}_mlp{{i}}": named(lambda at: f"mlp.fc{at.i}"),
    }


_ENCODER = {
    **{f"embed_{ours}": f"encoder.eo_patch_embed.{theirs}" for ours, theirs in _GROUPS.items()},
    "embed_dynamic_world/embeddings": "encoder.dw_embed.weight",
    "embed_latlons": "encoder.latlon_embed",
    "channel/embeddings": "encoder.channel_embed.weight",
    "season/season": "encoder.month_embed.weight",
    "season/position": "encoder.pos_embed",
    "norm": "encoder.norm",
    "head": "head.linear",
    **_blocks("block", "encoder.blocks"),
}
_DECODER = {
    "decoder_embed": "decoder.decoder_embed",
    "decoder_mask/token": "decoder.mask_token",
    "decoder_season/season": "decoder.month_embed.weight",
    "decoder_season/position": "decoder.pos_embed",
    "decoder_norm": "decoder.decoder_norm",
    "predict_dynamic_world": "decoder.dw_decoder_pred",
    **{f"predict_{ours}": f"decoder.eo_decoder_pred.{theirs}" for ours, theirs in _GROUPS.items()},
    **_blocks("decoder", "decoder.decoder_blocks"),
}

SCHEMES = (
    NameMap("nasaharvest/presto", "torch", _ENCODER, unused=("decoder.",)),
    # the decoder's table of channels is the encoder's, saved twice
    NameMap("nasaharvest/presto", "torch", _ENCODER | _DECODER, unused=("decoder.channel_embeddings.",)),
)
