"""DnCNN's weights by its authors' PyTorch code, with normalisation folded: convolutions and ReLUs in sequence."""

from zoo.convert.name_map import NameMap


def _scheme(depth):
    rows = {"stem": "0", "conv{c}": lambda at: f"{2 * at.c}", "head": f"{2 * (depth - 1)}"}
    return NameMap(f"KAIR ({depth} convolutions)", "torch", rows)


SCHEMES = (_scheme(17), _scheme(20))
