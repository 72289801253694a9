"""The timer: nothing early, nothing forgotten."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from legato.sessions.wheel import SLOTS, TICK_SECONDS, Wheel

TURN = SLOTS * TICK_SECONDS


class Item:
    def __init__(self) -> None:
        self.due = 0.0
        self.called: list[float] = []

    def on_time(self, now: float) -> None:
        self.called.append(now)


@given(
    st.lists(st.floats(0, 3 * TURN), min_size=1, max_size=20),
    st.lists(st.floats(0.01, TURN), min_size=1, max_size=30),
    st.floats(0, 1e9),
)
def test_each_item_is_called_once_at_its_time_or_a_tick_later(
    delays: list[float], steps: list[float], start: float
) -> None:
    wheel, items = Wheel(start), [Item() for _ in delays]
    for item, delay in zip(items, delays, strict=True):
        wheel.put(item, start + delay)
    now = start
    for step in steps:
        now += step
        wheel.turn(now)
        for item, delay in zip(items, delays, strict=True):
            if item.called:
                assert len(item.called) == 1
                assert item.called[0] >= start + delay
            else:
                assert now < start + delay + 2 * TICK_SECONDS


def test_putting_an_item_again_moves_it() -> None:
    wheel, item = Wheel(0), Item()
    wheel.put(item, 5)
    wheel.put(item, 10)
    wheel.turn(6)
    assert item.called == []
    wheel.turn(11)
    assert item.called == [11]


def test_an_item_that_puts_itself_again_goes_on() -> None:
    wheel = Wheel(0)

    class Again(Item):
        def on_time(self, now: float) -> None:
            super().on_time(now)
            wheel.put(self, now + 1)

    item = Again()
    wheel.put(item, 1)
    for tick in range(20):
        wheel.turn(tick * TICK_SECONDS)
    assert len(item.called) >= 5


def test_a_long_pause_calls_everything_once() -> None:
    wheel, items = Wheel(0), [Item() for _ in range(300)]
    for place, item in enumerate(items):
        wheel.put(item, place)
    wheel.turn(1e6)
    assert [item.called for item in items] == [[1e6]] * 300


def test_an_item_that_fails_keeps_the_others_from_nothing() -> None:
    class Failing(Item):
        def on_time(self, now: float) -> None:
            raise RuntimeError("broken")

    wheel, items = Wheel(0), [Failing(), Item()]
    for item in items:
        wheel.put(item, 1)
    wheel.turn(2)
    assert items[1].called == [2]


def test_a_clock_that_is_set_back_calls_nothing_twice() -> None:
    wheel, item = Wheel(100), Item()
    wheel.put(item, 101)
    wheel.turn(102)
    wheel.turn(50)
    wheel.turn(103)
    assert item.called == [102]
