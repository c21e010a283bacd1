"""DCGAN training step in PyTorch, for gan_speed.py: trains one epoch per input line and prints its seconds.

python benchmarks/gan_torch.py BATCH_SIZE STEPS
"""

import json
import sys
import time

import torch
from torch import nn


def networks():
    """Returns generator and discriminator of `zoo.dcgan((28, 28, 1))` in PyTorch."""
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


def main(batch_size, steps):
    generator, discriminator = networks()
    generator_optimizer, discriminator_optimizer = (
        torch.optim.Adam(network.parameters(), lr=2e-4, betas=(0.5, 0.999)) for network in (generator, discriminator)
    )
    images = torch.rand(batch_size * steps, 1, 28, 28).mul(2).sub(1).to(memory_format=torch.channels_last)
    entropy, real, fake = nn.BCEWithLogitsLoss(), torch.ones(batch_size, 1), torch.zeros(batch_size, 1)
    for _ in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        for batch in images.split(batch_size):
            discriminator.zero_grad()
            entropy(discriminator(batch), real).backward()
            generated = generator(torch.randn(batch_size, 100, 1, 1))
            entropy(discriminator(generated.detach()), fake).backward()
            discriminator_optimizer.step()
            generator.zero_grad()
            entropy(discriminator(generated), real).backward()
            generator_optimizer.step()
        print(json.dumps([time.perf_counter() - wall, time.process_time() - cpu]), flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
