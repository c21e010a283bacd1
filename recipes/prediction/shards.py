"""Shards of a prediction: one part of the inputs each, predicted by different machines and joined to one file."""

import contextlib
import json
import re
from pathlib import Path

from recipes.prediction.prediction_file import verify_out
from recipes.prediction.row_formats import ROW_FORMATS

NAME = "{stem}-{i:05d}-of-{n:05d}{suffix}"


def parse_shard(text):
    """Parses I/N, the I-th of N shards, from 1.

    Raises:
        ValueError: if it is something else.
    """
    match = re.fullmatch(r"(\d+)/(\d+)", str(text).strip())
    shard = tuple(map(int, match.groups())) if match else (0, 0)
    if not 1 <= shard[0] <= shard[1]:
        raise ValueError(f"`shard` must be I/N with I from 1 to N, such as 3/8, got {text}.")
    return shard


def shard_path(out, shard):
    """Returns the path of a shard of the file `out`: predictions-00003-of-00008.csv."""
    out = verify_out(out)
    return out.with_name(NAME.format(stem=out.stem, i=shard[0], n=shard[1], suffix=out.suffix))


def join_shards(out):
    """Joins the complete shards of a prediction to one file, which equals that of a single process.

    Args:
        out: path that was passed to each; its shards lie beside it, and stay.
    Returns:
        (number of rows, number of rows of inputs that could not be read).
    Raises:
        ValueError: if a shard is absent or not complete, or they are of different runs, options or inputs.
    """
    out = verify_out(out)
    counts = shard_counts(out)
    if len(counts) != 1:
        received = f"shards of {' and of '.join(map(str, counts))}" if counts else "none"
        raise ValueError(f"join_shards: there must be the shards of {out} beside it, got {received}.")
    paths = [shard_path(out, (i, counts[0])) for i in range(1, counts[0] + 1)]
    absent = [str(path) for path in paths if not path.is_file() or not _manifest_path(path).is_file()]
    if absent:
        raise ValueError(
            f"join_shards: all {counts[0]} shards must be complete, got none or an unfinished one for "
            f"{', '.join(absent[:5])}{' and others' * (len(absent) > 5)}."
        )
    manifests = [json.loads(_manifest_path(path).read_text("utf-8")) for path in paths]
    for path, manifest in zip(paths, manifests, strict=True):
        changes = [k for k, v in _shared(manifests[0]).items() if _shared(manifest)[k] != v]
        if changes:
            raise ValueError(
                f"join_shards: shards must be of one prediction, got {path} with other {' and '.join(changes)} than "
                f"{paths[0]}; predict it again."
            )
    part = out.with_name(f"{out.name}.part")
    shards = [(path, manifest["units"]) for path, manifest in zip(paths, manifests, strict=True)]
    try:
        ROW_FORMATS[out.suffix.lower()]().join(shards, part)
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
    return tuple(sum(manifest[name] for manifest in manifests) for name in ("rows", "failures"))


def shard_counts(out):
    """Returns the numbers of shards that the shards beside `out` say, in ascending order: usually one or none."""
    out = Path(out)
    pattern = re.compile(re.escape(out.stem) + r"-\d{5}-of-(\d{5})" + re.escape(out.suffix))
    matches = (pattern.fullmatch(path.name.removesuffix(".part")) for path in out.parent.iterdir())
    return sorted({int(match[1]) for match in matches if match})


def shard_inputs(path):
    """Returns how many inputs the shard at a path has so far, complete or not."""
    for manifest in (_manifest_path(path), Path(f"{path}.part.json")):
        with contextlib.suppress(OSError, ValueError, KeyError):
            return json.loads(manifest.read_text("utf-8"))["inputs"]
    return 0


def remove_shards(out, count):
    """Removes the shards of a prediction and their manifests, complete or not."""
    for i in range(1, count + 1):
        path = shard_path(out, (i, count))
        for suffix in ("", ".json", ".part", ".part.json"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)


def _manifest_path(path):
    return Path(f"{path}.json")


def _shared(manifest):
    """Returns what all shards of a prediction have in common."""
    description = manifest["description"]
    inputs = {name: value for name, value in description["inputs"].items() if name != "content hash"}
    options = {name: value for name, value in description["options"].items() if name != "shard"}
    return {**description, "inputs": inputs, "options": options}
