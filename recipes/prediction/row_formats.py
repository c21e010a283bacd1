"""Rows of data frames as bytes that are appended to a file: CSV, TSV, JSON Lines and Parquet."""

import contextlib
import io
import itertools
import json
import os

ROW_GROUP = 1 << 17  # rows of a row group in a Parquet file, at least
COPY_BYTES = 1 << 20


class CsvRows:
    """Rows of a CSV file; a field is quoted only where it must be.

    Args:
        separator: one character.
    """

    def __init__(self, separator=","):
        self.separator = separator

    def header(self, frame):
        """Returns the bytes before the first row."""
        return frame.head(0).to_csv(sep=self.separator, index=False, lineterminator="\n").encode()

    def read_header(self, file):
        """Prepares for more rows of the open file; a line of text says all by itself."""

    def rows(self, frame):
        """Returns the bytes of the rows of a data frame."""
        import pyarrow
        from pyarrow import csv

        buffer = io.BytesIO()
        options = csv.WriteOptions(include_header=False, delimiter=self.separator, quoting_style="none")
        try:
            # One thread: a batch is small, and the others predict the next one
            csv.write_csv(pyarrow.Table.from_pandas(frame, preserve_index=False, nthreads=1), buffer, options)
            return buffer.getvalue()
        except (pyarrow.ArrowInvalid, UnicodeEncodeError):  # a field has a separator, a quote or a line break
            text = frame.to_csv(sep=self.separator, index=False, header=False, lineterminator="\n")
            return text.encode("utf-8", "surrogateescape")

    def finish(self, part, out):
        """Makes the complete file of the rows."""
        os.replace(part, out)

    def join(self, shards, out):
        """Writes the rows of several complete files to one.

        Args:
            shards: list of (path, list of (number of a unit, rows, bytes) in the file's order).
            out: path of the file.
        """
        with contextlib.ExitStack() as stack:
            files = [stack.enter_context(open(path, "rb")) for path, _ in shards]
            target = stack.enter_context(open(out, "wb"))
            for i, (file, (path, units)) in enumerate(zip(files, shards, strict=True)):
                header = file.read(os.path.getsize(path) - sum(size for *_, size in units))
                target.write(header if i == 0 else b"")
            for i, _, size in _in_order(shards):
                _copy(files[i], target, size)


class JsonRows(CsvRows):
    """Rows of a JSON Lines file: an object each, null where there is no value."""

    def header(self, frame):
        """Returns no bytes: each row names its columns."""
        return b""

    def rows(self, frame):
        """Returns the bytes of the rows of a data frame."""
        import pandas as pd

        records = frame.astype(object).to_dict("records")
        values = [{k: None if v is None or v is pd.NA or v != v else v for k, v in r.items()} for r in records]
        lines = [json.dumps(v, ensure_ascii=False, default=str, allow_nan=False) + "\n" for v in values]
        return "".join(lines).encode("utf-8", "surrogateescape")


class ParquetRows:
    """Rows of a Parquet file. Such a file ends with its index, so the rows are Arrow messages until it is complete."""

    schema = None

    def header(self, frame):
        """Returns the bytes before the first row: the columns and their types."""
        import pyarrow

        table = pyarrow.Table.from_pandas(frame, preserve_index=False)
        texts = {f.name: pyarrow.string() for f in table.schema if pyarrow.types.is_null(f.type)}
        fields = [f.with_type(texts.get(f.name, f.type)) for f in table.schema]
        self.schema = pyarrow.schema(fields)
        return self.schema.serialize().to_pybytes()

    def read_header(self, file):
        """Reads the columns of the rows in an open file."""
        import pyarrow

        self.schema = pyarrow.ipc.open_stream(file).schema

    def rows(self, frame):
        """Returns the bytes of the rows of a data frame."""
        import pyarrow

        frame = frame.assign(**{c: frame[c].map(_decodable) for c in frame if frame[c].dtype == object})
        table = pyarrow.Table.from_pandas(frame, schema=self.schema, preserve_index=False)
        return b"".join(batch.serialize().to_pybytes() for batch in table.combine_chunks().to_batches())

    def finish(self, part, out):
        """Makes the complete file of the rows."""
        import pyarrow

        with pyarrow.memory_map(str(part)) as file:
            reader = pyarrow.ipc.open_stream(file)
            _write_parquet(reader.schema, reader, out)

    def join(self, shards, out):
        """Writes the rows of several complete files to one, as `CsvRows.join` has it."""
        from pyarrow import parquet

        def ordered():
            for i, rows, _ in _in_order(shards):
                while rows:
                    batch = next(batches[i])
                    if len(batch) > rows:
                        batches[i] = itertools.chain([batch.slice(rows)], batches[i])
                    yield batch.slice(0, rows)
                    rows -= min(rows, len(batch))

        with contextlib.ExitStack() as stack:
            files = [stack.enter_context(parquet.ParquetFile(path)) for path, _ in shards]
            batches = [file.iter_batches() for file in files]
            _write_parquet(files[0].schema_arrow, ordered(), out)


def _in_order(shards):
    """Returns (number of the shard, rows, bytes) of all units, in the order of their numbers."""
    units = [(unit, i, rows, size) for i, (_, units) in enumerate(shards) for unit, rows, size in units]
    return [entry[1:] for entry in sorted(units)]


def _copy(source, target, size):
    while size:
        content = source.read(min(size, COPY_BYTES))
        if not content:
            raise ValueError(f"{source.name} is shorter than its manifest says; predict that shard again.")
        target.write(content)
        size -= len(content)


def _write_parquet(schema, batches, out):
    import pyarrow
    from pyarrow import parquet

    complete = out.with_name(f"{out.name}.part.parquet")
    try:
        with parquet.ParquetWriter(complete, schema) as writer:
            pending = []
            for batch in batches:
                pending.append(batch)
                if sum(map(len, pending)) >= ROW_GROUP:
                    writer.write_table(pyarrow.Table.from_batches(pending, schema).combine_chunks())
                    pending = []
            if pending:
                writer.write_table(pyarrow.Table.from_batches(pending, schema).combine_chunks())
        os.replace(complete, out)
    finally:
        complete.unlink(missing_ok=True)


def _decodable(value):
    """A text without the bytes of a path that are no UTF-8."""
    return value.encode("utf-8", "surrogateescape").decode("utf-8", "replace") if isinstance(value, str) else value


ROW_FORMATS = {  # suffix -> maker of the format
    ".csv": CsvRows,
    ".tsv": lambda: CsvRows("\t"),
    ".parquet": ParquetRows,
    ".pq": ParquetRows,
    ".jsonl": JsonRows,
}
