"""The documents say what is there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from typer.main import get_command

from legato import __version__
from legato.api.openapi import openapi
from legato.api.operations import EXAMPLES, operations
from legato.api.page import page
from legato.cli.page import page as command_page
from legato.cli.root import app
from legato.cli.spec import rooms

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted({*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "clients").rglob("*.md")})
DEFAULTS = tomllib.loads((ROOT / "src/legato/legato.default.toml").read_text())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OPENAPI = openapi(rooms(), version=__version__)


def rows(document: str) -> dict[str, list[str]]:
    """The tables' rows by the name in their first cell."""
    found = re.findall(r"^\| `([^`]+)` \| (.*) \|$", (ROOT / document).read_text(), re.MULTILINE)
    return {name: rest.split(" | ") for name, rest in found}


def test_every_setting_has_its_line_and_its_default() -> None:
    shown = {name: cells[0] for name, cells in rows("docs/configuration.md").items()}
    written = {}
    for name, default in DEFAULTS.items():
        text = {True: "true", False: "false"}.get(default, default) if isinstance(default, bool) else default
        quoted = f'"{default}"' if isinstance(default, str) else text
        written[name] = "not set" if default == "" else f"`{quoted}`"
    assert shown == written


def test_every_dependency_has_its_reason() -> None:
    extras = [one for extra in PROJECT["optional-dependencies"].values() for one in extra]
    needed = {re.split(r"[><=]", one)[0] for one in (*PROJECT["dependencies"], *extras)}
    own = {f"{PROJECT['name']}[{extra}]" for extra in PROJECT["optional-dependencies"]}
    assert set(rows("docs/design/dependencies.md")) == needed - own


def test_the_reference_of_requests_is_the_openapi_document() -> None:
    assert (ROOT / "docs/reference/rest.md").read_text(encoding="utf-8") == page(OPENAPI), "make reference"


def test_the_reference_of_commands_is_what_can_be_typed() -> None:
    assert (ROOT / "docs/reference/commands.md").read_text(encoding="utf-8") == command_page(), "make reference"


def test_every_request_is_in_the_reference_with_a_body_that_its_schema_takes() -> None:
    text = (ROOT / "docs/reference/rest.md").read_text(encoding="utf-8")
    for each in operations(OPENAPI):
        assert f"`{each.method} {each.rest}` |" in text
        content = each.said.get("requestBody", {}).get("content", {})
        if each.available and "application/json" in content:
            schema = {**content["application/json"].get("schema", {}), "components": OPENAPI["components"]}
            if each.generation not in ("v0.1", "v0.2"):  # whose forms are older; the examples are of the newest
                Draft202012Validator(schema).validate(EXAMPLES[each.summary])
    assert set(EXAMPLES) <= {each.summary for each in operations(OPENAPI)}


def test_every_command_of_the_program_is_in_the_reference() -> None:
    text = (ROOT / "docs/reference/commands.md").read_text(encoding="utf-8")
    named = {name for command in get_command(app).commands.items() for name in names_of(*command)}
    assert {name for name in named if not re.search(rf"^##+ legato {name}$", text, re.MULTILINE)} == set()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(document: Path) -> None:
    text = re.sub(r"```.*?```", "", document.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        linked = (document.parent / path).resolve() if path else document
        assert linked.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", linked.read_text(), re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}, target


def test_every_decision_is_listed() -> None:
    records = {path.name for path in (ROOT / "docs/decisions").glob("0*.md")}
    assert records == set(re.findall(r"\]\((0[^)]+)\)", (ROOT / "docs/decisions/README.md").read_text()))


def test_every_promise_has_a_test_of_its_number() -> None:
    page = (ROOT / "docs/design/architecture.md").read_text().partition("\n## Promises\n")[2]
    promised = re.findall(r"^\| (\d+) \|", page, re.MULTILINE)
    tests = (ROOT / "tests/e2e/test_promises.py").read_text()
    assert promised
    assert set(promised) == set(re.findall(r"def test_(\d+)_", tests))


def names_of(name: str, command: Any) -> list[str]:
    """A command and those below it, as Typer itself has them."""
    below = getattr(command, "commands", {}).items()
    return [name, *(f"{name} {last}" for first, each in below for last in names_of(first, each))]


def test_every_command_is_in_the_changelog_or_the_readme() -> None:
    text = (ROOT / "README.md").read_text() + (ROOT / "CHANGELOG.md").read_text()
    commands = getattr(get_command(app), "commands", {})
    assert commands
    assert {name for name in commands if not re.search(rf"`(legato )?{name}\b", text)} == set()
