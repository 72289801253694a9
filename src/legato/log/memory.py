"""What the log keeps in memory of what it has committed: bounded, and never ahead of the store."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from legato.conversations import Conversation, Member, Target
from legato.events.envelope import Person
from legato.events.weight import weigh_data, weigh_event, weigh_person

K = TypeVar("K")
V = TypeVar("V")

# Bytes, as objects: what callers fill in freely (properties, channels, bodies) can take forty times its JSON. A member
# with nothing of the kind is about 2 kB, so that these are some 50,000, however they spread over conversations.
MAX_STATES: Final = 96 * 1024 * 1024
MAX_PEOPLE: Final = 32 * 1024 * 1024
# A message is about 1 kB, and to a hundred people it carries up to two hundred marks (70 kB): a thousand of those.
MAX_TARGETS: Final = 64 * 1024 * 1024

# Bytes of one with nothing filled in, with its place in memory.
_CONVERSATION: Final = 1_536
_MEMBER: Final = 2_048
_PERSON: Final = 512
_TARGET: Final = 768
_MARK: Final = 352


class Recent(Generic[K, V]):
    """The most recently used values whose weights add up to at most ``limit``.

    ``weigh`` is given the value that stood under the same key with its weight, if there was one: most of it has stayed.
    """

    def __init__(self, limit: int, weigh: Callable[[V, tuple[V, int] | None], int]) -> None:
        self._values: OrderedDict[K, tuple[V, int]] = OrderedDict()
        self._limit = limit
        self._weigh = weigh
        self._weight = 0

    def get(self, key: K) -> V | None:
        """The value, which counts as a use."""
        found = self._values.get(key)
        if found is None:
            return None
        self._values.move_to_end(key)
        return found[0]

    def put(self, key: K, value: V) -> None:
        """Keeps ``value``, and lets go of the least recently used ones while the limit is passed."""
        weight = self._weigh(value, self._values.get(key))
        self.drop(key)
        self._values[key] = (value, weight)
        self._weight += weight
        while self._weight > self._limit and len(self._values) > 1:
            _, (_, gone) = self._values.popitem(last=False)
            self._weight -= gone

    def drop(self, key: K) -> None:
        """Forgets it, if it is there."""
        found = self._values.pop(key, None)
        if found is not None:
            self._weight -= found[1]

    def clear(self) -> None:
        """Forgets everything."""
        self._values.clear()
        self._weight = 0

    def __contains__(self, key: K) -> bool:
        return key in self._values

    def __len__(self) -> int:
        return len(self._values)


class Memory:
    """Committed states, people, and the events that receipts are likely to be about.

    ``generation`` counts commits: a value read on the side may be kept only if no commit came between.
    """

    def __init__(self) -> None:
        self.states: Recent[str, Conversation] = Recent(MAX_STATES, weigh_state)
        self.people: Recent[str, Person] = Recent(MAX_PEOPLE, lambda person, _before: _PERSON + weigh_person(person))
        self.targets: Recent[tuple[str, int], Target] = Recent(MAX_TARGETS, _weigh_target)
        self.generation = 0

    def forget(self) -> None:
        """Forgets everything: nobody can say what of it has changed."""
        self.generation += 1
        self.states.clear()
        self.people.clear()
        self.targets.clear()


def weigh_state(state: Conversation, before: tuple[Conversation, int] | None = None) -> int:
    """About how many bytes a state takes. Beside the one ``before`` it and its weight, only what changed is weighed."""
    if before is None:
        return _CONVERSATION + _weigh_settings(state) + sum(map(_weigh_member, state.members.values()))
    earlier, weight = before
    if (
        earlier.properties is not state.properties
        or earlier.numbers is not state.numbers
        or earlier.callback is not state.callback
        or earlier.image_url is not state.image_url
    ):
        weight += _weigh_settings(state) - _weigh_settings(earlier)
    if earlier.members is not state.members:
        weight += _weigh_others(state.members, earlier.members) - _weigh_others(earlier.members, state.members)
    return weight


def _weigh_settings(state: Conversation) -> int:
    return sum(map(weigh_data, (state.properties, state.numbers, state.callback, state.image_url)))


def _weigh_others(members: dict[str, Member], known: dict[str, Member]) -> int:
    """The weight of those that are not ``known``, or not as they are."""
    return sum(_weigh_member(member) for id_, member in members.items() if known.get(id_) is not member)


def _weigh_member(member: Member) -> int:
    return _MEMBER + weigh_data(member.channel) + weigh_data(member.media)


def _weigh_target(target: Target, _before: object) -> int:
    return _TARGET + weigh_event(target.event) + _MARK * len(target.marks)
