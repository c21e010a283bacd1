"""Settings of Sphinx for `make docs`."""

import inspect
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

project = "fieldzoo"
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx_gallery.gen_gallery",
]
html_theme = "furo"
html_title = "fieldzoo"
html_show_copyright = False
html_static_path = ["_static"]
exclude_patterns = ["_build"]
# The lessons are executed; a lesson whose code has not changed is not executed again
sphinx_gallery_conf = {
    "examples_dirs": "../examples/lessons",
    "gallery_dirs": "lessons",
    "filename_pattern": r"/\d\d_",
    "within_subsection_order": "FileNameSortKey",
    "copyfile_regex": r".*\.rst",
    "abort_on_example_error": True,
    "show_signature": False,
    "remove_config_comments": True,
}
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
    """Writes the page of the reference and the gallery before Sphinx looks for pages."""
    from recipes.reference.gallery_pages import write_markdown_gallery

    write_reference(app)
    write_markdown_gallery(Path(app.srcdir) / "gallery")
