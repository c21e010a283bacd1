"""Boxes of overlapping tiles as boxes of the whole image: each object once, in one piece.

An object at the border of a tile is cut. Its box is dropped where another tile has the place in whole; where no tile
has, as of objects larger than the overlap, the pieces are joined. Of an object that two tiles have in whole, the box
with the higher score stays, also where the two boxes differ. Boxes of different classes do not affect each other.
"""

import typing

import numpy as np

EDGE = 1 / 64  # width of the band along a tile's border in which a box counts as cut, as a fraction of the tile's side
SAME_SPAN = 0.5  # fraction of the shorter of two pieces' extents along the border that the pieces of one object share
SAME_OBJECT = (
    0.5  # fraction of the smaller of two tiles' boxes in the other, from which they are one object, as in SAHI
)
INSIDE = 0.7  # fraction of the area of a piece in another box, from which it is part of that box
PAIRS = 1 << 22  # pairs of boxes that are compared in one step


class Tiles(typing.NamedTuple):
    """The tiles of an image.

    Args:
        rows, columns: first pixels of the tiles along y and x.
        shape: (height, width) of each tile [pixels].
        size: (height, width) of the image [pixels].
    """

    rows: typing.Any
    columns: typing.Any
    shape: tuple
    size: tuple

    def borders(self, offsets):
        """Returns (N, 4) the borders x1, y1, x2, y2 of tiles, infinite where they are the image's border.

        Args:
            offsets: (N, 2) y and x of the tiles' first pixels.
        """
        low = offsets.astype(np.float64)
        high = low + self.shape
        low = np.where(low == 0, -np.inf, low)
        high = np.where(high >= self.size, np.inf, high)
        return np.stack([low[:, 1], low[:, 0], high[:, 1], high[:, 0]], axis=1)

    @property
    def edges(self):
        """(x, y) widths of the bands along a border [pixels]."""
        return np.array([self.shape[1], self.shape[0]]) * EDGE


def merge_boxes(boxes, scores, classes, offsets, tiles, iou):
    """Returns (boxes, scores, classes) of the whole image, best first.

    Args:
        boxes: (N, 4) corners x1, y1, x2, y2 in the whole image [pixels].
        scores: (N,).
        classes: (N,) integers.
        offsets: (N, 2) y and x of the first pixel of the tile of each box.
        tiles: `Tiles`.
        iou: IoU above which the box with the lower score of two of one class is removed.
    """
    borders = tiles.borders(offsets)
    cut = np.concatenate(
        [boxes[:, :2] <= borders[:, :2] + tiles.edges, boxes[:, 2:] >= borders[:, 2:] - tiles.edges], axis=1
    )
    selected = ~(cut.any(1) & _is_whole_elsewhere(boxes, tiles))
    tile = (offsets * [tiles.size[1] + 1, 1]).sum(1)  # a number for each
    arrays = (array[selected] for array in (boxes, scores, classes, tile, cut))
    boxes, scores, classes, tile, is_cut = _join_pieces(*arrays, tiles.edges)
    return _suppress(boxes, scores, classes, tile, is_cut, iou)


def _is_whole_elsewhere(boxes, tiles):
    """Returns (N,) whether a tile has a box in its interior, off the borders that are not the image's."""
    contained = []
    for axis, starts in enumerate((tiles.columns, tiles.rows)):
        offsets = np.repeat(np.asarray(starts)[:, None], 2, axis=1)
        borders = tiles.borders(offsets)[:, [axis, axis + 2]]
        low, high = boxes[:, axis], boxes[:, axis + 2]
        inside = np.zeros(len(boxes), bool)
        for first, last in borders:
            inside |= (low > first + tiles.edges[axis]) & (high < last - tiles.edges[axis])
        contained.append(inside)
    return contained[0] & contained[1]


