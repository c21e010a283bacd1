"""The subject of `ddpm_speed.py` that needs PyTorch: the same U-Net and training step; a line in runs steps, a line out
says their seconds.

    python benchmarks/ddpm_torch.py SIDE BATCH DEPTH THREADS FILTERS...
"""

import math
import sys
import time

import torch
from torch import nn
from torch.nn import functional

SIDE, BATCH, DEPTH, THREADS, *FILTERS = map(int, sys.argv[1:])


def norm(width):
    return nn.GroupNorm(math.gcd(32, width // 4), width, eps=1e-6)


class Residual(nn.Module):
    def __init__(self, entering, width, time_width, attend):
        super().__init__()
        self.norm0, self.norm1 = norm(entering), norm(width)
        self.conv0, self.conv1 = nn.Conv2d(entering, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)
        self.time, self.dropout = nn.Linear(time_width, width), nn.Dropout(0.1)
        self.shortcut = nn.Conv2d(entering, width, 1) if entering != width else nn.Identity()
        self.attention_norm = norm(width) if attend else None
        self.qkv, self.out = (nn.Linear(width, 3 * width), nn.Linear(width, width)) if attend else (None, None)

    def forward(self, x, now):
        y = self.conv0(functional.silu(self.norm0(x))) + self.time(now)[:, :, None, None]
        x = self.shortcut(x) + self.conv1(self.dropout(functional.silu(self.norm1(y))))
        if self.out is None:
            return x
        places = self.attention_norm(x).flatten(2).transpose(1, 2)
        query, key, value = self.qkv(places).chunk(3, dim=-1)
        found = self.out(functional.scaled_dot_product_attention(query, key, value))
        return x + found.transpose(1, 2).reshape(x.shape)


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        first, wide = FILTERS[0], 4 * FILTERS[0]
        self.rates = torch.exp(-math.log(10000.0) * torch.arange(first // 2) / (first // 2 - 1))
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
        self.middle = nn.ModuleList(Residual(width, width, wide, attend) for attend in (True, False))
        entering = width
        for i, width in reversed(list(enumerate(FILTERS))):
            for _ in range(DEPTH + 1):
                self.up.append(Residual(entering + skips.pop(), width, wide, i == 1))
                entering = width
            if i:
                self.up.append(nn.Conv2d(width, width, 3, padding=1))
        self.head_norm, self.head = norm(width), nn.Conv2d(width, 1, 3, padding=1)

    def forward(self, x, step):
        angles = step[:, None] * self.rates
        now = self.time(torch.cat([angles.sin(), angles.cos()], dim=1))
        x = self.stem(x)
        skips = [x]
        for part in self.down:
            x = part(x, now) if isinstance(part, Residual) else part(functional.pad(x, (0, 1, 0, 1)))
            skips.append(x)
        for part in self.middle:
            x = part(x, now)
        for part in self.up:
            if isinstance(part, Residual):
                x = part(torch.cat([x, skips.pop()], dim=1), now)
            else:
                x = part(functional.interpolate(x, scale_factor=2))
        return self.head(functional.silu(self.head_norm(x)))


def main():
    torch.manual_seed(0)
    torch.set_num_threads(THREADS)
    network, average = Network(), Network()
    average.load_state_dict(network.state_dict())
    optimizer = torch.optim.Adam(network.parameters(), 2e-4)
    kept = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000), 0)
    images = torch.rand(BATCH, 1, SIDE, SIDE) * 2 - 1
    print(sum(p.numel() for p in network.parameters()), flush=True)
    for line in sys.stdin:
        began = time.perf_counter()
        for _ in range(int(line)):
            step, noise = torch.randint(0, 1000, (BATCH,)), torch.randn_like(images)
            share = kept[step][:, None, None, None]
            answer = network(share.sqrt() * images + (1 - share).sqrt() * noise, step)
            loss = functional.mse_loss(answer, noise)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            with torch.no_grad():
                torch._foreach_lerp_(list(average.parameters()), list(network.parameters()), 1 - 0.9999)
            loss.item()
        print(time.perf_counter() - began, flush=True)


if __name__ == "__main__":
    main()
