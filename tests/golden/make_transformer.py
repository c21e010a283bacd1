"""Makes transformer.npz with torch (`pip install torch`): a small encoder-decoder's weights, tokens and logits.

Run: python tests/golden/make_transformer.py
The weights are rounded to half precision before they are used, so the file holds them exactly in half the room.
"""

from pathlib import Path

import numpy as np
import torch
from torch import nn

WIDTH, HEADS, UNITS, DEPTH, VOCABULARY = 16, 4, 24, 2, 11

if __name__ == "__main__":
    torch.manual_seed(3)
    options = {"dropout": 0.0, "batch_first": True}
    layer = nn.TransformerEncoderLayer(WIDTH, HEADS, UNITS, **options)
    encoder = nn.TransformerEncoder(layer, DEPTH, enable_nested_tensor=False)
    decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(WIDTH, HEADS, UNITS, **options), DEPTH)
    model = nn.ModuleDict({"encoder": encoder, "decoder": decoder, "table": nn.Embedding(VOCABULARY, WIDTH)}).eval()
    for value in model.state_dict().values():
        value.copy_((value + 0.3 * torch.randn_like(value)).half().float())

    def embed(tokens):
        place = np.arange(tokens.shape[1])[:, None] / 10000 ** (np.arange(WIDTH) // 2 * 2 / WIDTH)
        place = np.where(np.arange(WIDTH) % 2, np.cos(place), np.sin(place)).astype("float32")
        return model["table"](tokens) * WIDTH**0.5 + torch.from_numpy(place)

    source = torch.tensor([[3, 1, 4, 1, 5, 9], [2, 6, 5, 0, 0, 0]])
    target = torch.tensor([[1, 7, 2, 8], [1, 8, 0, 0]])
    future = torch.triu(torch.ones(4, 4, dtype=torch.bool), 1)
    with torch.no_grad():
        memory = encoder(embed(source), src_key_padding_mask=source == 0)
        x = decoder(
            embed(target),
            memory,
            tgt_mask=future,
            tgt_key_padding_mask=target == 0,
            memory_key_padding_mask=source == 0,
        )
        logits = (x @ model["table"].weight.T).numpy()
    path = Path(__file__).with_name("transformer.npz")
    weights = {name: value.numpy().astype("float16") for name, value in model.state_dict().items()}
    np.savez_compressed(path, source=source.numpy(), target=target.numpy(), logits=logits, **weights)
    print(path, path.stat().st_size, "bytes", logits.std())
