"""``legato webhooks dead-letters`` and ``replay``: what was given up, and sending it again."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from legato.cli.options import ApplicationOption, JsonOption, KeyOption, ServerOption
from legato.cli.webhooks.arguments import EndpointArgument, LinesOption, path_of, read_past


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

    asked = asking(application, key, server, endpoint)
    found = list(read_past(asked, f"{path_of(asked, endpoint)}/dead-letters", "dead_letters", lines))
    if as_json:
        print_json(found)
        return
    rows = [
        (str(each["id"]), each["at"], each["event_type"], each["webhook_id"], each["reason"], _again(each))
        for each in found
    ]
    print_table(("ID", "AT", "TYPE", "WEBHOOK ID", "WHY", "SENT AGAIN"), rows)


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
    """Send events again, in their order and each under the id it had: dead letters, or part of a conversation.

    At most 10,000 at a time: the oldest dead letters since a time, and it says how many remain.
    """
    from legato.cli.asking import asking
    from legato.cli.output import note, print_json
    from legato.cli.problems import CommandError

    if sum((bool(letters), since is not None, conversation is not None)) != 1:
        raise CommandError("say what to send again with one of --dead-letter, --since and --conversation")
    if conversation is None and (first is not None or last is not None):
        raise CommandError("--from and --to are of a conversation: name it with --conversation")
    asked = asking(application, key, server, endpoint)
    wanted = {
        "dead_letters": letters or None,
        "since": since,
        "conversation_id": conversation,
        "start_id": first,
        "end_id": last,
    }
    body = {name: value for name, value in wanted.items() if value is not None}
    answer = asked("POST", f"{path_of(asked, endpoint)}/replay", body)
    if as_json:
        print_json(answer)
    else:
        note(f"{answer['events']} events are being sent again.")
    if remaining := answer.get("remaining"):
        note(f"{remaining} more were given up since then: give the same command again to send them, too.")


def _again(letter: dict[str, Any]) -> str:
    return str(letter.get("replayed_at") or "")
