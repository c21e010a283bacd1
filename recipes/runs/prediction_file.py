"""Files of predictions: data frames written one after another, complete or not at all."""

import json
import os
from pathlib import Path

SUFFIXES = (".csv", ".tsv", ".parquet", ".pq", ".jsonl")


def write_frames(frames, path):
    """Writes data frames with the same columns to one file as they come.

    Args:
        frames: iterable of pandas.DataFrame.
        path: of a .csv, .tsv, .parquet or .jsonl file. Until it is complete it is named PATH.part.
    Returns:
        Number of rows.
    Raises:
        ValueError: if the suffix is another one, or the file cannot be written there.
    """
    path = Path(path).expanduser()
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise ValueError(f"`out` must end in {', '.join(SUFFIXES)}, got {path}.")
    if path.is_dir() or not path.parent.is_dir():
        raise ValueError(f"`out` must be a file in a folder that exists, got {path}.")
    part, rows = path.with_name(f"{path.name}.part"), 0
    write = _write_parquet if suffix in (".parquet", ".pq") else _write_lines
    try:
        rows = write(frames, part, suffix)
    except BaseException as error:
        part.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise OSError(f"{path} cannot be written: {error.strerror or error}") from None
        raise
    os.replace(part, path)
    return rows


def _write_lines(frames, part, suffix):
    rows = 0
    with part.open("w", encoding="utf-8", newline="") as file:
        for frame in frames:
            if suffix == ".jsonl":
                for record in frame.astype(object).to_dict("records"):
                    values = {k: None if v is None or v != v else v for k, v in record.items()}
                    file.write(json.dumps(values, ensure_ascii=False, default=str, allow_nan=False) + "\n")
            else:
                separator = "\t" if suffix == ".tsv" else ","
                frame.to_csv(file, sep=separator, index=False, header=rows == 0, lineterminator="\n")
            rows += len(frame)
    return rows


def _write_parquet(frames, part, suffix):
    import pyarrow
    import pyarrow.parquet

    writer, rows = None, 0
    try:
        for frame in frames:
            if writer is None:
                table = pyarrow.Table.from_pandas(frame, preserve_index=False)
                fields = [f.with_type(pyarrow.string()) if pyarrow.types.is_null(f.type) else f for f in table.schema]
                schema = pyarrow.schema(fields)
                writer = pyarrow.parquet.ParquetWriter(part, schema)
            writer.write_table(pyarrow.Table.from_pandas(frame, schema=schema, preserve_index=False))
            rows += len(frame)
    finally:
        if writer is not None:
            writer.close()
    return rows
