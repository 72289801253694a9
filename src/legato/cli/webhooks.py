"""``legato webhooks``: how an application's endpoints fare, what was sent to them, and all of it again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import quote, urlencode

import typer

from legato.cli.options import ApplicationOption, JsonOption, KeyOption, ServerOption

if TYPE_CHECKING:
    from legato.cli.asking import Asking

app = typer.Typer(
    name="webhooks",
    help="Webhooks of an application: its endpoints, what they were sent, and all of it again. "
    "Needs a running server, except for `verify`.",
    no_args_is_help=True,
)

MAX_LINES: Final = 10_000
_PAGE: Final = 100

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


@app.command("list")
def list_(
    application: ApplicationOption = None,
    key: KeyOption = None,
    server: ServerOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the endpoints: the application's own, and those of conversations with a callback."""
    from legato.cli.asking import asking
    from legato.cli.output import print_json, print_table

    found = asking(application, key, server)("GET", "/v1/webhooks")["_embedded"]["endpoints"]
    if as_json:
        print_json(found)
        return
    rows = [
        (each["id"], each["url"], each["state"], str(each["backlog"]["events"]), str(each["dead_letters"]), _why(each))
        for each in found
    ]
    print_table(("ID", "URL", "STATE", "BACKLOG", "DEAD LETTERS", "WHY"), rows)


