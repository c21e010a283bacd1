"""Options that several commands share, and the parsing of their values."""

import json
from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="Folder written by `zoo train --out`.")]
Files = Annotated[list[Path], typer.Argument(metavar="FILE...", help="Images, or one CSV or Parquet table.")]


def parse_setting(text):
    """Splits NAME=VALUE and parses the value as JSON if it is JSON; lists become tuples."""
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"--set must be NAME=VALUE, got {text!r}.")
    try:
        value = json.loads(value)
    except json.JSONDecodeError:
        value = tuple(value.split(",")) if name in ("augment", "order") else value
    return name, tuple(value) if isinstance(value, list) else value


def parse_space(text):
    """Splits NAME=VALUES of `--space`."""
    name, equals, values = text.partition("=")
    if not equals or not name or not values:
        raise ValueError(f"--space must be NAME=VALUES, such as learning_rate=1e-4:1e-2:log, got {text!r}.")
    return name.strip(), values


def parse_size(text):
    """Parses HEIGHTxWIDTH, or one number for both, as (height, width) [pixels]."""
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.isdecimal() and int(side) > 0 for side in sides):
        raise ValueError(f"--size must be HEIGHTxWIDTH in pixels, such as 64x64, got {text!r}.")
    return int(sides[0]), int(sides[-1])


def check_size(data):
    """Raises ValueError if `--size` does not apply to this `recipes.data.Data`: it is for images only."""
    if data.shape is None or len(data.shape) != 3:
        raise ValueError(f"--size is for images, and {data.name} is {data.kind} data; leave it out.")
