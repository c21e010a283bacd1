"""Weight names of DnCNN in its authors' PyTorch files, with batch normalization folded into the convolutions."""

from zoo.convert.name_map import NameMap


def _name_map(depth):
    # Convolutions and ReLUs alternate in PyTorch's sequence.
    names = {"stem": "0", "conv{c}": lambda at: f"{2 * at.c}", "head": f"{2 * (depth - 1)}"}
    return NameMap(f"KAIR ({depth} convolutions)", "torch", names)


NAME_MAPS = (_name_map(17), _name_map(20))
