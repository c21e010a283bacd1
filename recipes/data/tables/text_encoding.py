"""Encodings of text files: byte order marks, UTF-8, and what charset-normalizer detects."""

import codecs
import gzip
import io
import re

SAMPLE = 1 << 18  # bytes that an encoding is detected from
MARKS = (  # the longer ones first, as UTF-16's mark begins UTF-32's
    (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"), (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip
WESTERN = re.compile(r"[\x00-\x7fÀ-ÖØ-öø-ÿŒœŠšŽžŸ°ºª²³µ·½¼¾±×÷€£§©®™–—‘’“”…«»¡¿‰\xa0]*")
SIGNATURES = (  # first bytes of files that are no text
    (b"\x89PNG", "a PNG image"), (b"\xff\xd8\xff", "a JPEG image"), (b"GIF8", "a GIF image"),
    (b"II*\x00", "a TIFF image"), (b"MM\x00*", "a TIFF image"), (b"%PDF", "a PDF document"),
    (b"PK\x03\x04", "a ZIP archive"), (b"\xd0\xcf\x11\xe0", "an old Excel file (.xls); save it as .xlsx or CSV"),
    (b"\x1f\x8b", "a gzip file within another"), (b"\x89HDF", "an HDF5 file"), (b"CDF", "a NetCDF file"),
    (b"PAR1", "a Parquet file; its name must end in .parquet"),
    (b"ARROW1", "a Feather file; its name must end in .feather"),
    (b"RDX", "an R data file; write it by write.csv"), (b"SQLite", "a SQLite database"),
    (b"<!DOCTYPE", "a web page; download the file that it links to"),
    (b"<html", "a web page; download the file that it links to"),
    (b"<?xml", "an XML document; save it as CSV"), (b"{", "JSON; save it as CSV"),
    (b"[{", "JSON; save it as CSV"), (b'["', "JSON; save it as CSV"), (b'[\r', "JSON; save it as CSV"),
    (b"[ {", "JSON; save it as CSV"), (b"[\n", "JSON; save it as CSV"),
)  # fmt: skip


def kind_of_file(head):
    """Returns what a file is by its first bytes, where it is no text, such as "a PNG image"; else None."""
    head = head.removeprefix(codecs.BOM_UTF8).lstrip()
    return next((kind for signature, kind in SIGNATURES if head.startswith(signature)), None)


def open_bytes(path):
    """Returns a file of bytes, decompressed if its first bytes are gzip's."""
    with open(path, "rb") as file:
        compressed = file.read(2) == b"\x1f\x8b"
    return gzip.open(path, "rb") if compressed else open(path, "rb")


def open_text(path, encoding):
    """Returns a file of text whose line ends stay as they are."""
    return io.TextIOWrapper(open_bytes(path), encoding=encoding, newline="")


def detect_encoding(path, encoding=None):
    """Returns (encoding, notes) of a text file.

    Args:
        path: of the file, which may be gzipped.
        encoding: the one that the user chose; None detects it.
    Raises:
        ValueError: if the file is empty, is no text, or is not written in `encoding`.
    """
    with open_bytes(path) as file:
        head = file.read(SAMPLE)
    if not head.strip(b"\x00\r\n\t \xef\xbb\xbf\xff\xfe"):
        raise ValueError(f"{path} is empty: a table must have a line with the names of its columns, and rows.")
    kind = kind_of_file(head)
    if kind:
        raise ValueError(f"{path} cannot be read as a table: it is {kind}.")
    if encoding:
        _verify(path, encoding)
        return encoding, []
    mark = next((name for mark, name in MARKS if head.startswith(mark)), None)
    if mark is None and b"\x00" in head:
        mark = _utf16_without_mark(head)
        if mark is None:
            raise ValueError(f"{path} cannot be read as a table: it is not text, but has bytes of value 0.")
    if mark:
        _verify(path, mark)
        return mark, [f"the file's encoding is {mark}"] if mark.startswith(("utf-16", "utf-32")) else []
    sample = _bytes_beyond_utf8(path)
    if sample is None:
        return "utf-8", []
    name = _guess(sample)
    if name is None:
        raise ValueError(
            f"{path} cannot be read as a table: it is not UTF-8, and its encoding cannot be detected; `encoding` sets "
            "it, such as encoding=cp1252."
        )
    example = next((w for w in re.findall(r"\w*[^\x00-\x7f]+\w*", sample.decode(name, "replace"))), "")
    return name, [f"the file is not UTF-8: read as {name}, such as {example!r}; `encoding` sets another"]


def _verify(path, encoding):
    """Raises a ValueError if the file is not written in an encoding."""
    try:
        with open_text(path, encoding) as file:
            first = file.read(SAMPLE)
            while file.read(SAMPLE):
                pass
    except (UnicodeError, LookupError):
        raise ValueError(
            f"{path} must be text in the encoding {encoding!r}, got other bytes; set `encoding` to the right one, or "
            "leave it out to detect it."
        ) from None
    if "\x00" in first:
        raise ValueError(f"{path} is not written in the encoding {encoding!r}: it has characters of value 0.")


def _utf16_without_mark(head):
    """Returns the UTF-16 of a text without a byte order mark, which mostly has every second byte 0, or None."""
    pairs = max(len(head) // 2, 1)
    zeros = [head[i::2].count(0) / pairs for i in (0, 1)]
    if max(zeros) > 0.6 and min(zeros) < 0.05:
        return "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
    return None


def _bytes_beyond_utf8(path):
    """Returns the lines with bytes above 127 of a file that is not UTF-8, up to a bounded size; None if it is."""
    decoder, lines, size, is_utf8 = codecs.getincrementaldecoder("utf-8")(), [], 0, True
    with open_bytes(path) as file:
        while block := file.read(SAMPLE * 4):
            if is_utf8:
                try:
                    decoder.decode(block)
                except UnicodeDecodeError:
                    is_utf8 = False
            if not block.isascii() and size < SAMPLE:
                non_ascii = [line for line in block.split(b"\n") if not line.isascii()]
                lines += non_ascii
                size += sum(map(len, non_ascii))
            if not is_utf8 and size >= SAMPLE:
                break
    try:
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        is_utf8 = False
    return None if is_utf8 else b"\n".join(lines)[:SAMPLE]


def _guess(sample):
    """Returns the most plausible encoding of bytes that are not UTF-8, or None.

    charset-normalizer needs more text than most tables have outside of ASCII, so Western European words come first.
    """
    import charset_normalizer

    try:
        text = sample.decode("cp1252")
        words = re.findall(r"\w*[^\W\d_\x00-\x7f]\w*", text)
        letters = "".join(words)
        accents = sum(not c.isascii() for c in letters)
        if WESTERN.fullmatch(text) and accents <= 0.6 * len(letters) and not re.search(r"\w[²³µ½¼¾±×]\w", text):
            return "cp1252"
    except UnicodeDecodeError:
        pass
    best = charset_normalizer.from_bytes(sample).best()
    return best.encoding if best else None
