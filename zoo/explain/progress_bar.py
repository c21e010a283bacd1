"""A progress bar for explanations that take long."""

import sys


def progress_bar(items, label):
    """Iterates over `items` and shows a progress bar on stderr if that is a terminal.

    Args:
        items: a list.
        label: text in front of the bar.
    """
    if not sys.stderr.isatty():
        return items
    from rich.console import Console
    from rich.progress import track

    return track(items, label, console=Console(stderr=True), transient=True)
