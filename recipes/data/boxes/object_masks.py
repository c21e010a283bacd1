"""Masks of objects, each as its file has it: polygons or a cut-out. They are drawn in any size when they are needed."""

import typing
import zlib

import numpy as np


class Polygons(typing.NamedTuple):
    """The outline of an object.

    Args:
        polygons: list of flat lists x1, y1, x2, y2, ... [pixels].
        size: (height, width) of the image [pixels]; None until the image is read, where the file does not have it.
    """

    polygons: list
    size: tuple | None

    def draw(self, height, width):
        """Returns the mask in the image resized to `height` x `width`, uint8 0 or 1."""
        from pycocotools import mask as coco

        scale = np.array([width / self.size[1], height / self.size[0]])
        scaled = [(np.reshape(polygon, (-1, 2)) * scale).ravel().tolist() for polygon in self.polygons]
        return coco.decode(coco.merge(coco.frPyObjects(scaled, height, width)))


class Cutout(typing.NamedTuple):
    """The part of a mask that holds an object.

    Args:
        bits: its pixels, packed and compressed.
        box: (top, left, height, width) in the image [pixels].
        size: (height, width) of the image [pixels].
    """

    bits: bytes
    box: tuple
    size: tuple

    @classmethod
    def of(cls, mask, offset=(0, 0), size=None):
        """Returns the cut-out of a mask (H, W), which lies at `offset` (top, left) in an image of `size`."""
        rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
        top, left = rows[0], columns[0]
        part = mask[top : rows[-1] + 1, left : columns[-1] + 1] != 0
        box = (int(top + offset[0]), int(left + offset[1]), *part.shape)
        return cls(zlib.compress(np.packbits(part).tobytes()), box, tuple(size or mask.shape))

    def draw(self, height, width):
        """Returns the mask in the image resized to `height` x `width`, uint8 0 or 1."""
        from PIL import Image

        top, left, rows, columns = self.box
        bits = np.frombuffer(zlib.decompress(self.bits), np.uint8)
        part = np.unpackbits(bits, count=rows * columns).reshape(rows, columns)
        mask = np.zeros((height, width), np.uint8)
        if (height, width) == self.size:
            mask[top : top + rows, left : left + columns] = part
            return mask
        (y0, y1, above, below), (x0, x1, before, after) = (
            _span(start, count, new, old)
            for start, count, new, old in zip((top, left), (rows, columns), (height, width), self.size, strict=True)
        )
        padded = np.pad(part * 255, ((int(above) + 1, int(below) + 1), (int(before) + 1, int(after) + 1)))
        y, x = int(above) + 1 - above, int(before) + 1 - before
        box = (x, y, x + before + columns + after, y + above + rows + below)
        resized = Image.fromarray(padded).resize((x1 - x0, y1 - y0), Image.Resampling.BOX, box)
        mask[y0:y1, x0:x1] = np.asarray(resized) >= 128
        return mask


def _span(start, count, new, old):
    """Returns (first, end) in the resized image of the pixels that cover a span, and what these add to both sides."""
    scale = new / old
    first = int(np.floor(start * scale))
    end = min(int(np.ceil((start + count) * scale)), new)
    return first, end, start - first / scale, end / scale - (start + count)


class ObjectMasks:
    """The masks of all objects of a data set, by their number.

    Args:
        objects: list of `Polygons` and `Cutout`s.
    """

    def __init__(self, objects):
        self.objects = objects

    def draw(self, numbers, height, width):
        """Returns the masks of objects, (n, height, width) uint8 0 or 1; zeros for the number -1."""
        masks = np.zeros((len(numbers), height, width), np.uint8)
        for mask, number in zip(masks, np.asarray(numbers, int), strict=True):
            if number >= 0:
                mask[:] = self.objects[number].draw(height, width)
        return masks

    def draw_flipped(self, numbers, flips, height, width):
        """Returns the masks of a batch, (B, n, height, width) uint8.

        Args:
            numbers: (B, n); -1 where there is no object.
            flips: (B, n), 1 where the image is mirrored left to right, plus 2 where top to bottom.
            height, width: of the model's images [pixels].
        """
        masks = np.stack([self.draw(row, height, width) for row in numbers])
        flips = np.where(np.asarray(numbers) >= 0, flips, 0).astype(int)
        for bit, axis in ((1, 2), (2, 1)):
            for i in np.flatnonzero((flips & bit).any(1)):
                masks[i] = np.flip(masks[i], axis)
        return masks
