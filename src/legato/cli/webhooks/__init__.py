"""``legato webhooks``: how an application's endpoints fare, what was sent to them, and all of it again."""

from __future__ import annotations

import typer

from legato.cli.webhooks import attempts, dead_letters, endpoints, verifying
from legato.cli.webhooks.attempts import line_of

__all__ = ["app", "line_of"]

app = typer.Typer(
    name="webhooks",
    help="Webhooks of an application: its endpoints, what they were sent, and all of it again. "
    "Needs a running server, except for `verify`.",
    no_args_is_help=True,
)

# In the order in which the help lists them.
app.command("list")(endpoints.list_)
app.command("show")(endpoints.show)
app.command("attempts")(attempts.attempts)
app.command("tail")(attempts.tail)
app.command("dead-letters")(dead_letters.dead_letters)
app.command("replay")(dead_letters.replay)
app.command("pause")(endpoints.pause)
app.command("resume")(endpoints.resume)
app.command("test")(endpoints.try_out)
app.command("rotate-secret")(endpoints.rotate_secret)
app.command("verify")(verifying.verify)
