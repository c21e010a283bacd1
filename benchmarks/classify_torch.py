"""ResNet-50 and ViT-Ti/16 of torchvision for classify_speed.py: runs one workload for each line of its input.

python benchmarks/classify_torch.py MODEL COMPILED     with lines such as "predict 8" or "train 4"; prints seconds
"""

import json
import sys
import time

import torch
from torch import nn
from torchvision.models import VisionTransformer, resnet50

CLASSES = 1000


def network(name):
    if name == "resnet50":
        return resnet50(weights=None).to(memory_format=torch.channels_last)
    return VisionTransformer(
        image_size=224, patch_size=16, num_layers=12, num_heads=3, hidden_dim=192, mlp_dim=768, num_classes=CLASSES
    )


def main(name, compiled):
    model = network(name)
    forward = torch.compile(model) if int(compiled) else model
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    entropy = nn.CrossEntropyLoss()
    for line in sys.stdin:
        work, batch_size = line.split()
        x = torch.rand(int(batch_size), 3, 224, 224).mul(2).sub(1)
        if name == "resnet50":
            x = x.to(memory_format=torch.channels_last)
        y = torch.randint(0, CLASSES, (int(batch_size),))
        model.train(work == "train")
        wall, cpu = time.perf_counter(), time.process_time()
        if work == "train":
            optimizer.zero_grad()
            loss = entropy(forward(x), y)
            loss.backward()
            optimizer.step()
            loss.item()
        else:
            with torch.inference_mode():
                forward(x).softmax(-1).numpy()
        print(json.dumps([time.perf_counter() - wall, time.process_time() - cpu]), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
