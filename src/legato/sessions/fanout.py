"""From deliveries to frames: who gets which bytes, worked out once for all who get the same.

::

    a batch                 groups of equal audience           one write per session
    e1 → {a, b, c}          G1 = e1 e3 → {a, b, c}             a: e1 e3
    e2 → {c, d}             G2 = e2    → {c, d}                b: e1 e3
    e3 → {a, b, c}                                             c: e1 e2 e3   (in two groups: merged, in order)
                                                               d: e2

Order matters beyond a conversation: a session resumes from the greatest commit number it has seen, so no socket may be
given a later one first.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from legato.conversations import Deletions, after_deletions
from legato.dialects import Dialect, SocketEvent
from legato.events import Audience, Event
from legato.events.weight import weigh_event
from legato.log import Delivery
from legato.sessions import packet

# Bytes of an event in memory beside its body, its people and its frames.
EVENT_OVERHEAD: Final = 512

Render = Callable[[Dialect, Event], SocketEvent | None]
"""An event as sessions of a dialect are sent it, None when they are not."""

NOTHING: Final = b""

log = logging.getLogger(__name__)


class Outgoing:
    """An event on its way to sessions: rendered once per dialect, when first asked for, and kept with its frames."""

    __slots__ = ("_frames", "audience", "commit", "event", "excluded", "session_id", "size")

    def __init__(self, delivery: Delivery) -> None:
        self.event = delivery.event
        self.commit = delivery.commit
        self.audience = delivery.audience
        self.session_id = delivery.session_id
        user = delivery.event.user
        # The user who does not hear it, when only others do.
        self.excluded = user.id if user is not None and delivery.entry.audience is Audience.OTHERS else None
        self._frames: dict[Dialect, bytes] = {}
        self.size = 0  # bytes it takes in memory, once weighed

    def weigh(self) -> int:
        """About how many bytes it takes, with what was rendered so far."""
        self.size = EVENT_OVERHEAD + weigh_event(self.event) + sum(map(len, self._frames.values()))
        return self.size

    def frame(self, dialect: Dialect, render: Render) -> bytes:
        """The frame for sessions of ``dialect``; empty when they are not sent it."""
        frame = self._frames.get(dialect)
        if frame is None:
            frame = self._frames[dialect] = frame_of(self.event, self.commit, dialect, render)
        return frame

    def silence(self, deletions: Deletions) -> None:
        """Lets go of what was deleted, and of what was rendered of it."""
        event = after_deletions(self.event, deletions)
        if event is not self.event:
            self.event = event
            self._frames.clear()


def frame_of(event: Event, commit: int | None, dialect: Dialect, render: Render) -> bytes:
    """``event`` as one frame. What is stored ends with its commit number, which the client will resume from."""
    try:
        form = render(dialect, event)
    except Exception:  # a body that no client generation can be told of must not keep the others from their events
        log.exception("event %s of %s could not be rendered for %s", event.id, event.conversation_id, dialect)
        return NOTHING
    return NOTHING if form is None else packet.frame(packet.event_packet(form.name, form.payload, commit))


class Bundle(dict[Dialect, bytes]):
    """Some events of one batch, in order, joined per dialect into the bytes of one write.

    ``bundle[dialect]`` is what its sessions are sent, empty when nothing of it is for them; made when first asked for.
    """

    __slots__ = ("_outgoing", "_render")

    def __init__(self, outgoing: Sequence[Outgoing], render: Render) -> None:
        super().__init__()
        self._outgoing = outgoing
        self._render = render

    def __missing__(self, dialect: Dialect) -> bytes:
        frames = [one.frame(dialect, self._render) for one in self._outgoing]
        joined = self[dialect] = frames[0] if len(frames) == 1 else b"".join(frames)
        return joined


def plan(batch: Sequence[Outgoing], render: Render) -> Iterator[tuple[Iterable[str], Bundle]]:
    """Which users get which bundle. Over one plan each user comes once at most.

    ``batch`` holds nothing that is for a single session.
    """
    groups: dict[tuple[int, str | None], list[int]] = {}
    for place, one in enumerate(batch):
        # The log hands on the same tuple for as long as nobody comes or goes.
        groups.setdefault((id(one.audience), one.excluded), []).append(place)
    if len(groups) == 1:
        first = batch[0]
        yield _listeners(first), Bundle(batch, render)
        return
    places = list(groups.values())
    member_of: dict[str, tuple[int, ...]] = {}
    for number, group in enumerate(places):
        for user in _listeners(batch[group[0]]):
            earlier = member_of.get(user)
            member_of[user] = (number,) if earlier is None else (*earlier, number)
    users_of: dict[tuple[int, ...], list[str]] = {}
    for user, numbers in member_of.items():
        users_of.setdefault(numbers, []).append(user)
    for numbers, users in users_of.items():
        wanted = sorted(place for number in numbers for place in places[number])
        yield users, Bundle([batch[place] for place in wanted], render)


def _listeners(one: Outgoing) -> Sequence[str]:
    if one.excluded is None:
        return one.audience
    try:
        place = one.audience.index(one.excluded)  # two cuts cost a tenth of what asking everybody does
    except ValueError:
        return one.audience
    return one.audience[:place] + one.audience[place + 1 :]
