"""What a line of the log looks like."""

from __future__ import annotations

import logging
import sys
from contextvars import copy_context
from datetime import datetime, timedelta

import msgspec
import pytest

from legato.api import request_id
from legato.operations.logs import FIELDS, formatter

SECRET = "the text of a message"


def record(event: str = "%s happened", *arguments: object, level: int = logging.WARNING) -> logging.LogRecord:
    return logging.LogRecord("legato.log.log", level, __file__, 1, event, arguments or ("it",), None)


def broken(secret: str) -> logging.LogRecord:
    """A record with a traceback through a frame whose variables hold ``secret``."""
    made = record()
    try:
        raise ValueError("without its value")
    except ValueError:
        made.exc_info = sys.exc_info()
    return made


def test_a_line_is_one_json_object_with_its_fields_in_order() -> None:
    line = formatter("json").format(record())
    said = msgspec.json.decode(line)
    assert tuple(said) == tuple(name for name in FIELDS if name != "request_id")
    assert (said["level"], said["logger"], said["event"]) == ("warning", "legato.log.log", "it happened")
    assert datetime.fromisoformat(said["time"]).utcoffset() == timedelta()


@pytest.mark.parametrize("form", ["json", "text"])
def test_what_is_logged_while_a_request_is_handled_carries_its_id(form: str) -> None:
    def handle() -> str:
        request_id.begin({"headers": [(b"x-request-id", b"req-7")]})
        return formatter(form).format(record())  # type: ignore[arg-type] # one of the two

    assert "req-7" in copy_context().run(handle)


def test_an_event_stays_on_its_line() -> None:
    line = formatter("json").format(record('%s\n{"level": "error"}\u2028', "it"))
    assert line.isascii()
    assert len(line.splitlines()) == 1


@pytest.mark.parametrize("form", ["json", "text"])
def test_a_traceback_shows_where_and_no_variable(form: str) -> None:
    line = formatter(form).format(broken(SECRET))  # type: ignore[arg-type] # one of the two
    assert "ValueError: without its value" in line
    assert "in broken" in line
    assert SECRET not in line


def test_a_traceback_is_a_field_of_its_line() -> None:
    line = formatter("json").format(broken(SECRET))
    assert "\n" not in line
    assert msgspec.json.decode(line)["exception"].startswith("Traceback")


def test_text_is_without_colours_unless_they_are_wanted() -> None:
    assert "\x1b[" not in formatter("text").format(record())
    assert "\x1b[" in formatter("text", colours=True).format(record())
