"""Sphinx: the notebooks as they are, the API from docstrings and docments. `make docs` builds it without a network."""

import sys
from configparser import ConfigParser
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(HERE / "_ext"), str(ROOT / "tools"), str(ROOT)]

from render_readme import repository  # noqa: E402  (found by the line above)

settings = ConfigParser(delimiters=["="])
settings.read(ROOT / "settings.ini", encoding="utf-8")
project = settings["DEFAULT"]["lib_name"]
author = settings["DEFAULT"]["author"]
version = release = settings["DEFAULT"]["version"]
copyright = author

# ---- what is read: paths are those of the repository, so that a link works in both ----
root_doc = "nbs/index"
include_patterns = ["nbs/**.ipynb", "docs/**", "CHANGELOG.md", "CONTRIBUTING.md"]
exclude_patterns = ["**/.*", ".*", "**/_*", "build", "dist", "demo", "tests"]
templates_path = [str(HERE / "_templates")]
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.githubpages",
    "numpydoc",
    "sphinxcontrib.bibtex",
    "sphinx_design",
    "sphinx_copybutton",
    "sphinx-mathjax-offline",
    "book_site",
]

# ---- notebooks ----
nb_execution_mode = "off"
nb_merge_streams = True
nb_render_markdown_format = "myst"  # a table that code wrote is a table
myst_enable_extensions = ["amsmath", "colon_fence", "dollarmath"]
myst_heading_anchors = 4
suppress_warnings = ["myst.header"]  # a page may go from # to ###

# ---- API ----
autosummary_generate = ["docs/api/index.rst"]  # made before the pages are looked for
autosummary_generate_overwrite = True
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # types stand in the table of parameters
autodoc_preserve_defaults = True
add_module_names = False
toc_object_entries_show_parents = "hide"
maximum_signature_line_length = 88
smartquotes = False  # a default of "" is not to be printed as ‘’
numpydoc_show_class_members = False
nitpicky = True
nitpick_ignore_regex = [
    ("py:.*", r"(?!graphsel\b).*")
]  # other packages: their sites would have to be asked

# ---- citations ----
bibtex_bibfiles = ["../nbs/references.bib"]
bibtex_reference_style = "author_year"
bibtex_cite_id = "{key}"

# ---- looks ----
html_theme = "sphinx_book_theme"
html_context = {"default_mode": "auto"}  # light or dark, as the reader's system has it
html_title = project
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_additional_pages = {"index": "redirect.html"}
html_use_index = False  # the search finds names, and the API lists them
html_domain_indices = False
html_copy_source = True
html_show_sphinx = False
copybutton_exclude = ".linenos, .gp, .go"
where = repository()
html_theme_options = {
    "home_page_in_toc": True,
    "show_navbar_depth": 1,
    "show_toc_level": 2,
    "navbar_persistent": [],
    "use_fullscreen_button": False,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
if where:
    html_theme_options |= {
        "repository_url": f"https://github.com/{where}",
        "use_repository_button": True,
        "launch_buttons": {
            "binderhub_url": "https://mybinder.org",
            "colab_url": "https://colab.research.google.com",
        },
    }
