"""The DCGAN step in PyTorch, for gan_speed.py: trains an epoch for each line that it reads, and prints its seconds.

python benchmarks/gan_torch.py BATCH STEPS
"""

import json
import sys
import time

import torch
from torch import nn


def networks():
    """`zoo.dcgan((28, 28, 1))` in PyTorch."""
    generator = nn.Sequential(
        nn.ConvTranspose2d(100, 128, 7, bias=False),
        nn.BatchNorm2d(128),
        nn.ReLU(True),
        nn.ConvTranspose2d(128, 64, 4, 2, 1, bias=False),
        nn.BatchNorm2d(64),
        nn.ReLU(True),
        nn.ConvTranspose2d(64, 1, 4, 2, 1, bias=False),
        nn.Tanh(),
    )
    discriminator = nn.Sequential(
        nn.Conv2d(1, 64, 4, 2, 1, bias=False),
        nn.LeakyReLU(0.2, True),
        nn.Conv2d(64, 128, 4, 2, 1, bias=False),
        nn.BatchNorm2d(128),
        nn.LeakyReLU(0.2, True),
        nn.Conv2d(128, 1, 7, bias=False),
        nn.Flatten(),
    )
    return [network.to(memory_format=torch.channels_last) for network in (generator, discriminator)]


def main(batch, steps):
    generator, discriminator = networks()
    made_by, judged_by = (
        torch.optim.Adam(network.parameters(), lr=2e-4, betas=(0.5, 0.999)) for network in (generator, discriminator)
    )
    images = torch.rand(batch * steps, 1, 28, 28).mul(2).sub(1).to(memory_format=torch.channels_last)
    entropy, real, fake = nn.BCEWithLogitsLoss(), torch.ones(batch, 1), torch.zeros(batch, 1)
    for _ in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        for given in images.split(batch):
            discriminator.zero_grad()
            entropy(discriminator(given), real).backward()
            made = generator(torch.randn(batch, 100, 1, 1))
            entropy(discriminator(made.detach()), fake).backward()
            judged_by.step()
            generator.zero_grad()
            entropy(discriminator(made), real).backward()
            made_by.step()
        print(json.dumps([time.perf_counter() - wall, time.process_time() - cpu]), flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
