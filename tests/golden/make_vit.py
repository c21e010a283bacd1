"""Makes vit.npz with timm (`pip install torch timm`): a small vision transformer's weights, images and answers.

Run: python tests/golden/make_vit.py
The weights are rounded to half precision before they are used, so the file holds them exactly in half the room.
"""

from pathlib import Path

import numpy as np
import torch
from timm.models.vision_transformer import VisionTransformer


def seeded(model):
    """The model in inference mode, with every weight and every statistic drawn from seed 3."""
    torch.manual_seed(3)
    for name, value in model.state_dict().items():
        if value.is_floating_point():
            spread = torch.randn_like(value) * (0.5 if value.ndim < 2 else 2 * value[0].numel() ** -0.5)
            scale = value.ndim == 1 and (("norm" in name and name.endswith("weight")) or name.endswith("running_var"))
            value.copy_((1 + spread.clamp(-0.9, 0.9) if scale else spread).half().float())
    return model.eval()


def arrays(model, images):
    """What the file holds: the images as bytes, the weights in half precision under their own names."""
    weights = {n: v.numpy().astype("float16") for n, v in model.state_dict().items() if v.is_floating_point()}
    return {"images": images, **weights}


def batch(*shape):
    """Images (B, H, W, C) of bytes, in squares of 4 x 4 pixels; and as timm takes them: (B, C, H, W), -1 to 1."""
    b, h, w, c = shape
    images = np.random.default_rng(3).integers(0, 256, (b, h // 4, w // 4, c), "uint8").repeat(4, 1).repeat(4, 2)
    return images, torch.from_numpy((images / np.float32(127.5) - 1).transpose(0, 3, 1, 2).copy())


if __name__ == "__main__":
    model = seeded(VisionTransformer((16, 24), 8, 5, 3, embed_dim=16, depth=3, num_heads=2, mlp_ratio=2))
    images, x = batch(2, 16, 24, 5)
    with torch.no_grad():
        answer = model(x).numpy()
        last = model.forward_intermediates(x, norm=False, intermediates_only=True)[-1].numpy()
    path = Path(__file__).with_name("vit.npz")
    np.savez_compressed(path, answer=answer, map=last.transpose(0, 2, 3, 1), **arrays(model, images))
    print(path, path.stat().st_size, "bytes", answer)
