"""Who gets which bytes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from legato.dialects import Dialect, SocketEvent
from legato.events import CATALOGUE, Event, Person
from legato.log import Delivery
from legato.sessions.fanout import Outgoing, plan
from legato.sessions.packet import unframe
from legato.sessions.ring import Ring

USERS = [f"USR-{number}" for number in range(6)]
audiences = st.lists(st.sampled_from(USERS), unique=True, max_size=6).map(tuple)


def delivery(commit: int | None, audience: tuple[str, ...], *, name: str = "text", by: str | None = None) -> Delivery:
    """A delivery; a signal without a commit number."""
    user = Person(by) if by else None
    event = Event(type=name, body={"n": commit}, timestamp="", application_id="", id=commit, user=user)
    return Delivery(event, CATALOGUE[name], commit, audience)


def render(dialect: Dialect, event: Event) -> SocketEvent | None:
    """Classic sessions are sent everything, chat sessions the even ones."""
    if dialect is Dialect.CHAT and (event.id or 0) % 2:
        return None
    return SocketEvent(event.type, f'{{"n":{event.id}}}'.encode())


def numbers(frames: bytes) -> list[int]:
    """The events in a run of frames."""
    return [int(text.split(b'"n":')[1].split(b"}")[0]) for text in unframe(frames)]


@given(st.lists(audiences, min_size=1, max_size=4), st.lists(st.integers(0, 3), min_size=1, max_size=12))
def test_everybody_gets_what_is_theirs_in_order_and_once(tuples: list[tuple[str, ...]], choice: list[int]) -> None:
    batch = [Outgoing(delivery(place, tuples[pick % len(tuples)])) for place, pick in enumerate(choice, 1)]
    got: dict[str, list[int]] = {}
    for users, bundle in plan(batch, render):
        for user in users:
            assert user not in got
            got[user] = numbers(bundle[Dialect.CLASSIC])
            assert numbers(bundle[Dialect.CHAT]) == [number for number in got[user] if number % 2 == 0]
    for user in USERS:
        assert got.get(user, []) == [one.commit for one in batch if user in one.audience]


def test_who_types_does_not_hear_it() -> None:
    batch = [Outgoing(delivery(None, ("USR-0", "USR-1"), name="text:typing:on", by="USR-0"))]
    assert [list(users) for users, _ in plan(batch, lambda dialect, event: SocketEvent("t", b'{"n":1}'))] == [["USR-1"]]


def test_one_frame_is_made_for_each_dialect_however_many_listen() -> None:
    made: list[Dialect] = []

    def counted(dialect: Dialect, event: Event) -> SocketEvent:
        made.append(dialect)
        return SocketEvent(event.type, b"{}")

    outgoing = Outgoing(delivery(1, tuple(USERS)))
    for _ in range(3):
        ((_, bundle),) = plan([outgoing], counted)
        for dialect in (*Dialect, *Dialect):
            assert bundle[dialect]
    assert sorted(made) == sorted(Dialect)


def test_an_event_that_cannot_be_rendered_keeps_nobody_from_the_others() -> None:
    def failing(dialect: Dialect, event: Event) -> SocketEvent | None:
        if event.id == 2:
            raise KeyError("body")
        return render(dialect, event)

    batch = [Outgoing(delivery(number, ("USR-0",))) for number in (1, 2, 3)]
    ((_, bundle),) = plan(batch, failing)
    assert numbers(bundle[Dialect.CLASSIC]) == [1, 3]


class TestRing:
    def test_it_gives_what_a_user_missed(self) -> None:
        ring = Ring()
        ring.begin(10)
        for commit in range(11, 21):
            ring.push(Outgoing(delivery(commit, ("USR-0",) if commit % 2 else ("USR-0", "USR-1"))), commit)
        assert [one.commit for one in ring.missed("USR-1", 13)] == [14, 16, 18, 20]
        assert [one.commit for one in ring.missed("USR-0", 18)] == [19, 20]
        assert list(ring.missed("USR-2", 10)) == []

    def test_it_says_how_far_back_it_reaches(self) -> None:
        ring = Ring(size=3)
        ring.begin(10)
        assert (ring.floor, ring.head) == (10, 10)
        for commit in range(11, 16):
            ring.push(Outgoing(delivery(commit, ("USR-0",))), commit)
            ring.trim()
        assert (ring.floor, ring.head) == (12, 15)
        assert [one.commit for one in ring.missed("USR-0", ring.floor)] == [13, 14, 15]

    def test_it_is_bounded_in_bytes_too(self) -> None:
        ring = Ring(max_bytes=100_000)
        large = SocketEvent("text", b'"' + b"x" * 10_000 + b'"')
        for commit in range(1, 21):
            outgoing = Outgoing(delivery(commit, ("USR-0",)))
            ring.push(outgoing, commit)
            outgoing.frame(Dialect.CLASSIC, lambda dialect, event: large)
            ring.trim()
        assert (ring.floor, ring.head) == (12, 20)

    def test_events_that_nobody_heard_weigh_too(self) -> None:
        ring = Ring(max_bytes=10_000)
        for commit in range(1, 21):
            ring.push(Outgoing(delivery(commit, ("USR-0",))), commit)
            ring.trim()
        assert ring.floor > 10

    def test_what_came_while_it_was_asked_where_the_log_is_counts(self) -> None:
        ring = Ring()
        ring.push(Outgoing(delivery(12, ("USR-0",))), 12)
        ring.begin(11)
        assert (ring.floor, ring.head) == (11, 12)
