"""``legato tail``: a conversation in the terminal, as it happens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from legato.cli.options import ApplicationOption, KeyOption, ServerOption

if TYPE_CHECKING:
    from legato.cli.over_http import OverHttp

POLL_SECONDS: Final = 0.5
_PAGE: Final = 100
_TEXT: Final = 200  # characters of a body on one line


def tail(
    conversation_id: Annotated[str, typer.Argument(metavar="CON-…", help="The conversation's id.", show_default=False)],
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, max=_PAGE, help="Begin with so many past events.")] = 10,
    follow: Annotated[bool, typer.Option("--follow/--no-follow", help="Go on as events come.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print each event as one line of JSON.")] = False,
    application: ApplicationOption = None,
    key: KeyOption = None,
    server: ServerOption = None,
) -> None:
    """Follow a conversation: each event of its log, one a line, also over a restart. Needs a running server."""
    from functools import partial

    from legato.cli.asking import asking
    from legato.cli.client import until_answered

    asked = asking(application, key, server)
    source, application_id = asked.server, asked.application_id
    query = {"order": "desc", "page_size": str(max(lines, 1))}
    past = source.events(application_id, conversation_id, query)[::-1]
    last = past[-1]["id"] if past else 0
    for event in past[len(past) - min(lines, len(past)) :]:
        _print(event, as_json)
    while follow:
        last = until_answered(partial(_follow, source, application_id, conversation_id, last, as_json))


def _follow(source: OverHttp, application_id: str, conversation_id: str, last: int, as_json: bool) -> int:
    """Prints what came after event ``last``; the id of the newest one printed."""
    import time

    query = {"order": "asc", "page_size": str(_PAGE), "start_id": str(last + 1)}
    found = source.events(application_id, conversation_id, query)
    for event in found:
        _print(event, as_json)
        last = max(last, event["id"])
    if len(found) < _PAGE:
        time.sleep(POLL_SECONDS)
    return last


def _print(event: dict[str, Any], as_json: bool) -> None:
    import msgspec

    from legato.cli.output import print_line

    print_line(msgspec.json.encode(event).decode() if as_json else line_of(event))


def line_of(event: dict[str, Any]) -> str:
    """``  17  12:00:00  text            alice   hello``, without what would move a terminal's cursor."""
    import msgspec

    from legato.cli.output import printable

    people = event.get("_embedded") or {}
    who = (people.get("from_user") or {}).get("name") or event.get("from") or "-"
    body = event.get("body") or {}
    said = body.get("text")
    text = said if isinstance(said, str) else msgspec.json.encode(body).decode()
    time = str(event.get("timestamp", ""))[11:19]
    line = f"{event.get('id') or '-':>5}  {time:8}  {event['type']:<24}  {who:<16}  {text}"
    shown = printable(line)
    return shown if len(shown) <= _TEXT else shown[: _TEXT - 1] + "…"
