"""``legato listen``: a server's events on a laptop, as a webhook there would get them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from legato.cli.options import ApplicationOption, KeyOption, ServerOption

if TYPE_CHECKING:
    from collections.abc import Iterator

    from legato.cli.asking import Asking
    from legato.outbound import Outbound

# Three of the server's heartbeats.
SILENCE_SECONDS: Final = 45.0
RECONNECT_SECONDS: Final = 1.0
CONNECT_SECONDS: Final = 3.0
# More patient than the server itself: the program may be stopped in a debugger.
ANSWER_SECONDS: Final = 60.0


def listen(
    forward_to: Annotated[
        str,
        typer.Option("--forward-to", metavar="URL", help="Where to post each event: on this machine, or beside it."),
    ],
    once: Annotated[
        int | None, typer.Option("--once", min=1, metavar="N", help="End after N events.", show_default=False)
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print each event as one line of JSON.")] = False,
    application: ApplicationOption = None,
    key: KeyOption = None,
    server: ServerOption = None,
) -> None:
    """Post a server's events to a program on this machine, as they happen and signed as an endpoint would get them.

    No endpoint is configured, and the server needs no way to this machine. Events are posted once, in order.

    What happens while nobody listens is not told. Needs a running server.
    """
    import asyncio

    from legato.cli.asking import asking
    from legato.cli.problems import CommandError
    from legato.outbound import Outbound, OutboundError, check_url

    try:
        check_url(forward_to)
    except OutboundError as error:
        raise CommandError(f"--forward-to is not a URL to post to: {error}") from error
    asked = asking(application, key, server)
    # The target is the one that whoever typed this has named: this machine, most of the time.
    outbound = Outbound(dangerous_allow_private_addresses=True)
    with asyncio.Runner() as runner:
        try:
            for number, heard in enumerate(_heard(asked, forward_to), 1):
                _print(heard, runner.run(_forward(outbound, forward_to, heard)), as_json)
                if number == once:
                    return
        finally:
            runner.run(outbound.close())


def _heard(asked: Asking, forward_to: str) -> Iterator[dict[str, Any]]:
    """Events for ever; says when there is a gap in them."""
    import time

    from legato.cli.client import AnswerError
    from legato.cli.output import note
    from legato.cli.problems import CommandError

    has_heard = False
    while True:
        why = "the connection ended"
        try:
            for line in _lines(asked):
                if "secret" in line:
                    note(f"Forwarding to {forward_to}, signed with {line['secret']}")
                    has_heard = True
                elif "end" in line:
                    why = line["end"]
                else:
                    yield line
        except AnswerError as error:
            if not has_heard or error.status in (401, 403, 404):
                raise
            why = str(error)
        except CommandError as error:
            if not has_heard:
                raise
            why = str(error)
        note(f"Events are missed: {why}. Connecting again …")
        time.sleep(RECONNECT_SECONDS)


def _lines(asked: Asking) -> Iterator[dict[str, Any]]:
    import msgspec

    from legato.cli.problems import CommandError

    for line in asked.lines("/v1/webhooks/listen", silence=SILENCE_SECONDS):
        if line:  # an empty one says that the server is still there
            try:
                decoded: dict[str, Any] = msgspec.json.decode(line, type=dict)
            except msgspec.DecodeError as error:
                raise CommandError("the connection ended in the middle of an event") from error
            yield decoded


async def _forward(outbound: Outbound, url: str, heard: dict[str, Any]) -> tuple[int | None, float, str]:
    """The status of the answer if there was one, how long it took, and what there was instead."""
    import time

    from legato.outbound import OutboundError

    begun = time.perf_counter()
    try:
        answer = await outbound.request(
            "POST",
            url,
            headers=heard["headers"],
            body=heard["body"].encode(),
            connect_seconds=CONNECT_SECONDS,
            total_seconds=ANSWER_SECONDS,
        )
    except OutboundError as failure:
        return None, time.perf_counter() - begun, str(failure)
    return answer.status, answer.seconds, answer.body.decode(errors="replace") if answer.status >= 300 else ""


def _print(heard: dict[str, Any], outcome: tuple[int | None, float, str], as_json: bool) -> None:
    """One line, of the form of ``legato webhooks tail``."""
    import msgspec

    from legato.cli.output import print_line
    from legato.cli.webhooks import line_of

    status, seconds, said = outcome
    told: dict[str, Any] = {"webhook_id": heard["webhook_id"], "event_type": heard["type"], "seconds": seconds}
    if status is not None:
        told["status"] = status
    if said:
        told["error" if status is None else "answer"] = said
    if as_json:
        print_line(msgspec.json.encode(told).decode())
        return
    print_line(line_of({"at": msgspec.json.decode(heard["body"])["timestamp"], **told}))
