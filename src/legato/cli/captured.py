"""A webhook request that was captured: read as HTTP has it, and checked."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from legato.cli.problems import CommandError

if TYPE_CHECKING:
    from legato.webhooks import Check

MAX_CAPTURED: Final = 16 * 1024 * 1024  # bytes; a request of this server is a hundredth of it
_BLANK: Final = re.compile(rb"\r?\n\r?\n")


@dataclass(frozen=True, slots=True)
class Captured:
    """Header names in lower case, and the body's exact bytes."""

    headers: dict[str, str]
    body: bytes


def captured(file: Path | None, headers: Sequence[str]) -> Captured:
    """The request in a file, or on standard input: raw HTTP, or a body whose ``headers`` are given. CommandError."""
    content = _read(file)
    if headers:
        return Captured(_headers(headers), content)
    blank = _BLANK.search(content)
    if blank is None:
        raise CommandError("this is no HTTP request with its headers; give those with --header if it is a body alone")
    lines = content[: blank.start()].decode("latin-1").splitlines()
    # A request line is no header; what is captured by a program may come without one.
    begin = 1 if re.match(r"[A-Z]+ \S+ HTTP/", lines[0]) else 0
    named, body = _headers(lines[begin:]), content[blank.end() :]
    length = named.get("content-length", "")
    if length.isdigit():
        if len(body) < int(length):
            raise CommandError(f"the body is cut: {len(body)} of its {length} bytes are there")
        body = body[: int(length)]  # an editor ends a file with a line break of its own
    return Captured(named, body)


def verified(request: Captured, secret: str | None, signature_secret_file: Path | None) -> list[Check]:
    """What each check comes to, for the secrets that are given. Raises CommandError."""
    from legato.events.moment import SystemClock
    from legato.webhooks import check_bearer, check_standard, read_secret

    if secret is None and signature_secret_file is None:
        raise CommandError("give what to check with: --secret, --signature-secret-file, or both")
    checks: list[Check] = []
    if secret is not None:
        try:
            known = read_secret(secret)
        except ValueError as error:
            raise CommandError(f"--secret is not an endpoint's: one {error}") from error
        checks += check_standard(request.headers, request.body, known, SystemClock().now())
    if signature_secret_file is not None:
        text = _read(signature_secret_file).decode(errors="replace").strip()
        checks += check_bearer(request.headers, request.body, text)
    return checks


def _read(file: Path | None) -> bytes:
    try:
        if file is None or str(file) == "-":
            return sys.stdin.buffer.read(MAX_CAPTURED)
        with file.open("rb") as opened:
            return opened.read(MAX_CAPTURED)
    except OSError as error:
        raise CommandError(f"{file} cannot be read: {error.strerror}") from error


def _headers(lines: Sequence[str]) -> dict[str, str]:
    found = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon:
            raise CommandError(f"{line!r} is not a header: it has no colon")
        found[name.strip().lower()] = value.strip()
    return found
