"""Photos per second of PyTorch's DataLoader with Pillow, for benchmarks/folder_speed.py, which runs it.

python benchmarks/folder_torch.py FOLDER SIDE          prints the photos per second of a second pass
"""

import os
import sys
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image


class Photos(torch.utils.data.Dataset):
    """Photos resized, flipped at random and scaled to [0, 1]."""

    def __init__(self, folder, side):
        self.paths, self.side = sorted(Path(folder).rglob("*.jpg")), side

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, index):
        with Image.open(self.paths[index]) as file:
            image = file.convert("RGB").resize((self.side, self.side), Image.Resampling.BILINEAR)
        if torch.rand(()) < 0.5:
            image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        return torch.from_numpy(np.array(image)).permute(2, 0, 1).float().div(255)


def main(folder, side):
    photos = Photos(folder, int(side))
    loader = torch.utils.data.DataLoader(
        photos, batch_size=32, shuffle=True, drop_last=True, num_workers=os.cpu_count(), persistent_workers=True
    )
    for _ in range(2):
        start = time.perf_counter()
        for _ in loader:
            pass
        seconds = time.perf_counter() - start
    print(len(photos) / seconds)


if __name__ == "__main__":
    main(*sys.argv[1:])
