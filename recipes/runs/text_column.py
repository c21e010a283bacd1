"""A run on texts that reads them from another column than in training."""

import dataclasses


def with_text_column(run, column):
    """Returns a run whose new tables have their texts in another column.

    Args:
        run: `Run` on texts.
        column: name of the column.
    Raises:
        ValueError: if the run is not on texts.
    """
    if run.schema.kind != "text":
        raise ValueError(f"`text` must be unset for a run on {run.schema.kind} data, got {column!r}.")
    return run.replace(schema=dataclasses.replace(run.schema, text=column))
