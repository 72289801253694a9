"""``legato webhooks attempts`` and ``tail``: what was sent, and how it was answered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from legato.cli.options import ApplicationOption, JsonOption, KeyOption, ServerOption
from legato.cli.webhooks.arguments import MAX_LINES, PAGE, EndpointArgument, LinesOption, path_of, read_past

if TYPE_CHECKING:
    from legato.cli.asking import Asking

_TEXT: Final = 200  # characters of an attempt on one line


def attempts(
    endpoint: EndpointArgument = None,
    webhook_id: Annotated[
        str | None, typer.Option("--webhook-id", help="Of this event alone: CON-…_17.", show_default=False)
    ] = None,
    lines: LinesOption = 20,
    application: ApplicationOption = None,
    key: KeyOption = None,
    server: ServerOption = None,
    as_json: JsonOption = False,
) -> None:
    """List what was sent to an endpoint, and how it answered."""
    from legato.cli.asking import asking
    from legato.cli.output import print_json, print_table

    asked = asking(application, key, server, endpoint)
    query = {} if webhook_id is None else {"webhook_id": webhook_id}
    found = list(read_past(asked, f"{path_of(asked, endpoint)}/attempts", "attempts", lines, query))
    if as_json:
        print_json(found)
        return
    rows = [(each["at"], _status(each), each["event_type"], each["webhook_id"], _took(each)) for each in found]
    print_table(("AT", "STATUS", "TYPE", "WEBHOOK ID", "TOOK"), rows)


def tail(
    endpoint: EndpointArgument = None,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, max=PAGE, help="Begin with so many past ones.")] = 10,
    follow: Annotated[bool, typer.Option("--follow/--no-follow", help="Go on as attempts are made.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print each attempt as one line of JSON.")] = False,
    application: ApplicationOption = None,
    key: KeyOption = None,
    server: ServerOption = None,
) -> None:
    """Follow an endpoint: each attempt to send it something, one a line, also over a restart of the server."""
    import time
    from functools import partial

    from legato.cli.asking import asking
    from legato.cli.client import until_answered
    from legato.cli.tail import POLL_SECONDS

    asked = asking(application, key, server, endpoint)
    path = f"{path_of(asked, endpoint)}/attempts"
    past = list(read_past(asked, path, "attempts", max(lines, 1)))[::-1]
    last = past[-1]["id"] if past else 0
    for attempt in past[len(past) - min(lines, len(past)) :]:
        print_attempt(attempt, as_json)
    while follow:
        time.sleep(POLL_SECONDS)
        for attempt in until_answered(partial(_since, asked, path, last)):
            print_attempt(attempt, as_json)
            last = attempt["id"]


def _since(asked: Asking, path: str, last: int) -> list[dict[str, Any]]:
    """Attempts that were written down after ``last``, the oldest first."""
    fresh = []
    for attempt in read_past(asked, path, "attempts", MAX_LINES):
        if attempt["id"] <= last:
            break
        fresh.append(attempt)
    return fresh[::-1]


def print_attempt(attempt: dict[str, Any], as_json: bool) -> None:
    """One line: for people, or JSON."""
    import msgspec

    from legato.cli.output import print_line

    print_line(msgspec.json.encode(attempt).decode() if as_json else line_of(attempt))


def line_of(attempt: dict[str, Any]) -> str:
    """``12:00:00  503  text            CON-…_17    0.012 s  busy``, without what would move a terminal's cursor."""
    from legato.cli.output import printable

    said = attempt.get("error") or attempt.get("answer") or ""
    line = (
        f"{attempt['at'][11:19]:8}  {attempt.get('status', '-'):>3}  {attempt['event_type']:<24}  "
        f"{attempt['webhook_id']}  {attempt['seconds']:.3f} s  {said}"
    )
    shown = printable(line).rstrip()
    return shown if len(shown) <= _TEXT else shown[: _TEXT - 1] + "…"


def _status(attempt: dict[str, Any]) -> str:
    return str(attempt.get("status") or attempt.get("error"))


def _took(attempt: dict[str, Any]) -> str:
    return f"{attempt['seconds']:.3f} s"
