"""Training steps on sequences in PyTorch, for sequence_speed.py: an epoch for each line that it reads.

python benchmarks/sequence_torch.py lstm|transformer BATCH STEPS
"""

import json
import math
import sys
import time

import torch
from torch import nn


class Lstm(nn.Module):
    def __init__(self):
        super().__init__()
        self.recurrent, self.head = nn.LSTM(32, 128, num_layers=2, batch_first=True), nn.Linear(128, 1)

    def forward(self, x):
        return self.head(self.recurrent(x)[0][:, -1])


class Transformer(nn.Module):
    def __init__(self):
        super().__init__()
        block = nn.TransformerEncoderLayer(128, 4, 512, 0.1, batch_first=True)
        self.embedding, self.dropout = nn.Embedding(1000, 128), nn.Dropout(0.1)
        self.blocks, self.head = nn.TransformerEncoder(block, 2), nn.Linear(128, 1)
        angle = torch.arange(100)[:, None] / 10000 ** (torch.arange(0, 128, 2) / 128)
        self.places = torch.stack([angle.sin(), angle.cos()], dim=-1).reshape(100, 128)

    def forward(self, x):
        x = self.dropout(self.embedding(x) * math.sqrt(128) + self.places)
        return self.head(self.blocks(x).mean(1))


def main(kind, batch, steps):
    model = Lstm() if kind == "lstm" else Transformer()
    optimizer = torch.optim.Adam(model.parameters())
    x = torch.randn(batch * steps, 100, 32) if kind == "lstm" else torch.randint(1, 1000, (batch * steps, 100))
    y = torch.randn(batch * steps, 1)
    for _ in sys.stdin:
        wall, cpu = time.perf_counter(), time.process_time()
        for batch_inputs, truth in zip(x.split(batch), y.split(batch), strict=True):
            optimizer.zero_grad()
            nn.functional.mse_loss(model(batch_inputs), truth).backward()
            optimizer.step()
        print(json.dumps([time.perf_counter() - wall, time.process_time() - cpu]), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
