"""
Detection: overlap, anchors and duplicates
==========================================

A detector predicts boxes. Three questions decide how it is trained and judged: how well do two boxes overlap, which of
many candidate boxes is responsible for an object, and which of several boxes of one object stays?

Ren et al. (2015), *Faster R-CNN*, https://arxiv.org/abs/1506.01497; Lin et al. (2017), *Focal loss for dense object
detection*, https://arxiv.org/abs/1708.02002.
"""

# %%
# Cell nuclei
# -----------
# A microscope's image of 128 x 128 pixels. A box is (x1, y1, x2, y2), its upper left and its lower right corner.
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Rectangle

import recipes
from zoo.detect.anchors import cell_anchors, grid_anchors
from zoo.detect.boxes import decode, encode, pairwise_iou
from zoo.detect.matching import BACKGROUND, IGNORED, OBJECT, match
from zoo.detect.nms import non_max_suppression

data = recipes.load("bundled:nuclei-instances")
image, rows = data.train.inputs[0], data.train.targets[0]
boxes = rows[rows[:, 4] >= 0][:, :4].astype("float32") * 128  # from fractions of the image to pixels
print(f"{len(boxes)} nuclei, with sides from {(boxes[:, 2:] - boxes[:, :2]).min():.0f} to "
      f"{(boxes[:, 2:] - boxes[:, :2]).max():.0f} pixels")  # fmt: skip


# %%
# Overlap
# -------
# The intersection over union (IoU) of two boxes is the area of both together divided by the area of either.
def iou(a, b):
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)]
    return width * height / (sum(areas) - width * height)


shifted = boxes + np.array([3, 0, 3, 0], "float32")
by_hand = np.array([[iou(a, b) for b in shifted] for a in boxes])
by_zoo = np.asarray(pairwise_iou(boxes, shifted))
iou_difference = float(np.abs(by_hand - by_zoo).max())
print(f"IoU of a nucleus' box with itself, 3 pixels to the right: {np.diag(by_hand).mean():.2f} on average")
print(f"Largest difference between our function and zoo.detect: {iou_difference:.0e}")

# %%
# Anchors
# -------
# A network cannot predict a list of boxes of any length. It predicts corrections of many fixed boxes, the anchors: here
# three shapes around every fourth pixel. An anchor is trained on the object with which its IoU is at least 0.5; below
# 0.4 it is background, and between them it does not count.
anchors = np.asarray(grid_anchors(cell_anchors((20,)), 32, 32, 128, 128))
index, kind = (np.asarray(x)[0] for x in match(anchors, boxes[None], np.ones((1, len(boxes)), bool), 0.4, 0.5))
counts = {
    name: int((kind == k).sum()) for name, k in (("object", OBJECT), ("ignored", IGNORED), ("background", BACKGROUND))
}
print(f"{len(anchors)} anchors: {counts}")
overlap = np.asarray(pairwise_iou(anchors, boxes))
best = overlap.max(axis=1)
is_best_of_object = (overlap == overlap.max(axis=0)).any(axis=1) & (best > 0)
kind_by_hand = np.where((best >= 0.5) | is_best_of_object, OBJECT, np.where(best < 0.4, BACKGROUND, IGNORED))
same_kind = float((kind_by_hand == kind).mean())
print(f"The rule by hand gives the same kind for {same_kind:.3f} of them; the best anchor of an object always counts")

# %%
# What the network learns for an anchor are four deltas: the shift of the center in sides of the anchor, and the
# logarithm of the ratio of the sides. Decoding gives the box back.
positive = np.flatnonzero(kind == OBJECT)
deltas = np.asarray(encode(boxes[index[positive]], anchors[positive]))
round_trip = float(np.abs(np.asarray(decode(deltas, anchors[positive])) - boxes[index[positive]]).max())
print(f"Deltas lie from {deltas.min():.2f} to {deltas.max():.2f}; decoded again the error is {round_trip:.0e} pixels")

# %%
# Duplicates
# ----------
# Several anchors find the same nucleus. Non-maximum suppression (NMS) takes the box with the highest score, removes all
# boxes that overlap it, and goes on with the rest. Our detector is a simulated one: the matched anchors, whose deltas
# have errors and whose score is the higher, the smaller the error.
rng = np.random.default_rng(1)
noise = rng.normal(0, 0.08, deltas.shape)
candidates = np.asarray(decode((deltas + noise).astype("float32"), anchors[positive]))
scores = np.exp(-3 * np.abs(noise).sum(axis=1)).astype("float32")


def suppress(boxes, scores, threshold):
    """Returns the indices of the boxes that stay, the highest score first."""
    order, stays = list(np.argsort(-scores)), []
    while order:
        stays.append(int(order.pop(0)))
        order = [i for i in order if iou(boxes[stays[-1]], boxes[i]) <= threshold]
    return stays


stays = suppress(candidates, scores, 0.5)
one_class = np.zeros((1, len(scores)), "int32")
of_zoo = np.asarray(non_max_suppression(candidates[None], scores[None], one_class, 0.5, len(scores)))[0]
same_boxes = stays == of_zoo[of_zoo >= 0].tolist()
print(
    f"{len(candidates)} boxes before, {len(stays)} after suppression, {len(boxes)} nuclei; as zoo.detect: {same_boxes}"
)
figure, axes = plt.subplots(1, 3, figsize=(9, 3.3), layout="constrained")
panels = (("objects", boxes), ("candidates", candidates), ("after NMS", candidates[stays]))
for ax, (title, boxes_of_panel) in zip(axes, panels, strict=True):
    ax.imshow(np.sqrt(image[..., 0]), cmap="gray")
    for x1, y1, x2, y2 in boxes_of_panel:
        ax.add_patch(Rectangle((x1, y1), x2 - x1, y2 - y1, fill=False, color="tab:orange"))
    ax.set(title=f"{title}: {len(boxes_of_panel)}", xticks=[], yticks=[])
plt.show()

# %%
# Exercise
# --------
# Which threshold of NMS is right? Count for thresholds from 0.1 to 0.9 how many boxes stay, how many nuclei have a box
# with an IoU of at least 0.5, and how many boxes are one too many.

# %%
# Solution
# --------
# With a high threshold duplicates stay. A low one removes them, but where objects touch it removes a neighbor too: no
# threshold is free of both mistakes in every image.
outcome = {}
for threshold in (0.1, 0.3, 0.5, 0.7, 0.9):
    left = candidates[suppress(candidates, scores, threshold)]
    hits = int((np.asarray(pairwise_iou(left, boxes)).max(axis=0) >= 0.5).sum())
    outcome[threshold] = (len(left), hits)
    print(f"threshold {threshold}: {len(left)} boxes stay, {hits} of {len(boxes)} nuclei have one, {len(left) - hits} "
          "too many")  # fmt: skip
