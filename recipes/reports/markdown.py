"""Escapes text for Markdown: names of classes, files and columns may contain any characters."""

import re

_PUNCTUATION = re.compile(r"([\\`*\[\]|~])|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_LINE_START = re.compile(r"^(\d*)([#+=.)-])(?=[#+=-]*(\s|$))")  # of a heading or list
_ENTITY = re.compile(r"&(?=#|[A-Za-z])")


def escape_markdown(value):
    """Returns text that Markdown shows as it is: no HTML, links, emphasis, code, table cells or line breaks in it.

    Args:
        value: text; anything else is returned as it is.
    """
    if not isinstance(value, str):
        return value
    text = " ".join("".join(c if c.isprintable() else " " for c in value).split())
    text = _PUNCTUATION.sub(lambda match: f"\\{match.group()}", text)
    text = _LINE_START.sub(lambda match: f"{match[1]}\\{match[2]}", text)
    return _ENTITY.sub("&amp;", text).replace("<", "&lt;").replace(">", "&gt;")
