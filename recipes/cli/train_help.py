"""The help of `zoo train`, with all tasks and all readers of data as they are registered."""

import inspect
import re

from recipes.cli.command import TensorFlowCommand
from recipes.cli.output import import_tensorflow


class TrainCommand(TensorFlowCommand):
    """A command whose help ends with the tasks and the data sources."""

    def format_epilog(self, ctx, formatter):
        """Writes the tables; they import TensorFlow, so other commands do not make them."""
        import_tensorflow()
        from recipes.data.readers import READERS, reader_named
        from recipes.tasks import TASKS

        tables = {
            "Tasks (zoo train TASK --model MODEL --data SOURCE)": {n: summary(t) for n, t in TASKS.items()},
            "Data (--data READER:SOURCE?OPTION=VALUE&...)": {f"{n}:": source_help(reader_named(n)) for n in READERS},
        }
        for title, rows in tables.items():
            with formatter.section(title):
                formatter.write_dl(list(rows.items()))


def summary(item):
    """Returns the first sentence of a docstring."""
    paragraph = " ".join(inspect.getdoc(item).split("\n\n")[0].split())
    return re.split(r"(?<=\.)\s", paragraph)[0]


def source_help(reader):
    """Returns the first sentence of a reader, and the options that it must have."""
    from recipes.data.source_spec import reader_options

    names = [n for n, p in inspect.signature(reader).parameters.items() if p.kind is not p.VAR_KEYWORD]
    options = {n: default for n, (_, default) in reader_options(reader).items() if n in names}
    required = [n for n, default in options.items() if default is inspect.Parameter.empty]
    return summary(reader) + (f" Needs {', '.join(f'{n}=' for n in required)}." if required else "")
