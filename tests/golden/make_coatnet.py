"""Makes coatnet.npz with timm (`pip install torch timm`): a small CoAtNet's weights, images and answers.

Run: python tests/golden/make_coatnet.py
timm's CoAtNets pool by the mean, have the stride in the depthwise convolution and pad as PyTorch does; its settings
below are those of the paper. The answer with the stride in the depthwise convolution is kept too.
"""

from pathlib import Path

import numpy as np
import torch
from make_vit import arrays, batch, seeded
from timm.models.maxxvit import MaxxVit, MaxxVitCfg, MaxxVitConvCfg, MaxxVitTransformerCfg


def coatnet(stride_mode):
    """CoAtNet with two blocks in S1 and S3 and one in S2 and S4, for 32 x 64 pixels in 2 bands."""
    config = MaxxVitCfg(
        embed_dim=(4, 8, 8, 16),
        depths=(2, 1, 2, 1),
        stem_width=4,
        conv_cfg=MaxxVitConvCfg(pool_type="max2", stride_mode=stride_mode, padding="same"),
        transformer_cfg=MaxxVitTransformerCfg(pool_type="max2", dim_head=4),
        head_hidden_size=16,
    )
    return seeded(MaxxVit(config, img_size=(32, 64), in_chans=2, num_classes=3))


if __name__ == "__main__":
    images, x = batch(2, 32, 64, 2)
    model = coatnet("1x1")
    with torch.no_grad():
        answers = {"expansion": model(x).numpy(), "depthwise": coatnet("dw")(x).numpy()}
        last = model.forward_features(x).numpy()  # no norm: with a hidden layer timm has it in the head
    path = Path(__file__).with_name("coatnet.npz")
    np.savez_compressed(path, map=last.transpose(0, 2, 3, 1), **answers, **arrays(model, images))
    print(path, path.stat().st_size, "bytes", answers)
