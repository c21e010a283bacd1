"""Settings of Sphinx for `make docs`."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

project = "fieldzoo"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.napoleon"]
html_theme = "furo"
html_title = "fieldzoo"
html_static_path = ["_static"]
exclude_patterns = ["_build"]
myst_heading_anchors = 3
autosummary_generate = True
autodoc_typehints = "none"
# Tables of architectures are wide; the page scrolls them instead of the whole window
html_css_files = ["tables.css"]
