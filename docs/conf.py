"""Settings of Sphinx for `make docs`."""

import inspect
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

project = "fieldzoo"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.napoleon"]
html_theme = "furo"
html_title = "fieldzoo"
html_show_copyright = False
html_static_path = ["_static"]
exclude_patterns = ["_build"]
myst_heading_anchors = 3
autosummary_generate = True
autodoc_typehints = "none"
suppress_warnings = ["docutils"]  # of docstrings, which are written for help(), such as a line that begins with *args
# Tables of architectures are wide; the page scrolls them instead of the whole window
html_css_files = ["tables.css"]


def write_reference(app):
    """Writes api.rst: the public functions and classes of zoo, zoo.explain, zoo.serving and recipes."""
    import recipes
    import zoo

    lines = ["Reference", "=" * 9, ""]
    for module in (recipes, zoo, zoo.explain, zoo.serving):
        name = module.__name__
        listed = getattr(module, "__all__", None) or [n for n in vars(module) if not n.startswith("_")]
        objects = {n: getattr(module, n) for n in sorted(listed)}
        lines += [name, "-" * len(name), "", f".. currentmodule:: {name}", "", ".. autosummary::"]
        lines += ["   :toctree: api", "   :nosignatures:", ""]
        lines += [f"   {n}" for n, value in objects.items() if callable(value) and inspect.getdoc(value)]
        lines.append("")
    page, text = Path(app.srcdir) / "api.rst", "\n".join(lines)
    if not page.exists() or page.read_text("utf-8") != text:
        page.write_text(text, "utf-8")


def setup(app):
    """Writes the page of the reference before Sphinx looks for pages."""
    write_reference(app)
