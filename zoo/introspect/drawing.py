"""A drawing of a model as SVG: its layers by the size of what they compute, and the connections that skip some."""

import collections
import math
import typing
from html import escape
from pathlib import Path

import keras

from zoo.arguments import FilePath, checked
from zoo.atomic_write import write_text
from zoo.introspect.graph import flatten_calls, outline, trace_calls

MOST_BLOCKS = 24  # drawn in order; of more, those of one size are one block
COLUMN, LEVEL, MARGIN, TOP = 112, 64, 24, 64  # of the drawing [pixels]
NARROWEST = 420  # drawing, whose title fits [pixels]
TALLEST, WIDEST = 108, 46  # of a box [pixels]
COLORS = {"map": "#4c78a8", "sequence": "#54a24b", "vector": "#f2a541"}
UNKNOWN_SIDE = 64
SHOWN = 2  # kinds of layers below a box


class Block(typing.NamedTuple):
    """Layers that follow each other and compute arrays of one size.

    Args:
        size: height and width, or length, of the last of them; () for vectors. None where a side is not fixed.
        channels: of the last of them.
        layers: Counter of the names of the classes of layers that have weights.
        parameters: of these layers.
        sources: indices of the blocks whose arrays they take.
    """

    size: tuple
    channels: int
    layers: collections.Counter
    parameters: int
    sources: tuple


class Drawing:
    """An SVG; notebooks show it, `str` of it is the text, and `save(path)` writes it."""

    def __init__(self, svg):
        self.svg = svg

    def __str__(self):
        return self.svg

    def _repr_svg_(self):
        return self.svg

    @checked
    def save(self, path: FilePath):
        """Writes the SVG to a file, and returns its path."""
        write_text(Path(path), self.svg)
        return Path(path)


@checked
def draw(model: typing.Any, **arguments) -> Drawing:
    """Draws a model: a box for the layers of each size, as tall as their arrays and as wide as their channels.

    Boxes of smaller arrays stand lower, so that a U-Net is a U. Sizes that differ by less than a third, as by the
    border of a convolution, are one box. Dashed lines are connections that skip boxes. Of a model with more than 24
    boxes, those of one size are one box.

    >>> zoo.draw("unet").save("unet.svg")

    Args:
        model: one of `zoo.names()`, drawn without memory for its weights, or a built `keras.Model`.
        **arguments: of the builder, for a name; without any, those of the paper's main variant.
    Returns:
        `Drawing`, an SVG.
    Raises:
        ValueError: if there is no such model, it is not built, or nothing in it can be traced.
        TypeError: if `model` is neither a name nor a model.
    """
    if isinstance(model, str):
        model = outline(model, **arguments)
    elif not isinstance(model, keras.Model):
        raise TypeError(f"draw: `model` must be a name or a keras.Model, got {type(model).__name__}.")
    blocks = blocks_of(model)
    if not blocks:
        raise ValueError(f"draw: the layers of `model` must be traceable, got none in {model.name}.")
    return Drawing(_svg(model, blocks))


def blocks_of(model):
    """Returns the `Block`s of a model, in order; the first one is its input."""
    calls = [c for c in flatten_calls(trace_calls(model)) if not _has_inner_model(c) and c.outputs]
    if not calls or not calls[0].input_tensors:
        return []
    sizes = [_size(call.outputs[0]) for call in calls]
    last_map = max((i for i, size in enumerate(sizes) if not _is_vector(size)), default=-1)
    block_of, references = [], []
    for i, size in enumerate(sizes):  # vectors between maps, such as those of squeeze and excitation, start no block
        is_inner = bool(references) and _is_vector(size) and i < last_map
        if not references or not (is_inner or _are_similar(size, references[-1])):
            references.append(size)
        block_of.append(len(references) - 1)
    has_weights = {b for b, call in zip(block_of, calls, strict=True) if _is_weighted(call)}
    merged, number_of = [], {}
    for number, size in enumerate(references):
        belongs_to_next = number not in has_weights and any(later > number for later in has_weights)
        if not belongs_to_next and not (merged and _are_similar(size, merged[-1])):
            merged.append(size)
        number_of[number] = len(merged) - (0 if not belongs_to_next else -1)
    block_of = [min(number_of[b], len(merged)) for b in block_of]
    if len(merged) > MOST_BLOCKS:
        order = {size: number for number, size in enumerate(dict.fromkeys(merged), 1)}
        block_of = [order[merged[b - 1]] for b in block_of]
    source = calls[0].input_tensors[0]
    first = Block(_map_size(_size(source)), _channels(source), collections.Counter(), 0, ())
    return [first, *_collect(calls, block_of, source)]


def _are_similar(size, other):
    """Whether two sizes differ by less than a third in each side, as by the border of a convolution."""
    if _is_vector(size) or _is_vector(other):
        return _is_vector(size) and _is_vector(other)
    sides = zip(size, other, strict=False)
    return len(size) == len(other) and all(a == b or (a and b and 0.75 < a / b < 1.34) for a, b in sides)


def _map_size(size):
    return () if _is_vector(size) else size


def _is_weighted(call):
    layer = call.operation
    return isinstance(layer, keras.Layer) and bool(layer.weights) and "Normalization" not in type(layer).__name__