def _join_pieces(boxes, scores, classes, tile, cut, edges):
    """Joins boxes of one class that are cut at facing borders.

    Returns:
        (boxes, scores, classes, number of a tile that each is in, whether each was cut).
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    pieces = np.flatnonzero(cut.any(1))
    links = [np.zeros((0, 2), int)]
    for i, j in _overlapping_pairs(boxes[pieces], edges):
        i, j = pieces[i], pieces[j]
        is_pair = classes[i] == classes[j]
        i, j = i[is_pair], j[is_pair]
        faces = np.zeros(len(i), bool)
        for axis in (0, 1):
            faces |= (cut[i, axis + 2] & cut[j, axis] | cut[j, axis + 2] & cut[i, axis]) & _share_span(
                boxes[i], boxes[j], 1 - axis
            )
        links.append(np.stack([i[faces], j[faces]], axis=1))
    i, j = np.concatenate(links).T
    graph = coo_array((np.ones(len(i), bool), (i, j)), shape=(len(boxes), len(boxes)))
    count, component = connected_components(graph, directed=False)
    joined = np.concatenate([np.full((count, 2), np.inf), np.full((count, 2), -np.inf)], axis=1)
    np.minimum.at(joined[:, :2], component, boxes[:, :2])
    np.maximum.at(joined[:, 2:], component, boxes[:, 2:])
    best, is_cut = np.zeros(count), np.zeros(count, bool)
    labels, tiles = np.zeros(count, int), np.zeros(count, int)
    np.maximum.at(best, component, scores)
    np.logical_or.at(is_cut, component, cut.any(1))
    labels[component], tiles[component] = classes, tile
    return joined, best, labels, tiles, is_cut


def _share_span(boxes, others, axis):
    """Returns (N,) whether two boxes have most of the shorter one's extent along an axis in common."""
    (low, high), (other_low, other_high) = ((b[:, axis], b[:, axis + 2]) for b in (boxes, others))
    shared = np.minimum(high, other_high) - np.maximum(low, other_low)
    return shared >= SAME_SPAN * np.minimum(high - low, other_high - other_low)


def _suppress(boxes, scores, classes, tile, is_cut, iou):
    """Removes, of boxes of one class that overlap, the lower score, and pieces that lie in another box."""
    order = np.argsort(-scores, kind="stable")
    boxes, scores, classes, tile, is_cut = (array[order] for array in (boxes, scores, classes, tile, is_cut))
    area = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    selected = np.ones(len(boxes), bool)
    conflicts = []
    for i, j in _overlapping_pairs(boxes, np.zeros(2)):
        is_pair = classes[i] == classes[j]
        i, j = np.minimum(i, j)[is_pair], np.maximum(i, j)[is_pair]
        shared = np.minimum(boxes[i, 2:], boxes[j, 2:]) - np.maximum(boxes[i, :2], boxes[j, :2])
        shared = shared.clip(0).prod(1)
        smaller = np.where(area[i] < area[j], i, j)
        selected[smaller[is_cut[smaller] & (shared >= INSIDE * area[smaller])]] = False
        is_same = shared > iou * (area[i] + area[j] - shared)
        is_same |= (tile[i] != tile[j]) & (shared > SAME_OBJECT * area[smaller])
        conflicts.append(np.stack([i[is_same], j[is_same]], axis=1))
    conflicts = np.concatenate([np.zeros((0, 2), int), *conflicts])
    for i, j in conflicts[np.lexsort(conflicts.T[::-1])].tolist():  # by the better box
        if selected[i]:
            selected[j] = False
    return boxes[selected], scores[selected], classes[selected]


def _overlapping_pairs(boxes, margins):
    """Yields arrays (i, j) of the pairs of boxes that overlap or lie within (x, y) margins, each pair once."""
    order = np.argsort(boxes[:, 0], kind="stable")
    left, right = boxes[order, 0], boxes[order, 2]
    counts = np.searchsorted(left, right + margins[0], side="right") - np.arange(len(order)) - 1
    counts = np.maximum(counts, 0)  # of boxes to the right that begin before this one ends
    chunks = np.cumsum(counts) // PAIRS
    for chunk in np.unique(chunks):
        first = np.flatnonzero(chunks == chunk)
        i = np.repeat(first, counts[first])
        j = i + 1 + np.arange(len(i)) - np.repeat(np.cumsum(counts[first]) - counts[first], counts[first])
        i, j = order[i], order[j]
        near = (boxes[i, 1] <= boxes[j, 3] + margins[1]) & (boxes[j, 1] <= boxes[i, 3] + margins[1])
        yield i[near], j[near]
