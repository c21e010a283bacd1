"""Positions of overlapping tiles along one axis."""


def tile_starts(size, tile, overlap):
    """Returns the first pixel of each tile, in increasing order; the last tile ends with the axis.

    Args:
        size: of the axis [pixels].
        tile: side of a tile [pixels].
        overlap: of neighboring tiles [pixels], less than `tile`; the last overlap may be larger.
    """
    return [0] if size <= tile else [*range(0, size - tile, tile - overlap), size - tile]
