"""What stands under ``deploy/`` can be run as it is."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from configparser import RawConfigParser
from pathlib import Path

import msgspec
import pytest
from tests.conftest import missing

from legato.cli.root import app
from legato.config import load, unknown_variables
from legato.serving import DRAIN_SECONDS
from legato.testing.server import Server

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "deploy/legato.service"
CONTAINERFILE = ROOT / "deploy/Containerfile"


class Unit(RawConfigParser):
    """A unit file, as far as no key that is looked at stands in it twice."""

    def __init__(self) -> None:
        super().__init__(strict=False, comment_prefixes=("#",), delimiters=("=",))
        self.read_string(UNIT.read_text())

    def optionxform(self, optionstr: str) -> str:
        return optionstr


@pytest.fixture
def service() -> dict[str, str]:
    """The unit's section about the process."""
    return dict(Unit()["Service"])


def instructions() -> list[tuple[str, str]]:
    """The container file's instructions with what follows them, lines put together."""
    text = re.sub(r"^#.*\n", "", CONTAINERFILE.read_text(), flags=re.MULTILINE)
    lines = [line for line in re.sub(r"\\\n\s*", "", text).splitlines() if line]
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in lines)]


def the(name: str) -> str:
    """What follows an instruction that stands once in the last stage."""
    stage = instructions()
    last = max(place for place, (kind, _) in enumerate(stage) if kind == "FROM")
    (found,) = [rest for kind, rest in stage[last:] if kind == name]
    return found


def test_the_unit_waits_for_longer_than_the_server_takes_to_stop(service: dict[str, str]) -> None:
    assert int(service["TimeoutStopSec"]) > 2 * DRAIN_SECONDS


def test_the_unit_allows_as_many_files_as_the_defaults_want(service: dict[str, str]) -> None:
    assert int(service["LimitNOFILE"]) >= load().max_files


def test_the_unit_gives_the_server_one_directory(service: dict[str, str]) -> None:
    place = f"/var/lib/{service['StateDirectory']}"
    assert service["WorkingDirectory"] == place
    assert service["Environment"] == f"LEGATO_DATA_DIR={place}"
    assert (service["DynamicUser"], service["ProtectSystem"]) == ("yes", "strict")


def test_the_unit_starts_the_server_again_when_it_ends_by_itself(service: dict[str, str]) -> None:
    assert service["Restart"] == "on-failure"
    assert service["ExecStart"].split()[1:] == ["serve"]


@pytest.fixture
def analyze() -> str:
    """``systemd-analyze``."""
    found = shutil.which("systemd-analyze")
    if found is None:
        missing("systemd is needed to look at the unit: run scripts/install-peers")
    return str(found)


def test_systemd_understands_every_line_of_the_unit(analyze: str, tmp_path: Path) -> None:
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text().replace("/opt/legato/bin/legato", "/bin/true"))
    ran = subprocess.run([analyze, "verify", "--man=no", str(copy)], capture_output=True, text=True, check=False)
    said = [line for line in (ran.stdout + ran.stderr).splitlines() if UNIT.name in line]
    assert (ran.returncode, said) == (0, [])


def test_systemd_finds_the_server_well_confined(analyze: str) -> None:
    ran = subprocess.run(
        [analyze, "security", "--offline=true", "--threshold=20", "--no-pager", str(UNIT)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout[-400:] + ran.stderr  # 2.0 of 10, where 10 is not confined at all


def test_hadolint_finds_nothing_in_the_container_file(tmp_path: Path) -> None:
    ran = subprocess.run(
        [Path(sys.executable).with_name("hadolint"), "--no-color", "--failure-threshold", "style", CONTAINERFILE],
        env={"HOME": str(tmp_path)},  # and nobody's own rules
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


def test_the_image_runs_as_nobody_in_particular() -> None:
    assert the("USER").isdigit()
    assert int(the("USER")) > 0


def test_the_image_is_small_named_by_version_and_built_from_a_wheel() -> None:
    bases = [rest.split()[0] for name, rest in instructions() if name == "FROM"]
    assert len(bases) == 2
    (base,) = set(bases)
    version = re.fullmatch(r"docker\.io/library/python:(3\.\d+)-slim", base)
    assert version is not None
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"Programming Language :: Python :: {version[1]}" in project["classifiers"]
    assert ".whl" in the("RUN") or "/wheels" in the("RUN")


def test_the_image_is_built_with_extras_that_there_are() -> None:
    (named,) = re.findall(r"--build-arg EXTRAS=(\S+)", CONTAINERFILE.read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(named.split(",")) <= set(project["optional-dependencies"])
    assert '".${EXTRAS:+[$EXTRAS]}"' in next(rest for name, rest in instructions() if name == "RUN").split()


def test_the_image_copies_what_is_there_and_everything_the_wheel_is_made_of() -> None:
    copied = {source for name, rest in instructions() if name == "COPY" for source in rest.split()[:-1]}
    assert all((ROOT / source).exists() for source in copied)
    config = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = config["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {"pyproject.toml", config["project"]["readme"], *config["project"]["license-files"], "src"}
    assert copied == needed | set(wheel["force-include"])


def test_the_image_answers_the_health_check_on_its_port() -> None:
    settings = load()
    check = the("HEALTHCHECK")
    assert f"or {settings.port}}}/health/live" in check.replace("\\", "")
    assert the("EXPOSE") == str(settings.port)


@pytest.mark.parametrize("path", ["/health/live", "/health/none"])
def test_the_health_check_of_the_image_asks_the_server(server: Server, path: str) -> None:
    program, *arguments = msgspec.json.decode(the("HEALTHCHECK").partition(" CMD ")[2])
    assert program == "python"
    arguments[-1] = arguments[-1].replace("/health/live", path)
    ran = subprocess.run(
        [sys.executable, *arguments], env={"LEGATO_PORT": str(server.port)}, capture_output=True, check=False
    )
    assert (ran.returncode == 0) is (path == "/health/live")


def test_the_image_serves_and_keeps_its_data_in_a_volume() -> None:
    given = dict(pair.split("=", 1) for pair in the("ENV").split())
    assert unknown_variables(given) == []
    assert the("VOLUME") == the("WORKDIR") == given["LEGATO_DATA_DIR"]
    assert (the("ENTRYPOINT"), the("CMD")) == ('["legato"]', '["serve"]')
    assert "serve" in {command.name for command in app.registered_commands}
    assert the("STOPSIGNAL") == "SIGTERM"