def _collect(calls, block_of, source):
    """Returns the `Block`s of calls that have the number of a block each, from 1; 0 is the input `source`."""
    made_in, blocks, counted = {id(source): 0}, [], set()
    for number in range(1, max(block_of) + 1):
        members = [call for call, b in zip(calls, block_of, strict=True) if b == number]
        layers, parameters, sources = collections.Counter(), 0, set()
        for call in members:
            sources |= {made_in[id(t)] for t in call.input_tensors if id(t) in made_in} - {number}
            made_in.update({id(t): number for t in call.outputs})
            if _is_weighted(call):
                layers[type(call.operation).__name__] += 1
            if isinstance(call.operation, keras.Layer) and id(call.operation) not in counted:
                counted.add(id(call.operation))
                parameters += call.operation.count_params() if call.operation.built else 0
        weighted = [call for call in members if _is_weighted(call)] or members
        maps = [call for call in weighted if not _is_vector(_size(call.outputs[0]))]
        is_last = number == max(block_of)
        shown = (weighted if is_last else maps or weighted)[-1].outputs[0]
        blocks.append(Block(_map_size(_size(shown)), _channels(shown), layers, parameters, tuple(sorted(sources))))
    return blocks


def _has_inner_model(call):
    return isinstance(call.operation, keras.Model | keras.Function) and bool(call.inner_calls)


def _size(tensor):
    return tuple(tensor.shape[1:-1])


def _is_vector(size):
    return all(side == 1 for side in size)


def _channels(tensor):
    return tensor.shape[-1] if len(tensor.shape) > 1 else 0


def _kind(block):
    return "vector" if not block.size else "sequence" if len(block.size) == 1 else "map"


def _label(block):
    """Returns the size of a block as a text: 64 × 64 × 32."""
    return " × ".join("n" if side is None else f"{side:,}" for side in (*block.size, block.channels))


def _positions(block):
    """Returns the number of pixels or steps; an unknown side counts as 64."""
    return math.prod(UNKNOWN_SIDE if side is None else side for side in block.size)


def _extent(block):
    """Returns (width, height) of a box [pixels], which follow the logarithms of channels and size."""
    side = _positions(block) ** (1 / max(1, len(block.size)))
    height = 16 + (TALLEST - 16) * min(1, math.log2(1 + side) / 9) if block.size else 16
    return 8 + (WIDEST - 8) * min(1, math.log2(1 + (block.channels or 1)) / 11), height


def _svg(model, blocks):
    levels = [round(2 * math.log2(_positions(block)) / 4) if block.size else -1 for block in blocks]
    distinct = sorted(set(levels), reverse=True)
    rows = [distinct.index(level) for level in levels]
    step = LEVEL if len(distinct) < 7 else LEVEL * 6 / len(distinct)
    centers = [(MARGIN + COLUMN * (i + 0.5), TOP + TALLEST / 2 + 20 + step * row) for i, row in enumerate(rows)]
    width = max(NARROWEST, 2 * MARGIN + COLUMN * len(blocks))
    height = TOP + TALLEST + step * max(rows) + 96
    parts = []
    for i, block in enumerate(blocks):
        parts += [_connection(centers, blocks, j, i) for j in block.sources if j != i]
    for center, block in zip(centers, blocks, strict=True):
        parts += _box(center, block)
    title = f"{model.name}: {model.count_params():,} parameters"
    description = "; ".join(f"{_label(b)} by {_layers_text(b) or 'layers without weights'}" for b in blocks)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
        f'height="{height:.0f}" role="img" font-family="system-ui, sans-serif" font-size="12">'
        f"<title>{escape(title)}</title><desc>{escape(description)}</desc>"
        f'<rect width="100%" height="100%" fill="#ffffff"/>'
        f'<text x="{MARGIN}" y="30" font-size="16" font-weight="600" fill="#1b1b1b">{escape(title)}</text>'
        f"{''.join(parts)}</svg>\n"
    )


def _connection(centers, blocks, start, end):
    """Returns the line from a box to a later one; dashed where it skips others."""
    (x1, y1), (x2, y2) = centers[start], centers[end]
    x1, x2 = x1 + _extent(blocks[start])[0] / 2, x2 - _extent(blocks[end])[0] / 2
    if abs(end - start) == 1:
        return f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" stroke="#8a8a8a" stroke-width="1.5" fill="none"/>'
    bend = min(60, abs(x2 - x1) / 3)
    return (
        f'<path d="M{x1:.1f} {y1:.1f}C{x1 + bend:.1f} {y1:.1f} {x2 - bend:.1f} {y2:.1f} {x2:.1f} {y2:.1f}" '
        'stroke="#b2182b" stroke-width="1.2" stroke-dasharray="5 4" fill="none"/>'
    )


def _box(center, block):
    """Returns the box of a block with its texts."""
    (x, y), (width, height) = center, _extent(block)
    layers = _layers_text(block)
    texts = [(y - height / 2 - 7, _label(block), "#1b1b1b")]
    texts += [(y + height / 2 + 15 + 14 * i, line, "#595959") for i, line in enumerate(layers.split(", ")) if line]
    hint = f"{_label(block)}: {layers or 'layers without weights'}, {block.parameters:,} parameters"
    return [
        f'<rect x="{x - width / 2:.1f}" y="{y - height / 2:.1f}" width="{width:.1f}" height="{height:.1f}" rx="2" '
        f'fill="{COLORS[_kind(block)]}"><title>{escape(hint)}</title></rect>',
        *(
            f'<text x="{x:.1f}" y="{line_y:.1f}" text-anchor="middle" fill="{color}">{escape(text)}</text>'
            for line_y, text, color in texts
        ),
    ]


def _layers_text(block):
    """Returns the commonest kinds of layers with their numbers: 2 Conv2D, 1 Dense."""
    return ", ".join(f"{count} {name}" for name, count in block.layers.most_common(SHOWN))
