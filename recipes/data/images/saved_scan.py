"""Scans of image folders, saved so that the next run on an unchanged folder need not scan it."""

import contextlib
import hashlib
import io
import json
import os

from recipes.data.images.file_facts import FileFacts, ImageKind
from zoo.atomic_write import write_bytes
from zoo.package_files import cache_folder

VERSION = 1  # raised whenever readers see other facts in the same file


def scan_file(root):
    """Returns the path of the saved scan of a folder, in FIELDZOO_CACHE or ~/.cache/fieldzoo."""
    name = hashlib.blake2b(os.path.abspath(root).encode("utf-8", "surrogateescape"), digest_size=12).hexdigest()
    return cache_folder() / "scans" / f"{name}-{VERSION}.parquet"


def read_scan(root):
    """Returns the saved facts of a folder's files, name -> `FileFacts`; {} where there are none that can be read."""
    import pandas as pd

    try:
        frame = pd.read_parquet(scan_file(root))
        kinds = {text: _kind(text) for text in frame["kind"].unique()}
        columns = {name: frame[name].tolist() for name in frame}
        columns["kind"] = [kinds[text] for text in columns["kind"]]
        columns["key"] = [int(key) if key else None for key in columns["key"]]
        facts = zip(*(columns[field] for field in FileFacts._fields), strict=True)
        return {name: FileFacts(*values) for name, values in zip(columns["name"], facts, strict=True)}
    except Exception:  # absent, broken or of another version: the files are looked at again
        return {}


def write_scan(root, facts):
    """Saves the facts of a folder's files, name -> `FileFacts`; does nothing where the folder cannot be written."""
    import pandas as pd

    frame = pd.DataFrame(list(facts.values()), columns=FileFacts._fields)
    frame["kind"] = ["" if f.kind is None else json.dumps(f.kind) for f in facts.values()]
    frame["key"] = ["" if f.key is None else str(f.key) for f in facts.values()]
    frame.insert(0, "name", list(facts))
    content = io.BytesIO()
    with contextlib.suppress(OSError, UnicodeError):  # no space, no home, or names that are no Unicode
        frame.to_parquet(content, index=False)
        path = scan_file(root)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, content.getvalue())


def _kind(text):
    if not text:
        return None
    count, conversions, depth, bands, *flags = json.loads(text)
    return ImageKind(count, tuple(conversions), depth, tuple(bands), *flags)
