"""The command `zoo gallery`."""

from pathlib import Path
from typing import Annotated

import typer


def gallery(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of the pages.")] = Path("gallery"),
    show: Annotated[bool, typer.Option("--open", help="Show the gallery in the browser.")] = False,
):
    """Write a page per architecture: drawing, variants, cost, results, code. It needs no server.

    zoo gallery pages --open
    """
    from recipes.reference.gallery_pages import write_html_gallery

    path = write_html_gallery(folder)
    print(path)
    if show:
        typer.launch(path.resolve().as_uri())
