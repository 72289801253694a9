"""The documents say what is there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted({*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "clients").rglob("*.md")})
DEFAULTS = tomllib.loads((ROOT / "src/legato/legato.default.toml").read_text())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


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
    def name(requirement: str) -> str:
        return re.split(r"[><=]", requirement)[0]

    needed = {name(one) for one in [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["test"]]}
    assert set(rows("docs/design/dependencies.md")) == needed


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


def test_every_command_is_in_the_changelog_or_the_readme() -> None:
    from typer.main import get_command

    from legato.cli.root import app

    text = (ROOT / "README.md").read_text() + (ROOT / "CHANGELOG.md").read_text()
    commands = getattr(get_command(app), "commands", {})
    assert commands
    assert {name for name in commands if not re.search(rf"`(legato )?{name}\b", text)} == set()
