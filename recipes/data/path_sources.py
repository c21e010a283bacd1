"""The source string of a path: which reader a file or a folder is for."""

from pathlib import Path

from recipes.data.images.image_files import SUFFIXES as IMAGE_SUFFIXES
from recipes.data.rasters.geotiff import SUFFIXES as RASTER_SUFFIXES
from recipes.data.readers import READERS
from recipes.data.tables.table_files import TABLE_SUFFIXES
from zoo.arguments import suggestion

IMAGE_READER = "image"  # of a single image or raster, which is no data set


def complete_source(source):
    """Returns a source with its reader: as it is where it has one, else with the reader for what lies at the path.

    Args:
        source: READER:SOURCE as `recipes.load` takes it, or a path, each with options or without:
            "trees.csv?target=species".
    Returns:
        "READER:SOURCE?OPTIONS". READER is image for a single image or raster.
    Raises:
        ValueError: if there is no such path, or its content fits no reader or several.
    """
    reader, colon, rest = source.partition(":")
    if colon and reader in READERS and rest:
        return source
    if Path(source).expanduser().exists():
        return f"{_reader_of(Path(source).expanduser())}:{source.replace('?', '%3F')}"
    place, mark, options = source.partition("?")
    path = Path(place).expanduser()
    if path.exists():
        return f"{_reader_of(path)}:{place}{mark}{options}"
    from recipes.data.bundled.sets import SETS

    nearest = suggestion(place, [f"bundled:{name}" for name in SETS] if place in SETS else _neighbors(path))
    raise ValueError(
        f"`source` must be a file, a folder, or READER:SOURCE with a reader of {', '.join(READERS)}, got {source!r}, "
        f"which is none of them.{nearest}"
    )


def _neighbors(path):
    return [str(path.parent / p.name) for p in path.parent.iterdir()] if path.parent.is_dir() else []


def _reader_of(path):
    """Returns the name of the reader for a file or a folder."""
    if path.is_dir():
        return _reader_of_folder(path)
    suffix = path.suffix.lower()
    if suffix in TABLE_SUFFIXES:
        return "table"
    if suffix in RASTER_SUFFIXES or suffix in IMAGE_SUFFIXES:
        return IMAGE_READER
    if suffix in (".md", ".rst"):
        return "text"
    if suffix == ".txt":
        raise ValueError(
            f"`source` must say what a .txt file is, got {path}: write table:{path} for a table, text:{path} for a "
            "document."
        )
    raise ValueError(
        f"`source` must be a table ({', '.join(TABLE_SUFFIXES)}), an image or a folder, got {path}. A table in a file "
        f"of another name is table:{path}; arrays are passed in Python: recipes.check_data((x, y))."
    )


def _reader_of_folder(folder):
    """Returns the name of the reader for a folder: of class folders, or of texts."""
    entries = [p for p in sorted(folder.iterdir()) if not p.name.startswith(".")]
    if any(p.is_dir() for p in entries):
        return "folder"
    suffixes = {p.suffix.lower() for p in entries}
    if suffixes and suffixes <= {".txt", ".md", ".rst"}:
        return "text"
    tables = [str(p) for p in entries if p.suffix.lower() in TABLE_SUFFIXES]
    if tables:
        raise ValueError(f"`source` must be one table, got a folder of tables: {folder}; such as {tables[0]}.")
    return "folder"  # whose reader says what a folder of images must look like
