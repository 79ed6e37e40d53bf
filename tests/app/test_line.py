"""Turns: one works, some wait, the rest is told at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from ttm_sk.app.line import BusyError, Line


@pytest.fixture
def gate():
    """An event that lets the work end; opened afterwards, whatever happened."""
    event = Event()
    yield event
    event.set()


def test_when_somebody_works_and_nobody_may_wait_then_the_next_is_sent_away_at_once(gate):
    line = Line(gate.wait, most_waiting=0, seconds=5)
    with line.place():
        with pytest.raises(BusyError, match="found 1 others in line, .* try again later"), line.place():
            pass
        gate.set()
        assert line.turn(5)
    with line.place():
        pass


def test_when_a_turn_does_not_come_in_time_then_the_waiting_ends(gate):
    line = Line(gate.wait, most_waiting=1, seconds=0.05)
    with ThreadPoolExecutor(1) as person:
        first = person.submit(line.turn, 5)
        while not line._turn.locked():
            pass
        with pytest.raises(BusyError, match=r"waited 0.05 seconds for others; try again later"):
            line.turn(5)
        gate.set()
        assert first.result()


def test_when_work_fails_then_the_next_has_its_turn():
    line = Line(lambda x: 1 / x, most_waiting=0)
    with pytest.raises(ZeroDivisionError), line.place():
        line.turn(0)
    with line.place():
        assert line.turn(2) == 0.5


def test_when_many_wait_then_one_works_at_a_time():
    working, most = [], []

    def work(i: int) -> int:
        working.append(i)
        most.append(len(working))
        working.remove(i)
        return i

    line = Line(work, most_waiting=20)
    with ThreadPoolExecutor(20) as people:
        assert list(people.map(line.turn, range(50))) == list(range(50))
    assert set(most) == {1}
