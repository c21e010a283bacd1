"""What run.json holds of a run."""

import dataclasses

import keras

from zoo.atomic_write import write_text
from zoo.strict_json import json_text

FORMAT = 3  # of run.json; raised with every change that older or newer versions cannot read


def describe_run(run):
    """Returns what run.json holds: format version, task with its hyperparameters, data, input schema, record."""
    return {
        "format": FORMAT,
        "task": type(run.task).__name__,
        "hyperparameters": {
            field.name: _jsonable(getattr(run.task, field.name)) for field in dataclasses.fields(run.task)
        },
        "data": run.data_record,
        "input_schema": run.schema.to_json(),
        "record": run.record,
    }


def _jsonable(value):
    """A hyperparameter as run.json has it; of a tokenizer only a summary, as preprocessing.keras holds all of it."""
    if isinstance(value, keras.Layer):
        return {"class": type(value).__name__, "tokens": value.vocabulary_size()}
    return value


def write_json(path, value):
    """Writes `value` as strict JSON, NaN as null; a reader never sees half a file."""
    write_text(path, json_text(value, indent=1) + "\n")
