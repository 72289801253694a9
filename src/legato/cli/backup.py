"""``legato backup`` and ``legato restore``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from legato.cli.options import JsonOption

if TYPE_CHECKING:
    from legato.operations.archive import Manifest


def backup(
    target: Annotated[
        Path,
        typer.Argument(metavar="DIRECTORY|FILE", help="Where to: a directory, or a new file.", show_default=False),
    ],
    as_json: JsonOption = False,
) -> None:
    """Write one archive of database, files and private keys, as they are now. A server may run meanwhile."""
    from legato.cli.output import note, print_json, print_line
    from legato.cli.problems import CommandError
    from legato.config import load
    from legato.operations.archive import ArchiveError
    from legato.operations.backup import back_up

    try:
        made = back_up(load(), target)
    except ArchiveError as error:
        raise CommandError(f"no backup was made: {error}") from error
    if as_json:
        print_json({"path": str(made.path), **_facts(made.manifest)})
    else:
        print_line(str(made.path))
        note(f"{_told(made.manifest)}. It holds secrets: keep it like the server's own disk.")
    if made.manifest.missing:
        note(
            f"The database names {made.manifest.missing} files whose bytes are not in `files`, and did not lose them"
            " now: look for them in an older backup."
        )


def restore(
    archive: Annotated[Path, typer.Argument(metavar="ARCHIVE", help="What `legato backup` wrote.", show_default=False)],
    replace: Annotated[bool, typer.Option("--replace", help="What is here goes.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Only see whether the archive is whole.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make this installation what it was when ARCHIVE was written. No server may run on it."""
    from legato.cli.output import note, print_json
    from legato.cli.problems import CommandError
    from legato.config import load
    from legato.operations.archive import ArchiveError
    from legato.operations.restore import check_archive
    from legato.operations.restore import restore as make_from

    try:
        manifest = check_archive(archive) if check else make_from(load(), archive, replace=replace)
    except ArchiveError as error:
        raise CommandError(str(error)) from error
    if as_json:
        print_json(_facts(manifest))
    else:
        note(f"{_told(manifest)}. {'The archive is whole.' if check else 'Restored.'}")


def _facts(manifest: Manifest) -> dict[str, Any]:
    import msgspec

    return dict(msgspec.to_builtins(manifest))


def _told(manifest: Manifest) -> str:
    return (
        f"{manifest.made_at}, Legato {manifest.legato}, {manifest.store} at revision {manifest.revision}:"
        f" {manifest.rows.get('events', 0)} events, {manifest.files} files ({manifest.file_bytes} bytes),"
        f" {manifest.keys} private keys"
    )
