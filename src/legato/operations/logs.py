"""What the server says: one line for each thing worth knowing, on standard error.

::

    logging.getLogger(…) ─▶ structlog's formatter ─┬─ json    {"time": …, "level": …, "logger": …, "event": …}
    of every room                                  └─ text    for people who look at a terminal

Everything that is logged while a REST request is handled carries its ``request_id``. Nothing is logged for a request
that goes well, nor for a delivery.
"""

from __future__ import annotations

import logging
import sys
from typing import Final, Literal

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from legato.api import request_id

Form = Literal["json", "text"]

# The fields of a line, in this order; then whatever else there is (`exception`).
FIELDS: Final = ("time", "level", "logger", "event", "request_id")


def set_up(level: str, form: Form) -> None:
    """From now on everything that is logged in this process goes to standard error in that form.

    Libraries are never heard below ``info``: at ``debug`` some quote what they were given, which may be a token.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter(form, colours=sys.stderr.isatty()))
    wanted = logging.getLevelNamesMapping()[level.upper()]
    logging.basicConfig(level=max(wanted, logging.INFO), handlers=[handler], force=True)
    logging.getLogger("legato").setLevel(wanted)
    # What it says at every start; that it changes a schema is worth knowing.
    migrations = logging.getLogger("alembic.runtime.migration")
    migrations.addFilter(lambda record: not str(record.msg).startswith(("Context impl", "Will assume")))
    logging.captureWarnings(True)


def formatter(form: Form, *, colours: bool = False) -> logging.Formatter:
    """Writes records of the standard library's loggers in that form, each on a line of its own in JSON.

    Tracebacks are plain in both: those that show the values of variables would show texts and tokens.
    """
    render: Processor
    if form == "json":
        render = structlog.processors.JSONRenderer()
    else:
        render = structlog.dev.ConsoleRenderer(
            colors=colours,
            timestamp_key="time",
            exception_formatter=structlog.dev.plain_traceback,
        )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            _add_request_id,
            structlog.processors.format_exc_info,
        ],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _arrange, render],
    )


def _add_request_id(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    found = request_id.current()
    if found is not None:
        line["request_id"] = found
    return line


def _arrange(_logger: WrappedLogger, _method: str, line: EventDict) -> EventDict:
    return {name: line.pop(name) for name in FIELDS if name in line} | dict(line)
