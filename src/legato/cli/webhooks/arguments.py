"""What the commands of ``legato webhooks`` share: whom they ask about, and reading what was, page by page."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import quote, urlencode

import typer

if TYPE_CHECKING:
    from legato.cli.asking import Asking

MAX_LINES: Final = 10_000
PAGE: Final = 100

EndpointArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="ENDPOINT",
        help="The endpoint's id: the application's, or a conversation's for its callback. "
        "Without it: the application's own.",
        show_default=False,
    ),
]
LinesOption = Annotated[int, typer.Option("--lines", "-n", min=1, max=MAX_LINES, help="How many, the newest first.")]


def path_of(asked: Asking, endpoint: str | None) -> str:
    """The endpoint's path: the application's own unless named."""
    return f"/v1/webhooks/{quote(endpoint or asked.application_id, safe='')}"


def read_past(
    asked: Asking, path: str, name: str, lines: int, query: dict[str, str] | None = None
) -> Iterator[dict[str, Any]]:
    """So many of what was, the newest first, page by page."""
    query = dict(query or {})
    while lines > 0:
        query["page_size"] = str(min(lines, PAGE))
        answer = asked("GET", f"{path}?{urlencode(query)}")
        found = answer["_embedded"][name]
        yield from found
        lines -= len(found)
        if "before" not in answer:
            return
        query["before"] = str(answer["before"])
