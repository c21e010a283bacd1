"""Generated images with boxes: rectangles of two colors on a noisy ground, as Pascal VOC files."""

import numpy as np
from PIL import Image

COLORS = {"blue": (30, 30, 220), "red": (220, 30, 30)}


def write_rectangles(root, count, sizes=((64, 64),), seed=0):
    """Writes `count` images of one to three rectangles, with sizes (H, W) in turn, and returns the folder.

    The last image has none.
    """
    (root / "Annotations").mkdir(parents=True)
    (root / "JPEGImages").mkdir()
    rng = np.random.default_rng(seed)
    for i in range(count):
        height, width = sizes[i % len(sizes)]
        image = rng.integers(90, 110, (height, width, 3)).astype(np.uint8)
        boxes = []
        for _ in range(0 if i == count - 1 else rng.integers(1, 4)):
            box_width, box_height = rng.integers(width // 5, width // 2), rng.integers(height // 5, height // 2)
            x, y = rng.integers(0, width - box_width), rng.integers(0, height - box_height)
            box = (x, y, x + box_width, y + box_height)
            if all(box[0] >= b[2] or b[0] >= box[2] or box[1] >= b[3] or b[1] >= box[3] for b, _ in boxes):
                name = list(COLORS)[rng.integers(2)]
                image[y : box[3], x : box[2]] = COLORS[name]
                boxes.append((box, name))
        Image.fromarray(image).save(root / "JPEGImages" / f"{i}.png")
        objects = "".join(
            f"<object><name>{name}</name><bndbox><xmin>{b[0] + 1}</xmin><ymin>{b[1] + 1}</ymin><xmax>{b[2]}</xmax>"
            f"<ymax>{b[3]}</ymax></bndbox></object>"
            for b, name in boxes
        )
        text = f"<annotation><filename>{i}.png</filename>{objects}</annotation>"
        (root / "Annotations" / f"{i}.xml").write_text(text)
    return root
