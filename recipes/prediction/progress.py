"""A progress bar of a prediction: inputs per second and the time left."""

import contextlib
import sys


@contextlib.contextmanager
def progress_bar(count, done, unit, is_shown=True):
    """Shows a bar on stderr where that is a terminal; yields a function of the number of further inputs.

    Args:
        count: function that returns the number of inputs, or None; called only where the bar is shown.
        done: number of inputs that were predicted before.
        unit: word for an input, such as photos.
        is_shown: whether to show it.
    """
    if not (is_shown and sys.stderr.isatty()):
        yield lambda count: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    rate = TextColumn("{task.fields[rate]}")
    columns = (MofNCompleteColumn(), unit, BarColumn(), rate, TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("predict", total=count(), completed=done, rate="")

        def advance(count):
            bar.advance(task, count)
            speed = bar.tasks[task].finished_speed or bar.tasks[task].speed
            bar.update(task, rate=f"{speed:,.0f} {unit}/s" if speed else "")

        yield advance
