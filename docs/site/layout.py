"""Where each document of the repository stands on the site, and in which order.

The documents keep their places and their links; this says their addresses. A new one gets a line in ``CONTENTS``:
one that has none fails the build.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, Final

from sphinx.application import Sphinx
from sphinx.project import Project

CONTENTS: Final = {
    "Begin": ("start", "concepts", "migrating"),
    "Build": ("webhooks", "javascript"),
    "Run": ("configuration", "operating", "nodes", "security"),
    "Reference": ("reference/events", "reference/rest", "reference/commands"),
    "Legato itself": (
        "design/architecture",
        "decisions/index",
        "design/dependencies",
        "bench/index",
        "bench/results",
        "contributing",
        "changelog",
        "readme",
    ),
}
# By name: everything below ``docs/`` loses that, and a README there is its directory's index.
ELSEWHERE: Final = {
    "README": "readme",
    "SECURITY": "security",
    "CONTRIBUTING": "contributing",
    "CHANGELOG": "changelog",
    "bench/README": "bench/index",
    "bench/RESULTS": "bench/results",
    "clients/js/README": "javascript",
}


# How hosts of repositories show one picture by day and another by night.
_PICTURE: Final = re.compile(
    r'<picture>\s*<source [^>]*srcset="([^"]+)">\s*<img alt="([^"]*)" src="([^"]+)"(?: width="(\d+)")?>\s*</picture>'
)


class Documents(Project):
    """The repository's documents by their names on the site."""

    def path2doc(self, filename: str | os.PathLike[str]) -> str | None:
        """The name of the document in this file; None for a file that is no document."""
        known = self._path_to_docname.get(Path(filename))
        name = known or super().path2doc(filename)
        if known or name is None:
            return known
        if not name.startswith("docs/"):
            return ELSEWHERE.get(name)
        head, _, last = name.removeprefix("docs/").rpartition("/")
        return "/".join(part for part in (head, "index" if last == "README" else last) if part)


def _name(app: Sphinx) -> None:
    named = Documents(app.srcdir, app.config.source_suffix)
    named.restore(app.project)
    app.project = app.env.project = named


def _read(_app: Sphinx, name: str, source: list[str]) -> None:
    """What a page says here and not in the repository: the table of contents, and pictures as this theme has them."""
    source[0] = _PICTURE.sub(_both, source[0])
    if name == "index":
        source[0] += "".join(_tree(pages, caption=caption) for caption, pages in CONTENTS.items())
    elif name == "decisions/index":
        source[0] += _tree(("0*",), glob="")


def _both(found: re.Match[str]) -> str:
    dark, words, light, width = found.groups()
    size = f" width={width}px" if width else ""
    return f"![{words}]({light}){{.only-light{size}}}![{words}]({dark}){{.only-dark{size}}}"


def _tree(pages: tuple[str, ...], **options: str) -> str:
    said = "".join(f":{option}: {value}\n" for option, value in options.items())
    lines = "\n".join(pages)
    return f"\n\n```{{toctree}}\n:hidden:\n{said}\n{lines}\n```\n"


def setup(app: Sphinx) -> dict[str, Any]:
    """Sphinx calls this."""
    app.connect("builder-inited", _name)
    app.connect("source-read", _read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
