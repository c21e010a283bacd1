"""How far a long explanation is."""

import sys


def advancing(items, told):
    """The entries of the list `items`, one after the other, with a bar on stderr where that is a terminal.

    Args:
        items: a list.
        told: what stands before the bar.
    """
    if not sys.stderr.isatty():
        return items
    from rich.console import Console
    from rich.progress import track

    return track(items, told, console=Console(stderr=True), transient=True)
