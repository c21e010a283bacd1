"""DDPM's U-Net and training step in PyTorch, for ddpm_speed.py: reads numbers of steps and prints their seconds.

python benchmarks/ddpm_torch.py SIDE BATCH_SIZE DEPTH THREADS FILTERS...
"""

import math
import sys
import time

import torch
from torch import nn
from torch.nn import functional

SIDE, BATCH_SIZE, DEPTH, THREADS, *FILTERS = map(int, sys.argv[1:])


def norm(width):
    return nn.GroupNorm(math.gcd(32, width // 4), width, eps=1e-6)


class Residual(nn.Module):
    def __init__(self, input_width, width, time_width, attention):
        super().__init__()
        self.norm0, self.norm1 = norm(input_width), norm(width)
        self.conv0, self.conv1 = nn.Conv2d(input_width, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)
        self.time, self.dropout = nn.Linear(time_width, width), nn.Dropout(0.1)
        self.shortcut = nn.Conv2d(input_width, width, 1) if input_width != width else nn.Identity()
        self.attention_norm = norm(width) if attention else None
        self.qkv, self.out = (nn.Linear(width, 3 * width), nn.Linear(width, width)) if attention else (None, None)

    def forward(self, x, embedding):
        y = self.conv0(functional.silu(self.norm0(x))) + self.time(embedding)[:, :, None, None]
        x = self.shortcut(x) + self.conv1(self.dropout(functional.silu(self.norm1(y))))
        if self.out is None:
            return x
        pixels = self.attention_norm(x).flatten(2).transpose(1, 2)
        query, key, value = self.qkv(pixels).chunk(3, dim=-1)
        attended = self.out(functional.scaled_dot_product_attention(query, key, value))
        return x + attended.transpose(1, 2).reshape(x.shape)


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        first, wide = FILTERS[0], 4 * FILTERS[0]
        self.frequencies = torch.exp(-math.log(10000.0) * torch.arange(first // 2) / (first // 2 - 1))
        self.time = nn.Sequential(nn.Linear(first, wide), nn.SiLU(), nn.Linear(wide, wide), nn.SiLU())
        self.stem, self.down, self.up = nn.Conv2d(1, first, 3, padding=1), nn.ModuleList(), nn.ModuleList()
        skips = [first]
        for i, width in enumerate(FILTERS):
            for _ in range(DEPTH):
                self.down.append(Residual(skips[-1], width, wide, i == 1))
                skips.append(width)
            if i < len(FILTERS) - 1:
                self.down.append(nn.Conv2d(width, width, 3, stride=2))
                skips.append(width)
        self.middle = nn.ModuleList(Residual(width, width, wide, attention) for attention in (True, False))
        input_width = width
        for i, width in reversed(list(enumerate(FILTERS))):
            for _ in range(DEPTH + 1):
                self.up.append(Residual(input_width + skips.pop(), width, wide, i == 1))
                input_width = width
            if i:
                self.up.append(nn.Conv2d(width, width, 3, padding=1))
        self.head_norm, self.head = norm(width), nn.Conv2d(width, 1, 3, padding=1)

    def forward(self, x, step):
        angles = step[:, None] * self.frequencies
        embedding = self.time(torch.cat([angles.sin(), angles.cos()], dim=1))
        x = self.stem(x)
        skips = [x]
        for block in self.down:
            x = block(x, embedding) if isinstance(block, Residual) else block(functional.pad(x, (0, 1, 0, 1)))
            skips.append(x)
        for block in self.middle:
            x = block(x, embedding)
        for block in self.up:
            if isinstance(block, Residual):
                x = block(torch.cat([x, skips.pop()], dim=1), embedding)
            else:
                x = block(functional.interpolate(x, scale_factor=2))
        return self.head(functional.silu(self.head_norm(x)))


def main():
    torch.manual_seed(0)
    torch.set_num_threads(THREADS)
    network, average = Network(), Network()
    average.load_state_dict(network.state_dict())
    optimizer = torch.optim.Adam(network.parameters(), 2e-4)
    alphas_cumprod = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000), 0)
    images = torch.rand(BATCH_SIZE, 1, SIDE, SIDE) * 2 - 1
    print(sum(p.numel() for p in network.parameters()), flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        for _ in range(int(line)):
            step, noise = torch.randint(0, 1000, (BATCH_SIZE,)), torch.randn_like(images)
            alpha = alphas_cumprod[step][:, None, None, None]
            predicted = network(alpha.sqrt() * images + (1 - alpha).sqrt() * noise, step)
            loss = functional.mse_loss(predicted, noise)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            with torch.no_grad():
                torch._foreach_lerp_(list(average.parameters()), list(network.parameters()), 1 - 0.9999)
            loss.item()
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main()
