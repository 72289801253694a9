"""How the documentation becomes a site: ``make docs``. What Sphinx calls a setting has its name here."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(ROOT / "src")]

from legato import __version__  # noqa: E402 - found by the line above

project = "Legato"
author = "the Legato authors"
copyright = "the Legato authors, Apache-2.0. Not affiliated with Vonage."  # noqa: A001 - Sphinx's name for it
release = version = __version__
language = "en"

extensions = ["layout", "myst_parser"]
root_doc = "index"
exclude_patterns = [".*", "build", "dist", "src", "tests", "scripts", "deploy", "**/node_modules", "docs/site"]
include_patterns = [
    "docs/**",
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "bench/*.md",
    "clients/js/README.md",
]
# Links between documents are those of the repository, and a heading's anchor is the one that hosts of repositories give
# it: one text for both. What leads nowhere is a warning, and `make docs` makes warnings errors.
myst_heading_anchors = 4
myst_enable_extensions = ["attrs_inline"]
nitpicky = True
smartquotes = False

html_theme = "furo"
html_title = f"Legato {__version__}"
html_favicon = str(ROOT / "src/legato/console/static/icon.svg")
html_static_path = ["static"]
templates_path = ["templates"]
html_css_files = ["legato.css"]
html_js_files = ["copy.js"]
html_copy_source = False
html_search_scorer = str(HERE / "scorer.js")
html_use_index = html_domain_indices = False
html_show_sphinx = False
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"

_LIGHT = {
    "color-brand-primary": "#4453c9",
    "color-brand-content": "#4453c9",
    "color-brand-visited": "#4453c9",
    "color-background-primary": "#ffffff",
    "color-background-secondary": "#f6f5f2",
    "color-foreground-primary": "#1c1b1a",
    "color-foreground-secondary": "#635f59",
    "color-foreground-muted": "#635f59",
    "color-background-border": "#e5e1da",
    "color-code-background": "#f6f5f2",
    "color-highlight-on-target": "#eef0ff",
    "font-stack": 'system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif',
    "font-stack--monospace": 'ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace',
}
_DARK = {
    "color-brand-primary": "#98a3ff",
    "color-brand-content": "#98a3ff",
    "color-brand-visited": "#98a3ff",
    "color-background-primary": "#1a1b1e",
    "color-background-secondary": "#121315",
    "color-foreground-primary": "#ececea",
    "color-foreground-secondary": "#a5a49f",
    "color-foreground-muted": "#a5a49f",
    "color-background-border": "#2c2e32",
    "color-code-background": "#232528",
    "color-highlight-on-target": "#2b2f52",
}
html_theme_options = {
    "light_css_variables": _LIGHT,
    "dark_css_variables": _DARK,
    "top_of_page_buttons": [],
}
