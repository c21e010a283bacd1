"""Weight names of Presto in its authors' files, https://github.com/nasaharvest/presto."""

from zoo.convert.name_map import NameMap

_CHANNEL_GROUPS = {
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


def _block_names(zoo_prefix, prefix):
    query_key_value = {
        f"{zoo_prefix}{{b}}_attention/{layer}": lambda at, i=i: (f"{prefix}.{at.b}.attn.qkv", i, 3)
        for i, layer in enumerate(("query", "key", "value"))
    }
    return query_key_value | {
        f"{zoo_prefix}{{b}}_attention/attention_output": lambda at: f"{prefix}.{at.b}.attn.proj",
        f"{zoo_prefix}{{b}}_norm{{i}}": lambda at: f"{prefix}.{at.b}.norm{at.i}",
        f"{zoo_prefix}{{b}}_mlp{{i}}": lambda at: f"{prefix}.{at.b}.mlp.fc{at.i}",
    }


_ENCODER = {
    **{f"embed_{group}": f"encoder.eo_patch_embed.{name}" for group, name in _CHANNEL_GROUPS.items()},
    "embed_dynamic_world/embeddings": "encoder.dw_embed.weight",
    "embed_latlons": "encoder.latlon_embed",
    "channel/embeddings": "encoder.channel_embed.weight",
    "season/season": "encoder.month_embed.weight",
    "season/position": "encoder.pos_embed",
    "norm": "encoder.norm",
    "head": "head.linear",
    **_block_names("block", "encoder.blocks"),
}
_DECODER = {
    "decoder_embed": "decoder.decoder_embed",
    "decoder_mask/token": "decoder.mask_token",
    "decoder_season/season": "decoder.month_embed.weight",
    "decoder_season/position": "decoder.pos_embed",
    "decoder_norm": "decoder.decoder_norm",
    "predict_dynamic_world": "decoder.dw_decoder_pred",
    **{f"predict_{group}": f"decoder.eo_decoder_pred.{name}" for group, name in _CHANNEL_GROUPS.items()},
    **_block_names("decoder", "decoder.decoder_blocks"),
}

NAME_MAPS = (
    NameMap("nasaharvest/presto", "torch", _ENCODER, unused_prefixes=("decoder.",)),
    # the channel embedding of the decoder is that of the encoder, saved twice
    NameMap("nasaharvest/presto", "torch", _ENCODER | _DECODER, unused_prefixes=("decoder.channel_embeddings.",)),
)
