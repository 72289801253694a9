"""The official server SDKs, by documented calls, unmodified but for the host."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import vonage
from vonage_application import ApplicationConfig, ApplicationData, Keys, ListApplicationsFilter
from vonage_http_client.errors import HttpRequestError, NotFoundError
from vonage_users import ListUsersFilter, User

from legato.testing.ca import Authority
from legato.testing.server import API_KEY, API_SECRET, Server

from .clients import HERE, PATIENCE


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[Server]:
    """A server that speaks TLS."""
    with Server(tmp_path_factory.mktemp("secure"), authority=authority) as running:
        yield running


@pytest.fixture
def client(secure: Server, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> vonage.Vonage:
    """The Python SDK, which insists on https; this process trusts the server's authority, as an operator's would."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(authority.certificate))
    application = secure.application()
    return vonage.Vonage(
        vonage.Auth(
            api_key=API_KEY,
            api_secret=API_SECRET,
            application_id=application.id,
            private_key=application.private_key,
        ),
        vonage.HttpClientOptions(api_host=secure.url.removeprefix("https://")),
    )


def test_the_python_sdk_keeps_users(client: vonage.Vonage) -> None:
    made = client.users.create_user(User(name="alice", display_name="Alice"))
    assert made.name == "alice"
    assert made.id is not None
    read = client.users.get_user(made.id)
    assert (read.id, read.display_name) == (made.id, "Alice")
    changed = client.users.update_user(made.id, User(name="alice", display_name="Alice B."))
    assert changed.display_name == "Alice B."
    for number in range(12):
        client.users.create_user(User(name=f"user {number}"))
    first, cursor = client.users.list_users(ListUsersFilter(page_size=10))
    assert cursor is not None
    second, cursor = client.users.list_users(ListUsersFilter(page_size=10, cursor=cursor))
    assert cursor is None
    assert len({user.id for user in [*first, *second]}) == 13
    client.users.delete_user(made.id)
    with pytest.raises(NotFoundError):
        client.users.get_user(made.id)


def test_the_python_sdk_keeps_applications(client: vonage.Vonage) -> None:
    made = client.application.create_application(ApplicationConfig(name="made by the SDK"))
    assert isinstance(made, ApplicationData)
    assert made.keys is not None
    assert made.keys.private_key is not None
    read = client.application.get_application(made.id)
    assert (read.id, read.name) == (made.id, "made by the SDK")
    config = ApplicationConfig(name="renamed", keys=Keys(public_key=made.keys.public_key))
    assert client.application.update_application(made.id, config).name == "renamed"
    found, _ = client.application.list_applications(ListApplicationsFilter(page_size=1, page=1))
    assert len(found) == 1
    client.application.delete_application(made.id)
    with pytest.raises(NotFoundError):
        client.application.get_application(made.id)


def test_the_python_sdk_learns_why_it_is_refused(client: vonage.Vonage) -> None:
    client.users.create_user(User(name="alice"))
    with pytest.raises(HttpRequestError) as refused:
        client.users.create_user(User(name="alice"))
    assert refused.value.response.json()["code"] == "user:error:duplicate-name"


async def run_node_sdk(server: Server, keys: Path) -> dict[str, Any]:
    application = server.application()
    key = keys / "private.key"
    key.write_text(application.private_key)
    process = await asyncio.create_subprocess_exec(
        "node",
        HERE / "drivers" / "server_sdk.mjs",
        server.url,
        application.id,
        key,
        API_KEY,
        API_SECRET,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(PATIENCE):
        out, err = await process.communicate()
    assert process.returncode == 0, err.decode()[-4000:]
    told: dict[str, Any] = json.loads(out)
    return told


async def test_the_node_sdk_keeps_users_conversations_and_applications(
    server: Server, npm_clients: None, tmp_path: Path
) -> None:
    told = await run_node_sdk(server, tmp_path)
    assert told["userCreated"]["id"].startswith("USR-")
    assert (told["userRead"]["name"], told["userRead"]["displayName"]) == ("alice", "Alice")
    assert told["userUpdated"]["displayName"] == "Alice B."
    assert {user["name"] for user in told["users"]} == {"alice", "bob"}

    cid = told["conversationCreated"]["id"]
    assert cid.startswith("CON-")
    assert told["conversationRead"]["displayName"] == "Tea"
    assert told["conversationUpdated"]["displayName"] == "More tea"
    assert [item["id"] for item in told["conversations"]] == [cid]

    assert told["memberCreated"]["state"] == "JOINED"
    assert told["memberInvited"]["state"] == "INVITED"
    assert told["memberRead"]["id"] == told["memberCreated"]["id"]
    assert {item["id"] for item in told["members"]} == {told["memberCreated"]["id"], told["memberInvited"]["id"]}
    assert [item["id"] for item in told["userConversations"]] == [cid]

    assert told["eventCreated"]["id"] == 4 or told["eventCreated"]["id"] == 3
    assert told["eventRead"]["body"]["text"] == "hello"
    ids = [event["id"] for event in told["events"]]
    assert ids == list(range(1, len(ids) + 1))
    assert [event["type"] for event in told["events"]][-2:] == ["message", "custom:poll"]
    assert told["memberUpdated"]["state"] == "LEFT"

    application = told["applicationCreated"]
    assert told["applicationRead"]["id"] == application["id"]
    assert told["applicationUpdated"]["name"] == "renamed"
    assert application["id"] in {item["id"] for item in told["applications"]}
    assert told["applicationGone"] == 404
