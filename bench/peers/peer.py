"""What Legato is measured beside: set up and started here, each driven by the same load client."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from bench.fleet import BUILD, Protocol, Session
from bench.process import ServerProcess, free_port

from legato.auth import CLIENT_ACL, KeyPair, generate, mint

HERE: Final = Path(__file__).parent
VENV: Final = BUILD / "peers"
PASSWORD: Final = "for-the-bench-only"

# (rooms, members of each, senders of each) → the sessions of a plan
Planner = Callable[[int, int, int], list[Session]]


class Running(NamedTuple):
    """A peer that listens."""

    server: ServerProcess
    plan: Planner


class Peer(NamedTuple):
    """``version`` asks the installed software; ``start`` gives an empty one, and its directory goes with it."""

    name: str
    durable: str
    protocol: Protocol
    install: Callable[[], None]
    version: Callable[[], str]
    start: Callable[[], AbstractContextManager[Running]]


def install_python_peers() -> None:
    """Their packages, in an environment of their own."""
    wanted = HERE / "requirements.txt"
    stamp = VENV / "installed.txt"
    if stamp.exists() and stamp.read_text() == wanted.read_text():
        return
    subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
    subprocess.run([VENV / "bin/pip", "install", "--quiet", "-r", wanted], check=True)
    stamp.write_text(wanted.read_text())


def _install_node_socketio() -> None:
    if (HERE / "node_modules/socket.io").exists():
        return
    if shutil.which("npm") is None:
        raise SystemExit("The bench's Node peer needs node and npm (Debian: apt-get install nodejs npm).")
    command = ["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--loglevel=error"]
    subprocess.run(command, cwd=HERE, check=True, stdout=subprocess.DEVNULL)


def _install_prosody() -> None:
    _install_debian("prosody")


def _install_debian(package: str) -> None:
    if shutil.which(package) is not None:
        return
    if os.geteuid() != 0:
        raise SystemExit(f"The bench measures beside {package}: apt-get install {package} (as root).")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}  # Debian: do not start the service
    subprocess.run(["apt-get", "update", "-qq"], check=True)
    install = ["apt-get", "install", "-qq", "-y", "--no-install-recommends", package]
    subprocess.run(install, check=True, env=quiet, stdout=subprocess.DEVNULL)


def _socketio_planner(keys: KeyPair) -> Planner:
    def plan(rooms: int, members: int, senders: int) -> list[Session]:
        sessions = []
        for room in range(rooms):
            for place in range(members):
                user = f"r{room}u{place}"
                token = mint(keys.private_key, "bench", sub=user, acl=CLIENT_ACL, claims={"room": f"room-{room}"})
                sessions.append(Session(room, False, place < senders, user, f"room-{room}", f"MEM-{user:0>36}", token))
        return sessions

    return plan


def _start_socketio(*command: str | Path, database: bool) -> Iterator[Running]:
    with TemporaryDirectory(dir=BUILD) as name:
        directory, port, keys = Path(name), free_port(), generate()
        (directory / "public.pem").write_text(keys.public_key)
        arguments = [*map(str, command), str(port), str(directory / "public.pem")]
        if database:
            arguments.append(str(directory / "chat.db"))
        with ServerProcess(arguments, port, directory / "log") as server:
            yield Running(server, _socketio_planner(keys))


@contextmanager
def python_socketio_pair() -> Iterator[tuple[ServerProcess, ServerProcess, Planner]]:
    """Two nodes of it with their Redis, all on the server's core; and the sessions they can have."""
    with TemporaryDirectory(dir=BUILD) as name:
        directory, keys = Path(name), generate()
        (directory / "public.pem").write_text(keys.public_key)
        redis = free_port()
        quiet = ["--save", "", "--appendonly", "no", "--dir", name]
        with ServerProcess(["redis-server", "--port", str(redis), *quiet], redis, directory / "redis.log"):
            nodes = []
            with ExitStack() as stack:
                for number in range(2):
                    port = free_port()
                    arguments = [str(VENV / "bin/python"), str(HERE / "python_socketio_chat.py"), str(port)]
                    arguments += [str(directory / "public.pem"), str(directory / f"chat-{number}.db")]
                    arguments.append(f"redis://127.0.0.1:{redis}/0")
                    nodes.append(stack.enter_context(ServerProcess(arguments, port, directory / f"log-{number}")))
                yield nodes[0], nodes[1], _socketio_planner(keys)


def install_redis() -> None:
    """The server that python-socketio's nodes hear of each other through. Raises SystemExit when it cannot be had."""
    _install_debian("redis-server")


def _start_python_socketio() -> Iterator[Running]:
    yield from _start_socketio(VENV / "bin/python", HERE / "python_socketio_chat.py", database=True)


def _start_node_socketio() -> Iterator[Running]:
    yield from _start_socketio("node", HERE / "node_socketio_chat.mjs", database=False)


def _start_prosody() -> Iterator[Running]:
    with TemporaryDirectory(dir=BUILD) as name:
        directory, port = Path(name), free_port()
        accounts = directory / "localhost" / "accounts"
        accounts.mkdir(parents=True)
        template = (HERE / "prosody.cfg.lua").read_text()
        configuration = directory / "prosody.cfg.lua"
        configuration.write_text(template.replace("@PORT@", str(port)).replace("@DATA@", str(directory)))

        def plan(rooms: int, members: int, senders: int) -> list[Session]:
            sessions = []
            for room in range(rooms):
                for place in range(members):
                    user = f"r{room}u{place}"
                    (accounts / f"{user}.dat").write_text(f'return {{ ["password"] = "{PASSWORD}"; }};\n')
                    plain = base64.b64encode(f"\0{user}\0{PASSWORD}".encode()).decode()
                    address = f"room-{room}@conference.localhost"
                    sessions.append(Session(room, False, place < senders, user, address, user, plain))
            return sessions

        arguments = ["prosody", "-F", "--config", str(configuration)]
        with ServerProcess(arguments, port, directory / "log") as server:
            yield Running(server, plan)


def freeze(package: str) -> str:
    """The version of a package that the Python peers have."""
    freeze = subprocess.run([VENV / "bin/pip", "freeze"], check=True, capture_output=True, text=True).stdout
    return next(line.partition("==")[2] for line in freeze.splitlines() if line.startswith(f"{package}=="))


def _node_versions() -> str:
    script = "import(process.cwd() + '/node_modules/socket.io/package.json', {with: {type: 'json'}})"
    script += ".then((p) => console.log(p.default.version + ', node ' + process.versions.node))"
    output = subprocess.run(["node", "-e", script], cwd=HERE, check=True, capture_output=True, text=True)
    return output.stdout.strip()


def _prosody_version() -> str:
    query = ["dpkg-query", "--show", "--showformat=${Version}", "prosody"]
    return subprocess.run(query, check=True, capture_output=True, text=True).stdout


PEERS: Final = (
    Peer(
        "python-socketio + aiosqlite",
        "commit before ack, synchronous=FULL",
        "socketio",
        install_python_peers,
        lambda: freeze("python-socketio"),
        contextmanager(_start_python_socketio),
    ),
    Peer(
        "Node socket.io",
        "nothing is stored",
        "socketio",
        _install_node_socketio,
        _node_versions,
        contextmanager(_start_node_socketio),
    ),
    Peer(
        "Prosody MUC + MAM",
        "archive file, not synced",
        "xmpp",
        _install_prosody,
        _prosody_version,
        contextmanager(_start_prosody),
    ),
)
