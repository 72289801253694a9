"""What the documentation says a receiver should do: each block runs on a delivery as it came."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest
from standardwebhooks import WebhookVerificationError

from legato.testing.receiver import Received, Receiver
from legato.testing.server import Server
from tests.conftest import missing

from .conftest import SIGNATURE_SECRET, SOON, make_scene

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "webhooks.md").read_text(encoding="utf-8")
MODULES = ROOT / "tests" / "interop" / "node_modules"
LIBRARY_LANGUAGES = {"python", "js", "go", "ruby", "java"}

JAVA = """
class Verify {
    public static void main(String[] given) throws Exception {
        byte[] body = java.nio.file.Files.readAllBytes(java.nio.file.Path.of(given[4]));
        System.out.println(Webhooks.verified(given[0], given[1], given[2], given[3], body));
    }
}
"""
JS = """
import { readFileSync } from 'node:fs'
console.log(verified(...process.argv.slice(2, 6), readFileSync(process.argv[6])))
"""
PYTHON = """
import sys
print(verified(*sys.argv[1:5], open(sys.argv[5], "rb").read()))
"""
# What runs a block: an interpreter, a file, and what stands in it around the block. The program takes the secret,
# webhook-id, webhook-timestamp, webhook-signature and a file with the body, and prints true or false.
PROGRAMS = {
    "python": (sys.executable, "verify.py", PYTHON),
    "js": ("node", "verify.mjs", JS),
    "java": ("java", "Verify.java", JAVA),
    "sh": ("sh", "verify.sh", 'verified "$@"\n'),
}


def block(directive: str) -> str:
    """The page's block that a comment before it says this of."""
    (found,) = re.findall(rf"<!-- verify {directive} -->\n```\w+\n(.*?)```", PAGE, re.DOTALL)
    return str(found)


@pytest.fixture(scope="module")
def delivery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Received, str]]:
    """Something that was said, as its receiver was sent it, and the endpoint's secret."""
    with Receiver() as receiver, Server(tmp_path_factory.mktemp("server"), settings=SOON) as server:
        scene = make_scene(server, receiver)
        last = scene.text(scene.conversation(), "smörgåsbord 🎻")
        told = receiver.until(lambda r: any(each.event.get("id") == last for each in r), "it is told")
        yield told[-1], scene.endpoint()["secrets"][0]


def test_five_languages_have_their_librarys_line() -> None:
    said = PAGE.partition("**Standard Webhooks.**")[2].partition("Without a library")[0]
    assert set(re.findall(r"^```(\w+)$", said, re.MULTILINE)) == LIBRARY_LANGUAGES


@pytest.mark.parametrize("language", PROGRAMS)
def test_without_a_library_a_delivery_is_believed_and_a_changed_one_is_not(
    language: str, delivery: tuple[Received, str], tmp_path: Path
) -> None:
    interpreter, name, around = PROGRAMS[language]
    if shutil.which(interpreter) is None:
        missing(f"{interpreter} is needed: run scripts/install-peers")
    source = block(f"{language} without a library")
    if language == "java":  # a file is started at its first class
        imports, _, rest = source.partition("\nclass ")
        source, around = imports, f"{around}\nclass {rest}"
    program = tmp_path / name
    program.write_text(source + around)
    request, secret = delivery
    fields = [request.headers[f"webhook-{field}"] for field in ("id", "timestamp", "signature")]
    # While a secret is rotated there are two signatures; one of them is enough.
    rotated = [*fields[:2], f"v1,{base64.b64encode(bytes(32)).decode()} {fields[2]}"]
    bodies = {"sent": request.body, "changed": request.body + b" "}
    for file, content in bodies.items():
        (tmp_path / file).write_bytes(content)

    def believed(headers: list[str], file: str) -> bool:
        ran = subprocess.run(
            [interpreter, str(program), secret, *headers, str(tmp_path / file)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stderr
        return {"true": True, "false": False}[ran.stdout.strip().lower()]

    assert believed(rotated, "sent")
    assert not believed(rotated, "changed")


def test_the_library_of_python_believes_a_delivery_as_the_page_says(
    delivery: tuple[Received, str],
) -> None:
    request, secret = delivery
    given = {"secret": secret, "headers": request.headers}
    names = {**given, "body": request.body}
    exec(block("python"), names)
    assert names["event"] == request.event
    with pytest.raises(WebhookVerificationError):
        exec(block("python"), {**given, "body": request.body + b" "})


def test_the_library_of_javascript_believes_a_delivery_as_the_page_says(
    delivery: tuple[Received, str], tmp_path: Path
) -> None:
    if shutil.which("node") is None or not MODULES.is_dir():
        missing("Node and the npm packages are needed: run scripts/install-peers")
    request, secret = delivery
    (tmp_path / "node_modules").symlink_to(MODULES)

    def ran(body: str) -> subprocess.CompletedProcess[str]:
        given = {"secret": secret, "headers": request.headers, "body": body}
        program = tmp_path / "verify.mjs"
        program.write_text(
            f"const {{ secret, headers, body }} = {json.dumps(given)}\n{block('js')}\nconsole.log(event.type)\n"
        )
        return subprocess.run(["node", str(program)], capture_output=True, text=True, check=False)

    told = ran(request.body.decode())
    assert (told.returncode, told.stdout) == (0, "text\n"), told.stderr
    assert ran(request.body.decode() + " ").returncode != 0


def test_the_platforms_jwt_is_believed_as_the_page_says(delivery: tuple[Received, str]) -> None:
    request, _secret = delivery
    token = request.headers["authorization"].removeprefix("Bearer ")
    names = {"token": token, "signature_secret": SIGNATURE_SECRET, "body": request.body}
    exec(block("python jwt"), names)
    with pytest.raises(AssertionError):
        exec(block("python jwt"), {**names, "body": b"{}"})
    with pytest.raises(jwt.InvalidSignatureError):
        exec(block("python jwt"), {**names, "signature_secret": hashlib.sha256(b"another").hexdigest()})
