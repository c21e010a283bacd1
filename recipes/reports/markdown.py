"""Escapes text for Markdown: names of classes, files and columns may contain any characters."""

import re

_PUNCTUATION = re.compile(r"[\\*|]|\](?=[(\[:])|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_LINE_START = re.compile(r"^(\d*)([#+=.)-])(?=[#+=-]*(\s|$))|^()(\[)(?=[ xX]\])")  # of a heading, list or check box
_ENTITY = re.compile(r"&(?=#|[A-Za-z])")


class Markdown(str):
    """Text that is Markdown already."""


def escape_markdown(value, *, keep_code=False):
    """Returns text that Markdown shows as it is: no HTML, links, emphasis, code, table cells or line breaks in it.

    Args:
        value: text; anything else is returned as it is, and so is `Markdown`.
        keep_code: whether names between backticks remain code.
    Returns:
        `Markdown`, or the value.
    """
    if not isinstance(value, str) or isinstance(value, Markdown):
        return value
    text = " ".join("".join(c if c.isprintable() else " " for c in value).split())
    text = _PUNCTUATION.sub(lambda match: f"\\{match.group()}", text)
    text = text if keep_code else text.replace("`", "\\`")
    text = text.replace("~", "\\~") if text.count("~") > 1 else text
    text = _LINE_START.sub(lambda match: f"{match[1] or ''}\\{match[2] or match[5]}", text)
    return Markdown(_ENTITY.sub("&amp;", text).replace("<", "&lt;").replace(">", "&gt;"))