@app.command("show")
def show(
    endpoint: EndpointArgument = None,
    application: ApplicationOption = None,
    key: KeyOption = None,
    server: ServerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show an endpoint: its health, what waits for it, and the secrets it checks signatures with."""
    from legato.cli.asking import asking

    asked = asking(application, key, server)
    _print_endpoint(asked("GET", _path(asked, endpoint)), as_json)


@app.command("attempts")
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

    asked = asking(application, key, server)
    query = {} if webhook_id is None else {"webhook_id": webhook_id}
    found = list(_past(asked, f"{_path(asked, endpoint)}/attempts", "attempts", lines, query))
    if as_json:
        print_json(found)
        return
    rows = [(each["at"], _status(each), each["event_type"], each["webhook_id"], _took(each)) for each in found]
    print_table(("AT", "STATUS", "TYPE", "WEBHOOK ID", "TOOK"), rows)


@app.command("tail")
def tail(
    endpoint: EndpointArgument = None,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, max=_PAGE, help="Begin with so many past ones.")] = 10,
    follow: Annotated[bool, typer.Option("--follow/--no-follow", help="Go on as attempts are made.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print each attempt as one line of JSON.")] = False,
    application: ApplicationOption = None,
    key: KeyOption = None,
    server: ServerOption = None,
) -> None:
    """Follow an endpoint: each attempt to send it something, one a line."""
    import time

    from legato.cli.asking import asking
    from legato.cli.tail import POLL_SECONDS

    asked = asking(application, key, server)
    path = f"{_path(asked, endpoint)}/attempts"
    past = list(_past(asked, path, "attempts", max(lines, 1)))[::-1]
    last = past[-1]["id"] if past else 0
    for attempt in past[len(past) - min(lines, len(past)) :]:
        _print_attempt(attempt, as_json)
    while follow:
        time.sleep(POLL_SECONDS)
        for attempt in _since(asked, path, last):
            _print_attempt(attempt, as_json)
            last = attempt["id"]


@app.command("dead-letters")
def dead_letters(
    endpoint: EndpointArgument = None,
    lines: LinesOption = 20,
    application: ApplicationOption = None,
    key: KeyOption = None,
    server: ServerOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the events that were given up for an endpoint, and why."""
    from legato.cli.asking import asking
    from legato.cli.output import print_json, print_table

    asked = asking(application, key, server)
    found = list(_past(asked, f"{_path(asked, endpoint)}/dead-letters", "dead_letters", lines))
    if as_json:
        print_json(found)
        return
    rows = [
        (str(each["id"]), each["at"], each["event_type"], each["webhook_id"], each["reason"], _again(each))
        for each in found
    ]
    print_table(("ID", "AT", "TYPE", "WEBHOOK ID", "WHY", "SENT AGAIN"), rows)


@app.command("replay")
def replay(
    endpoint: EndpointArgument = None,
    letters: Annotated[
        list[int] | None,
        typer.Option("--dead-letter", min=1, help="A dead letter's id; may be given again.", show_default=False),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            help="Every dead letter since a time (ISO 8601) that was not sent again yet.",
            metavar="TIME",
            show_default=False,
        ),
    ] = None,
    conversation: Annotated[
        str | None,
        typer.Option(help="Events of a conversation's log, delivered or not.", metavar="CON-…", show_default=False),
    ] = None,
    first: Annotated[
        int | None, typer.Option("--from", min=1, help="With --conversation: the first one's id.", show_default=False)
    ] = None,
    last: Annotated[
        int | None, typer.Option("--to", min=1, help="With --conversation: the last one's id.", show_default=False)
    ] = None,
    application: ApplicationOption = None,
    key: KeyOption = None,
    server: ServerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send events again, in their order and each under the id it had: dead letters, or part of a conversation."""
    from legato.cli.asking import asking
    from legato.cli.output import note, print_json
    from legato.cli.problems import CommandError

    if sum((bool(letters), since is not None, conversation is not None)) != 1:
        raise CommandError("say what to send again with one of --dead-letter, --since and --conversation")
    if conversation is None and (first is not None or last is not None):
        raise CommandError("--from and --to are of a conversation: name it with --conversation")
    asked = asking(application, key, server)
    wanted = {
        "dead_letters": letters or None,
        "since": since,
        "conversation_id": conversation,
        "start_id": first,
        "end_id": last,
    }
    body = {name: value for name, value in wanted.items() if value is not None}
    answer = asked("POST", f"{_path(asked, endpoint)}/replay", body)
    if as_json:
        print_json(answer)
    else:
        note(f"{answer['events']} events are being sent again.")


@app.command("pause")
def pause(
    endpoint: EndpointArgument = None,
    application: ApplicationOption = None,
    key: KeyOption = None,
    server: ServerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send an endpoint nothing for now. What happens meanwhile waits."""
    from legato.cli.asking import asking

    asked = asking(application, key, server)
    _print_endpoint(asked("POST", f"{_path(asked, endpoint)}/pause"), as_json)


@app.command("resume")
def resume(
    endpoint: EndpointArgument = None,
    application: ApplicationOption = None,
    key: KeyOption = None,
    server: ServerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Go on sending to an endpoint that was paused, was disabled, or is being waited for."""
    from legato.cli.asking import asking

    asked = asking(application, key, server)
    _print_endpoint(asked("POST", f"{_path(asked, endpoint)}/resume"), as_json)


@app.command("test")
def try_out(
    endpoint: EndpointArgument = None,
    type_: Annotated[str, typer.Option("--type", help="The event type to send an example of.")] = "text",
    application: ApplicationOption = None,
    key: KeyOption = None,
    server: ServerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send an endpoint an example, once, and print what came of it. Ends with 1 unless it answers 2xx."""
    from legato.cli.asking import asking

    asked = asking(application, key, server)
    attempt = asked("POST", f"{_path(asked, endpoint)}/test", {"type": type_})
    _print_attempt(attempt, as_json)
    if not 200 <= attempt.get("status", 0) < 300:
        raise typer.Exit(1)


@app.command("rotate-secret")
def rotate_secret(
    endpoint: EndpointArgument = None,
    overlap_hours: Annotated[
        float, typer.Option(min=0, max=720, help="How long requests carry a signature of the old one as well.")
    ] = 24.0,
    application: ApplicationOption = None,
    key: KeyOption = None,
    server: ServerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make a new signing secret of an endpoint and print it."""
    from legato.cli.asking import asking
    from legato.cli.output import note, print_json, print_line

    asked = asking(application, key, server)
    made = asked("POST", f"{_path(asked, endpoint)}/secret", {"overlap": overlap_hours * 3600})
    if as_json:
        print_json(made)
        return
    print_line(made["secret"])
    note(f"The old one signs as well for {overlap_hours:g} hours." if overlap_hours else "The old one has ended.")


@app.command("verify")
def verify(
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="FILE",
            help="The request as HTTP has it, or, with --header, its body alone. Without it: standard input.",
            show_default=False,
        ),
    ] = None,
    secret: Annotated[
        str | None,
        typer.Option(
            envvar="LEGATO_WEBHOOK_SECRET",
            metavar="whsec_…",
            help="The endpoint's secret: checks the Standard Webhooks headers.",
            show_default=False,
        ),
    ] = None,
    signature_secret_file: Annotated[
        Path | None,
        typer.Option(
            help="File of the account's signature secret: checks the token in Authorization.", show_default=False
        ),
    ] = None,
    header: Annotated[
        list[str] | None,
        typer.Option("--header", "-H", help='A header of it, "name: value"; may be given again.', show_default=False),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check the signatures of a request that was captured. Asks no server; ends with 1 when a check fails."""
    from legato.cli.captured import captured, verified
    from legato.cli.output import print_json, print_table

    checks = verified(captured(file, header or []), secret, signature_secret_file)
    if as_json:
        print_json([{"about": each.about, "passed": each.passed, "text": each.told} for each in checks])
    else:
        rows = [("ok" if each.passed else "error", each.about, each.told) for each in checks]
        print_table(("", "WHAT", "FINDING"), rows)
    if not all(each.passed for each in checks):
        raise typer.Exit(1)


# -- what they share --------------------------------------------------------------------------------------------------


def _path(asked: Asking, endpoint: str | None) -> str:
    return f"/v1/webhooks/{quote(endpoint or asked.application_id, safe='')}"


def _past(
    asked: Asking, path: str, name: str, lines: int, query: dict[str, str] | None = None
) -> Iterator[dict[str, Any]]:
    """So many of what was, the newest first, page by page."""
    query = dict(query or {})
    while lines > 0:
        query["page_size"] = str(min(lines, _PAGE))
        answer = asked("GET", f"{path}?{urlencode(query)}")
        found = answer["_embedded"][name]
        yield from found
        lines -= len(found)
        if "before" not in answer:
            return
        query["before"] = str(answer["before"])


def _since(asked: Asking, path: str, last: int) -> list[dict[str, Any]]:
    """Attempts that were written down after ``last``, the oldest first."""
    fresh = []
    for attempt in _past(asked, path, "attempts", MAX_LINES):
        if attempt["id"] <= last:
            break
        fresh.append(attempt)
    return fresh[::-1]


def _print_endpoint(endpoint: dict[str, Any], as_json: bool) -> None:
    from legato.cli.output import print_json, print_table

    if as_json:
        print_json(endpoint)
        return
    backlog = endpoint["backlog"]
    rows = [
        ("id", endpoint["id"]),
        ("URL", f"{endpoint['method']} {endpoint['url']}"),
        ("state", endpoint["state"]),
        ("why", _why(endpoint)),
        ("waits until", endpoint.get("waits_until", "")),
        ("fails since", endpoint.get("failing_since", "")),
        ("last success", endpoint.get("succeeded_at", "")),
        ("backlog", f"{backlog['events']} events in {backlog['streams']} streams"),
        ("dead letters", str(endpoint["dead_letters"])),
        ("hears", " ".join(endpoint.get("event_mask") or ["everything"])),
        *(("secret", secret) for secret in endpoint["secrets"]),
        ("old secret until", endpoint.get("old_secret_until", "")),
    ]
    print_table(("WHAT", "VALUE"), [row for row in rows if row[1]])


def _print_attempt(attempt: dict[str, Any], as_json: bool) -> None:
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


_TEXT: Final = 200  # characters of an attempt on one line


def _status(attempt: dict[str, Any]) -> str:
    return str(attempt.get("status") or attempt.get("error"))


def _took(attempt: dict[str, Any]) -> str:
    return f"{attempt['seconds']:.3f} s"


def _why(endpoint: dict[str, Any]) -> str:
    return str(endpoint.get("why") or "")


def _again(letter: dict[str, Any]) -> str:
    return str(letter.get("replayed_at") or "")
