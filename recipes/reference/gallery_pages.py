"""Writes the gallery: as HTML pages that need no server, or as Markdown pages for the site of the documentation."""

from html import escape
from pathlib import Path

from recipes.reference import gallery
from recipes.reference.document_tables import format_count
from recipes.reference.recipes import reference_recipes
from zoo.atomic_write import write_text
from zoo.introspect.drawing import draw
from zoo.registry import TASKS

SIZES = ((1e5, "100,000"), (1e6, "1 million"), (1e7, "10 million"), (1e8, "100 million"))
HEADERS = ("Family", "Task", "What", "Parameters", "MACs", "Results")
TITLE = "Gallery"
INTRODUCTION = (
    "Every family of architectures: a drawing made from the model itself, its variants and their cost, what it reached "
    "in a recipe of this project, and the code that builds and trains it."
)
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #1b1b1b; max-width: 72rem; margin: 0 auto; padding: 1rem }
a { color: #0b57a4 } img { max-width: 100%; height: auto }
pre { background: #f4f4f4; padding: .75rem; overflow-x: auto; border-radius: 4px }
p:has(> img) { overflow-x: auto } p > img { min-width: 36rem }
table { border-collapse: collapse; display: block; overflow-x: auto }
th, td { border-bottom: 1px solid #d5d5d5; padding: .35rem .6rem; text-align: left; vertical-align: top }
"""
FILTER_STYLE = """
.filters { display: flex; flex-wrap: wrap; gap: .5rem 1.25rem; margin: 1rem 0; align-items: center }
.filters input[type=search], .filters select { font: inherit; padding: .25rem; max-width: 14rem }
.gallery-table { display: block; overflow-x: auto; font-size: .875rem }
.gallery-table table { border-collapse: collapse }
.gallery-table :is(th, td) {
  border-bottom: 1px solid #d5d5d5; padding: .35rem .5rem; text-align: left; vertical-align: top
}
.gallery-table td.number { text-align: right }
@media (max-width: 40rem) {
  .gallery-table thead { display: none } .gallery-table tr { display: block; padding: .5rem 0 }
  .gallery-table tr[hidden] { display: none } .gallery-table tbody :is(th, td) { display: block; border: 0; padding: 0 }
  .gallery-table tbody tr { border-bottom: 1px solid #d5d5d5 } .gallery-table td.number { text-align: left }
  .gallery-table td[data-unit]::after { content: " " attr(data-unit) }
}
"""
SCRIPT = """
const form = document.querySelector('.filters'), rows = [...document.querySelectorAll('.gallery-table tbody tr')];
function filter() {
  const chosen = new FormData(form), words = chosen.get('words').toLowerCase().split(/\\s+/);
  let count = 0;
  for (const row of rows) {
    const data = row.dataset, text = row.textContent.toLowerCase();
    const shown = (!chosen.get('task') || data.task === chosen.get('task'))
      && (!chosen.get('size') || Number(data.parameters) <= Number(chosen.get('size')))
      && (!chosen.has('results') || data.results > 0) && (!chosen.has('weights') || data.weights > 0)
      && words.every(word => text.includes(word));
    row.hidden = !shown;
    count += shown;
  }
  document.querySelector('.count').textContent = `${count} of ${rows.length} families`;
}
form.addEventListener('input', filter);
form.addEventListener('submit', event => event.preventDefault());
filter();
"""


def write_html_gallery(folder):
    """Writes the gallery into a folder as HTML and SVG files; returns the path of its first page.

    Args:
        folder: path, made where it does not exist.
    """
    from markdown_it import MarkdownIt

    folder, convert = Path(folder), MarkdownIt("commonmark").enable("table").render
    folder.mkdir(parents=True, exist_ok=True)
    pages, families = _pages()
    for name, text in pages.items():
        body = f'<p><a href="index.html">{TITLE}</a></p>\n{convert(text)}'
        write_text(folder / f"{name}.html", html_page(name, body))
        write_text(folder / f"{name}.svg", str(draw(name)))
    body = f"<h1>{TITLE}</h1>\n<p>{INTRODUCTION}</p>\n{overview_html(families)}"
    write_text(folder / "index.html", html_page(TITLE, body))
    return folder / "index.html"


def write_markdown_gallery(folder):
    """Writes the gallery into a folder as Markdown and SVG files; files that are the same stay as they are.

    Args:
        folder: path, made where it does not exist.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    pages, families = _pages()
    for name, text in pages.items():
        _write_if_new(folder / f"{name}.md", text)
        _write_if_new(folder / f"{name}.svg", str(draw(name)))
    index = f"# {TITLE}\n\n{INTRODUCTION}\n\n```{{raw}} html\n{overview_html(families)}\n```\n"
    toctree = "\n".join(["```{toctree}", ":hidden:", "", *pages, "```"])
    _write_if_new(folder / "index.md", f"{index}\n{toctree}\n")


def _write_if_new(path, text):
    if not path.is_file() or path.read_text("utf-8") != text:
        write_text(path, text)


def _pages():
    """Returns ({family: Markdown}, rows of the overview)."""
    groups, rows, recipes = gallery.families(), gallery.measured_rows(), reference_recipes()
    pages = {name: gallery.family_page(name, variants, rows, recipes) for name, variants in groups.items()}
    return pages, gallery.overview(groups, rows, recipes)


def html_page(title, body):
    """Returns an HTML document that needs no other file but those that `body` names."""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head>\n'
        f"<body><main>\n{body}\n</main></body></html>\n"
    )


def overview_html(families):
    """Returns the table of all families with its filters as HTML; links are relative, to NAME.html.

    Args:
        families: what `gallery.overview` returns.
    """
    tasks = "".join(f"<option>{task}</option>" for task in TASKS)
    sizes = "".join(f'<option value="{limit:.0f}">up to {text}</option>' for limit, text in SIZES)
    headers = "".join(f'<th scope="col">{header}</th>' for header in HEADERS)
    return (
        f"<style>{FILTER_STYLE}</style>\n"
        '<form class="filters" role="search" aria-label="Filters">'
        '<label>Search <input type="search" name="words"></label>'
        f'<label>Task <select name="task"><option value="">all</option>{tasks}</select></label>'
        f'<label>Parameters <select name="size"><option value="">any</option>{sizes}</select></label>'
        '<label><input type="checkbox" name="results"> with a measured result</label>'
        '<label><input type="checkbox" name="weights"> with published weights</label>'
        '<output class="count" aria-live="polite"></output></form>\n'
        '<div class="gallery-table" tabindex="0" role="region" aria-label="Families of architectures">'
        f"<table><thead><tr>{headers}"
        f"</tr></thead>\n<tbody>\n{''.join(map(_overview_row, families))}</tbody></table></div>\n"
        f"<script>{SCRIPT}</script>"
    )


def _overview_row(family):
    low, high = (format_count(n) for n in family["parameters"])
    parameters = low if low == high else f"{low} to {high}"
    name, results = family["family"], "<br>".join(map(escape, family["results"]))
    return (
        f'<tr data-task="{family["task"]}" data-parameters="{family["parameters"][0]}" '
        f'data-weights="{family["weights"]}" data-results="{len(family["results"])}">'
        f'<th scope="row"><a href="{name}.html">{name}</a></th><td>{family["task"]}</td>'
        f'<td>{escape(family["what"])}</td><td class="number" data-unit="parameters">{parameters}</td>'
        f'<td class="number" data-unit="MACs">{format_count(family["macs"])}</td><td>{results}</td></tr>\n'
    )
