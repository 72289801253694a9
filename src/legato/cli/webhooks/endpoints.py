"""``legato webhooks list``, ``show``, ``pause``, ``resume``, ``test``, ``rotate-secret``: the endpoints themselves."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from legato.cli.options import ApplicationOption, JsonOption, KeyOption, ServerOption
from legato.cli.webhooks.arguments import EndpointArgument, path_of
from legato.cli.webhooks.attempts import print_attempt


def list_(
    application: ApplicationOption = None,
    key: KeyOption = None,
    server: ServerOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the endpoints: the application's own, and those of conversations with a callback."""
    from legato.cli.asking import asking
    from legato.cli.output import print_json, print_table

    asked, found, query = asking(application, key, server), [], ""
    while True:
        page = asked("GET", f"/v1/webhooks{query}")
        found += page["_embedded"]["endpoints"]
        if "cursor" not in page:
            break
        query = f"?cursor={page['cursor']}"
    if as_json:
        print_json(found)
        return
    rows = [
        (
            each["id"],
            each["url"],
            each["state"],
            str(each["backlog"]["events"]),
            str(each["dead_letters"]),
            _why(each),
        )
        for each in found
    ]
    print_table(("ID", "URL", "STATE", "BACKLOG", "DEAD LETTERS", "WHY"), rows)


def show(
    endpoint: EndpointArgument = None,
    application: ApplicationOption = None,
    key: KeyOption = None,
    server: ServerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show an endpoint: its health, what waits for it, and the secrets it checks signatures with."""
    from legato.cli.asking import asking

    asked = asking(application, key, server, endpoint)
    _print_endpoint(asked("GET", path_of(asked, endpoint)), as_json)


def pause(
    endpoint: EndpointArgument = None,
    application: ApplicationOption = None,
    key: KeyOption = None,
    server: ServerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Send an endpoint nothing for now. What happens meanwhile waits."""
    from legato.cli.asking import asking

    asked = asking(application, key, server, endpoint)
    _print_endpoint(asked("POST", f"{path_of(asked, endpoint)}/pause"), as_json)


def resume(
    endpoint: EndpointArgument = None,
    application: ApplicationOption = None,
    key: KeyOption = None,
    server: ServerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Go on sending to an endpoint that was paused, was disabled, or is being waited for."""
    from legato.cli.asking import asking

    asked = asking(application, key, server, endpoint)
    _print_endpoint(asked("POST", f"{path_of(asked, endpoint)}/resume"), as_json)


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

    asked = asking(application, key, server, endpoint)
    attempt = asked("POST", f"{path_of(asked, endpoint)}/test", {"type": type_})
    print_attempt(attempt, as_json)
    if not 200 <= attempt.get("status", 0) < 300:
        raise typer.Exit(1)


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

    asked = asking(application, key, server, endpoint)
    made = asked("POST", f"{path_of(asked, endpoint)}/secret", {"overlap": overlap_hours * 3600})
    if as_json:
        print_json(made)
        return
    print_line(made["secret"])
    note(f"The old one signs as well for {overlap_hours:g} hours." if overlap_hours else "The old one has ended.")


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


def _why(endpoint: dict[str, Any]) -> str:
    return str(endpoint.get("why") or "")
