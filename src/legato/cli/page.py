"""The commands for people: the documentation's page, made from what Typer knows. ``make reference`` writes it."""

from __future__ import annotations

import inspect
import re
import sys
import types
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import typer
from typer.models import ArgumentInfo, OptionInfo

from legato.cli.root import app

_HEAD: Final = """# Commands

Every command, made from the commands themselves; each says the same with `--help`.

Results go to standard output, remarks and errors to standard error. The exit status is 0 when all is well, 1 when it is
not, 2 when the command was not understood. Piped, there are no colours. A command reads the
[settings](../configuration.md) that the server reads.
"""
_HEADING: Final = "## What many commands take"
_ANCHOR: Final = "what-many-commands-take"
_MANY: Final = 5
_TYPES: Final = {str: "text", int: "integer", float: "number", Path: "file"}


@dataclass(frozen=True, slots=True)
class Command:
    """Something that can be typed. ``function`` is None for a group of commands."""

    name: str
    help: str
    function: Callable[..., Any] | None

    def parameters(self) -> Iterator[tuple[str, Any, Any, OptionInfo | ArgumentInfo]]:
        """Name, type, default and description of each argument and option."""
        if self.function is None:
            return
        hints = get_type_hints(self.function, include_extras=True)
        for name, parameter in inspect.signature(self.function).parameters.items():
            if get_origin(hints[name]) is Annotated:
                kind, described = get_args(hints[name])[:2]
                if not described.hidden:
                    yield name, kind, parameter.default, described


def commands(group: typer.Typer = app, before: str = "legato") -> Iterator[Command]:
    """Every command and every group of them, as they are listed by ``--help``."""
    for each in group.registered_commands:
        if each.callback is not None:
            name = each.name or each.callback.__name__.replace("_", "-")
            yield Command(f"{before} {name}", _line(each.help or each.callback.__doc__), each.callback)
    for sub in group.registered_groups:
        if sub.typer_instance is not None:
            info = sub.typer_instance.info
            yield Command(f"{before} {info.name}", _line(str(info.help)), None)
            yield from commands(sub.typer_instance, f"{before} {info.name}")


def page() -> str:
    """The page, in Markdown."""
    listed = list(commands())
    seen = Counter(row for command in listed for row in _rows(command))
    shared = [row for row, times in seen.items() if times >= _MANY]
    options = "\n".join((_HEADING, "", "| | value | |", "|---|---|---|", *shared, ""))
    return "\n".join((_HEAD, options, *(_section(command, shared) for command in listed)))


def _rows(command: Command) -> list[str]:
    return [f"| {_names(*one)} | {_value(*one)} | {_line(one[3].help)} |" for one in command.parameters()]


def _section(command: Command, shared: list[str]) -> str:
    heading = f"{'##' if command.name.count(' ') == 1 else '###'} {command.name}"
    parts = [heading, command.help]
    if command.function is not None:
        arguments = [_argument(one) for one in command.parameters() if isinstance(one[3], ArgumentInfo)]
        rows = _rows(command)
        usage = [command.name, *arguments, *(["[OPTIONS]"] if len(rows) > len(arguments) else [])]
        parts.append(f"```sh\n{' '.join(usage)}\n```")
        own = [row for row in rows if row not in shared]
        if own:
            parts.append("\n".join(("| | value | |", "|---|---|---|", *own)))
        common = [row.split(" | ")[0].removeprefix("| ") for row in rows if row in shared]
        if common:
            parts.append(f"{'And' if own else 'Takes'} [what many commands take](#{_ANCHOR}): {', '.join(common)}.")
    return "\n\n".join(parts) + "\n"


def _argument(parameter: tuple[str, Any, Any, Any]) -> str:
    name, _kind, default, described = parameter
    shown = described.metavar or name.upper()
    return shown if default is inspect.Parameter.empty else f"[{shown}]"


def _names(name: str, kind: Any, _default: Any, described: OptionInfo | ArgumentInfo) -> str:
    if isinstance(described, ArgumentInfo):
        return f"`{described.metavar or name.upper()}`"
    dashed = name.replace("_", "-")
    # In Annotated, Typer keeps the first name where a default would be.
    spelt = [each for each in (described.default, *(described.param_decls or ())) if isinstance(each, str)]
    if not spelt:
        spelt = [f"--{dashed}/--no-{dashed}" if kind is bool else f"--{dashed}"]
    return ", ".join(f"`{each}`" for each in "/".join(spelt).split("/"))


def _value(_name: str, kind: Any, default: Any, described: OptionInfo | ArgumentInfo) -> str:
    """What it takes, what is taken without it, and the variable that can say it instead."""
    said = [] if kind is bool else [_bounded(kind, described)]
    if default is inspect.Parameter.empty:
        said.append("must be there")
    elif described.show_default and default not in (None, False):
        said.append("so without it" if default is True else f"`{default}` without it")
    if described.envvar:
        said.append(f"or `{described.envvar}`")
    return ", ".join(said) or "–"


def _bounded(kind: Any, described: OptionInfo | ArgumentInfo) -> str:
    if get_origin(kind) in (Union, types.UnionType):
        kind = next(each for each in get_args(kind) if each is not type(None))
    if get_origin(kind) is list:
        (kind,) = get_args(kind)
    if get_origin(kind) is Literal or hasattr(kind, "__members__"):
        choices = get_args(kind) or tuple(each.value for each in kind)
        return " or ".join(f"`{each}`" for each in choices)
    bounds = (("from", described.min), ("to", described.max))
    shown = f"`{described.metavar}`" if described.metavar and isinstance(described, OptionInfo) else _TYPES[kind]
    return " ".join((shown, *(f"{word} {bound:g}" for word, bound in bounds if bound is not None)))


def _line(said: str | None) -> str:
    """A docstring's or an option's words in one line of Markdown."""
    text = re.sub(r"\s+", " ", (said or "").replace("``", "`").replace("\b", "")).strip()
    return re.sub(r'(\{".*\}\})', r"`\1`", text).replace("|", "\\|")


def main() -> None:
    """Print a page: ``commands`` or ``rest``."""
    from legato import __version__
    from legato.api.openapi import openapi
    from legato.api.page import page as rest
    from legato.cli.spec import rooms

    sys.stdout.write(page() if sys.argv[1] == "commands" else rest(openapi(rooms(), version=__version__)))


if __name__ == "__main__":
    main()
