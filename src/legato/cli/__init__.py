"""The command line. Commands import what they need when they run, so that ``legato --help`` is quick."""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs one command: those of the process unless given. Ends the process, with 1 and a sentence when it fails."""
    from legato.cli.problems import told
    from legato.cli.root import app

    try:
        app(args=None if arguments is None else list(arguments), prog_name="legato")
    except KeyboardInterrupt:
        sys.exit(130)  # 128 + SIGINT, as shells have it
    except BrokenPipeError:
        sys.exit(141)  # whoever read our output has gone; 128 + SIGPIPE
    except Exception as error:
        sentence = told(error)
        if sentence is None:
            raise
        print(f"legato: {sentence}", file=sys.stderr)
        sys.exit(1)
