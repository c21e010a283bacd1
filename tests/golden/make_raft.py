"""Makes raft_small.npz with torch and torchvision (`pip install` them): the flows after 1, 2 and 3 updates.

Run: python tests/golden/make_raft.py
The weights and the frames are drawn from their names by seeded_arrays.py, on both sides; of the flows every seventh
pixel is kept along each side.
"""

from pathlib import Path

import numpy as np
import torch
from seeded_arrays import images, seeded_array
from torchvision.models.optical_flow import raft_small

if __name__ == "__main__":
    model = raft_small().eval()
    with torch.no_grad():
        for name, value in model.state_dict().items():
            value.copy_(torch.from_numpy(seeded_array(name, tuple(value.shape)).astype("float32")))
        frames = [
            torch.from_numpy(images(n, (2, 128, 136, 3)).transpose(0, 3, 1, 2).copy()) for n in ("first", "second")
        ]
        flows = [flow.numpy().transpose(0, 2, 3, 1) for flow in model(*frames, num_flow_updates=3)]
    for flow in flows:
        print("pixels:", np.abs(flow).mean(), np.abs(flow).max())
    path = Path(__file__).with_name("raft_small.npz")
    np.savez_compressed(
        path,
        names=[*model.state_dict()],
        flows=np.stack(flows)[:, :, ::7, ::7],
    )
    print(path, path.stat().st_size, "bytes")
